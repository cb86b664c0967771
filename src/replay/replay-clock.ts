import type { Clock, MonotonicClock } from '../base/clock.js';

/** Stands still between two records: what a replay takes for the time is when the record was written. Never goes back. */
export class ReplayClock implements Clock, MonotonicClock {
  #ms = 0;

  advanceTo(ms: number): void {
    this.#ms = Math.max(this.#ms, ms);
  }

  now(): number {
    return this.#ms;
  }

  nowMs(): number {
    return this.#ms;
  }
}
