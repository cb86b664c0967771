import { expect, it } from 'vitest';
import { SteadyClock } from '../../../src/base/steady-clock.js';

const HOUR = 3_600_000;
const MINUTE = 60_000;

function clockFrom(now: number): {
  readonly clock: SteadyClock;
  readonly pass: (ms: number) => number;
  readonly set: (byMs: number) => number;
} {
  const time = { now, nowMs: 7 };
  const clock = new SteadyClock({ now: () => time.now }, { nowMs: () => time.nowMs });
  return {
    clock,
    pass: (ms) => {
      time.now += ms;
      time.nowMs += ms;
      return clock.now();
    },
    set: (byMs) => {
      time.now += byMs;
      return clock.now();
    },
  };
}

it('tells the time of the machine, also when that is kept right in small steps', () => {
  const { pass, set } = clockFrom(HOUR);
  expect(pass(5)).toBe(HOUR + 5);
  expect(set(900)).toBe(HOUR + 905);
  expect(set(900)).toBe(HOUR + 1_805);
  expect(pass(MINUTE)).toBe(HOUR + 1_805 + MINUTE);
});

it('goes on as before when the clock is set forward, and believes it ten minutes later', () => {
  const { pass, set } = clockFrom(0);
  expect(set(HOUR)).toBe(0);
  expect(pass(9 * MINUTE)).toBe(9 * MINUTE);
  expect(pass(MINUTE)).toBe(HOUR + 10 * MINUTE);
});

it('goes back with the clock at once, and does not follow it when it is set right again', () => {
  const { pass, set } = clockFrom(HOUR);
  expect(set(-HOUR)).toBe(0);
  expect(pass(MINUTE)).toBe(MINUTE);
  expect(set(HOUR)).toBe(MINUTE);
});

it('forgets that it was set forward when it is set back before ten minutes are over', () => {
  const { pass, set } = clockFrom(0);
  set(HOUR);
  pass(9 * MINUTE);
  expect(set(-HOUR)).toBe(9 * MINUTE);
  expect(set(HOUR)).toBe(9 * MINUTE);
  expect(pass(9 * MINUTE)).toBe(18 * MINUTE);
});
