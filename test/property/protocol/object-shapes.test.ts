import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { encodeShapedRecord, encodeRecord, RecordCursor } from '../../../src/protocol/exchange-codec.js';
import { MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { ObjectShapeReader } from '../../../src/protocol/object-shape-reader.js';
import { NamedShapes, ObjectShapeWriter } from '../../../src/protocol/object-shape-writer.js';

const serde = new MessagePackSerde<unknown>();
const nowhere = { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 };

/** One end of an edge, dealing records out to several channels; and what comes out of each. */
function makeEdge(channelCount: number) {
  const shapes = new ObjectShapeWriter(serde, new ByteWriter(16));
  const channels = Array.from({ length: channelCount }, () => ({
    batch: new ByteWriter(16),
    named: new NamedShapes(),
  }));
  const send = (value: unknown, channel: number): void => {
    const { batch, named } = channels[channel % channelCount] as (typeof channels)[number];
    if (encodeShapedRecord(batch, value, shapes, named, 7, nowhere) < 0) {
      encodeRecord(batch, serde.serialise(value), 7, nowhere);
    }
  };
  const receive = (channel: number): unknown[] => {
    const { batch } = channels[channel] as (typeof channels)[number];
    const reader = new ObjectShapeReader(serde);
    const cursor = new RecordCursor();
    cursor.open(batch.bytes, 0, batch.length);
    const values: unknown[] = [];
    while (cursor.advance({ ...nowhere })) {
      const { isShaped, valueStart, valueEnd } = cursor;
      values.push(
        isShaped
          ? reader.read(batch.bytes, valueStart, valueEnd)
          : serde.deserialise(batch.bytes.subarray(valueStart, valueEnd)),
      );
    }
    return values;
  };
  return { send, receive };
}

/** Without minus zero, which the serialiser makes a zero of. */
const leaf = fc.oneof(
  fc.integer(),
  fc.double().map((number) => number + 0),
  fc.constantFrom(0, 2 ** 31, -(2 ** 31), 2 ** 53, Number.NaN, Infinity),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
  fc.constantFrom(null, undefined, true, false, new Date(5), new Map([['a', 1]]), new Set([1]), 12n, Buffer.from([1])),
);
const name = fc.oneof(fc.constantFrom('a', 'b', 'c', '0', '__proto__', 'toJSON x', '\u2028', '"', 'ä'), fc.string());
const objectOf = (inner: fc.Arbitrary<unknown>) =>
  fc.dictionary(name, fc.oneof(leaf, inner, fc.array(inner, { maxLength: 3 })), { maxKeys: 5 });
const anyObject = objectOf(objectOf(objectOf(leaf)));

describe('objects by their shape', () => {
  it('come out as the serialiser would have given them, on each channel', () => {
    const sent = fc.array(fc.tuple(anyObject, fc.nat({ max: 2 })), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sent, (records) => {
        const { send, receive } = makeEdge(3);
        for (const [value, channel] of records) send(value, channel);
        for (const channel of [0, 1, 2]) {
          const expected = records.filter(([, to]) => to === channel);
          expect(receive(channel)).toEqual(expected.map(([value]) => serde.deserialise(serde.serialise(value))));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('keep the order of their fields, and an integer the sign of its zero', () => {
    const { send, receive } = makeEdge(1);
    send({ b: -0, a: 0 }, 0);
    send({ a: 1, b: 2 }, 0);
    const [first, second] = receive(0);
    expect(Object.keys(first as object)).toEqual(['b', 'a']);
    expect(Object.keys(second as object)).toEqual(['a', 'b']);
    expect(Object.is((first as { b: number }).b, -0)).toBe(true);
  });

  it('of which one cannot be sent leave nothing behind: a shape that it was the first to have is named again', () => {
    const { send, receive } = makeEdge(1);
    send({ early: 1 }, 0);
    expect(() => send({ inner: { fresh: 1 }, broken: () => 1 }, 0)).toThrow(/a function/);
    send({ fresh: 2 }, 0);
    send({ inner: { fresh: 3 }, broken: 4 }, 0);
    expect(receive(0)).toEqual([{ early: 1 }, { fresh: 2 }, { inner: { fresh: 3 }, broken: 4 }]);
  });

  it('that have ever new names, or are nested without end, go through the serialiser', () => {
    const { send, receive } = makeEdge(1);
    const dictionaries = Array.from({ length: 100 }, (_, index) => ({ [`key-${String(index)}`]: index }));
    for (const each of dictionaries) send(each, 0);
    const deep = Array.from({ length: 50 }).reduce<object>((inner) => ({ inner }), {});
    send(deep, 0);
    expect(receive(0)).toEqual([...dictionaries, deep]);
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(() => send(cycle, 0)).toThrow(/cycle/);
  });

  it('are plain: an instance of a class comes back as what the serialiser makes of it', () => {
    class Point {
      readonly x = 1;
      toJSON(): unknown {
        return { as: 'json' };
      }
    }
    const { send, receive } = makeEdge(1);
    send(new Point(), 0);
    send({ point: new Point() }, 0);
    expect(receive(0)).toEqual([{ as: 'json' }, { point: { as: 'json' } }]);
  });

  it('damaged on their way are read to their end, or refused', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(anyObject, damage, (value, changes) => {
        const out = new ByteWriter(16);
        if (!new ObjectShapeWriter(serde, out).write(value, out, new NamedShapes())) return;
        const bytes = Buffer.from(out.bytes.subarray(0, out.length));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          new ObjectShapeReader(serde).read(bytes, 0, bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 200 },
    );
  });
});
