import type { Namespace } from '../api/internal/state-backend.js';
import { RowKeyReader } from './key-encoding.js';
import { blocksOf, forEachNumber } from './number-blocks.js';
import { CHECKSUM_BYTES, MergeCursor, type Section, type SectionCursor, type SnapshotSection } from './section.js';
import { hasRowsOf, numberRows, numberVersionsOf, sortedRows, sortedSection } from './section-reader.js';
import type { WriteBuffer } from './write-buffer.js';

/** The rows of one state in one shard, as they lie in the frames of sections. */
interface RowList {
  readonly frames: Buffer[];
  readonly keyStarts: number[];
  readonly keyEnds: number[];
  readonly valueEnds: number[];
  readonly rowStarts: number[];
}

/** Where a row lies. The same object with every call. */
export interface RestoredRow {
  readonly keyGroup: number;
  readonly source: Buffer;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** Takes the restored rows of a state. */
export interface RestoredRowVisitor {
  /** The schema version under which the state takes numbers as such; `null` when it takes none. */
  readonly numberVersion: number | null;
  /** A row. The reader stands on the key; the value lies in `source[valueStart, valueEnd)`. */
  readonly onRow: (reader: RowKeyReader, row: RestoredRow) => void;
  /** A number under an integer key, or that it was removed: later ones replace earlier ones. */
  readonly onNumber: (namespace: Namespace, key: number, value: number | undefined) => void;
}

/**
 * Rows of one shard that were restored into memory and wait, in bytes, for their state to be asked for: only then is it
 * known how to read their values. Rows of states that this job does not ask for stay, and go into full snapshots as they
 * are.
 *
 * A state whose rows are all numbers in a snapshot gets them as they lie there: to sort and merge them takes longer than to
 * enter some of them twice.
 */
export class RestoredRows {
  /** Oldest first; those with rows that nobody has looked at yet. */
  #sections: readonly Section[];
  /** Rows by state, once {@link #sections} was walked for the first state. */
  readonly #lists = new Map<number, RowList>();
  /** With numbers of the states below, oldest first. */
  #numberSections: readonly SnapshotSection[] = [];
  /** The schema version of numbers, by state, of states that have nothing else. */
  readonly #numberVersions: Map<number, number>;
  /** States whose rows somebody is going to take. */
  readonly #claimed = new Set<number>();

  /** @param sections oldest first */
  constructor(sections: readonly SnapshotSection[]) {
    const versions = numberVersionsOf(sections);
    // Rows and numbers of one state replace each other.
    const isMixed = versions.size > 0 && sections.some((section) => hasRowsOf(sortedRows(section), versions));
    this.#sections = sections.map(isMixed ? sortedSection : sortedRows);
    this.#numberVersions = isMixed ? new Map<number, number>() : versions;
    if (this.#numberVersions.size > 0) this.#numberSections = sections;
  }

  /** Somebody is going to take the rows of a state, and answers for their being in snapshots until then. */
  claim(stateId: number): void {
    this.#claimed.add(stateId);
  }

  /** Calls back for each row of a state and forgets them. */
  take(stateId: number, visitor: RestoredRowVisitor): void {
    this.#claimed.delete(stateId);
    const version = this.#numberVersions.get(stateId);
    const reader = new RowKeyReader();
    const row = new RowPlace();
    const visit = (source: Buffer, keyStart: number, keyEnd: number, valueEnd: number): void => {
      reader.open(source, keyStart, keyEnd);
      row.keyGroup = source.readUInt16BE(keyStart);
      row.source = source;
      row.valueStart = keyEnd + CHECKSUM_BYTES;
      row.valueEnd = valueEnd;
      visitor.onRow(reader, row);
    };
    if (version !== undefined && version === visitor.numberVersion) this.#visitNumbers(stateId, visitor);
    else if (version !== undefined) {
      const rows = new MergeCursor(this.#numberSections.map((section) => numberRows(section, stateId)));
      while (rows.advance()) {
        const { source, keyStart, keyEnd, valueEnd, isTombstone } = rows.current as SectionCursor;
        if (!isTombstone) visit(source, keyStart, keyEnd, valueEnd);
      }
    }
    this.#forgetNumbers(stateId);
    // Of the first state nothing needs to be remembered: most jobs have no other.
    this.#walkSections((cursor) => {
      if (cursor.stateId !== stateId) return false;
      visit(cursor.source, cursor.keyStart, cursor.keyEnd, cursor.valueEnd);
      return true;
    });
    const list = this.#lists.get(stateId);
    if (list === undefined) return;
    this.#lists.delete(stateId);
    list.frames.forEach((frame, index) => {
      const { keyStarts, keyEnds, valueEnds } = list;
      visit(frame, keyStarts[index] as number, keyEnds[index] as number, valueEnds[index] as number);
    });
  }

  /** Adds every row that nobody asked for to a snapshot. @returns how many */
  copyTo(buffer: WriteBuffer): number {
    this.#walkSections(() => false);
    for (const stateId of this.#numberVersions.keys()) {
      if (this.#claimed.has(stateId)) continue;
      this.#sections = this.#numberSections.map((section) => numberRows(section, stateId));
      this.#walkSections(() => false);
      this.#forgetNumbers(stateId);
    }
    let count = 0;
    for (const [stateId, list] of this.#lists) {
      if (this.#claimed.has(stateId)) continue;
      count += list.frames.length;
      list.frames.forEach((frame, index) => {
        buffer.appendEncoded(frame, list.rowStarts[index] as number, list.valueEnds[index] as number);
      });
    }
    return count;
  }

  /** Walks the rows that nobody has looked at yet, and lists those that `isTaken` leaves. */
  #walkSections(isTaken: (row: SectionCursor) => boolean): void {
    const cursor = new MergeCursor(this.#sections);
    this.#sections = [];
    while (cursor.advance()) {
      const row = cursor.current as SectionCursor;
      if (row.isTombstone || isTaken(row)) continue;
      const list = this.#listOf(row.stateId);
      list.frames.push(row.source);
      list.rowStarts.push(row.rowStart);
      list.keyStarts.push(row.keyStart);
      list.keyEnds.push(row.keyEnd);
      list.valueEnds.push(row.valueEnd);
    }
  }

  #visitNumbers(stateId: number, { onNumber }: RestoredRowVisitor): void {
    for (const frame of this.#numberSections.flatMap(({ numberFrames }) => numberFrames)) {
      for (const block of blocksOf(frame)) {
        if (block.stateId !== stateId) continue;
        forEachNumber(frame, block, (key, value) => onNumber(block.namespace, key, value));
      }
    }
  }

  #forgetNumbers(stateId: number): void {
    this.#numberVersions.delete(stateId);
    if (this.#numberVersions.size === 0) this.#numberSections = [];
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

class RowPlace implements RestoredRow {
  keyGroup = 0;
  source: Buffer = Buffer.alloc(0);
  valueStart = 0;
  valueEnd = 0;
}
