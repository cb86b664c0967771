/**
 * Timers of the current key. One timer exists per key, timestamp and time domain: registering it twice is registering it
 * once, and deleting one that does not exist does nothing. Timers are part of every checkpoint. On a stream without a key those
 * four throw `MILLRACE_STATE_NO_KEY`; a timestamp that is no number throws `MILLRACE_TIMESTAMP_MISSING`.
 *
 * @public
 */
export interface TimerService {
  /** The clock, in milliseconds since the epoch. Not deterministic over a replay: prefer `ctx.now()`. */
  currentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. */
  currentWatermark(): number;
  /** Calls `onTimer` when the watermark reaches `timestamp`: with the next watermark, when it has done so already. */
  registerEventTimeTimer(timestamp: number): void;
  /** Calls `onTimer` when the clock reaches `timestamp`: soon, when it has done so already. */
  registerProcessingTimeTimer(timestamp: number): void;
  /** Deletes the current key's timer of event time at `timestamp`, if there is one. */
  deleteEventTimeTimer(timestamp: number): void;
  /** Deletes the current key's timer of the clock at `timestamp`, if there is one. */
  deleteProcessingTimeTimer(timestamp: number): void;
}

/** Which time a timer goes by: the watermark's, or the clock's. @public */
export type TimeDomain = 'EVENT_TIME' | 'PROCESSING_TIME';

/** The timestamp of a record that has none, and the watermark before the first: Flink's `Long.MIN_VALUE`. */
export const NO_TIMESTAMP = -Infinity;

/** The watermark that ends a stream: no record follows. Flink's `Long.MAX_VALUE`. */
export const MAX_WATERMARK = Infinity;
