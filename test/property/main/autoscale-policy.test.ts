import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AutoscalePolicy } from '../../../src/main/autoscale-policy.js';

const SECOND = 1000;
const range = fc
  .tuple(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 0, max: 15 }))
  .map(([least, more]) => ({ least, most: least + more }));
const load = fc.double({ min: 0, max: 1, noNaN: true });

/** Runs a policy over a load that falls as workers are added. @returns the number of workers after each second */
function run(policy: AutoscalePolicy, work: readonly number[], start: number): number[] {
  let parallelism = start;
  return work.map((amount, second) => {
    const sample = { nowMs: second * SECOND, load: Math.min(1, amount / parallelism) };
    parallelism = policy.decide(sample, parallelism) ?? parallelism;
    return parallelism;
  });
}

describe('the number of workers that a job should have', () => {
  it('stays within the range, moves up to twice as many and down by one, whatever the load', () => {
    fc.assert(
      fc.property(range, fc.array(load, { minLength: 1, maxLength: 300 }), (limits, loads) => {
        const policy = new AutoscalePolicy(limits);
        let parallelism = limits.least;
        for (const [second, value] of loads.entries()) {
          const next = policy.decide({ nowMs: second * SECOND, load: value }, parallelism);
          if (next === null) continue;
          expect(next).not.toBe(parallelism);
          expect(next).toBeGreaterThanOrEqual(limits.least);
          expect(next).toBeLessThanOrEqual(limits.most);
          expect(next).toBeGreaterThanOrEqual(parallelism - 1);
          expect(next).toBeLessThanOrEqual(2 * parallelism);
          parallelism = next;
        }
      }),
    );
  });

  it('comes to rest under work that stays the same: it never turns back, and ends where the load is bearable', () => {
    fc.assert(
      fc.property(range, fc.double({ min: 0, max: 20, noNaN: true }), fc.nat(15), (limits, amount, place) => {
        const start = Math.min(limits.least + place, limits.most);
        const seconds = 40 * 60;
        const sizes = run(
          new AutoscalePolicy(limits),
          Array.from({ length: seconds }, () => amount),
          start,
        );
        const changes = [start, ...sizes].flatMap((size, index, all) => {
          const before = all[index - 1];
          return before === undefined || before === size ? [] : [Math.sign(size - before)];
        });
        // Down after up may follow once, when the step up was too large; up after down never.
        expect(changes.join()).not.toContain('-1,1');
        const last = sizes.at(-1) ?? start;
        if (last < limits.most) expect(amount / last).toBeLessThan(0.8);
        if (last > limits.least) expect(amount / (last - 1)).toBeGreaterThan(0.5);
        expect(sizes.slice(-600)).toEqual(sizes.slice(-600).map(() => last));
      }),
    );
  });

  it('is not changed by a load that is high or low for a moment only', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 50 }), (order) => {
        const policy = new AutoscalePolicy({ least: 1, most: 8 });
        let second = 0;
        const look = (value: number): number | null => policy.decide({ nowMs: second++ * SECOND, load: value }, 4);
        for (const isHigh of order) {
          for (let count = 0; count < (isHigh ? 9 : 59); count++) expect(look(isHigh ? 1 : 0)).toBeNull();
          expect(look(0.6)).toBeNull();
        }
      }),
    );
  });

  it('goes into the range at once', () => {
    expect(new AutoscalePolicy({ least: 2, most: 4 }).decide({ nowMs: 0, load: 0.6 }, 1)).toBe(2);
    expect(new AutoscalePolicy({ least: 2, most: 4 }).decide({ nowMs: 0, load: 0.6 }, 9)).toBe(4);
  });
});
