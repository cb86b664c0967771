import { describe, expect, it } from 'vitest';
import { compareRatios, type Ratio, ratiosOf, toBaseline } from '../../../bench/lib/ratios.js';

const rate = (ratio: number): Ratio[] => [{ name: 'jobs: map / Flink', ratio, isRate: true }];
const time = (ratio: number): Ratio[] => [{ name: 'http: p50 / bare', ratio, isRate: false }];

describe('a run beside the baseline', () => {
  it('says of no run that the baseline was made of that it is worse', () => {
    const runs = [2, 1, 2.1].map(rate);
    const baseline = toBaseline(runs);
    expect(baseline).toEqual([{ name: 'jobs: map / Flink', ratio: 2, isRate: true, noise: 0.5 }]);
    for (const run of runs) expect(compareRatios(baseline, run)[0]?.verdict).toBe('noise');
  });

  it.each([
    ['rates', rate, { worse: 0.7, better: 1.3 }],
    ['times', time, { worse: 1.5, better: 0.7 }],
  ] as const)('tells what is beyond the noise, and which way is worse, of %s', (_name, of, { worse, better }) => {
    const baseline = toBaseline([of(1), of(1.05), of(0.95)]);
    const verdictOf = (ratio: number): string | undefined => compareRatios(baseline, of(ratio))[0]?.verdict;
    expect([worse, 0.9, 1, 1.1, better].map(verdictOf)).toEqual(['WORSE', 'noise', 'noise', 'noise', 'better']);
  });

  it('compares rows with a peer alone, and those that both have', () => {
    const rows = [
      { name: 'map', value: 1, unit: 'records/s', against: { name: 'Flink', ratio: 3 } },
      { name: 'alone', value: 1, unit: 'records/s' },
    ];
    const run = ratiosOf({ results: [{ suite: 'jobs', seconds: 1, rows }] });
    expect(run).toEqual([{ name: 'jobs: map / Flink', ratio: 3, isRate: true }]);
    expect(compareRatios(toBaseline([time(1)]), run)).toEqual([]);
  });
});
