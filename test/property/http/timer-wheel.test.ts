import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { TimerWheel, WheelTimer } from '../../../src/http/timer-wheel.js';
import { ManualTime } from '../../helpers/manual-time.js';

const TICK_MS = 10;

interface Firing {
  readonly number: number;
  readonly atMs: number;
}

class NumberedTimer extends WheelTimer {
  readonly number: number;
  readonly #time: ManualTime;
  readonly #firings: Firing[];

  constructor(number: number, time: ManualTime, firings: Firing[]) {
    super();
    this.number = number;
    this.#time = time;
    this.#firings = firings;
  }

  override onTimer(): void {
    this.#firings.push({ number: this.number, atMs: this.#time.nowMs() });
  }
}

/** The wheel beside the plainest thing that could be right: a list of times. */
class WheelAndModel {
  readonly #time = new ManualTime(7);
  readonly #wheel = new TimerWheel({ clock: this.#time, alarm: this.#time, tickMs: TICK_MS });
  readonly #firings: Firing[] = [];
  readonly #timers: NumberedTimer[] = [];
  readonly #dueMs = new Map<number, number>();
  readonly #placedMs = new Map<number, number>();

  schedule(delayMs: number): void {
    const timer = new NumberedTimer(this.#timers.length, this.#time, this.#firings);
    this.#timers.push(timer);
    this.#place(timer, delayMs);
  }

  reschedule(pick: number, delayMs: number): void {
    const timer = this.#timers[pick % Math.max(this.#timers.length, 1)];
    if (timer !== undefined) this.#place(timer, delayMs);
  }

  cancel(pick: number): void {
    const timer = this.#timers[pick % Math.max(this.#timers.length, 1)];
    if (timer === undefined) return;
    this.#wheel.cancel(timer);
    this.#dueMs.delete(timer.number);
  }

  pass(ms: number, isBlocked: boolean): void {
    this.#firings.length = 0;
    if (isBlocked) {
      this.#time.jump(ms);
      this.#wheel.advance();
    } else {
      this.#time.pass(ms);
    }
    this.#check(isBlocked);
  }

  #place(timer: NumberedTimer, delayMs: number): void {
    const atMs = this.#time.nowMs() + delayMs;
    this.#wheel.schedule(timer, atMs);
    this.#dueMs.set(timer.number, atMs);
    this.#placedMs.set(timer.number, this.#time.nowMs());
  }

  /** A tick after its time; a time in the past counts from the call that scheduled it. The alarm rounds up to milliseconds. */
  #latestMs(number: number): number {
    return Math.max(this.#dueMs.get(number) ?? 0, this.#placedMs.get(number) ?? 0) + TICK_MS + 1;
  }

  #check(wasBlocked: boolean): void {
    const nowMs = this.#time.nowMs();
    for (const { number, atMs } of this.#firings) {
      const dueMs = this.#dueMs.get(number);
      expect(dueMs, 'only what is scheduled fires, and once').toBeDefined();
      expect(atMs, 'nothing fires early').toBeGreaterThanOrEqual(dueMs ?? Infinity);
      if (!wasBlocked) expect(atMs, 'nothing fires late').toBeLessThanOrEqual(this.#latestMs(number));
      this.#dueMs.delete(number);
    }
    expect(this.#wheel.size).toBe(this.#dueMs.size);
    const latestMs = Math.min(Infinity, ...[...this.#dueMs.keys()].map((number) => this.#latestMs(number)));
    expect(nowMs, 'nothing that is due still waits').toBeLessThanOrEqual(latestMs);
    expect(this.#time.alarmMs, 'the alarm is set in time for the next one').toBeLessThanOrEqual(latestMs);
  }
}

// Delays around every border between levels: 64 ticks, 64² ticks, 64³ ticks.
const delayMs = fc.oneof(
  fc.integer({ min: -50, max: 700 }),
  fc.integer({ min: 600, max: 45_000 }),
  fc.integer({ min: 40_000, max: 3_000_000 }),
  fc.integer({ min: 2_600_000, max: 400_000_000 }),
);

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('schedule' as const), delayMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reschedule' as const), pick: fc.nat(1_000), delayMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat(1_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: delayMs.map(Math.abs), isBlocked: fc.boolean() }),
  },
);

describe('TimerWheel, for any schedule', () => {
  it('fires what a sorted list would, never early and never more than a tick late', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const both = new WheelAndModel();
        for (const next of steps) {
          if (next.kind === 'schedule') both.schedule(next.delayMs);
          else if (next.kind === 'reschedule') both.reschedule(next.pick, next.delayMs);
          else if (next.kind === 'cancel') both.cancel(next.pick);
          else both.pass(next.ms, next.isBlocked);
        }
        both.pass(1_000_000_000, false);
      }),
      { numRuns: 400 },
    );
  });
});
