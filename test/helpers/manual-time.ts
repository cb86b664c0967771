import type { MonotonicClock } from '../../src/base/clock.js';
import type { Alarm } from '../../src/http/timer-wheel.js';

/** Time that stands still until a test moves it, and an alarm on it. */
export class ManualTime implements MonotonicClock, Alarm {
  #nowMs: number;
  #alarmMs = Infinity;
  #wake: (() => void) | null = null;
  /** How often the alarm was set. */
  alarmCount = 0;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** When the alarm is due; `Infinity` when it is not set. */
  get alarmMs(): number {
    return this.#alarmMs;
  }

  set(delayMs: number, wake: () => void): void {
    this.#alarmMs = this.#nowMs + delayMs;
    this.#wake = wake;
    this.alarmCount += 1;
  }

  clear(): void {
    this.#alarmMs = Infinity;
    this.#wake = null;
  }

  /** Moves time without looking at the alarm, as a blocked thread does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves time and lets the alarm ring whenever it is due, as an idle thread does. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    while (this.#alarmMs <= untilMs) {
      this.#nowMs = Math.max(this.#nowMs, this.#alarmMs);
      const wake = this.#wake;
      this.clear();
      wake?.();
    }
    this.#nowMs = untilMs;
  }
}
