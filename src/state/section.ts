import type { ShardId } from '../base/ids.js';
import { compareBytes } from './key-encoding.js';
import type { DictionaryEntry } from './state-dictionary.js';

/**
 * The rows of one shard in bytes, sorted by row key: a part of a segment file, of a snapshot in memory, or on its way into
 * the base.
 *
 * ```text
 * row        key length u16 │ value length u32 │ key │ checksum u32 │ value       (little-endian)
 * tombstone  key length u16 │ ffffffff         │ key
 * ```
 *
 * A frame holds whole rows. The checksum is room for the base's own: it is filled in when a row is written to the base, so
 * that checksum and value go there as one piece, without being copied.
 */
export interface Section {
  readonly shard: ShardId;
  /** Which state each state id in the row keys stands for. */
  readonly dictionary: readonly DictionaryEntry[];
  readonly frames: readonly Buffer[];
  readonly rows: number;
}

/** The rows of one shard as a snapshot leaves them and a segment file holds them: see section-reader.ts. */
export interface SnapshotSection {
  readonly shard: ShardId;
  readonly dictionary: readonly DictionaryEntry[];
  /** Sorted rows, as in a {@link Section}. */
  readonly rowFrames: readonly Buffer[];
  /** Other rows, whose values are numbers (number-blocks.ts). */
  readonly numberFrames: readonly Buffer[];
  /** Of both kinds. */
  readonly rows: number;
}

export const ROW_HEADER_BYTES = 6;
export const TOMBSTONE = 0xffffffff;
export const CHECKSUM_BYTES = 4;
export const ROW_KEY_BYTES_MAX = 0xffff;

/** Walks the rows of a section. After {@link advance} the fields say where the row lies. */
export class SectionCursor {
  source: Buffer = Buffer.alloc(0);
  rowStart = 0;
  keyStart = 0;
  keyEnd = 0;
  /** Also the end of the row. */
  valueEnd = 0;
  isTombstone = false;
  hasEnded = false;
  readonly #frames: readonly Buffer[];
  #frameIndex = -1;

  constructor(section: Section) {
    this.#frames = section.frames;
  }

  /** Moves to the next row; false at the end. */
  advance(): boolean {
    while (this.valueEnd >= this.source.length) {
      const next = this.#frames[this.#frameIndex + 1];
      if (next === undefined) {
        this.hasEnded = true;
        return false;
      }
      this.#frameIndex += 1;
      this.source = next;
      this.valueEnd = 0;
    }
    const source = this.source;
    this.rowStart = this.valueEnd;
    const valueLength = source.readUInt32LE(this.rowStart + 2);
    this.isTombstone = valueLength === TOMBSTONE;
    this.keyStart = this.rowStart + ROW_HEADER_BYTES;
    this.keyEnd = this.keyStart + source.readUInt16LE(this.rowStart);
    this.valueEnd = this.isTombstone ? this.keyEnd : this.keyEnd + CHECKSUM_BYTES + valueLength;
    return true;
  }

  get key(): Buffer {
    return this.source.subarray(this.keyStart, this.keyEnd);
  }

  get keyGroup(): number {
    return this.source.readUInt16BE(this.keyStart);
  }

  get stateId(): number {
    return this.source.readUInt16BE(this.keyStart + 2);
  }
}

/**
 * Walks several sections of one shard as one: rows in order of their keys, and of rows with equal keys only that of the
 * newest section. Sections are few, so the least is found by looking at each.
 */
export class MergeCursor {
  /** The row that {@link advance} moved to. */
  current: SectionCursor | null = null;
  /** Oldest first. */
  #live: SectionCursor[];
  /** The first so many stand on the key of the current row, itself included. */
  readonly #onKey: SectionCursor[] = [];
  #onKeyCount = 0;

  /** @param sections oldest first */
  constructor(sections: readonly Section[]) {
    this.#live = sections.map((section) => new SectionCursor(section)).filter((cursor) => cursor.advance());
  }

  advance(): boolean {
    this.#leaveKey();
    let least: SectionCursor | null = null;
    for (const cursor of this.#live) {
      const order = least === null ? -1 : compareKeys(cursor, least);
      if (order > 0) continue;
      if (order < 0) this.#onKeyCount = 0;
      this.#onKey[this.#onKeyCount++] = cursor;
      // Of equal keys the newest section's row stands.
      least = cursor;
    }
    this.current = least;
    return least !== null;
  }

  #leaveKey(): void {
    let hasEnded = false;
    for (let at = 0; at < this.#onKeyCount; at++) {
      const cursor = this.#onKey[at] as SectionCursor;
      hasEnded = !cursor.advance() || hasEnded;
    }
    this.#onKeyCount = 0;
    if (hasEnded) this.#live = this.#live.filter((cursor) => !cursor.hasEnded);
  }
}

function compareKeys(a: SectionCursor, b: SectionCursor): number {
  return compareBytes(a.source, a.keyStart, a.keyEnd, b.source, b.keyStart, b.keyEnd);
}
