/**
 * How many workers a job should have, from how loaded they are. Pure: samples come in with their time, a number goes out.
 *
 * ```text
 *   load   1.0 ┌──────────────┐
 *              │ up           │  sustained for UP_AFTER_MS: so many more that the load falls to TARGET, at most twice as many
 *         0.8  ├──────────────┤
 *              │ stay         │
 *              ├──────────────┤  what the load would be with one worker less is above 0.5
 *              │ down         │  sustained for DOWN_AFTER_MS: one worker less
 *         0.0  └──────────────┘
 * ```
 *
 * **Hysteresis.** Down is only where the load of the smaller number would be at most DOWN_BELOW, and that is less than UP_ABOVE: under
 * a load that stays as it is, no step down is followed by one up. A step up comes soon, since callers wait; one down late,
 * since moving costs a moment without answers. After each step what was seen before it means nothing.
 */
import type { ParallelismRange } from '../base/parallelism-range.js';

const UP_ABOVE = 0.8;
const DOWN_BELOW = 0.5;
/** The load that a step up aims at. */
const TARGET = 0.6;
const UP_AFTER_MS = 10_000;
const DOWN_AFTER_MS = 60_000;

/** How loaded the workers are at one moment. */
export interface LoadSample {
  /** On a monotonic clock. */
  readonly nowMs: number;
  /** The share of time, 0 to 1, that the most loaded worker is busy, or waits for room behind it. */
  readonly load: number;
}

export class AutoscalePolicy {
  readonly #range: ParallelismRange;
  /** Since when, without a break, the load has asked for each step; `null` while it does not. */
  #highSinceMs: number | null = null;
  #lowSinceMs: number | null = null;
  /** The least load since it is high: a step answers what was there all the time. */
  #leastHigh = 1;

  constructor(range: ParallelismRange) {
    this.#range = range;
  }

  /** @returns the number of workers to move to; `null` to stay */
  decide({ nowMs, load }: LoadSample, parallelism: number): number | null {
    const { least, most } = this.#range;
    const within = Math.min(Math.max(parallelism, least), most);
    if (within !== parallelism) return this.#step(within);
    const isHigh = load >= UP_ABOVE && parallelism < most;
    const isLow = parallelism > least && (load * parallelism) / (parallelism - 1) <= DOWN_BELOW;
    this.#leastHigh = isHigh ? Math.min(this.#leastHigh, load) : 1;
    this.#highSinceMs = isHigh ? (this.#highSinceMs ?? nowMs) : null;
    this.#lowSinceMs = isLow ? (this.#lowSinceMs ?? nowMs) : null;
    if (this.#highSinceMs !== null && nowMs - this.#highSinceMs >= UP_AFTER_MS) {
      const wanted = Math.ceil((parallelism * this.#leastHigh) / TARGET);
      return this.#step(Math.min(Math.max(wanted, parallelism + 1), 2 * parallelism, most));
    }
    if (this.#lowSinceMs !== null && nowMs - this.#lowSinceMs >= DOWN_AFTER_MS) return this.#step(parallelism - 1);
    return null;
  }

  /** The job has moved, or could not: the next step needs a load that is sustained from now on. */
  reset(): void {
    this.#highSinceMs = null;
    this.#lowSinceMs = null;
    this.#leastHigh = 1;
  }

  #step(parallelism: number): number {
    this.reset();
    return parallelism;
  }
}
