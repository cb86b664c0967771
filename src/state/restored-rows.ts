import { RowKeyReader } from './key-encoding.js';
import { CHECKSUM_BYTES, MergeCursor, type Section } from './section.js';
import type { WriteBuffer } from './write-buffer.js';

/** The rows of one state in one shard, as they lie in the frames of sections. */
interface RowList {
  readonly frames: Buffer[];
  readonly keyStarts: number[];
  readonly keyEnds: number[];
  readonly valueEnds: number[];
  readonly rowStarts: number[];
}

/**
 * Rows of one shard that were restored into memory and wait, in bytes, for their state to be asked for: only then is it
 * known how to read their values. Rows of states that this job does not ask for stay, and go into full snapshots as they
 * are.
 */
export class RestoredRows {
  readonly #lists = new Map<number, RowList>();

  /** @param sections oldest first */
  constructor(sections: readonly Section[]) {
    const cursor = new MergeCursor(sections);
    while (cursor.advance()) {
      const row = cursor.current;
      if (row === null || row.isTombstone) continue;
      const list = this.#listOf(row.stateId);
      list.frames.push(row.source);
      list.rowStarts.push(row.rowStart);
      list.keyStarts.push(row.keyStart);
      list.keyEnds.push(row.keyEnd);
      list.valueEnds.push(row.valueEnd);
    }
  }

  /** Calls back for each row of a state and forgets them. The reader stands on the key. */
  take(stateId: number, visit: (reader: RowKeyReader, keyGroup: number, value: Buffer) => void): void {
    const list = this.#lists.get(stateId);
    if (list === undefined) return;
    this.#lists.delete(stateId);
    const reader = new RowKeyReader();
    list.frames.forEach((frame, index) => {
      const keyStart = list.keyStarts[index] as number;
      const keyEnd = list.keyEnds[index] as number;
      reader.open(frame, keyStart, keyEnd);
      visit(reader, frame.readUInt16BE(keyStart), frame.subarray(keyEnd + CHECKSUM_BYTES, list.valueEnds[index]));
    });
  }

  /** Adds every row that nobody asked for to a snapshot. @returns how many */
  copyTo(buffer: WriteBuffer): number {
    let count = 0;
    for (const list of this.#lists.values()) {
      count += list.frames.length;
      list.frames.forEach((frame, index) => {
        buffer.appendEncoded(frame, list.rowStarts[index] as number, list.valueEnds[index] as number);
      });
    }
    return count;
  }

  #listOf(stateId: number): RowList {
    let list = this.#lists.get(stateId);
    if (list === undefined) {
      list = { frames: [], keyStarts: [], keyEnds: [], valueEnds: [], rowStarts: [] };
      this.#lists.set(stateId, list);
    }
    return list;
  }
}
