import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { struct, type StructFieldKind, type StructFields } from '../../../src/api/struct-serde.js';
import { projectPath } from '../../helpers/project-files.js';

const valueOf: Readonly<Record<StructFieldKind, fc.Arbitrary<unknown>>> = {
  boolean: fc.boolean(),
  int32: fc.integer(),
  float64: fc.double(),
  text: fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: 'grapheme', maxLength: 100 })),
  bytes: fc.uint8Array({ maxLength: 100 }),
  json: fc.jsonValue(),
};

const kinds = Object.keys(valueOf) as StructFieldKind[];

interface Sample {
  readonly fields: StructFields;
  readonly values: readonly Readonly<Record<string, unknown>>[];
}

/** Fields of any kinds and names, and values that fit them; what may be absent is so now and then. */
const anySample: fc.Arbitrary<Sample> = fc
  .uniqueArray(
    fc.record({
      name: fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__proto__'),
      kind: fc.constantFrom(...kinds),
      isOptional: fc.boolean(),
    }),
    { selector: ({ name }) => name, minLength: 1, maxLength: 12 },
  )
  .chain((declared) => {
    const value = fc.record(
      Object.fromEntries(
        declared.map(({ name, kind, isOptional }) => [
          name,
          isOptional ? fc.option(valueOf[kind], { nil: undefined }) : valueOf[kind],
        ]),
      ),
    );
    const fields = Object.fromEntries(
      declared.map(({ name, kind, isOptional }) => [name, isOptional ? (`${kind}?` as const) : kind]),
    );
    return fc.record({ fields: fc.constant(fields), values: fc.array(value, { minLength: 1, maxLength: 5 }) });
  });

/** As JSON gives it back: minus zero as zero. */
function stored(fields: StructFields, value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(fields).map((name) => {
      const given = value[name];
      const isJson = fields[name]?.startsWith('json') === true && given !== undefined;
      if (isJson) return [name, JSON.parse(JSON.stringify(given))];
      if (given instanceof Uint8Array) return [name, new Uint8Array(given)];
      return [name, fields[name]?.startsWith('int32') === true && given === 0 ? 0 : given];
    }),
  );
}

describe('a struct', () => {
  it('gives back what it was given, whole and field by field', () => {
    fc.assert(
      fc.property(anySample, ({ fields, values }) => {
        const serde = struct('sample', fields);
        const lazy = serde.lazily();
        for (const value of values) {
          const bytes = Uint8Array.from(serde.serialise(value as never));
          expect(serde.deserialise(bytes)).toEqual(stored(fields, value));
          const lazily = lazy.deserialise(bytes) as Record<string, unknown>;
          // What was read must not depend on bytes that are only lent.
          const expected = stored(fields, value);
          bytes.fill(0xff);
          for (const name of Object.keys(fields)) expect(lazily[name]).toEqual(expected[name]);
        }
      }),
    );
  });

  it('reads what was written before fields were added, and refuses everything else', () => {
    fc.assert(
      fc.property(anySample, fc.constantFrom(...kinds), ({ fields, values: [value] }, kind) => {
        fc.pre(!Object.hasOwn(fields, 'added'));
        const older = struct('sample', fields);
        const newer = struct('sample', { ...fields, added: `${kind}?` as const });
        const bytes = Uint8Array.from(older.serialise(value as never));
        for (const serde of [newer, newer.lazily()]) {
          expect(serde.deserialise(bytes)).toEqual({ ...stored(fields, value ?? {}), added: undefined });
        }
        const required = struct('sample', { ...fields, added: kind });
        expect(() => required.deserialise(bytes)).toThrow('older than its field "added"');
        const newerBytes = Uint8Array.from(newer.serialise(value as never));
        expect(() => older.deserialise(newerBytes)).toThrow('no bytes of struct "sample"');
        const [first = ''] = Object.keys(fields);
        const other = struct('sample', { ...fields, [first]: fields[first] === 'int32' ? 'float64' : 'int32' });
        expect(() => other.deserialise(bytes)).toThrow('no bytes of struct "sample"');
      }),
    );
  });

  it('throws on damaged bytes, or gives a value: it reads nothing outside of them', () => {
    const serde = struct('sample', { id: 'int32', name: 'text', data: 'bytes', note: 'text?' });
    const whole = Uint8Array.from(serde.serialise({ id: 1, name: 'ada', data: new Uint8Array([1, 2, 3]), note: 'ß' }));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const bytes = Uint8Array.from(whole);
        bytes[at] = byte;
        for (const each of [serde, serde.lazily()]) {
          try {
            const value = each.deserialise(bytes.subarray(0, length));
            expect(value.name.length + value.data.length + (value.note?.length ?? 0)).toBeLessThanOrEqual(whole.length);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [{ id: 1.5, name: 'a' }, 'field "id" is to be int32, and is 1.5'],
    [{ id: 2 ** 31, name: 'a' }, 'field "id" is to be int32, and is 2147483648'],
    [{ id: 1 }, 'field "name" is to be text, and is missing'],
    [{ id: 1, name: 7 }, 'field "name" is to be text, and is 7'],
  ])('says which field of %j does not fit', (value, message) => {
    const serde = struct('person', { id: 'int32', name: 'text' });
    expect(() => serde.serialise(value as never)).toThrow(`struct "person": ${message}`);
    // The next one is not spoilt by it.
    expect(serde.deserialise(serde.serialise({ id: 1, name: 'ada' }))).toEqual({ id: 1, name: 'ada' });
  });

  it('refuses fields that cannot be', () => {
    expect(() => struct('none', {})).toThrow('has 0 fields');
    expect(() => struct('odd', { a: 'int64' as 'int32' })).toThrow('has a field "a" of the unknown kind "int64"');
    expect(() => struct('evil', JSON.parse('{"__proto__":"int32"}') as { a: 'int32' })).toThrow('"__proto__"');
  });

  it('does the same where code from strings is forbidden', () => {
    const script = `
      import { struct } from ${JSON.stringify(projectPath('dist/index.js'))};
      const serde = struct('order', { id: 'int32', customer: 'text', note: 'text?', at: 'float64?' });
      const value = { id: 7, customer: 'ada', note: undefined, at: 1.5 };
      console.log(Buffer.from(serde.serialise(value)).toString('hex'), JSON.stringify(serde.deserialise(serde.serialise(value))));
    `;
    const run = (...flags: string[]): string => {
      const args = [...flags, '--input-type=module', '--eval', script];
      return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout;
    };
    const generated = run();
    expect(generated).toContain('{"id":7,"customer":"ada","at":1.5}');
    expect(run('--disallow-code-generation-from-strings')).toBe(generated);
  });
});
