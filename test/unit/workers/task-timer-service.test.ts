import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TaskTimerService } from '../../../src/workers/task-timer-service.js';

/** Timers on clocks that a test sets: the machine's, and the one that nobody can set. */
function timersAt(time: { now: number; nowMs: number }): TaskTimerService {
  return new TaskTimerService({ now: () => time.now }, { nowMs: () => time.nowMs });
}

it.each(['registerTimer', 'registerDelay'] as const)(
  'runs what is due by time, equal times in order of registration, and nothing early, with %s',
  (register) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 }), (times) => {
        const time = { now: 0, nowMs: 0 };
        const timers = timersAt(time);
        const ran: [number, number][] = [];
        for (const [order, at] of times.entries()) timers[register](at, () => void ran.push([at, order]));
        for (let now = 0; now <= 30; now++) {
          Object.assign(time, { now, nowMs: now });
          timers.runDue();
          expect(timers.dueInMs()).toBeGreaterThan(0);
        }
        const expected = times.map((at, order): [number, number] => [at, order]).toSorted((a, b) => a[0] - b[0]);
        expect(ran).toEqual(expected);
      }),
    );
  },
);

it('runs also what a callback registers for now, and counts it', () => {
  const timers = timersAt({ now: 5, nowMs: 0 });
  const ran: string[] = [];
  timers.registerTimer(1, () => {
    ran.push('first');
    timers.registerTimer(2, () => void ran.push('second'));
    timers.registerDelay(0, () => void ran.push('delayed'));
    timers.registerTimer(9, () => void ran.push('later'));
  });
  expect(timers.runDue()).toBe(3);
  expect(ran).toEqual(['first', 'second', 'delayed']);
  expect(timers.dueInMs()).toBe(4);
});

it('keeps delays as long as they are, whichever way the clock of the machine is set; timers follow it', () => {
  const time = { now: 1_000_000, nowMs: 50 };
  const timers = timersAt(time);
  const ran: string[] = [];
  timers.registerDelay(100, () => void ran.push('delay'));
  timers.registerTimer(1_000_100, () => void ran.push('timer'));
  time.now = 500_000;
  expect(timers.dueInMs()).toBe(100);
  time.now = 2_000_000;
  expect(timers.dueInMs()).toBeLessThanOrEqual(0);
  timers.runDue();
  expect(ran).toEqual(['timer']);
  time.now = 0;
  time.nowMs = 150;
  expect(timers.dueInMs()).toBe(0);
  timers.runDue();
  expect(ran).toEqual(['timer', 'delay']);
});
