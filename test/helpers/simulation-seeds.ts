import { regressions } from '../simulation/regressions.js';

/**
 * The seeds that a simulation runs with: those that failed once, then new ones; or the single one that is asked for with
 * `npm run sim -- --seed N`. New ones are the same in every run, so that a change that breaks one is found by the change;
 * `npm run sim -- --runs N` tries more.
 */
export function simulationSeeds(simulation: string, runs: number): number[] {
  const { SIM_SEED, SIM_RUNS } = process.env;
  if (SIM_SEED !== undefined) return [Number(SIM_SEED)];
  const fresh = Array.from({ length: Number(SIM_RUNS ?? runs) }, (_, i) => i + 1);
  return [...(regressions[simulation] ?? []), ...fresh];
}
