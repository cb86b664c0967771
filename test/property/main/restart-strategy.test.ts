import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';
import { createRestartStrategy, type RestartSettings } from '../../../src/main/restart-strategy.js';

const settings = (over: Partial<RestartSettings>): RestartSettings => ({
  restartStrategy: 'none',
  restartAttempts: 1,
  restartDelayMs: 1_000,
  restartFailuresMax: 1,
  restartFailureIntervalMs: 60_000,
  restartBackoffInitialMs: 50,
  restartBackoffMaxMs: 60_000,
  restartBackoffGrowthPercent: 50,
  restartBackoffJitterPercent: 10,
  restartBackoffResetMs: 3_600_000,
  restartBackoffAttempts: Infinity,
  ...over,
});

/** Times between failures: the next comes so long after the restart of the one before. */
const runs = fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 40 });

/** What a strategy answers when each attempt runs for as long as `runs` says. Ends with the first `null`. */
function decisions(over: Partial<RestartSettings>, ranMs: readonly number[], seed = 1): (number | null)[] {
  const strategy = createRestartStrategy(settings(over), new SeededPrng(seed));
  const given: (number | null)[] = [];
  let nowMs = 1_000;
  for (const ran of ranMs) {
    nowMs += ran;
    const delayMs = strategy.onFailure(nowMs);
    given.push(delayMs);
    if (delayMs === null) break;
    nowMs += delayMs;
  }
  return given;
}

describe('restart strategies', () => {
  it('none: the first failure is the last', () => {
    fc.assert(
      fc.property(runs, (ran) => {
        expect(decisions({}, ran)).toEqual([null]);
      }),
    );
  });

  it('fixed-delay: as many restarts as it has attempts, each after the same delay, however long the job ran', () => {
    fc.assert(
      fc.property(runs, fc.nat(50), fc.nat(5_000), (ran, restartAttempts, restartDelayMs) => {
        const given = decisions({ restartStrategy: 'fixed-delay', restartAttempts, restartDelayMs }, ran);
        const restarts = Math.min(restartAttempts, ran.length);
        expect(given.slice(0, restarts)).toEqual(Array.from({ length: restarts }, () => restartDelayMs));
        if (ran.length > restartAttempts) expect(given.at(-1)).toBeNull();
      }),
    );
  });

  it('failure-rate: ends exactly when more failures than allowed lie within one interval', () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 5 }), (ran, restartFailuresMax) => {
        const restartFailureIntervalMs = 100_000;
        const restartDelayMs = 10;
        const given = decisions(
          { restartStrategy: 'failure-rate', restartFailuresMax, restartFailureIntervalMs, restartDelayMs },
          ran,
        );
        const times: number[] = [];
        let nowMs = 0;
        for (const [index, delayMs] of given.entries()) {
          nowMs += ran[index] ?? 0;
          times.push(nowMs);
          const within = times.filter((at) => nowMs - at < restartFailureIntervalMs).length;
          expect(delayMs).toBe(within > restartFailuresMax ? null : restartDelayMs);
          nowMs += restartDelayMs;
        }
      }),
    );
  });

  it('exponential-delay: grows by its factor within its jitter up to its bound, and begins anew after a quiet time', () => {
    fc.assert(
      fc.property(runs, fc.integer(), fc.integer({ min: 0, max: 100 }), (ran, seed, restartBackoffJitterPercent) => {
        const restartBackoffResetMs = 100_000;
        const restartBackoffMaxMs = 2_000;
        const given = decisions(
          {
            restartStrategy: 'exponential-delay',
            restartBackoffJitterPercent,
            restartBackoffResetMs,
            restartBackoffMaxMs,
          },
          ran,
          seed,
        );
        expect(given).toHaveLength(ran.length);
        let expected = 50;
        for (const [index, delayMs] of given.entries()) {
          if (index > 0) expected = Math.min(expected * 1.5, restartBackoffMaxMs);
          if (index > 0 && (ran[index] ?? 0) >= restartBackoffResetMs) expected = 50;
          const jitter = restartBackoffJitterPercent / 100;
          expect(delayMs).toBeGreaterThanOrEqual(expected * (1 - jitter) - 1e-6);
          expect(delayMs).toBeLessThanOrEqual(Math.min(expected * (1 + jitter), restartBackoffMaxMs) + 1e-6);
        }
      }),
    );
  });

  it('exponential-delay: ends after its attempts, counted anew after a quiet time', () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 10 }), (ran, restartBackoffAttempts) => {
        const restartBackoffResetMs = 50_000;
        const given = decisions(
          {
            restartStrategy: 'exponential-delay',
            restartBackoffAttempts,
            restartBackoffResetMs,
            restartBackoffJitterPercent: 0,
          },
          ran,
        );
        let inRow = 0;
        for (const [index, delayMs] of given.entries()) {
          inRow = index > 0 && (ran[index] ?? 0) >= restartBackoffResetMs ? 1 : inRow + 1;
          expect(delayMs === null).toBe(inRow > restartBackoffAttempts);
        }
      }),
    );
  });
});
