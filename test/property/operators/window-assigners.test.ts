import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CumulativeEventTimeWindows,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
} from '../../../src/api/window-assigners.js';
import type { TimeWindow } from '../../../src/api/windows.js';

const timestamps = fc.integer({ min: -1_000_000, max: 1_000_000 });
const sizes = fc.integer({ min: 1, max: 500 });

/** All windows of a size that start every `slide` and hold the timestamp, by trying each start. */
function windowsBySearch(timestamp: number, size: number, slide: number, offset: number): string[] {
  const found: string[] = [];
  for (let start = timestamp - size + 1; start <= timestamp; start++) {
    if ((start - offset) % slide === 0) found.push(`${start},${start + size}`);
  }
  return found.sort();
}

function named(windows: readonly TimeWindow[]): string[] {
  return windows.map(({ start, end }) => `${start},${end}`).sort();
}

describe('window assigners', () => {
  it('put each timestamp into exactly the tumbling window that holds it, at any offset', () => {
    fc.assert(
      fc.property(timestamps, sizes, fc.integer(), (timestamp, size, shift) => {
        const offset = shift % size;
        const windows = TumblingEventTimeWindows.of(size, offset).assignWindows(null, timestamp);
        expect(named(windows)).toEqual(windowsBySearch(timestamp, size, size, offset));
      }),
    );
  });

  it('put each timestamp into all sliding windows that hold it, in none where a slide leaves gaps', () => {
    fc.assert(
      fc.property(
        fc.array(timestamps, { minLength: 1, maxLength: 5 }),
        sizes,
        sizes,
        fc.integer(),
        (times, size, slide, shift) => {
          const offset = shift % slide;
          const assigner = SlidingEventTimeWindows.of(size, slide, offset);
          // One assigner for several timestamps: what it keeps from one must not show in the next.
          for (const timestamp of times) {
            expect(named(assigner.assignWindows(null, timestamp))).toEqual(
              windowsBySearch(timestamp, size, slide, offset),
            );
          }
        },
      ),
    );
  });

  it('put each timestamp into the cumulative windows of its period that have not ended before it', () => {
    fc.assert(
      fc.property(
        timestamps,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 10 }),
        (timestamp, step, count) => {
          const windows = CumulativeEventTimeWindows.of(step * count, step).assignWindows(null, timestamp);
          const start = Math.floor(timestamp / (step * count)) * step * count;
          const ends = Array.from({ length: count }, (_, i) => start + (i + 1) * step).filter((end) => end > timestamp);
          expect(named(windows)).toEqual(ends.map((end) => `${start},${end}`).sort());
        },
      ),
    );
  });
});
