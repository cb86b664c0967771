import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeAlignmentBoard } from '../../helpers/shared-memory.js';

/** One source of a group takes a step, if it may. */
interface Step {
  readonly member: number;
  readonly kind: 'read' | 'idle' | 'end';
  /** Milliseconds of event time that a read advances it by. */
  readonly advanceMs: number;
}

const MEMBERS = 4;
const ADVANCE_MS_MAX = 50;
const group = Array.from({ length: MEMBERS }, (_, slot) => slot);

const stepsOf = (...kinds: Step['kind'][]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      member: fc.nat({ max: MEMBERS - 1 }),
      kind: fc.oneof({ arbitrary: fc.constant('read' as const), weight: 12 }, fc.constantFrom(...kinds)),
      advanceMs: fc.nat({ max: ADVANCE_MS_MAX }),
    }),
    { maxLength: 300 },
  );

/** Runs the steps; `check` sees the watermarks of those that are neither idle nor ended, and how many of them wait. */
function run(
  maxDriftMs: number,
  steps: readonly Step[],
  check: (counting: number[], waitingCount: number) => void,
): void {
  const board = makeAlignmentBoard(MEMBERS);
  const sources = group.map(() => ({ watermark: -Infinity, counts: true, hasEnded: false }));
  for (const { member, kind, advanceMs } of steps) {
    const source = sources[member];
    if (source === undefined || source.hasEnded) continue;
    if (kind === 'read') {
      if (board.isHeld(member, group, maxDriftMs)) continue;
      source.counts = true;
      source.watermark = Math.max(source.watermark, 0) + advanceMs;
    } else {
      source.counts = false;
      source.hasEnded = kind === 'end';
    }
    board.write(member, source.counts ? source.watermark : Infinity);
    const counting = sources.filter(({ counts }) => counts).map(({ watermark }) => watermark);
    check(counting, group.filter((slot) => board.isHeld(slot, group, maxDriftMs)).length);
  }
}

describe('sources that wait for each other', () => {
  it('are never further ahead of the slowest than the drift and one step, whoever has ended', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100 }), stepsOf('end'), (maxDriftMs, steps) => {
        run(maxDriftMs, steps, (counting) => {
          const least = Math.max(Math.min(...counting), 0);
          for (const watermark of counting) {
            expect(watermark).toBeLessThanOrEqual(least + maxDriftMs + ADVANCE_MS_MAX);
          }
        });
      }),
    );
  });

  it('never all wait, whoever is idle or has ended', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100 }), stepsOf('idle', 'end'), (maxDriftMs, steps) => {
        run(maxDriftMs, steps, (counting, waitingCount) => {
          expect(waitingCount).toBeLessThan(Math.max(counting.length, 1));
        });
      }),
    );
  });
});
