import { keyGroupOfInt32 } from '../api/internal/key-groups.js';
import { VOID_NAMESPACE } from '../api/internal/state-backend.js';
import { Entry, NamespacedEntry } from './entry.js';
import { blocksOf, forEachNumber, type NumberBlock } from './number-blocks.js';
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
export function sortedRows({ shard, dictionary, rowFrames, rows }: SnapshotSection): Section {
  return { shard, dictionary, frames: rowFrames, rows };
}

/** The numbers of one state as rows. */
export function numberRows(section: SnapshotSection, stateId: number): Section {
  const rows = new WriteBuffer();
  appendNumbers(rows, section, (block) => block.stateId === stateId);
  return rows.toSection(section.shard, section.dictionary);
}

/** Adds numbers as the state would have written them one by one. */
function appendNumbers(
  rows: WriteBuffer,
  { numberFrames }: SnapshotSection,
  isWanted: (block: NumberBlock) => boolean,
): void {
  for (const frame of numberFrames) {
    for (const block of blocksOf(frame)) {
      if (!isWanted(block)) continue;
      const { stateId, namespace } = block;
      const codec = numberCodec(block.version);
      const entry = namespace === VOID_NAMESPACE ? new Entry(0, 0) : new NamespacedEntry(0, 0, namespace, undefined);
      forEachNumber(frame, block, (key, value) => {
        entry.key = key;
        entry.bits = keyGroupOfInt32(key);
        entry.value = value;
        rows.append(entry, stateId, codec);
      });
    }
  }
}
