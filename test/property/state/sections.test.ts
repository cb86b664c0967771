import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShardId } from '../../../src/base/ids.js';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { checksumOf } from '../../../src/state/checksum.js';
import { Entry, NamespacedEntry } from '../../../src/state/entry.js';
import { compareBytes, RowKeyReader } from '../../../src/state/key-encoding.js';
import { CHECKSUM_BYTES, MergeCursor, SectionCursor, type Section } from '../../../src/state/section.js';
import { ListCodec, SingleValueCodec, Stamped, type ValueCodec } from '../../../src/state/value-codec.js';
import { WriteBuffer } from '../../../src/state/write-buffer.js';

// Inside arrays and objects MessagePack, as JSON, knows no minus zero.
const plainValue = fc
  .jsonValue()
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !JSON.stringify(value).includes('__proto__'));
const stamp = fc.integer({ min: 0, max: 2 ** 45 });

function roundTrip(codec: ValueCodec, value: unknown): unknown {
  const writer = new ByteWriter(1);
  writer.writeBytes(Buffer.of(1, 2, 3));
  codec.write(writer, value);
  const end = writer.length;
  writer.writeBytes(Buffer.of(0xff, 0xff));
  return codec.read(writer.bytes, 3, end);
}

describe('values', () => {
  it('are read back as what was written, with their times', () => {
    const codec = new SingleValueCodec(new MessagePackSerde<unknown>(), false);
    const stamped = new SingleValueCodec(new MessagePackSerde<unknown>(), true);
    fc.assert(
      fc.property(fc.oneof(plainValue, fc.double(), fc.integer(), fc.string()), stamp, (value, time) => {
        expect(roundTrip(codec, value)).toEqual(value);
        expect(roundTrip(stamped, new Stamped(value, time))).toEqual(new Stamped(value, time));
      }),
    );
  });

  it('in lists are read back in order', () => {
    const codec = new ListCodec(new MessagePackSerde<unknown>(), false);
    const stamped = new ListCodec(new MessagePackSerde<unknown>(), true);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(plainValue, fc.string({ minLength: 100 })), stamp)), (items) => {
        const values = items.map(([value]) => value);
        expect(roundTrip(codec, values)).toEqual(values);
        const withTimes = items.map(([value, time]) => new Stamped(value, time));
        expect(roundTrip(stamped, withTimes)).toEqual(withTimes);
      }),
    );
  });
});

const row = fc.record({
  keyGroup: fc.nat(1023),
  key: fc.oneof(fc.nat(20), fc.string({ maxLength: 3 })),
  namespace: fc.constantFrom('', 'w', 7),
  value: fc.option(fc.nat(1000), { nil: undefined }),
});

/** One row per key group, key and namespace; the last one given. */
function sectionOf(rows: readonly (typeof row extends fc.Arbitrary<infer T> ? T : never)[]): {
  section: Section;
  model: Map<string, number | undefined>;
} {
  const codec = new SingleValueCodec(new MessagePackSerde<unknown>(), false);
  const model = new Map<string, number | undefined>();
  const last = new Map(rows.map((item) => [JSON.stringify([item.keyGroup, item.key, item.namespace]), item]));
  const buffer = new WriteBuffer();
  for (const [name, { keyGroup, key, namespace, value }] of last) {
    const entry =
      namespace === '' ? new Entry(key, keyGroup) : new NamespacedEntry(key, keyGroup, namespace, undefined);
    entry.value = value;
    buffer.append(entry, 3, codec);
    model.set(name, value);
  }
  return { section: buffer.toSection(0 as ShardId, []), model };
}

function rowsOf(cursor: SectionCursor): [string, number | undefined] {
  const codec = new SingleValueCodec(new MessagePackSerde<unknown>(), false);
  const reader = new RowKeyReader();
  reader.open(cursor.source, cursor.keyStart, cursor.keyEnd);
  const name = JSON.stringify([cursor.keyGroup, reader.readElement(), reader.readNamespace()]);
  if (cursor.isTombstone) return [name, undefined];
  return [name, codec.read(cursor.source, cursor.keyEnd + CHECKSUM_BYTES, cursor.valueEnd) as number];
}

describe('sections', () => {
  it('hold each appended row once, in order of the row keys', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 200 }), (rows) => {
        const { section, model } = sectionOf(rows);
        const cursor = new SectionCursor(section);
        const found = new Map<string, number | undefined>();
        let previous: Buffer | null = null;
        while (cursor.advance()) {
          const key = Buffer.from(cursor.key);
          if (previous !== null) expect(compareBytes(previous, 0, previous.length, key, 0, key.length)).toBeLessThan(0);
          previous = key;
          found.set(...rowsOf(cursor));
        }
        expect(found).toEqual(model);
        expect(section.rows).toBe(model.size);
      }),
    );
  });

  it('merge in order of the row keys, and of equal keys the newest row stands', () => {
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 40 }), { maxLength: 4 }), (generations) => {
        const built = generations.map(sectionOf);
        const model = new Map(built.flatMap((generation) => [...generation.model]));
        const cursor = new MergeCursor(built.map(({ section }) => section));
        const found: [string, number | undefined][] = [];
        const keys: Buffer[] = [];
        while (cursor.advance()) {
          const current = cursor.current as SectionCursor;
          found.push(rowsOf(current));
          keys.push(Buffer.from(current.key));
        }
        expect(found.length).toBe(model.size);
        expect(new Map(found)).toEqual(model);
        expect(keys).toEqual([...keys].sort((a, b) => Buffer.compare(a, b)));
        expect(cursor.advance()).toBe(false);
      }),
    );
  });
});

describe('checksums', () => {
  it('are zlib CRC-32s, for short and long input, in one piece or two', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (bytes, start) => {
        const from = Math.min(start, bytes.length);
        const whole = checksumOf(bytes, 0, bytes.length, 0);
        expect(whole).toBe(crc32(bytes));
        expect(checksumOf(bytes, from, bytes.length, checksumOf(bytes, 0, from, 0))).toBe(whole);
      }),
    );
  });
});
