/**
 * A topic record as one block of bytes: the same in the embedded log's files, in the log's memory, and in the rings between
 * main and the workers, so that a record crosses from one to the next by a copy, without being taken apart.
 *
 * Little-endian; sizes are in bytes, -1 stands for null.
 *
 * ```text
 * size u32 │ partition u32 │ offset f64 │ timestamp f64 │ keySize i32 │ valueSize i32 │ headerCount u32
 *          │ key … │ value … │ header │ header │ …
 * header   │ nameSize u16 │ valueSize u32 │ name (UTF-8) … │ value …
 * ```
 *
 * Offsets are f64: exact up to 2^53, and without the cost of a bigint. The layout is part of the log's file format.
 */

/** Header name, header value. Names may repeat. */
export type RecordHeader = readonly [name: string, value: Uint8Array];

/** What a block is made of, beside the offset. */
export interface RecordFields {
  readonly partition: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** Bytes of a block before the key. */
export const BLOCK_PREFIX_BYTES = 36;
const HEADER_PREFIX_BYTES = 6;
const HEADER_NAME_BYTES_MAX = 0xffff;

/** How many bytes {@link writeRecordBlock} will write; -1 when a header's name is too long for the format. */
export function recordBlockBytes(record: RecordFields): number {
  let size = BLOCK_PREFIX_BYTES;
  if (record.key !== null) size += record.key.length;
  if (record.value !== null) size += record.value.length;
  for (const [name, value] of record.headers) {
    const nameBytes = Buffer.byteLength(name);
    if (nameBytes > HEADER_NAME_BYTES_MAX) return -1;
    size += HEADER_PREFIX_BYTES + nameBytes + value.length;
  }
  return size;
}

/** Writes a record at `at`; `size` is what {@link recordBlockBytes} said. `view` is over the same memory as `target`. */
export function writeRecordBlock(
  target: Buffer,
  view: DataView,
  at: number,
  record: RecordFields,
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
  let end = at + BLOCK_PREFIX_BYTES;
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

/** Copies a block to `at`, and gives it another partition and offset. */
export function copyRecordBlock(
  target: Buffer,
  view: DataView,
  at: number,
  block: RecordBlock,
  partition: number,
  offset: number,
): void {
  block.bytes.copy(target, at, block.start, block.end);
  view.setUint32(at + 4, partition, true);
  view.setFloat64(at + 8, offset, true);
}

export function blockSizeAt(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function blockPartitionAt(view: DataView, at: number): number {
  return view.getUint32(at + 4, true);
}

export function blockOffsetAt(view: DataView, at: number): number {
  return view.getFloat64(at + 8, true);
}

export function blockTimestampAt(view: DataView, at: number): number {
  return view.getFloat64(at + 16, true);
}

export function setBlockOffsetAt(view: DataView, at: number, offset: number): void {
  view.setFloat64(at + 8, offset, true);
}

const noHeaders: readonly RecordHeader[] = [];

/**
 * A record where its block lies. Key, value and header values are views, made when they are asked for, and live as long as
 * the memory beneath. Reused: {@link moveTo} puts it on another block.
 */
export class RecordBlock implements RecordFields {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  partition = 0;
  offset = 0;
  timestamp = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** `view` is over the same memory as `bytes`. */
  moveTo(bytes: Buffer, view: DataView, start: number): void {
    this.bytes = bytes;
    this.#view = view;
    this.start = start;
    this.end = start + blockSizeAt(view, start);
    this.partition = blockPartitionAt(view, start);
    this.offset = blockOffsetAt(view, start);
    this.timestamp = blockTimestampAt(view, start);
  }

  get key(): Buffer | null {
    const size = this.#view.getInt32(this.start + 24, true);
    const start = this.start + BLOCK_PREFIX_BYTES;
    return size < 0 ? null : this.bytes.subarray(start, start + size);
  }

  get value(): Buffer | null {
    const size = this.#view.getInt32(this.start + 28, true);
    if (size < 0) return null;
    const start = this.start + BLOCK_PREFIX_BYTES + Math.max(this.#view.getInt32(this.start + 24, true), 0);
    return this.bytes.subarray(start, start + size);
  }

  get headerCount(): number {
    return this.#view.getUint32(this.start + 32, true);
  }

  get headers(): readonly RecordHeader[] {
    const count = this.headerCount;
    if (count === 0) return noHeaders;
    const headers: RecordHeader[] = [];
    let at = this.#headersStart;
    for (let index = 0; index < count; index++) {
      const nameStart = at + HEADER_PREFIX_BYTES;
      const valueStart = nameStart + this.#view.getUint16(at, true);
      const valueEnd = valueStart + this.#view.getUint32(at + 2, true);
      headers.push([this.bytes.toString('utf8', nameStart, valueStart), this.bytes.subarray(valueStart, valueEnd)]);
      at = valueEnd;
    }
    return headers;
  }

  /** The first header of this name as text, whose bytes are `encoding`; `null` when there is none. The name is ASCII. */
  headerText(name: string, encoding: 'utf8' | 'latin1' = 'utf8'): string | null {
    const view = this.#view;
    const count = view.getUint32(this.start + 32, true);
    let at = this.#headersStart;
    for (let index = 0; index < count; index++) {
      const nameStart = at + HEADER_PREFIX_BYTES;
      const valueStart = nameStart + view.getUint16(at, true);
      const valueEnd = valueStart + view.getUint32(at + 2, true);
      if (valueStart - nameStart === name.length && this.#isTextAt(nameStart, name)) {
        return this.bytes.toString(encoding, valueStart, valueEnd);
      }
      at = valueEnd;
    }
    return null;
  }

  get #headersStart(): number {
    const keySize = Math.max(this.#view.getInt32(this.start + 24, true), 0);
    const valueSize = Math.max(this.#view.getInt32(this.start + 28, true), 0);
    return this.start + BLOCK_PREFIX_BYTES + keySize + valueSize;
  }

  /** Byte by byte, from the end, where our names differ: cheaper than making a string of every name. */
  #isTextAt(start: number, text: string): boolean {
    for (let index = text.length - 1; index >= 0; index--) {
      if (this.bytes[start + index] !== text.charCodeAt(index)) return false;
    }
    return true;
  }
}

/** The first header of this name as text; `null` when there is none. The name is ASCII. */
export function headerTextOf(
  record: { readonly headers: readonly RecordHeader[]; readonly block?: RecordBlock },
  name: string,
  encoding: 'utf8' | 'latin1',
): string | null {
  if (record.block !== undefined) return record.block.headerText(name, encoding);
  const found = record.headers.find((header) => header[0] === name);
  if (found === undefined) return null;
  const [, value] = found;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString(encoding);
}
