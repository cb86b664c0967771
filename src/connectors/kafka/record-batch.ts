/**
 * Kafka's record batch (magic 2): records as they travel in produce and fetch, to and from {@link RecordBlock}. Big-endian.
 *
 * ```text
 * baseOffset i64 │ length i32 │ leaderEpoch i32 │ magic i8 │ crc32c u32 │ attributes i16 │ lastOffsetDelta i32
 *                │ baseTimestamp i64 │ maxTimestamp i64 │ producerId i64 │ producerEpoch i16 │ baseSequence i32 │ count i32 │ record …
 * record         │ length │ attributes i8 │ timestampDelta │ offsetDelta │ key │ value │ headerCount │ (name │ value) …
 * ```
 *
 * Within a record, lengths and deltas are zigzag varints, and -1 is the length of null. The checksum covers everything behind
 * itself. Source: https://kafka.apache.org/documentation/#recordbatch.
 */
import { crc32c } from '@node-rs/crc32';
import { BLOCK_PREFIX_BYTES, type RecordBlock } from '../../api/internal/record-block.js';

export const BATCH_HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_FROM = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const COUNT_AT = 57;
const MAGIC = 2;

const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Most bytes that a block is larger than its record: a varint of one byte may stand for a field of four. */
const BLOCK_GROWTH = 4;

/** Who wrote a batch, so that the broker can drop a repeat. */
export interface BatchProducer {
  readonly id: bigint;
  readonly epoch: number;
}

/** Records of one topic partition that are sent together. */
export class BatchWriter {
  #bytes: Buffer;
  #length = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(initialBytes: number) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get count(): number {
    return this.#count;
  }

  /** With the header, uncompressed. */
  get length(): number {
    return this.#length;
  }

  append(block: RecordBlock, timestamp: number): void {
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    else this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
    // A length is at most one byte longer as a varint than in the block.
    this.#reserve(block.end - block.start + 32 + block.bytes.readUInt32LE(block.start + 32) * 4);
    const bodyStart = this.#length + 5;
    const bodyEnd = this.#writeBody(block, timestamp - this.#baseTimestamp, bodyStart);
    const prefixEnd = writeVarint(this.#bytes, this.#length, bodyEnd - bodyStart);
    this.#bytes.copyWithin(prefixEnd, bodyStart, bodyEnd);
    this.#length = prefixEnd + bodyEnd - bodyStart;
    this.#count++;
  }

  /** The batch as it goes over the wire; `compress` gets the records alone. */
  finish(
    producer: BatchProducer,
    options: {
      readonly baseSequence: number;
      readonly isTransactional: boolean;
      readonly codec: number;
      readonly compress: (records: Buffer) => Buffer;
    },
  ): Buffer {
    const records = this.#bytes.subarray(BATCH_HEADER_BYTES, this.#length);
    const batch =
      options.codec === 0
        ? this.#bytes.subarray(0, this.#length)
        : Buffer.concat([this.#bytes.subarray(0, BATCH_HEADER_BYTES), options.compress(records)]);
    batch.writeBigInt64BE(0n, 0);
    batch.writeInt32BE(batch.length - LENGTH_FROM, LENGTH_AT);
    batch.writeInt32BE(-1, LENGTH_FROM);
    batch.writeInt8(MAGIC, MAGIC_AT);
    batch.writeInt16BE(options.codec | (options.isTransactional ? TRANSACTIONAL : 0), ATTRIBUTES_AT);
    batch.writeInt32BE(this.#count - 1, LAST_OFFSET_DELTA_AT);
    batch.writeBigInt64BE(BigInt(this.#baseTimestamp), BASE_TIMESTAMP_AT);
    batch.writeBigInt64BE(BigInt(this.#maxTimestamp), MAX_TIMESTAMP_AT);
    batch.writeBigInt64BE(producer.id, PRODUCER_ID_AT);
    batch.writeInt16BE(producer.epoch, PRODUCER_EPOCH_AT);
    batch.writeInt32BE(options.baseSequence, BASE_SEQUENCE_AT);
    batch.writeInt32BE(this.#count, COUNT_AT);
    batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)) >>> 0, CRC_AT);
    return batch;
  }

  /** Reads what was written. Only after {@link finish}, uncompressed. */
  reader(): FetchedBatch {
    return new FetchedBatch(this.#bytes, 0, this.#length, 0, 0);
  }

  #writeBody(block: RecordBlock, timestampDelta: number, start: number): number {
    const source = block.bytes;
    const target = this.#bytes;
    let from = block.start + BLOCK_PREFIX_BYTES;
    let at = start;
    target[at++] = 0;
    at = writeVarint(target, at, timestampDelta);
    at = writeVarint(target, at, this.#count);
    for (const sizeAt of [24, 28]) {
      const size = source.readInt32LE(block.start + sizeAt);
      at = writeVarint(target, at, size);
      if (size <= 0) continue;
      source.copy(target, at, from, from + size);
      at += size;
      from += size;
    }
    const headerCount = source.readUInt32LE(block.start + 32);
    at = writeVarint(target, at, headerCount);
    for (let index = 0; index < headerCount; index++) {
      const nameSize = source.readUInt16LE(from);
      const valueSize = source.readUInt32LE(from + 2);
      from += 6;
      at = writeVarint(target, at, nameSize);
      source.copy(target, at, from, from + nameSize);
      at = writeVarint(target, at + nameSize, valueSize);
      from += nameSize;
      source.copy(target, at, from, from + valueSize);
      at += valueSize;
      from += valueSize;
    }
    return at;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** A batch as it came from a broker, read from front to back. */
export class FetchedBatch {
  readonly partition: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly codec: number;
  /** Records not read yet. */
  remaining: number;
  readonly #baseTimestamp: number;
  readonly #appendTime: number | null;
  #bytes: Buffer;
  #at: number;
  #end: number;

  /** `bytes` at `start` hold a whole batch: {@link wholeBatchEnd} said so. */
  constructor(bytes: Buffer, start: number, end: number, partition: number, codec?: number) {
    const attributes = bytes.readInt16BE(start + ATTRIBUTES_AT);
    this.partition = partition;
    this.baseOffset = Number(bytes.readBigInt64BE(start));
    this.lastOffset = this.baseOffset + bytes.readInt32BE(start + LAST_OFFSET_DELTA_AT);
    this.producerId = bytes.readBigInt64BE(start + PRODUCER_ID_AT);
    this.producerEpoch = bytes.readInt16BE(start + PRODUCER_EPOCH_AT);
    this.baseSequence = bytes.readInt32BE(start + BASE_SEQUENCE_AT);
    this.isTransactional = (attributes & TRANSACTIONAL) !== 0;
    this.isControl = (attributes & CONTROL) !== 0;
    this.codec = codec ?? attributes & CODEC_MASK;
    this.remaining = bytes.readInt32BE(start + COUNT_AT);
    this.#baseTimestamp = Number(bytes.readBigInt64BE(start + BASE_TIMESTAMP_AT));
    const hasAppendTime = (attributes & LOG_APPEND_TIME) !== 0;
    this.#appendTime = hasAppendTime ? Number(bytes.readBigInt64BE(start + MAX_TIMESTAMP_AT)) : null;
    this.#bytes = bytes;
    this.#at = start + BATCH_HEADER_BYTES;
    this.#end = end;
  }

  /** The records' bytes, to be decompressed. */
  get records(): Buffer {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  decompressed(records: Buffer): void {
    this.#bytes = records;
    this.#at = 0;
    this.#end = records.length;
  }

  get isAbortMarker(): boolean {
    if (!this.isControl || this.remaining === 0) return false;
    const bytes = this.#bytes;
    const key = this.#keyStart();
    // A control record's key: version i16, then the kind i16; 0 is abort.
    return bytes.readInt16BE(key + 2) === 0;
  }

  /** Offset of the record that {@link read} gives next. */
  get nextOffset(): number {
    const body = skipVarint(this.#bytes, this.#at) + 1;
    return this.baseOffset + readVarint(this.#bytes, skipVarint(this.#bytes, body));
  }

  /** Passes over the next record. */
  skip(): void {
    const length = readVarint(this.#bytes, this.#at);
    this.#at = skipVarint(this.#bytes, this.#at) + length;
    this.remaining--;
  }

  /** Bytes that the next record needs at most as a block. */
  get blockBytesMax(): number {
    return readVarint(this.#bytes, this.#at) * BLOCK_GROWTH + BLOCK_PREFIX_BYTES;
  }

  /** Writes the next record as a block and stays before it. @returns the end of the block */
  read(target: Buffer, view: DataView, start: number): number {
    const source = this.#bytes;
    let at = skipVarint(source, this.#at) + 1;
    const timestampDelta = readVarint(source, at);
    at = skipVarint(source, at);
    const offsetDelta = readVarint(source, at);
    at = skipVarint(source, at);
    view.setUint32(start + 4, this.partition, true);
    view.setFloat64(start + 8, this.baseOffset + offsetDelta, true);
    view.setFloat64(start + 16, this.#appendTime ?? this.#baseTimestamp + timestampDelta, true);
    let end = start + BLOCK_PREFIX_BYTES;
    for (let sizeAt = 24; sizeAt <= 28; sizeAt += 4) {
      const size = readVarint(source, at);
      at = skipVarint(source, at);
      view.setInt32(start + sizeAt, size, true);
      if (size <= 0) continue;
      source.copy(target, end, at, at + size);
      at += size;
      end += size;
    }
    const headerCount = readVarint(source, at);
    at = skipVarint(source, at);
    view.setUint32(start + 32, headerCount, true);
    for (let index = 0; index < headerCount; index++) {
      const nameSize = readVarint(source, at);
      const nameStart = skipVarint(source, at);
      const valueSizeAt = nameStart + nameSize;
      const valueSize = Math.max(0, readVarint(source, valueSizeAt));
      const valueStart = skipVarint(source, valueSizeAt);
      view.setUint16(end, nameSize, true);
      view.setUint32(end + 2, valueSize, true);
      source.copy(target, end + 6, nameStart, valueSizeAt);
      source.copy(target, end + 6 + nameSize, valueStart, valueStart + valueSize);
      end += 6 + nameSize + valueSize;
      at = valueStart + valueSize;
    }
    view.setUint32(start, end - start, true);
    return end;
  }

  #keyStart(): number {
    let at = skipVarint(this.#bytes, this.#at) + 1;
    at = skipVarint(this.#bytes, at);
    at = skipVarint(this.#bytes, at);
    return skipVarint(this.#bytes, at);
  }
}

/** The end of the batch at `start`, or -1 when the broker cut it off, as it does at the limit of a fetch. */
export function wholeBatchEnd(bytes: Buffer, start: number, end: number): number {
  if (start + BATCH_HEADER_BYTES > end) return -1;
  const batchEnd = start + LENGTH_FROM + bytes.readInt32BE(start + LENGTH_AT);
  return batchEnd > end ? -1 : batchEnd;
}

/** Whether the checksum of the batch that lies between `start` and `end` is right, and its format one that we know. */
export function isSound(bytes: Buffer, start: number, end: number): boolean {
  if (bytes.readInt8(start + MAGIC_AT) !== MAGIC) return false;
  return bytes.readUInt32BE(start + CRC_AT) === crc32c(bytes.subarray(start + ATTRIBUTES_AT, end)) >>> 0;
}

/** Writes a zigzag varint. @returns the position behind it */
export function writeVarint(target: Buffer, start: number, value: number): number {
  let at = start;
  if (value >= -0x40000000 && value < 0x40000000) {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      target[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    target[at++] = rest;
    return at;
  }
  // Beyond 31 bits: timestamps far apart. Exact up to 2^52.
  let rest = value < 0 ? -value * 2 - 1 : value * 2;
  while (rest > 0x7f) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[at++] = rest;
  return at;
}

/** Reads a zigzag varint. {@link skipVarint} gives the position behind it. */
export function readVarint(source: Buffer, start: number): number {
  let at = start;
  let byte = source[at++] as number;
  let value = byte & 0x7f;
  for (let scale = 128; byte > 0x7f; scale *= 128) {
    byte = source[at++] as number;
    value += (byte & 0x7f) * scale;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

export function skipVarint(source: Buffer, start: number): number {
  let at = start;
  while ((source[at++] as number) > 0x7f);
  return at;
}
