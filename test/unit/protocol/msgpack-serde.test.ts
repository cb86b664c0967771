import { describe, expect, it } from 'vitest';
import { findUnserialisable, MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { errorOf } from '../../helpers/error-of.js';

const serde = new MessagePackSerde<unknown>();

function roundTrip(value: unknown): unknown {
  // A copy: the returned bytes are only valid until the next call.
  return serde.deserialise(Buffer.from(serde.serialise(value)));
}

describe('the default serialiser', () => {
  it.each([
    ['a number', 12.5],
    ['a large integer', 2 ** 53 - 1],
    ['a negative number', -70_000],
    ['text', 'grüße \u{1f600}'],
    ['null', null],
    ['undefined in an object', { a: undefined }],
    ['nested objects and arrays', { a: [1, { b: [null, true] }], 'key with spaces': '' }],
    ['a date', { at: new Date(1_700_000_000_123) }],
    ['a date before 1970', new Date(-1)],
    ['a set', new Set(['a', 1])],
    ['a bigint', [1n, -(2n ** 63n), 2n ** 80n]],
    ['typed arrays', new Float64Array([1.5, -2])],
    [
      'a map',
      new Map<unknown, unknown>([
        ['a', 1],
        [2, { nested: new Map([['x', [new Map()]]]) }],
      ]),
    ],
    ['a map deep within, beside objects', { list: [{ m: new Map([[1, { x: 1 }]]) }, { m: {} }] }],
  ])('keeps %s', (_, value) => {
    expect(roundTrip(value)).toEqual(value);
  });

  it('keeps bytes, and does not keep hold of the memory they were read from', () => {
    const bytes = Buffer.from(serde.serialise({ body: new Uint8Array([1, 2, 3]) }));
    const { body } = serde.deserialise(bytes) as { body: Uint8Array };
    bytes.fill(0);
    expect([...body]).toEqual([1, 2, 3]);
  });

  it('tells a map from a plain object with the same entries', () => {
    expect(roundTrip(new Map([['a', 1]]))).toBeInstanceOf(Map);
    expect(roundTrip({ a: 1 })).not.toBeInstanceOf(Map);
  });

  it('stores an instance of a class as its fields, or as what toJSON returns', () => {
    class Point {
      readonly x = 1;
    }
    class Money {
      toJSON(): unknown {
        return { amount: 5 };
      }
    }
    expect(roundTrip({ point: new Point(), money: new Money() })).toEqual({ point: { x: 1 }, money: { amount: 5 } });
  });

  const cyclic: Record<string, unknown> = { name: 'a' };
  cyclic['self'] = { again: cyclic };

  it.each([
    ['a function', { items: [{}, { done: () => true }] }, '$.items[1].done'],
    ['a symbol', { tag: Symbol('x') }, '$.tag'],
    ['a function in a map', { by: new Map([['k', { f: () => 1 }]]) }, "$.by.get('k').f"],
    ['a cycle', cyclic, '$.self.again'],
    ['a function by itself', () => 1, '$'],
  ])('refuses %s and names where it lies', (what, value, path) => {
    const error = errorOf(() => serde.serialise(value));
    expect(error.code).toBe('MILLRACE_SERIALISATION_FAILED');
    expect(error.details).toMatchObject({ path });
    expect(what.startsWith(error.message.split(' at ')[0] ?? '?')).toBe(true);
  });

  it('works on after a refusal', () => {
    errorOf(() => serde.serialise({ a: new Map([[1, () => 1]]) }));
    expect(roundTrip({ a: new Map([[1, 2]]), b: { c: 3 } })).toEqual({ a: new Map([[1, 2]]), b: { c: 3 } });
  });

  it('finds nothing wrong with plain data that occurs twice', () => {
    const shared = { a: 1 };
    expect(findUnserialisable([shared, shared])).toBeNull();
  });
});
