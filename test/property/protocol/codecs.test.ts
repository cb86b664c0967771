import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import {
  encodeNumberRecord,
  encodeRecord,
  RecordCursor,
  type TravellingScope,
} from '../../../src/protocol/exchange-codec.js';
import { encodeTopicRecord, TopicRecordCursor } from '../../../src/protocol/topic-record-codec.js';

const bytes = fc.uint8Array({ maxLength: 300 });
const nullableBytes = fc.option(bytes, { nil: null });
const offset = fc.maxSafeNat();

const topicRecord = fc.record({
  partition: fc.nat(0xffff),
  offset,
  timestamp: fc.double({ noNaN: true }),
  key: nullableBytes,
  value: nullableBytes,
  headers: fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 20 }), bytes), { maxLength: 5 }),
});

const scope = fc.record({
  request: fc.option(
    fc.record({
      correlationId: fc.string({ unit: 'binary', maxLength: 40 }),
      replyTo: fc.string({ unit: 'binary', maxLength: 40 }),
      deadline: fc.double({ noNaN: true }),
    }),
    { nil: null },
  ),
  originSource: fc.nat(0xffff),
  originPartition: fc.integer({ min: -1, max: 0xffff }),
  originOffset: offset,
  originTime: fc.double({ noNaN: true }),
});

const exchangeRecord = fc.record({
  value: fc.oneof(bytes, fc.double()),
  timestamp: fc.oneof(fc.constant(-Infinity), fc.double({ noNaN: true })),
  scope,
});

const freshScope = (): TravellingScope => ({
  request: null,
  originSource: 0,
  originPartition: -1,
  originOffset: 0,
  originTime: 0,
});

describe('topic record codec', () => {
  it('gives back every field of every record of a batch, in order', () => {
    fc.assert(
      fc.property(fc.array(topicRecord, { maxLength: 20 }), (records) => {
        const writer = new ByteWriter(16);
        for (const record of records) encodeTopicRecord(writer, record);

        const cursor = new TopicRecordCursor();
        cursor.open(writer.bytes, 0, writer.length);
        for (const record of records) {
          expect(cursor.advance()).toBe(true);
          expect([cursor.partition, cursor.offset, cursor.timestamp]).toEqual([
            record.partition,
            record.offset,
            record.timestamp,
          ]);
          expect(cursor.key).toEqual(record.key === null ? null : Buffer.from(record.key));
          expect(cursor.value).toEqual(record.value === null ? null : Buffer.from(record.value));
          expect(cursor.headers).toEqual(record.headers.map(([name, value]) => [name, Buffer.from(value)]));
        }
        expect(cursor.advance()).toBe(false);
      }),
    );
  });

  it('finds a header by its name and answers null for one that is not there', () => {
    const writer = new ByteWriter(16);
    const headers = [
      ['first', Buffer.from('1')],
      ['second', Buffer.from('zwei: ü')],
    ] as const;
    encodeTopicRecord(writer, { partition: 0, offset: 0, timestamp: 0, key: null, value: null, headers });
    const cursor = new TopicRecordCursor();
    cursor.open(writer.bytes, 0, writer.length);
    cursor.advance();
    expect(cursor.headerText('second')).toBe('zwei: ü');
    expect(cursor.headerText('third')).toBeNull();
  });
});

describe('exchange codec', () => {
  it('gives back value, timestamp, origin and request of every record of a batch, in order', () => {
    fc.assert(
      fc.property(fc.array(exchangeRecord, { maxLength: 20 }), (records) => {
        const writer = new ByteWriter(16);
        for (const { value, timestamp, scope: travelling } of records) {
          if (typeof value === 'number') encodeNumberRecord(writer, value, timestamp, travelling);
          else encodeRecord(writer, value, timestamp, travelling);
        }

        const cursor = new RecordCursor();
        const decoded = freshScope();
        cursor.open(writer.bytes, 0, writer.length);
        for (const record of records) {
          expect(cursor.advance(decoded)).toBe(true);
          expect(cursor.timestamp).toBe(record.timestamp);
          expect(cursor.isNumber).toBe(typeof record.value === 'number');
          if (typeof record.value === 'number') expect(Object.is(cursor.number, record.value)).toBe(true);
          else expect(writer.bytes.subarray(cursor.valueStart, cursor.valueEnd)).toEqual(Buffer.from(record.value));
          expect(decoded.request).toEqual(record.scope.request);
          expect(decoded.originPartition).toBe(record.scope.originPartition);
          if (record.scope.originPartition >= 0) expect(decoded).toEqual(record.scope);
        }
        expect(cursor.advance(decoded)).toBe(false);
      }),
    );
  });
});
