import { blocksOf, type KeySet, type NumberBlock, piecesOf } from './number-blocks.js';
import { NumberColumns } from './number-columns.js';
import type { NumberTable } from './number-table.js';
import type { Section, SnapshotSection } from './section.js';
import { appendBlock, hasRowsOf, numberVersionsOf, sortedRows, sortedSection } from './section-reader.js';
import { MemoryUsage } from './state-rows.js';
import { WriteBuffer } from './write-buffer.js';

/** Numbers looked at in a step: some tenths of a millisecond. */
const NUMBERS_PER_STEP = 2048;

/**
 * Several sections of one shard on their way into its base, or back from their files. Rows stay as they are; of numbers only the
 * newest of each key becomes a row, and those rows are sorted together. So a key that changes every second costs one row per merge
 * and not one per checkpoint.
 *
 * The newest section is read first, and keys that were met are passed over from then on: within a section each is there once.
 * Where a state has rows as well as numbers the two replace each other, and each section is sorted by itself, which takes longer.
 *
 * One thread, which may do other work between two steps.
 */
export class SectionMerge {
  readonly #work: Iterator<void, readonly Section[]>;
  #merged: readonly Section[] | null = null;

  /** @param sections of one shard, oldest first */
  constructor(sections: readonly SnapshotSection[]) {
    this.#work = merge(sections);
  }

  /** @returns whether {@link sections} are still to be worked on */
  step(): boolean {
    if (this.#merged !== null) return false;
    const { done, value } = this.#work.next();
    if (done === true) this.#merged = value;
    return done !== true;
  }

  /** For a MergeCursor: oldest first. Finishes the work. */
  get sections(): readonly Section[] {
    while (this.step());
    return this.#merged ?? [];
  }
}

function* merge(sections: readonly SnapshotSection[]): Generator<void, readonly Section[]> {
  const rows = sections.map(sortedRows);
  const states = numberVersionsOf(sections);
  if (states.size === 0) return rows;
  for (const section of rows) {
    if (hasRowsOf(section, states)) return sections.map(sortedSection);
    yield;
  }
  const numbers = new WriteBuffer();
  const met = new KeysMet();
  for (const section of sections.toReversed()) {
    for (const frame of section.numberFrames) {
      for (const block of blocksOf(frame)) {
        const keys = met.of(block);
        for (const piece of piecesOf(block, NUMBERS_PER_STEP)) {
          appendBlock(numbers, frame, piece, keys);
          yield;
        }
      }
    }
  }
  while (numbers.sortSome()) yield;
  const newest = sections.at(-1) as SnapshotSection;
  return [...rows, numbers.toSection(newest.shard, newest.dictionary)];
}

/** The keys that were met, by state and namespace. */
class KeysMet {
  readonly #usage = new MemoryUsage();
  readonly #states = new Map<number, NumberColumns>();

  of({ stateId, namespace }: NumberBlock): KeySet {
    let columns = this.#states.get(stateId);
    if (columns === undefined) {
      columns = new NumberColumns({ usage: this.#usage, tracksChanges: false });
      this.#states.set(stateId, columns);
    }
    return new Keys(columns.getOrMake(namespace));
  }
}

/** Those of a table, whose values nobody reads. */
class Keys implements KeySet {
  readonly #table: NumberTable;

  constructor(table: NumberTable) {
    this.#table = table;
  }

  add(key: number): boolean {
    if (this.#table.find(key) >= 0) return false;
    this.#table.insert(key, 0, 0);
    return true;
  }
}
