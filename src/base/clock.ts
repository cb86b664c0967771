/** Wall-clock time as an argument, so that a test decides it. All times are milliseconds since the epoch. */
export interface Clock {
  now(): number;
}

/** The machine's clock. May jump when the machine's time is set: never use it for a duration. */
export const systemClock: Clock = { now: () => Date.now() };

/** A duration source that never goes back, in milliseconds, with a fraction. The same origin in every thread of a process. */
export interface MonotonicClock {
  nowMs(): number;
}

/** `performance.now()` starts at a different instant in each thread; adding its origin makes threads agree. */
export const systemMonotonicClock: MonotonicClock = { nowMs: () => performance.timeOrigin + performance.now() };
