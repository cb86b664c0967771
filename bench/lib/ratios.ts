import { median, type SuiteResult } from './report.js';

/** What `npm run bench` writes. */
export interface SavedRun {
  readonly results: readonly SuiteResult[];
}

export interface Ratio {
  /** Suite, row and peer. */
  readonly name: string;
  readonly ratio: number;
  /** Whether more is better, as of a rate; of a time or a size less is. */
  readonly isRate: boolean;
}

export interface BaselineRow extends Ratio {
  /** How far a run lay from their median at most, as a part of it. */
  readonly noise: number;
}

export interface Verdict {
  readonly name: string;
  readonly before: number;
  readonly now: number;
  readonly noise: number;
  readonly verdict: 'noise' | 'better' | 'WORSE';
}

/** Runs on a shared machine differ by more than the few that a baseline was made of. */
const NOISE_LEAST = 0.2;

/** Every row of a run that has a peer. */
export function ratiosOf({ results }: SavedRun): Ratio[] {
  return results.flatMap(({ suite, rows }) =>
    rows.flatMap(({ name, unit, against }): Ratio[] =>
      against === undefined
        ? []
        : [{ name: `${suite}: ${name} / ${against.name}`, ratio: against.ratio, isRate: unit.includes('/') }],
    ),
  );
}

/** Medians over runs, with the noise between them. */
export function toBaseline(runs: readonly (readonly Ratio[])[]): BaselineRow[] {
  const byName = new Map<string, Ratio[]>();
  for (const ratio of runs.flat()) byName.set(ratio.name, [...(byName.get(ratio.name) ?? []), ratio]);
  return [...byName].map(([name, same]) => {
    const values = same.map(({ ratio }) => ratio);
    const middle = median(values);
    const noise = Math.max(...values.map((value) => Math.abs(value - middle))) / middle;
    return { name, ratio: round(middle), isRate: same[0]?.isRate ?? true, noise: round(Math.max(noise, NOISE_LEAST)) };
  });
}

/** Rows of the baseline that the run has too. */
export function compareRatios(baseline: readonly BaselineRow[], run: readonly Ratio[]): Verdict[] {
  const now = new Map(run.map(({ name, ratio }) => [name, ratio]));
  return baseline.flatMap(({ name, ratio: before, noise, isRate }): Verdict[] => {
    const ratio = now.get(name);
    if (ratio === undefined) return [];
    const gain = isRate ? ratio / before : before / ratio;
    const verdict = gain < 1 - noise ? 'WORSE' : gain > 1 + noise ? 'better' : 'noise';
    return [{ name, before, now: ratio, noise, verdict }];
  });
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
