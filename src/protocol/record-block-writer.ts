import { BLOCK_PREFIX_BYTES, RecordBlock } from '../api/internal/record-block.js';
import { ByteWriter } from './byte-writer.js';

/**
 * Writes record blocks, one after the other into the same memory, header by header: for records that are made of texts, where
 * a list of headers would be an object and a buffer for each.
 *
 * ```ts
 * writer.begin(key, value);
 * writer.addHeader(NAME, text, 'latin1');
 * const block = writer.end(timestamp);
 * ```
 */
export class RecordBlockWriter {
  readonly #writer = new ByteWriter(4096);
  readonly #block = new RecordBlock();
  #headerCount = 0;
  #keySize = -1;
  #valueSize = -1;

  begin(key: Uint8Array | null, value: Uint8Array | null): void {
    const writer = this.#writer;
    writer.reset();
    writer.reserve(BLOCK_PREFIX_BYTES);
    writer.length = BLOCK_PREFIX_BYTES;
    this.#headerCount = 0;
    this.#keySize = key === null ? -1 : key.length;
    this.#valueSize = value === null ? -1 : value.length;
    if (key !== null) writer.writeBytes(key);
    if (value !== null) writer.writeBytes(value);
  }

  /** `name` is UTF-8, at most 65,535 bytes; the text becomes the header's value in this encoding. */
  addHeader(name: Uint8Array, text: string, encoding: 'latin1' | 'utf8'): void {
    const writer = this.#writer;
    writer.reserve(6 + name.length + text.length * 3);
    const start = writer.length;
    const valueStart = start + 6 + name.length;
    writer.bytes.set(name, start + 6);
    const valueSize = writer.bytes.write(text, valueStart, encoding);
    writer.view.setUint16(start, name.length, true);
    writer.view.setUint32(start + 2, valueSize, true);
    writer.length = valueStart + valueSize;
    this.#headerCount++;
  }

  /** The finished block, valid until the next {@link begin}. Partition and offset are what its taker wants to read there. */
  end(timestamp: number, place: { readonly partition: number; readonly offset: number } = NOWHERE): RecordBlock {
    const { view, bytes, length } = this.#writer;
    view.setUint32(0, length, true);
    view.setUint32(4, place.partition, true);
    view.setFloat64(8, place.offset, true);
    view.setFloat64(16, timestamp, true);
    view.setInt32(24, this.#keySize, true);
    view.setInt32(28, this.#valueSize, true);
    view.setUint32(32, this.#headerCount, true);
    this.#block.moveTo(bytes, view, 0);
    return this.#block;
  }
}

const NOWHERE = { partition: 0, offset: 0 };
