import { compareBytes } from './key-encoding.js';
import { CHECKSUM_BYTES, MergeCursor, type Section } from './section.js';

/**
 * Rows of segments that a shard's base lacks after a restart, read in place of the base's own until they have been written
 * to it: so a start waits for no transaction. Of each row only the newest; removed rows are known as such.
 */
export class ReplayedRows {
  readonly #sources: Buffer[] = [];
  readonly #keyStarts: number[] = [];
  readonly #keyEnds: number[] = [];
  /** Equal to the end of the key for a removed row. */
  readonly #valueEnds: number[] = [];

  /** @param sections of one shard, oldest first */
  constructor(sections: readonly Section[]) {
    const cursor = new MergeCursor(sections);
    while (cursor.advance()) {
      const row = cursor.current;
      if (row === null) return;
      this.#sources.push(row.source);
      this.#keyStarts.push(row.keyStart);
      this.#keyEnds.push(row.keyEnd);
      this.#valueEnds.push(row.valueEnd);
    }
  }

  /** The value of a row; `null` when it was removed, `undefined` when nothing is known of it here. */
  read(key: Buffer): Buffer | null | undefined {
    const index = this.#firstFrom(key);
    return index < this.#sources.length && this.#compare(index, key) === 0 ? this.#valueOf(index) : undefined;
  }

  /**
   * Visits the rows whose keys begin with `prefix`, those of a base and these as one, in order, until `visit` returns false.
   *
   * @param readBase walks the base's rows in the same way
   */
  readRange(
    prefix: Buffer,
    readBase: (visit: (key: Buffer, value: Buffer) => boolean) => void,
    visit: (key: Buffer, value: Buffer) => boolean,
  ): void {
    let next = this.#firstFrom(prefix);
    /** Visits replayed rows of the prefix that come before `key`. @returns whether more are wanted */
    const visitBefore = (key: Buffer | null): boolean => {
      for (; this.#beginsWith(next, prefix); next++) {
        if (key !== null && this.#compare(next, key) >= 0) break;
        const value = this.#valueOf(next);
        if (value !== null && !visit(this.#keyOf(next), value)) return false;
      }
      return true;
    };
    let wantsMore = true;
    readBase((key, value) => {
      // Not only the next one is compared: a base keeps very long keys in an order of its own.
      wantsMore = visitBefore(key) && (this.read(key) !== undefined || visit(key, value));
      return wantsMore;
    });
    if (wantsMore) visitBefore(null);
  }

  /** The first row whose key is not less than `key`. */
  #firstFrom(key: Buffer): number {
    let low = 0;
    let high = this.#sources.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(index: number, key: Buffer): number {
    const source = this.#sources[index] as Buffer;
    const [start, end] = [this.#keyStarts[index] as number, this.#keyEnds[index] as number];
    return compareBytes(source, start, end, key, 0, key.length);
  }

  #beginsWith(index: number, prefix: Buffer): boolean {
    return index < this.#sources.length && this.#keyOf(index).subarray(0, prefix.length).equals(prefix);
  }

  #keyOf(index: number): Buffer {
    return (this.#sources[index] as Buffer).subarray(this.#keyStarts[index], this.#keyEnds[index]);
  }

  #valueOf(index: number): Buffer | null {
    const [keyEnd, valueEnd] = [this.#keyEnds[index] as number, this.#valueEnds[index] as number];
    return keyEnd === valueEnd ? null : (this.#sources[index] as Buffer).subarray(keyEnd + CHECKSUM_BYTES, valueEnd);
  }
}
