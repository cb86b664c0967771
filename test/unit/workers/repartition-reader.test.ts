import { describe, expect, it } from 'vitest';
import type { RecordScope } from '../../../src/operators/operator.js';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { encodeRepartitionedRecord, encodeRepartitionedWatermark } from '../../../src/protocol/repartition-codec.js';
import { encodeTopicRecord } from '../../../src/protocol/topic-record-codec.js';
import { RepartitionReader } from '../../../src/workers/repartition-reader.js';

const serde = new MessagePackSerde<unknown>();

/** A reader of these partitions in a job of four shards, with what it emits as text. */
class ReaderUnderTest {
  readonly seen: string[] = [];
  readonly scope: RecordScope = { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 };
  readonly reader: RepartitionReader;

  constructor(partitions: readonly number[]) {
    this.reader = new RepartitionReader({
      topic: 'hop',
      scope: this.scope,
      serde,
      partitions,
      shardCount: 4,
      output: {
        emitWatermark: (watermark) => void this.seen.push(`to ${watermark}`),
        emitStatus: (status) => void this.seen.push(status),
      },
      now: () => 0,
    });
  }

  readonly read = (partition: number, ...values: readonly Uint8Array[]): void => {
    const writer = new ByteWriter(1024);
    for (const value of values) {
      encodeTopicRecord(writer, { partition, offset: 0, timestamp: 9, key: null, value, headers: [] });
    }
    this.reader.open(writer.bytes, 0, writer.length);
    while (this.reader.advance()) this.seen.push(`${JSON.stringify(this.reader.value)} at ${this.reader.timestamp}`);
  };
}

function record(value: unknown, timestamp: number, scope?: Partial<RecordScope>): Uint8Array {
  const writer = new ByteWriter(256);
  const whole = { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0, ...scope };
  encodeRepartitionedRecord(writer, value, typeof value === 'number' ? null : serde.serialise(value), timestamp, whole);
  return Buffer.from(writer.bytes.subarray(0, writer.length));
}

function upTo(watermark: number, shards: readonly number[], isIdle = false): Uint8Array {
  return encodeRepartitionedWatermark({ watermark, isIdle, shards });
}

describe('the far end of a repartition topic', () => {
  it('gives a record back as it was, with its request, origin and event time', () => {
    const { reader, read, scope, seen } = new ReaderUnderTest([0]);
    const request = { correlationId: 'c', replyTo: 'replies:3', deadline: 77, idempotency: 'owner' };
    read(0, record({ a: 1 }, 5, { request, originSource: 2, originPartition: 3, originOffset: 40, originTime: 6 }));
    expect(seen).toEqual(['{"a":1} at 5']);
    expect(scope).toEqual({ request, originSource: 2, originPartition: 3, originOffset: 40, originTime: 6 });
    read(0, record(4, -Infinity));
    expect([reader.value, reader.timestamp, scope.request, scope.originPartition]).toEqual([4, -Infinity, null, -1]);
  });

  it('waits for every shard before it, and forgets none that moves to another instance', () => {
    const { read, seen } = new ReaderUnderTest([0]);
    read(0, record(1, 4), upTo(10, [0, 1]), record(2, 12));
    expect(seen).toEqual(['1 at 4', '2 at 12']);
    read(0, upTo(7, [2, 3]));
    // Shard 2 has a new owner, which begins anew: what the one before said stays.
    read(0, upTo(3, [2]), upTo(9, [3]));
    read(0, upTo(11, [2, 3]));
    expect(seen.slice(2)).toEqual(['to 7', 'to 9', 'to 10']);
  });

  it('waits for each of its partitions', () => {
    const { read, seen } = new ReaderUnderTest([1, 5]);
    read(1, upTo(10, [0, 1, 2, 3]));
    expect(seen).toEqual([]);
    read(5, upTo(8, [0, 1, 2, 3]));
    expect(seen).toEqual(['to 8']);
  });

  it('does not wait for shards that are idle, until they are not', () => {
    const { read, seen } = new ReaderUnderTest([0]);
    read(0, upTo(10, [0, 1, 2]), upTo(2, [3], true));
    expect(seen).toEqual(['to 2', 'to 10']);
    read(0, upTo(12, [3]), upTo(20, [0, 1, 2], true));
    expect(seen.slice(2)).toEqual(['to 12']);
  });
});
