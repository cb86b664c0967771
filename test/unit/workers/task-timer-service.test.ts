import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TaskTimerService } from '../../../src/workers/task-timer-service.js';

it('runs what is due by time, equal times in order of registration, and nothing early', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 }), (times) => {
      let now = 0;
      const timers = new TaskTimerService({ now: () => now });
      const ran: [number, number][] = [];
      for (const [order, time] of times.entries()) timers.registerTimer(time, (at) => void ran.push([at, order]));
      for (now = 0; now <= 30; now++) {
        timers.runDue();
        expect(timers.nextDueAt).toBeGreaterThan(now);
      }
      const expected = times.map((time, order): [number, number] => [time, order]).toSorted((a, b) => a[0] - b[0]);
      expect(ran).toEqual(expected);
    }),
  );
});

it('runs also what a callback registers for now, and counts it', () => {
  const timers = new TaskTimerService({ now: () => 5 });
  const ran: string[] = [];
  timers.registerTimer(1, () => {
    ran.push('first');
    timers.registerTimer(2, () => void ran.push('second'));
    timers.registerTimer(9, () => void ran.push('later'));
  });
  expect(timers.runDue()).toBe(2);
  expect(ran).toEqual(['first', 'second']);
  expect(timers.nextDueAt).toBe(9);
});
