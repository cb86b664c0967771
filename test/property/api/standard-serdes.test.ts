import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesSerde, jsonSerde, stringSerde } from '../../../src/api/standard-serdes.js';

describe('the standard serdes', () => {
  it('give back every JSON value', () => {
    const serde = jsonSerde<fc.JsonValue>();
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // JSON has one zero.
        expect(serde.deserialise(serde.serialise(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('give back every well-formed text', () => {
    const serde = stringSerde();
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text)),
        (text) => {
          expect(serde.deserialise(serde.serialise(text))).toBe(text);
        },
      ),
    );
  });

  it('give back bytes as memory of their own', () => {
    const serde = bytesSerde();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const memory = serde.serialise(bytes).slice();
        const copy = serde.deserialise(memory);
        memory.fill(0);
        expect(copy).toEqual(bytes);
      }),
    );
  });

  it('refuse what JSON has no text for', () => {
    const serde = jsonSerde<unknown>();
    expect(() => serde.serialise(undefined)).toThrow('a value of type undefined has no JSON');
    expect(() => serde.serialise(() => 1)).toThrow('a value of type function has no JSON');
  });
});
