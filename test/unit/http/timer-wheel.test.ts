import { describe, expect, it } from 'vitest';

import { SystemAlarm, TimerWheel, WheelTimer } from '../../../src/http/timer-wheel.js';
import { ManualTime } from '../../helpers/manual-time.js';

const HOUR_MS = 3_600_000;

class Recorder extends WheelTimer {
  readonly firedAtMs: number[] = [];
  readonly #time: ManualTime;
  readonly #then: () => void;

  constructor(time: ManualTime, then: () => void = () => undefined) {
    super();
    this.#time = time;
    this.#then = then;
  }

  override onTimer(): void {
    this.firedAtMs.push(this.#time.nowMs());
    this.#then();
  }
}

const wheelOn = (time: ManualTime, tickMs = 10): TimerWheel => new TimerWheel({ clock: time, alarm: time, tickMs });

describe('TimerWheel', () => {
  it('fires a timer once, not before its time and within a tick of it', () => {
    const time = new ManualTime(1_234.5);
    const wheel = wheelOn(time);
    const timer = new Recorder(time);
    wheel.schedule(timer, time.nowMs() + 1_000);
    time.pass(999.9);
    expect(timer.firedAtMs).toEqual([]);
    time.pass(60_000);
    expect(timer.firedAtMs).toHaveLength(1);
    expect(timer.firedAtMs[0]).toBeGreaterThanOrEqual(2_234.5);
    expect(timer.firedAtMs[0]).toBeLessThanOrEqual(2_245.5);
  });

  it('sets no alarm while nothing is scheduled, and few when timers are cancelled', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    expect(time.alarmMs).toBe(Infinity);
    for (let request = 0; request < 1_000; request += 1) {
      const timer = new Recorder(time);
      wheel.schedule(timer, time.nowMs() + 30_000);
      time.pass(1);
      wheel.cancel(timer);
    }
    expect(time.alarmCount).toBeLessThan(5);
    time.pass(HOUR_MS);
    expect(time.alarmMs).toBe(Infinity);
    expect(wheel.size).toBe(0);
  });

  it('fires a timer that lies beyond the widest level', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    const timer = new Recorder(time);
    wheel.schedule(timer, 500 * HOUR_MS);
    time.pass(500 * HOUR_MS - 1);
    expect(timer.firedAtMs).toEqual([]);
    time.pass(11);
    expect(timer.firedAtMs).toEqual([500 * HOUR_MS]);
  });

  it('fires a timer that another one schedules while it fires, in a later tick', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    const second = new Recorder(time);
    const first = new Recorder(time, () => wheel.schedule(second, time.nowMs()));
    wheel.schedule(first, 50);
    time.pass(50);
    expect(second.firedAtMs).toEqual([]);
    time.pass(20);
    expect(second.firedAtMs).toEqual([60]);
  });

  it('does not fire a timer that another one of the same tick cancels', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    const second = new Recorder(time);
    const first = new Recorder(time, () => wheel.cancel(second));
    wheel.schedule(first, 50);
    wheel.schedule(second, 50);
    time.pass(100);
    expect(first.firedAtMs).toHaveLength(1);
    expect(second.firedAtMs).toEqual([]);
    expect(wheel.size).toBe(0);
  });

  it('moves a timer that is scheduled again', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    const timer = new Recorder(time);
    wheel.schedule(timer, 5_000);
    wheel.schedule(timer, 100);
    expect(wheel.size).toBe(1);
    time.pass(10_000);
    expect(timer.firedAtMs).toEqual([100]);
  });

  it('fires nothing after it was closed', () => {
    const time = new ManualTime();
    const wheel = wheelOn(time);
    const timer = new Recorder(time);
    wheel.schedule(timer, 100);
    wheel.close();
    wheel.close();
    time.pass(1_000);
    expect(timer.firedAtMs).toEqual([]);
    expect(timer.isScheduled).toBe(false);
  });

  it("rings on the runtime's timers, once, for the call made last", async () => {
    const alarm = new SystemAlarm();
    const calls: string[] = [];
    await new Promise<void>((resolve) => {
      alarm.set(1, () => calls.push('replaced'));
      alarm.set(2, () => {
        calls.push('rung');
        resolve();
      });
      // The alarm alone does not keep the process alive.
      setTimeout(resolve, 5_000);
    });
    expect(calls).toEqual(['rung']);
    alarm.set(1, () => calls.push('cleared'));
    alarm.clear();
    // A timer of the runtime that is due later rings later.
    await new Promise<void>((resolve) => {
      new SystemAlarm().set(3, resolve);
      setTimeout(resolve, 5_000);
    });
    expect(calls).toEqual(['rung']);
  });
});
