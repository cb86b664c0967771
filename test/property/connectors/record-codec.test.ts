import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSegmentStart,
  encodedRecordBytes,
  encodeRecord,
  encodeSegmentStart,
  segmentStartBytes,
  StoredRecord,
} from '../../../src/connectors/log/record-codec.js';
import type { ProducerRecord } from '../../../src/connectors/topic.js';

const bytes = fc.uint8Array({ maxLength: 50 });
const record: fc.Arbitrary<ProducerRecord> = fc.record({
  partition: fc.nat(1000),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), bytes), { maxLength: 4 }),
  timestamp: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
});

describe('record codec', () => {
  it('gives back every record it wrote, wherever it was written, within the size it announced', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.nat(40),
        fc.maxSafeNat(),
        (records, gap, offset) => {
          const sizes = records.map((each) => encodedRecordBytes(each));
          const buffer = Buffer.alloc(gap + sizes.reduce((sum, size) => sum + size, 0), 0xee);
          const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
          let at = gap;
          for (const [index, each] of records.entries()) {
            encodeRecord(buffer, view, at, each, offset, sizes[index] ?? 0);
            at += sizes[index] ?? 0;
          }
          expect(buffer.subarray(0, gap).every((byte) => byte === 0xee)).toBe(true);
          at = gap;
          for (const [index, each] of records.entries()) {
            const stored = new StoredRecord();
            stored.moveTo(buffer, view, at);
            const { partition, timestamp, key, value, headers } = stored;
            const copy = {
              partition,
              key: key && new Uint8Array(key),
              value: value && new Uint8Array(value),
              headers: headers.map(([name, content]) => [name, new Uint8Array(content)]),
              timestamp,
            };
            expect(copy).toEqual(each);
            expect(stored.offset).toBe(offset);
            at += sizes[index] ?? 0;
          }
        },
      ),
    );
  });

  it('gives back every segment start, and takes nothing else for one', () => {
    const start = fc.record({
      segment: fc.maxSafeNat(),
      previousBytes: fc.maxSafeNat(),
      previousMaxTimestamp: fc.oneof(fc.maxSafeInteger(), fc.constant(-Infinity)),
      beginOffsets: fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 20 }),
    });
    fc.assert(
      fc.property(start, fc.integer({ min: 1, max: 30 }), (expected, cut) => {
        const payload = Buffer.alloc(segmentStartBytes(expected.beginOffsets.length));
        encodeSegmentStart(payload, 0, expected);
        expect(decodeSegmentStart(payload)).toEqual(expected);
        expect(decodeSegmentStart(payload.subarray(0, payload.length - cut))).toBeNull();
        payload[0] = 1;
        expect(decodeSegmentStart(payload)).toBeNull();
      }),
    );
  });
});
