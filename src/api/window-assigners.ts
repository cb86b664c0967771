import { MillraceError } from '../base/errors.js';
import { NO_TIMESTAMP } from './timer-service.js';
import type { Trigger } from './trigger.js';
import { EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger } from './triggers.js';
import { MergingWindowAssigner, WindowAssigner } from './window-assigner.js';
import type { WindowAssignerContext } from './window-assigner.js';
import { GlobalWindow, TimeWindow, windowStartWithOffset } from './windows.js';

/** Windows of event time need a timestamp on each record. */
export function requireEventTimestamp(timestamp: number): void {
  if (timestamp > NO_TIMESTAMP) return;
  throw new MillraceError('MILLRACE_TIMESTAMP_MISSING', 'a record without a timestamp reached an event-time window', {
    hint: 'Give the source a WatermarkStrategy, or call assignTimestampsAndWatermarks before the window.',
  });
}

/** Equally long windows side by side. One array is kept and given again as long as the window stays the same. */
abstract class TumblingWindows extends WindowAssigner<unknown, TimeWindow> {
  override readonly fixedSizeMs: number;
  /** By how many milliseconds the windows' starts are moved from the multiples of their size. */
  readonly offsetMs: number;
  #last: readonly TimeWindow[] = [];
  #lastStart = NaN;

  /** @internal */
  constructor(sizeMs: number, offsetMs: number) {
    super();
    requirePositive(sizeMs, 'the size of a tumbling window');
    requireOffset(offsetMs, sizeMs, 'the size');
    this.fixedSizeMs = sizeMs;
    this.offsetMs = offsetMs;
  }

  protected windowsAt(timestamp: number): readonly TimeWindow[] {
    const start = windowStartWithOffset(timestamp, this.offsetMs, this.fixedSizeMs);
    if (start !== this.#lastStart) {
      this.#lastStart = start;
      this.#last = [new TimeWindow(start, start + this.fixedSizeMs)];
    }
    return this.#last;
  }
}

/**
 * Equally long windows of event time, side by side: each record is in one. They begin at multiples of their size since the epoch.
 *
 * @example
 * // Days that begin at midnight in UTC+8.
 * TumblingEventTimeWindows.of(86_400_000, -8 * 3_600_000);
 *
 * @public
 */
export class TumblingEventTimeWindows extends TumblingWindows {
  readonly isEventTime = true;

  /**
   * Windows of this size.
   *
   * @param sizeMs milliseconds, above 0.
   * @param offsetMs moves the alignment, as time zones need; smaller than the size, and may be negative.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(sizeMs: number, offsetMs = 0): TumblingEventTimeWindows {
    return new TumblingEventTimeWindows(sizeMs, offsetMs);
  }

  assignWindows(_value: unknown, timestamp: number): readonly TimeWindow[] {
    requireEventTimestamp(timestamp);
    return this.windowsAt(timestamp);
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return EventTimeTrigger.create();
  }
}

/** Equally long windows of the clock, side by side: a record is in the one of its arrival, which differs on a replay. @public */
export class TumblingProcessingTimeWindows extends TumblingWindows {
  readonly isEventTime = false;

  /** As {@link TumblingEventTimeWindows.of}. */
  static of(sizeMs: number, offsetMs = 0): TumblingProcessingTimeWindows {
    return new TumblingProcessingTimeWindows(sizeMs, offsetMs);
  }

  assignWindows(_value: unknown, _timestamp: number, context: WindowAssignerContext): readonly TimeWindow[] {
    return this.windowsAt(context.currentProcessingTime());
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return ProcessingTimeTrigger.create();
  }
}

/** Equally long windows that start every `slide`. A record belongs to `size / slide` of them; to none in the gaps of a slide above the size. */
abstract class SlidingWindows extends WindowAssigner<unknown, TimeWindow> {
  override readonly fixedSizeMs: number;
  /** Milliseconds from the start of a window to that of the next. */
  readonly slideMs: number;
  /** By how many milliseconds the windows' starts are moved from the multiples of their slide. */
  readonly offsetMs: number;
  #last: readonly TimeWindow[] = [];
  #lastStart = NaN;

  /** @internal */
  constructor(sizeMs: number, slideMs: number, offsetMs: number) {
    super();
    requirePositive(sizeMs, 'the size of a sliding window');
    requirePositive(slideMs, 'the slide of a sliding window');
    requireOffset(offsetMs, slideMs, 'the slide');
    this.fixedSizeMs = sizeMs;
    this.slideMs = slideMs;
    this.offsetMs = offsetMs;
  }

  protected windowsAt(timestamp: number): readonly TimeWindow[] {
    const lastStart = windowStartWithOffset(timestamp, this.offsetMs, this.slideMs);
    // Within one slide the windows differ only where the size is no multiple of the slide.
    const isAligned = this.fixedSizeMs % this.slideMs === 0;
    if (isAligned && lastStart === this.#lastStart) return this.#last;
    const windows: TimeWindow[] = [];
    for (let start = lastStart; start > timestamp - this.fixedSizeMs; start -= this.slideMs) {
      windows.push(new TimeWindow(start, start + this.fixedSizeMs));
    }
    this.#lastStart = lastStart;
    this.#last = windows;
    return windows;
  }
}

/**
 * Equally long windows of event time that start every slide: a record is in `size / slide` of them, or, where the slide is
 * longer than the size, in one or none. An aggregate that is `isCommutative` adds each record once, whatever their number.
 *
 * @public
 */
export class SlidingEventTimeWindows extends SlidingWindows {
  readonly isEventTime = true;

  /**
   * Windows of this size, one at each slide.
   *
   * @param sizeMs milliseconds, above 0.
   * @param slideMs milliseconds, above 0.
   * @param offsetMs moves the alignment; smaller than the slide, and may be negative.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(sizeMs: number, slideMs: number, offsetMs = 0): SlidingEventTimeWindows {
    return new SlidingEventTimeWindows(sizeMs, slideMs, offsetMs);
  }

  assignWindows(_value: unknown, timestamp: number): readonly TimeWindow[] {
    requireEventTimestamp(timestamp);
    return this.windowsAt(timestamp);
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return EventTimeTrigger.create();
  }
}

/** Equally long windows of the clock that start every slide. As {@link SlidingEventTimeWindows}, by the time of arrival. @public */
export class SlidingProcessingTimeWindows extends SlidingWindows {
  readonly isEventTime = false;

  /** As {@link SlidingEventTimeWindows.of}. */
  static of(sizeMs: number, slideMs: number, offsetMs = 0): SlidingProcessingTimeWindows {
    return new SlidingProcessingTimeWindows(sizeMs, slideMs, offsetMs);
  }

  assignWindows(_value: unknown, _timestamp: number, context: WindowAssignerContext): readonly TimeWindow[] {
    return this.windowsAt(context.currentProcessingTime());
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return ProcessingTimeTrigger.create();
  }
}

/** Windows that grow by `step` from a common start up to `maxSize`: running totals of a day, every hour. @public */
export class CumulativeEventTimeWindows extends WindowAssigner<unknown, TimeWindow> {
  readonly isEventTime = true;
  readonly #maxSizeMs: number;
  readonly #stepMs: number;
  readonly #offsetMs: number;

  private constructor(maxSizeMs: number, stepMs: number, offsetMs: number) {
    super();
    this.#maxSizeMs = maxSizeMs;
    this.#stepMs = stepMs;
    this.#offsetMs = offsetMs;
  }

  /**
   * Windows of one step, two steps, and so on up to the largest size.
   *
   * @param maxSizeMs milliseconds; a multiple of `stepMs`.
   * @param stepMs milliseconds, above 0.
   * @param offsetMs moves the common start; smaller than `maxSizeMs`, and may be negative.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(maxSizeMs: number, stepMs: number, offsetMs = 0): CumulativeEventTimeWindows {
    requirePositive(maxSizeMs, 'the largest size of a cumulative window');
    requirePositive(stepMs, 'the step of a cumulative window');
    requireOffset(offsetMs, maxSizeMs, 'the largest size');
    if (maxSizeMs % stepMs !== 0) {
      throw new MillraceError(
        'MILLRACE_JOB_INVALID',
        `the largest size of a cumulative window is ${maxSizeMs} ms, but must be a multiple of its step of ${stepMs} ms`,
      );
    }
    return new CumulativeEventTimeWindows(maxSizeMs, stepMs, offsetMs);
  }

  assignWindows(_value: unknown, timestamp: number): readonly TimeWindow[] {
    requireEventTimestamp(timestamp);
    const start = windowStartWithOffset(timestamp, this.#offsetMs, this.#maxSizeMs);
    const stepIndex = Math.floor((timestamp - start) / this.#stepMs);
    const windows: TimeWindow[] = [];
    for (let end = start + (stepIndex + 1) * this.#stepMs; end <= start + this.#maxSizeMs; end += this.#stepMs) {
      windows.push(new TimeWindow(start, end));
    }
    return windows;
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return EventTimeTrigger.create();
  }
}

/** Gives the gap after which a session ends, from the record; in milliseconds, above 0. @public */
export type SessionGapExtractor<T> = (value: T) => number;

/**
 * Windows of activity, divided by gaps of inactivity in event time. A session begins with a record, ends a gap after its last
 * one, and two that overlap or touch become one.
 *
 * @example
 * clicks.keyBy((click) => click.user).window(EventTimeSessionWindows.withGap(30 * 60_000)).aggregate(new Count());
 *
 * @public
 */
export class EventTimeSessionWindows<T> extends MergingWindowAssigner<T> {
  readonly isEventTime = true;
  readonly #gap: SessionGapExtractor<T>;

  private constructor(gap: SessionGapExtractor<T>) {
    super();
    this.#gap = gap;
  }

  /**
   * Sessions that end so many milliseconds after their last record.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a gap that is not above 0
   */
  static withGap(gapMs: number): EventTimeSessionWindows<unknown> {
    requirePositive(gapMs, 'the gap of session windows');
    return new EventTimeSessionWindows(() => gapMs);
  }

  /** Sessions that each record makes as long as it says. A gap that is not above 0 fails the record, with the operator's name. */
  static withDynamicGap<T>(gap: SessionGapExtractor<T>): EventTimeSessionWindows<T> {
    return new EventTimeSessionWindows((value: T) => checkedGap(gap(value)));
  }

  assignWindows(value: T, timestamp: number): readonly TimeWindow[] {
    requireEventTimestamp(timestamp);
    return [new TimeWindow(timestamp, timestamp + this.#gap(value))];
  }

  /** @internal */
  gapOf(value: T): number {
    return this.#gap(value);
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return EventTimeTrigger.create();
  }
}

/** Windows of activity, divided by gaps of inactivity on the clock. As {@link EventTimeSessionWindows}, by the time of arrival. @public */
export class ProcessingTimeSessionWindows<T> extends MergingWindowAssigner<T> {
  readonly isEventTime = false;
  readonly #gap: SessionGapExtractor<T>;

  private constructor(gap: SessionGapExtractor<T>) {
    super();
    this.#gap = gap;
  }

  /** As {@link EventTimeSessionWindows.withGap}. */
  static withGap(gapMs: number): ProcessingTimeSessionWindows<unknown> {
    requirePositive(gapMs, 'the gap of session windows');
    return new ProcessingTimeSessionWindows(() => gapMs);
  }

  /** As {@link EventTimeSessionWindows.withDynamicGap}. */
  static withDynamicGap<T>(gap: SessionGapExtractor<T>): ProcessingTimeSessionWindows<T> {
    return new ProcessingTimeSessionWindows((value: T) => checkedGap(gap(value)));
  }

  assignWindows(value: T, _timestamp: number, context: WindowAssignerContext): readonly TimeWindow[] {
    const now = context.currentProcessingTime();
    return [new TimeWindow(now, now + this.#gap(value))];
  }

  defaultTrigger(): Trigger<unknown, TimeWindow> {
    return ProcessingTimeTrigger.create();
  }
}

const globalWindows: readonly GlobalWindow[] = [new GlobalWindow()];

/** One window per key for everything, which never ends. Fires only by a trigger of the author's choice. @public */
export class GlobalWindows extends WindowAssigner<unknown, GlobalWindow> {
  readonly isEventTime = false;

  /** It has no settings. */
  static create(): GlobalWindows {
    return new GlobalWindows();
  }

  assignWindows(): readonly GlobalWindow[] {
    return globalWindows;
  }

  defaultTrigger(): Trigger<unknown, GlobalWindow> {
    return new NeverTrigger();
  }
}

function checkedGap(gapMs: number): number {
  if (Number.isFinite(gapMs) && gapMs > 0) return gapMs;
  throw new MillraceError(
    'MILLRACE_USER_FUNCTION_FAILED',
    `a session gap is ${String(gapMs)} ms, but must be above 0`,
    {
      hint: 'Let the gap function return a positive number of milliseconds for each record.',
    },
  );
}

function requirePositive(value: number, what: string): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `${what} is ${String(value)} ms, but must be above 0 ms`);
}

function requireOffset(offsetMs: number, limitMs: number, what: string): void {
  if (Number.isFinite(offsetMs) && Math.abs(offsetMs) < limitMs) return;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    `the offset of a window is ${String(offsetMs)} ms, but must be smaller than ${what} of ${limitMs} ms`,
  );
}
