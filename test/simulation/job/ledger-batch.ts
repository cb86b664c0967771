import { expect } from 'vitest';
import { simulationSeeds } from '../../helpers/simulation-seeds.js';
import { LedgerRun } from './ledger-run.js';

/** Seeds of one test: few enough that a test that hangs is found, many enough that their number does not matter. */
const BATCH = 500;
/** In all, over the files that share them; the build server makes ten times as many. */
const RUNS = 1_000;

/** The seeds of one of the files that share the work, in batches. Empty for all but one when a single seed is asked for. */
export function ledgerBatches(part: number, parts: number): number[][] {
  const seeds = simulationSeeds('job/ledger', RUNS);
  const own = seeds.filter((_, index) => index % parts === part);
  return Array.from({ length: Math.ceil(own.length / BATCH) }, (_, index) =>
    own.slice(index * BATCH, (index + 1) * BATCH),
  );
}

/** Runs every seed, and names the first that fails. */
export async function expectLedgerRuns(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const { failure } = await new LedgerRun(seed).run();
    if (failure !== null)
      expect.fail(`seed ${String(seed)}: ${failure}\n\nreplay it: npm run sim -- --seed ${String(seed)}`);
  }
}
