import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';

import { SchemaCompiler } from '../../../src/http/schema-check.js';

const compiler = new SchemaCompiler();
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';

describe('a check of a body', () => {
  it('changes nothing in the value: no default, no conversion, no removal', async () => {
    const schema = Type.Object({ a: Type.Optional(Type.Number({ default: 1 })) }, { additionalProperties: true });
    const check = await compiler.compileBody(schema, 'a test');
    const value = { b: 'kept' };
    expect(check(value)).toBeNull();
    expect(value).toEqual({ b: 'kept' });
    expect(check({ a: '1' })).toEqual([{ pointer: '/a', message: 'must be number' }]);
  });

  it('takes the tuples and the recursive types of TypeBox, several of one name too', async () => {
    const tuple = await compiler.compileBody(Type.Tuple([Type.String(), Type.Number()]), 'a test');
    expect([tuple(['a', 1]), tuple(['a', 'b'])?.[0]?.pointer]).toEqual([null, '/1']);
    for (const property of ['next', 'then']) {
      const Node = Type.Cyclic({ Node: Type.Object({ [property]: Type.Optional(Type.Ref('Node')) }) }, 'Node');
      const check = await compiler.compileBody(Node, 'a test');
      expect(check({ [property]: { [property]: {} } })).toBeNull();
      expect(check({ [property]: { [property]: 1 } })?.[0]?.pointer).toBe(`/${property}/${property}`);
    }
  });

  it('takes draft 2020-12 where the schema asks for it', async () => {
    const schema = { $schema: DRAFT_2020, prefixItems: [{ type: 'string' }], items: false };
    const check = await compiler.compileBody(schema, 'a test');
    expect([check(['a']), check([1])?.[0]?.pointer]).toEqual([null, '/0']);
    expect(check(['a', 'b'])).not.toBeNull();
  });

  it('knows formats', async () => {
    const check = await compiler.compileBody({ type: 'string', format: 'date-time' }, 'a test');
    expect(check('2024-02-30T00:00:00Z')).toEqual([{ pointer: '', message: 'must match format "date-time"' }]);
  });

  it('says which values there are', async () => {
    const check = await compiler.compileBody({ enum: ['up', 'down'] }, 'a test');
    expect(check('left')?.[0]?.message).toBe('must be equal to one of the allowed values: ["up","down"]');
  });

  it('reports few faults, however many there are', async () => {
    const many = await compiler.compileBody(Type.Array(Type.String()), 'a test');
    expect(many(new Array(100_000).fill(1))?.length).toBe(1);
    const anyOf = Array.from({ length: 50 }, (_, index) => ({ const: index }));
    const alternatives = await compiler.compileBody({ anyOf }, 'a test');
    expect(alternatives('x')?.length).toBe(10);
  });

  it.each([[{ type: 'nonsense' }], [{ $ref: '#/nowhere' }], [Type.BigInt()]])(
    'cannot be made of %j, and the error says whose schema that is',
    async (schema) => {
      await expect(compiler.compileBody(schema, "the body of route 'POST /a'")).rejects.toMatchObject({
        code: 'MILLRACE_JOB_INVALID',
        message: expect.stringContaining("'POST /a'") as unknown,
      });
    },
  );
});

describe('a check of a query', () => {
  it('reads text as the schema wants it, without changing the query', async () => {
    const schema = Type.Object({ n: Type.Optional(Type.Integer()), tags: Type.Optional(Type.Array(Type.String())) });
    const check = await compiler.compileQuery(schema, 'a test');
    const query = Object.assign(Object.create(null) as object, { n: '5', tags: 'one' });
    expect(check(query)).toBeNull();
    expect({ ...query }).toEqual({ n: '5', tags: 'one' });
    expect(check({ n: 'five' })).toEqual([{ pointer: '/n', message: 'must be integer' }]);
  });
});
