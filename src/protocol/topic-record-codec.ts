import type { ByteWriter } from './byte-writer.js';

/**
 * Topic records in TOPIC_BATCH frames: from a source topic to a worker, and from a worker's sink to a topic.
 *
 * ```text
 * u32 length of what follows
 * u16 partition (0xffff: the sink's topic decides) | u16 header count
 * f64 offset (towards main: which sink, see RESPONSE_SINK) | f64 timestamp
 * i32 key length, -1: null | i32 value length, -1: null
 * headers: u16 name length, name, u32 value length, value
 * key | value
 * ```
 */

/** A record as both ends see it. Structurally a `TopicRecord` of the topic port. */
export interface TopicRecordFields {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: string, value: Uint8Array])[];
}

/** The partition of a sink record that leaves the choice to the topic: by key if it has one. */
export const ANY_PARTITION = 0xffff;

/** In the offset's place on the way to main: an answer to a request rather than a record of the sink of that index. */
export const RESPONSE_SINK = -1;

const FIXED_BYTES = 2 + 2 + 8 + 8 + 4 + 4;

/** Appends one record to a batch. */
export function encodeTopicRecord(writer: ByteWriter, record: TopicRecordFields): void {
  const start = writer.length;
  const keyLength = record.key === null ? 0 : record.key.length;
  const valueLength = record.value === null ? 0 : record.value.length;
  writer.reserve(4 + FIXED_BYTES + keyLength + valueLength);
  writer.writeU32(0);
  writer.writeU16(record.partition);
  writer.writeU16(record.headers.length);
  writer.writeF64(record.offset);
  writer.writeF64(record.timestamp);
  writer.writeU32(record.key === null ? 0xffffffff : keyLength);
  writer.writeU32(record.value === null ? 0xffffffff : valueLength);
  for (const [name, value] of record.headers) {
    writer.writeShortText(name);
    writer.reserve(4);
    writer.writeU32(value.length);
    writer.writeBytes(value);
  }
  if (record.key !== null) writer.writeBytes(record.key);
  if (record.value !== null) writer.writeBytes(record.value);
  writer.patchU32(start, writer.length - start - 4);
}

/**
 * Walks a TOPIC_BATCH frame without copying: fields are read in place, and `key`, `value` and header values are views that
 * live only as long as the frame. One instance per reader, reused for every frame.
 */
export class TopicRecordCursor {
  partition = 0;
  offset = 0;
  timestamp = 0;
  #frame: Buffer = Buffer.alloc(0);
  #next = 0;
  #end = 0;
  #headersStart = 0;
  #headerCount = 0;
  #keyLength = -1;
  #valueLength = -1;
  #recordEnd = 0;

  open(frame: Buffer, start: number, end: number): void {
    this.#frame = frame;
    this.#next = start;
    this.#end = end;
  }

  /** Moves to the next record; false at the end of the frame. */
  advance(): boolean {
    if (this.#next >= this.#end) return false;
    const frame = this.#frame;
    const at = this.#next + 4;
    this.#recordEnd = at + frame.readUInt32LE(this.#next);
    this.partition = frame.readUInt16LE(at);
    this.#headerCount = frame.readUInt16LE(at + 2);
    this.offset = frame.readDoubleLE(at + 4);
    this.timestamp = frame.readDoubleLE(at + 12);
    this.#keyLength = frame.readInt32LE(at + 20);
    this.#valueLength = frame.readInt32LE(at + 24);
    this.#headersStart = at + FIXED_BYTES;
    this.#next = this.#recordEnd;
    return true;
  }

  /** A view of the key; `null` for a record without one. */
  key(): Buffer | null {
    if (this.#keyLength < 0) return null;
    const end = this.#recordEnd - Math.max(this.#valueLength, 0);
    return this.#frame.subarray(end - this.#keyLength, end);
  }

  /** A view of the value; `null` for a record without one. */
  value(): Buffer | null {
    if (this.#valueLength < 0) return null;
    return this.#frame.subarray(this.#recordEnd - this.#valueLength, this.#recordEnd);
  }

  /** The first header of this name as UTF-8 text; `null` when there is none. */
  headerText(name: string): string | null {
    const frame = this.#frame;
    let at = this.#headersStart;
    for (let index = 0; index < this.#headerCount; index++) {
      const nameLength = frame.readUInt16LE(at);
      const valueAt = at + 2 + nameLength + 4;
      const valueLength = frame.readUInt32LE(valueAt - 4);
      if (nameLength === name.length && frame.toString('latin1', at + 2, at + 2 + nameLength) === name) {
        return frame.toString('utf8', valueAt, valueAt + valueLength);
      }
      at = valueAt + valueLength;
    }
    return null;
  }

  /** All headers; values are views. */
  headers(): [name: string, value: Buffer][] {
    const frame = this.#frame;
    const headers: [string, Buffer][] = [];
    let at = this.#headersStart;
    for (let index = 0; index < this.#headerCount; index++) {
      const nameLength = frame.readUInt16LE(at);
      const valueAt = at + 2 + nameLength + 4;
      const valueEnd = valueAt + frame.readUInt32LE(valueAt - 4);
      headers.push([frame.toString('utf8', at + 2, at + 2 + nameLength), frame.subarray(valueAt, valueEnd)]);
      at = valueEnd;
    }
    return headers;
  }
}
