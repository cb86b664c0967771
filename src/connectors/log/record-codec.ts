import type { ProducerRecord, RecordHeader, TopicRecord } from '../topic.js';

/**
 * Bytes of a frame's payload in a log segment. Pure. Little-endian; sizes are in bytes, -1 stands for null.
 *
 *     records          │ kind 1 u8 │ 0 u8 │ 0 u16 │ recordCount u32 │ record │ record │ …
 *     record           │ size u32 │ partition u32 │ offset f64 │ timestamp f64 │ keySize i32 │ valueSize i32 │ headerCount u32
 *                      │ key … │ value … │ header │ header │ …
 *     header           │ nameSize u16 │ valueSize u32 │ name (UTF-8) … │ value …
 *
 *     segment start    │ kind 2 u8 │ 0 u8 │ 0 u16 │ partitionCount u32 │ segment f64 │ previousBytes f64 │ previousMaxTimestamp f64
 *                      │ begin offset f64, one per partition │
 *
 * Every segment begins with a segment start, which also seals the segment before it: that one's length is `previousBytes`,
 * whatever else its file may hold, and its end offsets are the begin offsets here.
 *
 * Positions and offsets are f64: exact up to 2^53, and without the cost of a bigint.
 */

export const PAYLOAD_PREFIX_BYTES = 8;
export const RECORD_PREFIX_BYTES = 36;

export const PAYLOAD_RECORDS = 1;
export const PAYLOAD_SEGMENT_START = 2;

const HEADER_PREFIX_BYTES = 6;
const SEGMENT_START_PREFIX_BYTES = PAYLOAD_PREFIX_BYTES + 24;
const HEADER_NAME_BYTES_MAX = 0xffff;

/** How many bytes {@link encodeRecord} will write; -1 when a header's name is too long for the format. */
export function encodedRecordBytes(record: ProducerRecord): number {
  let size = RECORD_PREFIX_BYTES;
  if (record.key !== null) size += record.key.length;
  if (record.value !== null) size += record.value.length;
  for (const [name, value] of record.headers) {
    const nameBytes = Buffer.byteLength(name);
    if (nameBytes > HEADER_NAME_BYTES_MAX) return -1;
    size += HEADER_PREFIX_BYTES + nameBytes + value.length;
  }
  return size;
}

/** Writes one record at `at`. `size` is what {@link encodedRecordBytes} said. */
export function encodeRecord(
  target: Buffer,
  view: DataView,
  at: number,
  record: ProducerRecord,
  offset: number,
  size: number,
): void {
  const { key, value, headers } = record;
  view.setUint32(at, size, true);
  view.setUint32(at + 4, record.partition, true);
  view.setFloat64(at + 8, offset, true);
  view.setFloat64(at + 16, record.timestamp, true);
  view.setInt32(at + 24, key === null ? -1 : key.length, true);
  view.setInt32(at + 28, value === null ? -1 : value.length, true);
  view.setUint32(at + 32, headers.length, true);
  let end = at + RECORD_PREFIX_BYTES;
  if (key !== null) {
    target.set(key, end);
    end += key.length;
  }
  if (value !== null) {
    target.set(value, end);
    end += value.length;
  }
  for (const [name, bytes] of headers) {
    const nameBytes = target.write(name, end + HEADER_PREFIX_BYTES, 'utf8');
    view.setUint16(end, nameBytes, true);
    view.setUint32(end + 2, bytes.length, true);
    end += HEADER_PREFIX_BYTES + nameBytes;
    target.set(bytes, end);
    end += bytes.length;
  }
}

export function encodeRecordsPrefix(view: DataView, at: number, recordCount: number): void {
  view.setUint32(at, PAYLOAD_RECORDS, true);
  view.setUint32(at + 4, recordCount, true);
}

export function recordSizeAt(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function recordPartitionAt(view: DataView, at: number): number {
  return view.getUint32(at + 4, true);
}

export function recordOffsetAt(view: DataView, at: number): number {
  return view.getFloat64(at + 8, true);
}

export function setRecordOffsetAt(view: DataView, at: number, offset: number): void {
  view.setFloat64(at + 8, offset, true);
}

export function recordTimestampAt(view: DataView, at: number): number {
  return view.getFloat64(at + 16, true);
}

const noHeaders: readonly RecordHeader[] = [];

/**
 * A record where it lies: views are made when they are asked for. A reader owns a few of these and moves them on with
 * each poll.
 */
export class StoredRecord implements TopicRecord {
  #buffer: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  partition = 0;
  offset = 0;
  timestamp = 0;

  moveTo(buffer: Buffer, view: DataView, at: number): void {
    this.#buffer = buffer;
    this.#view = view;
    this.#at = at;
    this.partition = recordPartitionAt(view, at);
    this.offset = recordOffsetAt(view, at);
    this.timestamp = recordTimestampAt(view, at);
  }

  get key(): Uint8Array | null {
    const size = this.#view.getInt32(this.#at + 24, true);
    const start = this.#at + RECORD_PREFIX_BYTES;
    return size < 0 ? null : this.#buffer.subarray(start, start + size);
  }

  get value(): Uint8Array | null {
    const size = this.#view.getInt32(this.#at + 28, true);
    if (size < 0) return null;
    const start = this.#at + RECORD_PREFIX_BYTES + Math.max(this.#view.getInt32(this.#at + 24, true), 0);
    return this.#buffer.subarray(start, start + size);
  }

  get headers(): readonly RecordHeader[] {
    const count = this.#view.getUint32(this.#at + 32, true);
    return count === 0 ? noHeaders : this.#decodeHeaders(count);
  }

  #decodeHeaders(count: number): readonly RecordHeader[] {
    const view = this.#view;
    const buffer = this.#buffer;
    const keySize = Math.max(view.getInt32(this.#at + 24, true), 0);
    const valueSize = Math.max(view.getInt32(this.#at + 28, true), 0);
    let at = this.#at + RECORD_PREFIX_BYTES + keySize + valueSize;
    const headers: RecordHeader[] = [];
    for (let index = 0; index < count; index++) {
      const nameStart = at + HEADER_PREFIX_BYTES;
      const valueStart = nameStart + view.getUint16(at, true);
      const valueEnd = valueStart + view.getUint32(at + 2, true);
      headers.push([buffer.toString('utf8', nameStart, valueStart), buffer.subarray(valueStart, valueEnd)]);
      at = valueEnd;
    }
    return headers;
  }
}

/** What the first frame of a segment says. */
export interface SegmentStart {
  readonly segment: number;
  /** Valid length of the segment before this one; 0 when there was none. */
  readonly previousBytes: number;
  /** Latest timestamp in the segment before this one; -Infinity when it holds no record. */
  readonly previousMaxTimestamp: number;
  readonly beginOffsets: readonly number[];
}

export function segmentStartBytes(partitionCount: number): number {
  return SEGMENT_START_PREFIX_BYTES + partitionCount * 8;
}

export function encodeSegmentStart(target: Buffer, at: number, start: SegmentStart): void {
  target.writeUInt32LE(PAYLOAD_SEGMENT_START, at);
  target.writeUInt32LE(start.beginOffsets.length, at + 4);
  target.writeDoubleLE(start.segment, at + 8);
  target.writeDoubleLE(start.previousBytes, at + 16);
  target.writeDoubleLE(start.previousMaxTimestamp, at + 24);
  for (const [partition, offset] of start.beginOffsets.entries()) {
    target.writeDoubleLE(offset, at + SEGMENT_START_PREFIX_BYTES + partition * 8);
  }
}

/** @returns `null` when the payload is not a segment start */
export function decodeSegmentStart(payload: Buffer): SegmentStart | null {
  if (payload.length < SEGMENT_START_PREFIX_BYTES || payload.readUInt32LE(0) !== PAYLOAD_SEGMENT_START) return null;
  const partitionCount = payload.readUInt32LE(4);
  if (payload.length !== segmentStartBytes(partitionCount)) return null;
  const beginOffsets: number[] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    beginOffsets.push(payload.readDoubleLE(SEGMENT_START_PREFIX_BYTES + partition * 8));
  }
  return {
    segment: payload.readDoubleLE(8),
    previousBytes: payload.readDoubleLE(16),
    previousMaxTimestamp: payload.readDoubleLE(24),
    beginOffsets,
  };
}
