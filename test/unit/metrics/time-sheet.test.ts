import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timeSheetBytes } from '../../../src/metrics/counter-layout.js';
import { TimeSheetReader, TimeSheetWriter } from '../../../src/metrics/time-sheet.js';

const STATES = 4;

function makeSheet(): { writer: TimeSheetWriter; reader: TimeSheetReader; words: Int32Array<SharedArrayBuffer> } {
  const location = { memory: new SharedArrayBuffer(64), byteOffset: 8 };
  return {
    writer: new TimeSheetWriter(location, STATES),
    reader: new TimeSheetReader(location, STATES),
    words: new Int32Array(location.memory, location.byteOffset, timeSheetBytes(STATES) / 4),
  };
}

describe('a time sheet', () => {
  test('has no state and no time before the first', () => {
    const { reader } = makeSheet();
    reader.refresh();
    expect(reader.state).toBe(0);
    expect([1, 2, 3].map((state) => reader.spentMs(state, 5_000))).toEqual([0, 0, 0]);
  });

  test('adds the stay that is going on', () => {
    const { writer, reader } = makeSheet();
    writer.enter(2, 1_000.25);
    reader.refresh();
    expect(reader.spentMs(2, 1_500.5)).toBe(500.25);
    expect(reader.since).toBe(1_000.25);
    writer.enter(1, 2_000.25);
    reader.refresh();
    expect([1, 2].map((state) => reader.spentMs(state, 2_100.25))).toEqual([100, 1000]);
  });

  test('counts no time backwards', () => {
    const { writer, reader } = makeSheet();
    writer.enter(1, 1_000);
    reader.refresh();
    expect(reader.spentMs(1, 900)).toBe(0);
    writer.enter(2, 900);
    writer.enter(1, 950);
    reader.refresh();
    expect([1, 2].map((state) => reader.spentMs(state, 950))).toEqual([0, 50]);
  });

  test('accounts for every moment exactly once, whatever the states are', () => {
    const stays = fc.array(fc.tuple(fc.integer({ min: 1, max: STATES - 1 }), fc.integer({ min: 0, max: 10_000 })));
    fc.assert(
      fc.property(stays, (steps) => {
        const { writer, reader } = makeSheet();
        const expected = [0, 0, 0, 0];
        let nowMs = 1_700_000_000_000;
        for (const [state, ms] of steps) {
          writer.enter(state, nowMs);
          nowMs += ms;
          expected[state] = (expected[state] ?? 0) + ms;
        }
        reader.refresh();
        expect([0, 1, 2, 3].map((state) => (state === 0 ? 0 : reader.spentMs(state, nowMs)))).toEqual(expected);
      }),
    );
  });

  test('stays as it was last read while its writer is stopped in the midst of a change', () => {
    const { writer, reader, words } = makeSheet();
    writer.enter(1, 1_000);
    reader.refresh();
    // What a writer that died in mid-change leaves behind: an odd sequence for ever, and half of the change.
    words[0] = (words[0] ?? 0) + 1;
    words[1] = 2;
    reader.refresh();
    expect(reader.state).toBe(1);
    expect(reader.spentMs(1, 1_010)).toBe(10);

    words[0] += 1;
    reader.refresh();
    expect(reader.state).toBe(2);
  });
});
