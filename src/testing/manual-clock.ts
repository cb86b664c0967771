import type { Clock } from '../base/clock.js';
import type { ProcessingTimeService } from '../operators/operator.js';

/** A clock that a test sets: it stands still until then. @public */
export class ManualClock implements Clock {
  #now: number;

  /** @param nowMs what it shows at first, in milliseconds since the epoch. @defaultValue 0 */
  constructor(nowMs = 0) {
    this.#now = nowMs;
  }

  /** What it shows, in milliseconds since the epoch. */
  now(): number {
    return this.#now;
  }

  /** Sets it. It may go back, as a machine's clock may. No timer fires by that alone: the harness or driver fires them. */
  set(nowMs: number): void {
    this.#now = nowMs;
  }

  /** Sets it so many milliseconds later. */
  advance(byMs: number): void {
    this.#now += byMs;
  }
}

interface RegisteredTimer {
  readonly timestamp: number;
  readonly callback: (timestamp: number) => void;
}

/** Processing-time timers on a clock that a test sets: they fire when the test says so, earliest first. */
export class ManualTimeService implements ProcessingTimeService {
  readonly #clock: Clock;
  /** Sorted by timestamp, then by registration. */
  #timers: RegisteredTimer[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  nowMs(): number {
    return this.#clock.now();
  }

  registerDelay(delayMs: number, callback: () => void): void {
    this.registerTimer(this.#clock.now() + delayMs, callback);
  }

  registerTimer(timestamp: number, callback: (timestamp: number) => void): void {
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1] as RegisteredTimer).timestamp > timestamp) at--;
    this.#timers.splice(at, 0, { timestamp, callback });
  }

  /** Fires what is due, also what the callbacks register. @returns how many fired. */
  fireDue(): number {
    let fired = 0;
    for (let first = this.#timers[0]; first !== undefined && first.timestamp <= this.now(); first = this.#timers[0]) {
      this.#timers.shift();
      first.callback(first.timestamp);
      fired++;
    }
    return fired;
  }
}
