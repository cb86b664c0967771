import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShardId } from '../../../src/base/ids.js';
import { NumberSink, type ShardBlocks } from '../../../src/state/number-blocks.js';
import { CHECKSUM_BYTES, MergeCursor, type Section, type SnapshotSection } from '../../../src/state/section.js';
import { SectionMerge } from '../../../src/state/section-merge.js';
import { sortedSection } from '../../../src/state/section-reader.js';
import { change, sectionOf } from '../../helpers/snapshot-sections.js';

/** Keys and values, in the order of a MergeCursor; `null` for the value of a row that was removed. */
function rowsOf(sections: readonly Section[]): [key: string, value: string | null][] {
  const rows: [string, string | null][] = [];
  const cursor = new MergeCursor(sections);
  while (cursor.advance()) {
    const row = cursor.current;
    if (row === null) break;
    const value = row.source.subarray(row.keyEnd + CHECKSUM_BYTES, row.valueEnd);
    rows.push([row.key.toString('hex'), row.isTombstone ? null : value.toString('hex')]);
  }
  return rows;
}

/** A section of the numbers of one state, in the order given. */
function numbersOf(numbers: readonly (readonly [key: number, value: number | undefined])[]): SnapshotSection {
  const blocks: ShardBlocks[] = [];
  const sink = new NumberSink(blocks, { namespace: '', version: 1, stateIds: [0] });
  for (const [key, value] of numbers) {
    if (value === undefined) sink.appendRemoved(key);
    else sink.append(key, Float64Array.of(value), 0);
  }
  const numberFrames = blocks[0]?.finish() ?? [];
  return { shard: 0 as ShardId, dictionary: [], rowFrames: [], numberFrames, rows: numbers.length };
}

describe('merged sections', () => {
  it('have the rows that each section sorted by itself has, of numbers only the newest', () => {
    // With state 0 rows and numbers replace each other, without it they are of different states.
    const generations = fc.array(fc.array(change, { maxLength: 20 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(generations, fc.boolean(), (changes, isMixed) => {
        const sections = changes.map((each) => sectionOf(each.filter(({ stateId }) => isMixed || stateId > 0)));
        const merge = new SectionMerge(sections);
        expect(rowsOf(merge.sections)).toEqual(rowsOf(sections.map(sortedSection)));
        expect(merge.step()).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('say how many rows they have, once numbers are merged', () => {
    const older = numbersOf([[1, 10], [2, 20], [3, 30]]); // prettier-ignore
    const newer = numbersOf([[2, undefined], [3, 31], [4, 40]]); // prettier-ignore
    const { sections } = new SectionMerge([older, newer]);
    expect(sections.reduce((sum, { rows }) => sum + rows, 0)).toBe(4);
    expect(rowsOf(sections).filter(([, value]) => value === null).length).toBe(1);
  });

  it('are worked on in steps, however large a frame is', () => {
    const numbers = Array.from({ length: 50_000 }, (_, key) => [key, key * 2] as const);
    const merge = new SectionMerge([numbersOf(numbers), numbersOf(numbers.map(([key]) => [key, key]))]);
    let steps = 1;
    while (merge.step()) steps++;
    expect(steps).toBeGreaterThan(numbers.length / 2048);
    const merged = rowsOf(merge.sections);
    expect(merged.length).toBe(numbers.length);
    expect(merged).toEqual(rowsOf([sortedSection(numbersOf(numbers.map(([key]) => [key, key])))]));
  });
});
