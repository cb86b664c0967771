import { invariant } from '../base/invariant.js';
import { MillraceError } from '../base/errors.js';
import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { compareBytes, rowKeyBytesMax, writeRowKey } from './key-encoding.js';
import { CHECKSUM_BYTES, type Section, ROW_HEADER_BYTES, ROW_KEY_BYTES_MAX, TOMBSTONE } from './section.js';
import { KEY_GROUP_BITS, type Entry } from './entry.js';
import type { ValueCodec } from './value-codec.js';

/** A frame of a section is closed once it holds this much: one checksum, and one position in an error, per so many bytes. */
const FRAME_BYTES = 256 * 1024;
const INITIAL_BYTES = 4 * 1024;
/** A place in a bucket of so many rows and the five bytes of a prefix together are an exact number: 13 and 40 bits. */
const PACKED_ROWS_MAX = 8192;
/** Up to so many rows inserting one after another is fastest. */
const INSERTION_ROWS_MAX = 16;
/** Up to so many bytes a loop copies a row faster than a call into native code. */
const LOOP_BYTES_MAX = 64;

/**
 * The rows of one shard in one snapshot: serialised one after another as the snapshot comes upon them, then sorted by row
 * key into the frames of a {@link Section}.
 *
 * Sorting goes key group by key group, so that it can be interrupted: {@link sortSome}.
 */
export class WriteBuffer {
  readonly #writer = new ByteWriter(INITIAL_BYTES);
  #starts = new Uint32Array(64);
  #rowCount = 0;
  #stateIdMost = 0;
  /** Row starts in sorted order, as far as sorted. */
  #order: Uint32Array | null = null;
  #bucketEnds: Uint32Array | null = null;
  #nextBucket = 0;

  get rowCount(): number {
    return this.#rowCount;
  }

  get byteLength(): number {
    return this.#writer.length;
  }

  /** Adds an entry's row; one whose value is `undefined` as a tombstone. @returns the bytes it took. */
  append(entry: Entry, stateId: number, codec: ValueCodec): number {
    const writer = this.#writer;
    const start = writer.length;
    try {
      this.#writeRow(entry, stateId, codec);
    } catch (error) {
      writer.length = start;
      throw error;
    }
    this.#addStart(start);
    return writer.length - start;
  }

  /** Adds a row that is in bytes already. */
  appendEncoded(source: Buffer, from: number, to: number): void {
    const start = this.#writer.length;
    this.#writer.writeBytes(source.subarray(from, to));
    this.#addStart(start);
  }

  /** Adds the row of a base. */
  appendRow(key: Buffer, value: Buffer): void {
    const writer = this.#writer;
    writer.reserve(ROW_HEADER_BYTES + key.length + CHECKSUM_BYTES + value.length);
    const start = writer.length;
    writer.bytes.writeUInt16LE(key.length, start);
    writer.bytes.writeUInt32LE(value.length, start + 2);
    writer.length = start + ROW_HEADER_BYTES;
    writer.writeBytes(key);
    writer.writeU32(0);
    writer.writeBytes(value);
    this.#addStart(start);
  }

  #writeRow(entry: Entry, stateId: number, codec: ValueCodec): void {
    const writer = this.#writer;
    const start = writer.length;
    const { key, namespace, subKey } = entry;
    writer.reserve(ROW_HEADER_BYTES + rowKeyBytesMax(key, namespace, subKey));
    const keyStart = start + ROW_HEADER_BYTES;
    const keyGroup = entry.bits & KEY_GROUP_BITS;
    const keyEnd = writeRowKey(writer.bytes, keyStart, keyGroup, stateId, key, namespace, subKey);
    const keyLength = keyEnd - keyStart;
    if (keyLength > ROW_KEY_BYTES_MAX) throw keyTooLarge(keyLength);
    writer.length = keyEnd;
    let valueLength = TOMBSTONE;
    if (entry.value !== undefined) {
      writer.reserve(CHECKSUM_BYTES);
      writer.writeU32(0);
      codec.write(writer, entry.value);
      valueLength = writer.length - keyEnd - CHECKSUM_BYTES;
    }
    const { bytes } = writer;
    bytes[start] = keyLength;
    bytes[start + 1] = keyLength >>> 8;
    bytes[start + 2] = valueLength;
    bytes[start + 3] = valueLength >>> 8;
    bytes[start + 4] = valueLength >>> 16;
    bytes[start + 5] = valueLength >>> 24;
  }

  #addStart(start: number): void {
    if (this.#rowCount === this.#starts.length) {
      const larger = new Uint32Array(this.#starts.length * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[this.#rowCount++] = start;
    const stateId = stateIdOfRow(this.#writer.bytes, start);
    if (stateId > this.#stateIdMost) this.#stateIdMost = stateId;
  }

  /** Sorts the rows of one more key group. @returns whether more are waiting. */
  sortSome(): boolean {
    const order = this.#order ?? this.#distribute();
    const ends = this.#bucketEnds as Uint32Array;
    while (this.#nextBucket < KEY_GROUP_COUNT) {
      const bucket = this.#nextBucket++;
      const from = bucket === 0 ? 0 : (ends[bucket - 1] as number);
      const to = ends[bucket] as number;
      if (to - from < 2) continue;
      this.#sortBucket(order.subarray(from, to));
      return true;
    }
    return false;
  }

  /** Puts row starts into the order of their key groups, by counting. */
  #distribute(): Uint32Array {
    const bytes = this.#writer.bytes;
    const ends = new Uint32Array(KEY_GROUP_COUNT);
    for (let row = 0; row < this.#rowCount; row++) {
      const keyGroup = keyGroupOfRow(bytes, this.#starts[row] as number);
      ends[keyGroup] = (ends[keyGroup] as number) + 1;
    }
    let sum = 0;
    for (let keyGroup = 0; keyGroup < KEY_GROUP_COUNT; keyGroup++) {
      const count = ends[keyGroup] as number;
      ends[keyGroup] = sum;
      sum += count;
    }
    const order = new Uint32Array(this.#rowCount);
    for (let row = 0; row < this.#rowCount; row++) {
      const start = this.#starts[row] as number;
      const keyGroup = keyGroupOfRow(bytes, start);
      const at = ends[keyGroup] as number;
      order[at] = start;
      ends[keyGroup] = at + 1;
    }
    this.#bucketEnds = ends;
    this.#order = order;
    return order;
  }

  /**
   * Sorts numbers that hold the start of a row's key above its place in the bucket: native code sorts plain numbers without
   * calling back. Rows that start alike, few, are then compared in full.
   */
  #sortBucket(bucket: Uint32Array): void {
    const bytes = this.#writer.bytes;
    const count = bucket.length;
    if (count > PACKED_ROWS_MAX) {
      bucket.sort((a, b) => compareRows(bytes, a, b));
      return;
    }
    // With few states one byte says which: another byte of the key then tells most integers apart.
    const prefixAt = ROW_HEADER_BYTES + (this.#stateIdMost < 0x100 ? 3 : 2);
    const packed = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      packed[index] = sortPrefix(bytes, (bucket[index] as number) + prefixAt) * PACKED_ROWS_MAX + index;
    }
    packed.sort();
    const starts = bucket.slice();
    let alikeFrom = 0;
    let prefix = -1;
    for (let index = 0; index < count; index++) {
      const each = packed[index] as number;
      const eachPrefix = Math.floor(each / PACKED_ROWS_MAX);
      bucket[index] = starts[each - eachPrefix * PACKED_ROWS_MAX] as number;
      if (eachPrefix === prefix) continue;
      if (index - alikeFrom > 1) sortRows(bytes, bucket, alikeFrom, index);
      alikeFrom = index;
      prefix = eachPrefix;
    }
    if (count - alikeFrom > 1) sortRows(bytes, bucket, alikeFrom, count);
  }

  /** The rows as a section, once sorted. */
  toSection(shard: Section['shard'], dictionary: Section['dictionary']): Section {
    while (this.sortSome());
    const frames: Buffer[] = [];
    const order = this.#order;
    invariant(order !== null, 'rows are sorted before they are framed');
    const bytes = this.#writer.bytes;
    let frame = Buffer.allocUnsafe(Math.min(this.#writer.length, FRAME_BYTES));
    let used = 0;
    for (let index = 0; index < order.length; index++) {
      const start = order[index] as number;
      const end = rowEnd(bytes, start);
      if (used + end - start > frame.length) {
        if (used > 0) frames.push(frame.subarray(0, used));
        frame = Buffer.allocUnsafe(Math.max(FRAME_BYTES, end - start));
        used = 0;
      }
      if (end - start > LOOP_BYTES_MAX) bytes.copy(frame, used, start, end);
      else for (let at = start, to = used; at < end; at++) frame[to++] = bytes[at] as number;
      used += end - start;
    }
    if (used > 0) frames.push(frame.subarray(0, used));
    return { shard, dictionary, frames, rows: this.#rowCount };
  }
}

function keyGroupOfRow(bytes: Buffer, start: number): number {
  const at = start + ROW_HEADER_BYTES;
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function stateIdOfRow(bytes: Buffer, start: number): number {
  const at = start + ROW_HEADER_BYTES + 2;
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** Five bytes as a number: of state id and key, enough to order most rows. */
function sortPrefix(bytes: Buffer, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
  return high * 0x1000000 + low;
}

/** Sorts `order[from, to)`: a few rows. */
function sortRows(bytes: Buffer, order: Uint32Array, from: number, to: number): void {
  if (to - from > INSERTION_ROWS_MAX) {
    order.subarray(from, to).sort((a, b) => compareRows(bytes, a, b));
    return;
  }
  for (let index = from + 1; index < to; index++) {
    const row = order[index] as number;
    let at = index;
    for (; at > from && compareRows(bytes, order[at - 1] as number, row) > 0; at--) order[at] = order[at - 1] as number;
    order[at] = row;
  }
}

function compareRows(bytes: Buffer, a: number, b: number): number {
  const aKey = a + ROW_HEADER_BYTES;
  const bKey = b + ROW_HEADER_BYTES;
  return compareBytes(bytes, aKey, aKey + keyLengthAt(bytes, a), bytes, bKey, bKey + keyLengthAt(bytes, b));
}

function keyLengthAt(bytes: Buffer, start: number): number {
  return (bytes[start] as number) | ((bytes[start + 1] as number) << 8);
}

/** Byte by byte: methods of Buffer check their arguments, which costs more than the reading here. */
function rowEnd(bytes: Buffer, start: number): number {
  const keyEnd = start + ROW_HEADER_BYTES + keyLengthAt(bytes, start);
  const low = (bytes[start + 2] as number) | ((bytes[start + 3] as number) << 8) | ((bytes[start + 4] as number) << 16);
  const valueLength = (low | ((bytes[start + 5] as number) << 24)) >>> 0;
  return valueLength === TOMBSTONE ? keyEnd : keyEnd + CHECKSUM_BYTES + valueLength;
}

function keyTooLarge(keyLength: number): MillraceError {
  return new MillraceError('MILLRACE_SERIALISATION_FAILED', `a row key of ${keyLength} bytes is too large`, {
    hint: `Key, window and map key together may take up to ${ROW_KEY_BYTES_MAX} bytes: use a hash of what is longer.`,
  });
}
