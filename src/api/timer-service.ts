/**
 * Timers of the current key. One timer exists per key, timestamp and time domain: registering it twice is registering it
 * once, and deleting one that does not exist does nothing.
 *
 * @public
 */
export interface TimerService {
  /** The clock, in milliseconds since the epoch. Not deterministic over a replay: prefer `ctx.now()`. */
  currentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. */
  currentWatermark(): number;
  /** Calls `onTimer` when the watermark reaches `timestamp`. */
  registerEventTimeTimer(timestamp: number): void;
  /** Calls `onTimer` when the clock reaches `timestamp`. */
  registerProcessingTimeTimer(timestamp: number): void;
  deleteEventTimeTimer(timestamp: number): void;
  deleteProcessingTimeTimer(timestamp: number): void;
}

/** @public */
export type TimeDomain = 'EVENT_TIME' | 'PROCESSING_TIME';

/** The timestamp of a record that has none, and the watermark before the first: Flink's `Long.MIN_VALUE`. */
export const NO_TIMESTAMP = -Infinity;

/** The watermark that ends a stream: no record follows. Flink's `Long.MAX_VALUE`. */
export const MAX_WATERMARK = Infinity;
