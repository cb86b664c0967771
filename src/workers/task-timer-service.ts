import type { Clock, MonotonicClock } from '../base/clock.js';
import type { ProcessingTimeService } from '../operators/operator.js';
import { DueCalls } from './due-calls.js';

/**
 * Processing-time callbacks of one task, which the worker's loop drains. Nothing runs by itself, so a worker that is parked
 * has to be woken after {@link dueInMs}.
 *
 * Two clocks, since the machine's may be set: timers follow it wherever it goes, delays do not notice.
 */
export class TaskTimerService implements ProcessingTimeService {
  readonly #clock: Clock;
  readonly #monotonic: MonotonicClock;
  readonly #timers = new DueCalls();
  readonly #delays = new DueCalls();

  constructor(clock: Clock, monotonic: MonotonicClock) {
    this.#clock = clock;
    this.#monotonic = monotonic;
  }

  now(): number {
    return this.#clock.now();
  }

  nowMs(): number {
    return this.#monotonic.nowMs();
  }

  registerTimer(timestamp: number, callback: (timestamp: number) => void): void {
    this.#timers.add(timestamp, callback);
  }

  registerDelay(delayMs: number, callback: () => void): void {
    this.#delays.add(this.#monotonic.nowMs() + delayMs, callback);
  }

  /** How long until the earliest callback is due, in milliseconds: not positive when one is, `Infinity` without any. */
  dueInMs(): number {
    return Math.min(this.#timers.nextDueAt - this.#clock.now(), this.#delays.nextDueAt - this.#monotonic.nowMs());
  }

  /** Runs everything that is due now, also what the callbacks register for now. @returns how many ran */
  runDue(): number {
    return this.#timers.runUpTo(this.#clock.now()) + this.#delays.runUpTo(this.#monotonic.nowMs());
  }
}
