import type { Trigger } from './trigger.js';
import type { TimeWindow, Window } from './windows.js';

/** What an assigner may ask. @public */
export interface WindowAssignerContext {
  currentProcessingTime(): number;
}

/** Says which windows a record belongs to. @public */
export abstract class WindowAssigner<T, W extends Window> {
  /** Whether windows end by watermark (`true`) or by the clock. */
  abstract readonly isEventTime: boolean;
  /** Length of every window when all are equally long and start at different times; else `null`. */
  readonly fixedSizeMs: number | null = null;

  /** The array is only read, and only until the next call. */
  abstract assignWindows(value: T, timestamp: number, context: WindowAssignerContext): readonly W[];
  /** The trigger of windows that set none. */
  abstract defaultTrigger(): Trigger<unknown, W>;
}

/** An assigner whose windows grow together when they overlap or touch: sessions. @public */
export abstract class MergingWindowAssigner<T> extends WindowAssigner<T, TimeWindow> {
  readonly isMerging = true;
}
