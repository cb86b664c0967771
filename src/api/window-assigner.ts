import type { Trigger } from './trigger.js';
import type { TimeWindow, Window } from './windows.js';

/** What an assigner may ask. Valid only during the call. @public */
export interface WindowAssignerContext {
  /** The clock, in milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/**
 * Says which windows a record belongs to. Assigners of the package: {@link TumblingEventTimeWindows},
 * {@link SlidingEventTimeWindows}, {@link CumulativeEventTimeWindows}, {@link EventTimeSessionWindows}, those of processing time,
 * and {@link GlobalWindows}.
 *
 * @public
 */
export abstract class WindowAssigner<T, W extends Window> {
  /** Whether windows end by watermark (`true`) or by the clock. */
  abstract readonly isEventTime: boolean;
  /** Length of every window when all are equally long and start at different times; else `null`. */
  readonly fixedSizeMs: number | null = null;

  /**
   * The windows of one record; none drops it. Must depend on the record and its time alone. The array is only read, and only
   * until the next call.
   */
  abstract assignWindows(value: T, timestamp: number, context: WindowAssignerContext): readonly W[];
  /** The trigger of windows that set none. */
  abstract defaultTrigger(): Trigger<unknown, W>;
}

/** An assigner whose windows grow together when they overlap or touch: sessions. @public */
export abstract class MergingWindowAssigner<T> extends WindowAssigner<T, TimeWindow> {
  /** Tells it from an assigner whose windows stay as they are. */
  readonly isMerging = true;
}
