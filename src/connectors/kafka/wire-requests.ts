/**
 * The two requests that carry records, produce (version 7) and fetch (version 11), around batches that are bytes already:
 * kafkajs would make an object of each record. Big-endian. Source: https://kafka.apache.org/protocol.
 */
import { WireEncoder, type WireRequest } from './kafkajs-wire.js';

const PRODUCE_KEY = 0;
const PRODUCE_VERSION = 7;
const FETCH_KEY = 1;
const FETCH_VERSION = 11;
const ACKS_ALL = -1;

/** One finished batch and where it goes. */
export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProduceResult {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

/** At most one batch for a partition. */
export function produceRequest(
  batches: readonly ProduceBatch[],
  { transactionalId, timeoutMs }: { readonly transactionalId: string | null; readonly timeoutMs: number },
): WireRequest<readonly ProduceResult[]> {
  const writer = new WireWriter(
    batches.reduce((size, batch) => size + batch.bytes.length + 64 + batch.topic.length * 3, 256),
  );
  writer.text(transactionalId);
  writer.int16(ACKS_ALL);
  writer.int32(timeoutMs);
  writer.int32(batches.length);
  // A topic for each partition: the broker does not mind, and nothing is grouped.
  for (const { topic, partition, bytes } of batches) {
    writer.text(topic);
    writer.int32(1);
    writer.int32(partition);
    writer.bytes(bytes);
  }
  return request('Produce', PRODUCE_KEY, PRODUCE_VERSION, writer.written, readProduceResults);
}

function readProduceResults(bytes: Buffer): readonly ProduceResult[] {
  const reader = new WireReader(bytes);
  const results: ProduceResult[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topic = reader.text() ?? '';
    for (let partitions = reader.int32(); partitions > 0; partitions--) {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const baseOffset = reader.int64();
      reader.int64();
      reader.int64();
      results.push({ topic, partition, errorCode, baseOffset });
    }
  }
  return results;
}

export interface FetchPlace {
  readonly partition: number;
  readonly offset: number;
}

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
  /** Leaves out what no transaction has committed: aborted records are still in the bytes, and named. */
  readonly readsCommitted: boolean;
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  /** Batches, the last of which may be cut off. */
  readonly records: Buffer;
}

export function fetchRequest(
  topic: string,
  places: readonly FetchPlace[],
  options: FetchOptions,
): WireRequest<readonly FetchedPartition[]> {
  const writer = new WireWriter(128 + topic.length * 3 + places.length * 28);
  writer.int32(-1); // no replica
  writer.int32(options.maxWaitMs);
  writer.int32(1);
  writer.int32(options.maxBytes);
  writer.int8(options.readsCommitted ? 1 : 0);
  writer.int32(0);
  writer.int32(-1); // no session
  writer.int32(1);
  writer.text(topic);
  writer.int32(places.length);
  for (const { partition, offset } of places) {
    writer.int32(partition);
    writer.int32(-1);
    writer.int64(offset);
    writer.int64(-1);
    writer.int32(options.maxBytesPerPartition);
  }
  writer.int32(0);
  writer.text('');
  return request('Fetch', FETCH_KEY, FETCH_VERSION, writer.written, readFetchedPartitions, options.maxWaitMs + 10_000);
}

function readFetchedPartitions(bytes: Buffer): readonly FetchedPartition[] {
  const reader = new WireReader(bytes);
  reader.int32();
  reader.int16();
  reader.int32();
  const fetched: FetchedPartition[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    reader.text();
    for (let partitions = reader.int32(); partitions > 0; partitions--) fetched.push(readFetchedPartition(reader));
  }
  return fetched;
}

function readFetchedPartition(reader: WireReader): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.int64();
  reader.int64();
  const abortedTransactions = [];
  for (let count = reader.int32(); count > 0; count--) {
    abortedTransactions.push({ producerId: reader.bigint64(), firstOffset: reader.int64() });
  }
  reader.int32();
  return { partition, errorCode, highWatermark, abortedTransactions, records: reader.bytes() };
}

function request<T>(
  apiName: string,
  apiKey: number,
  apiVersion: number,
  payload: Buffer,
  read: (bytes: Buffer) => T,
  requestTimeout?: number,
): WireRequest<T> {
  return {
    request: {
      apiKey,
      apiVersion,
      apiName,
      encode: () => Promise.resolve(new WireEncoder(payload.length).writeBuffer(payload)),
    },
    response: {
      decode: (bytes) => Promise.resolve(read(bytes)),
      parse: (decoded) => Promise.resolve(decoded as T),
    },
    ...(requestTimeout === undefined ? {} : { requestTimeout }),
  };
}

class WireWriter {
  readonly #bytes: Buffer;
  #length = 0;

  /** `size`: as much as will be written, or more. */
  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  int8(value: number): void {
    this.#length = this.#bytes.writeInt8(value, this.#length);
  }

  int16(value: number): void {
    this.#length = this.#bytes.writeInt16BE(value, this.#length);
  }

  int32(value: number): void {
    this.#length = this.#bytes.writeInt32BE(value, this.#length);
  }

  int64(value: number): void {
    this.#length = this.#bytes.writeBigInt64BE(BigInt(value), this.#length);
  }

  text(text: string | null): void {
    if (text === null) return this.int16(-1);
    const size = this.#bytes.write(text, this.#length + 2, 'utf8');
    this.#bytes.writeInt16BE(size, this.#length);
    this.#length += 2 + size;
  }

  bytes(bytes: Buffer): void {
    this.int32(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }
}

class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  bigint64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  int64(): number {
    return Number(this.bigint64());
  }

  text(): string | null {
    const size = this.int16();
    if (size < 0) return null;
    this.#at += size;
    return this.#bytes.toString('utf8', this.#at - size, this.#at);
  }

  /** In the same memory. */
  bytes(): Buffer {
    const size = Math.max(0, this.int32());
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}
