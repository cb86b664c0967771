import { integerSeconds } from '../calibration.js';

/** What the integer loop takes on a machine of the kind that the peers' figures come from, with nothing else running. */
const NOMINAL_SECONDS = 0.28;
const SHARE = 0.25;

/**
 * How many times slower than nominal the machine is at this moment: neighbours and clocks change it from minute to minute.
 * Figures that are compared with those of another run are multiplied by it. Takes some hundred milliseconds.
 */
export function slowness(): number {
  return integerSeconds(SHARE) / (NOMINAL_SECONDS * SHARE);
}

/** Runs something and tells how slow the machine was before and after it, on average. */
export async function withSlowness<T>(work: () => Promise<T>): Promise<{ result: T; slowness: number }> {
  const before = slowness();
  const result = await work();
  return { result, slowness: (before + slowness()) / 2 };
}
