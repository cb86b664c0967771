import { keyGroupOfInt32 } from '../api/internal/key-groups.js';
import { VOID_NAMESPACE } from '../api/internal/state-backend.js';
import { Entry, NamespacedEntry } from './entry.js';
import { blocksOf, forEachNumber, type KeySet, type NumberBlock, rowCountOf } from './number-blocks.js';
import { type Section, SectionCursor, type SnapshotSection } from './section.js';
import { numberCodec } from './value-codec.js';
import { WriteBuffer } from './write-buffer.js';

/**
 * Reading what a snapshot left: its rows are sorted, its numbers are not, so that a checkpoint need not do it. Here they become
 * rows too, which takes half a second for a million.
 */

/** All rows of a section, sorted. */
export function sortedSection(section: SnapshotSection): Section {
  const sorted = sortedRows(section);
  if (section.numberFrames.length === 0) return sorted;
  const rows = new WriteBuffer();
  const cursor = new SectionCursor(sorted);
  while (cursor.advance()) rows.appendEncoded(cursor.source, cursor.rowStart, cursor.valueEnd);
  appendNumbers(rows, section, () => true);
  return rows.toSection(section.shard, section.dictionary);
}

/** The rows that are sorted already. */
export function sortedRows({ shard, dictionary, rowFrames, numberFrames, rows }: SnapshotSection): Section {
  let numbers = 0;
  for (const frame of numberFrames) for (const block of blocksOf(frame)) numbers += rowCountOf(block);
  return { shard, dictionary, frames: rowFrames, rows: rows - numbers };
}

/** The numbers of one state as rows. */
export function numberRows(section: SnapshotSection, stateId: number): Section {
  const rows = new WriteBuffer();
  appendNumbers(rows, section, (block) => block.stateId === stateId);
  return rows.toSection(section.shard, section.dictionary);
}

/**
 * Adds the numbers of a block as the state would have written them one by one.
 *
 * @param met keys that are passed over, and that those which are not are added to
 */
export function appendBlock(rows: WriteBuffer, frame: Buffer, block: NumberBlock, met: KeySet | null = null): void {
  const { stateId, namespace } = block;
  const codec = numberCodec(block.version);
  const entry = namespace === VOID_NAMESPACE ? new Entry(0, 0) : new NamespacedEntry(0, 0, namespace, undefined);
  const append = (key: number, value: number | undefined): void => {
    entry.key = key;
    entry.bits = keyGroupOfInt32(key);
    entry.value = value;
    rows.append(entry, stateId, codec);
  };
  forEachNumber(frame, block, append, met);
}

function appendNumbers(
  rows: WriteBuffer,
  { numberFrames }: SnapshotSection,
  isWanted: (block: NumberBlock) => boolean,
): void {
  for (const frame of numberFrames) {
    for (const block of blocksOf(frame)) if (isWanted(block)) appendBlock(rows, frame, block);
  }
}

/** Of a state with numbers of several schema versions. */
const SEVERAL_VERSIONS = -1;

/** The states that have numbers, and under which schema version; -1 for several. */
export function numberVersionsOf(sections: readonly SnapshotSection[]): Map<number, number> {
  const versions = new Map<number, number>();
  for (const frame of sections.flatMap(({ numberFrames }) => numberFrames)) {
    for (const { stateId, version } of blocksOf(frame)) {
      const known = versions.get(stateId) ?? version;
      versions.set(stateId, known === version ? version : SEVERAL_VERSIONS);
    }
  }
  return versions;
}

/** Whether rows of any of these states are there. */
export function hasRowsOf(section: Section, states: ReadonlyMap<number, unknown>): boolean {
  const cursor = new SectionCursor(section);
  while (cursor.advance()) if (states.has(cursor.stateId)) return true;
  return false;
}
