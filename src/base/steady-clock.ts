import type { Clock, MonotonicClock } from './clock.js';

/** A clock that is kept right moves by less between two looks, or may be taken for one that was set: no harm is done. */
const SET_MS_LEAST = 1_000;
/** Longer than what is under way has to wait. */
const DISBELIEF_MS = 10 * 60_000;

/**
 * The machine's clock, for what was given a deadline by it a moment ago. Set forward, it is not believed for ten minutes: the
 * deadlines that were given before would be over all at once. Set back, or kept right in small steps, it is followed.
 *
 * So a deadline may come late by as much as the clock was set, and comes early never.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  readonly #monotonic: MonotonicClock;
  /** The machine's clock as it is believed, less the monotonic one. */
  #offsetMs: number;
  #disbelievedSinceMs: number | null = null;

  constructor(clock: Clock, monotonic: MonotonicClock) {
    this.#clock = clock;
    this.#monotonic = monotonic;
    this.#offsetMs = clock.now() - monotonic.nowMs();
  }

  now(): number {
    const nowMs = this.#monotonic.nowMs();
    const offsetMs = this.#clock.now() - nowMs;
    if (offsetMs - this.#offsetMs < SET_MS_LEAST) this.#disbelievedSinceMs = null;
    else this.#disbelievedSinceMs ??= nowMs;
    const isBelieved = this.#disbelievedSinceMs === null || nowMs - this.#disbelievedSinceMs >= DISBELIEF_MS;
    if (isBelieved) {
      this.#offsetMs = offsetMs;
      this.#disbelievedSinceMs = null;
    }
    return nowMs + this.#offsetMs;
  }
}
