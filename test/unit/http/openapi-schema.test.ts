import { describe, expect, it } from 'vitest';

import { placeSchema } from '../../../src/http/openapi-schema.js';

describe('placeSchema', () => {
  it('leaves a schema without references in its place, as plain JSON', () => {
    const schema = Object.assign(Object.create({ inherited: true }) as object, {
      type: 'object',
      properties: { a: { type: 'string', default: { $ref: 'data' } } },
      [Symbol('kind')]: 'Object',
    });
    expect(placeSchema(schema, 'x')).toEqual({
      schema: { type: 'object', properties: { a: { type: 'string', default: { $ref: 'data' } } } },
      component: null,
    });
  });

  it('makes a component of a schema that refers to itself, to its definitions, or to a named part', () => {
    const source = {
      $id: 'Tree',
      $defs: { Leaf: { $id: 'LeafId', type: 'string' } },
      properties: {
        self: { $ref: '#' },
        byId: { $ref: 'Tree' },
        leaf: { $ref: '#/$defs/Leaf' },
        named: { $ref: 'LeafId' },
      },
    };
    expect(placeSchema(source, 'x')).toEqual({
      schema: { $ref: '#/components/schemas/x' },
      component: {
        $defs: { Leaf: { type: 'string' } },
        properties: {
          self: { $ref: '#/components/schemas/x' },
          byId: { $ref: '#/components/schemas/x' },
          leaf: { $ref: '#/components/schemas/x/$defs/Leaf' },
          named: { $ref: '#/components/schemas/x/$defs/Leaf' },
        },
      },
    });
  });

  it('writes a draft-7 tuple as 2020-12 has it, also within a property called items', () => {
    const source = { properties: { items: { items: [{ type: 'string' }], additionalItems: false } } };
    expect(placeSchema(source, 'x').schema).toEqual({
      properties: { items: { prefixItems: [{ type: 'string' }], items: false } },
    });
  });
});
