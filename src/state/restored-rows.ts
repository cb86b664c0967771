import type { Namespace } from '../api/internal/state-backend.js';
import { RowKeyReader } from './key-encoding.js';
import { blocksOf, forEachNumber } from './number-blocks.js';
import { CHECKSUM_BYTES, MergeCursor, type Section, type SnapshotSection } from './section.js';
import { numberRows, sortedRows, sortedSection } from './section-reader.js';
import type { WriteBuffer } from './write-buffer.js';

/** The rows of one state in one shard, as they lie in the frames of sections. */
interface RowList {
  readonly frames: Buffer[];
  readonly keyStarts: number[];
  readonly keyEnds: number[];
  readonly valueEnds: number[];
  readonly rowStarts: number[];
}

/** Takes the restored rows of a state. */
export interface RestoredRowVisitor {
  /** The schema version under which the state takes numbers as such; `null` when it takes none. */
  readonly numberVersion: number | null;
  /** A row. The reader stands on the key. */
  readonly onRow: (reader: RowKeyReader, keyGroup: number, value: Buffer) => void;
  /** A number under an integer key, or that it was removed: later ones replace earlier ones. */
  readonly onNumber: (namespace: Namespace, key: number, value: number | undefined) => void;
}

/** Of a state with numbers of several schema versions. */
const SEVERAL = -1;

/**
 * Rows of one shard that were restored into memory and wait, in bytes, for their state to be asked for: only then is it
 * known how to read their values. Rows of states that this job does not ask for stay, and go into full snapshots as they
 * are.
 *
 * A state whose rows are all numbers in a snapshot gets them as they lie there: to sort and merge them takes longer than to
 * enter some of them twice.
 */
export class RestoredRows {
  readonly #lists = new Map<number, RowList>();
  /** With numbers of the states below, oldest first. */
  #sections: readonly SnapshotSection[] = [];
  /** The schema version of numbers, by state, of states that have nothing else. */
  readonly #numberVersions = new Map<number, number>();

  /** @param sections oldest first */
  constructor(sections: readonly SnapshotSection[]) {
    const versions = numberVersionsOf(sections);
    const found = this.#addRows(sections.map(sortedRows));
    if ([...versions.keys()].some((stateId) => found.has(stateId))) {
      // Rows and numbers of one state replace each other.
      this.#lists.clear();
      this.#addRows(sections.map(sortedSection));
      return;
    }
    this.#sections = sections;
    this.#numberVersions = versions;
  }

  /** Calls back for each row of a state and forgets them. */
  take(stateId: number, visitor: RestoredRowVisitor): void {
    const version = this.#numberVersions.get(stateId);
    if (version !== undefined && version === visitor.numberVersion) this.#visitNumbers(stateId, visitor);
    else if (version !== undefined) this.#addRows(this.#sections.map((section) => numberRows(section, stateId)));
    this.#forgetNumbers(stateId);
    const list = this.#lists.get(stateId);
    if (list === undefined) return;
    this.#lists.delete(stateId);
    const reader = new RowKeyReader();
    list.frames.forEach((frame, index) => {
      const keyStart = list.keyStarts[index] as number;
      const keyEnd = list.keyEnds[index] as number;
      reader.open(frame, keyStart, keyEnd);
      const value = frame.subarray(keyEnd + CHECKSUM_BYTES, list.valueEnds[index]);
      visitor.onRow(reader, frame.readUInt16BE(keyStart), value);
    });
  }

  /** Adds every row that nobody asked for to a snapshot. @returns how many */
  copyTo(buffer: WriteBuffer): number {
    for (const stateId of this.#numberVersions.keys()) {
      this.#addRows(this.#sections.map((section) => numberRows(section, stateId)));
      this.#forgetNumbers(stateId);
    }
    let count = 0;
    for (const list of this.#lists.values()) {
      count += list.frames.length;
      list.frames.forEach((frame, index) => {
        buffer.appendEncoded(frame, list.rowStarts[index] as number, list.valueEnds[index] as number);
      });
    }
    return count;
  }

  /** @returns the states of which there are rows, removed ones included */
  #addRows(sections: readonly Section[]): Set<number> {
    const found = new Set<number>();
    const cursor = new MergeCursor(sections);
    while (cursor.advance()) {
      const row = cursor.current;
      if (row === null) break;
      found.add(row.stateId);
      if (row.isTombstone) continue;
      const list = this.#listOf(row.stateId);
      list.frames.push(row.source);
      list.rowStarts.push(row.rowStart);
      list.keyStarts.push(row.keyStart);
      list.keyEnds.push(row.keyEnd);
      list.valueEnds.push(row.valueEnd);
    }
    return found;
  }

  #visitNumbers(stateId: number, { onNumber }: RestoredRowVisitor): void {
    for (const frame of this.#sections.flatMap(({ numberFrames }) => numberFrames)) {
      for (const block of blocksOf(frame)) {
        if (block.stateId !== stateId) continue;
        forEachNumber(frame, block, (key, value) => onNumber(block.namespace, key, value));
      }
    }
  }

  #forgetNumbers(stateId: number): void {
    this.#numberVersions.delete(stateId);
    if (this.#numberVersions.size === 0) this.#sections = [];
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

function numberVersionsOf(sections: readonly SnapshotSection[]): Map<number, number> {
  const versions = new Map<number, number>();
  for (const frame of sections.flatMap(({ numberFrames }) => numberFrames)) {
    for (const { stateId, version } of blocksOf(frame)) {
      const known = versions.get(stateId) ?? version;
      versions.set(stateId, known === version ? version : SEVERAL);
    }
  }
  return versions;
}
