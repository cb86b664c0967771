import { requireAboveZero } from './internal/author-checks.js';
import { reducingState, valueState } from './keyed-state.js';
import type { ReducingState } from './keyed-state.js';
import { Trigger } from './trigger.js';
import type { OnMergeContext, TriggerContext, TriggerResult } from './trigger.js';
import type { Window } from './windows.js';

/**
 * Fires when the watermark passes the end of the window, and at once for each record that comes after that, while lateness is
 * allowed. The default of event-time windows.
 *
 * @public
 */
export class EventTimeTrigger extends Trigger<unknown> {
  /** It has no settings. */
  static create(): EventTimeTrigger {
    return new EventTimeTrigger();
  }

  onElement(_value: unknown, _timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    const end = window.maxTimestamp();
    if (end <= context.getCurrentWatermark()) return 'FIRE';
    context.registerEventTimeTimer(end);
    return 'CONTINUE';
  }

  onEventTime(timestamp: number, window: Window): TriggerResult {
    return timestamp === window.maxTimestamp() ? 'FIRE' : 'CONTINUE';
  }

  onProcessingTime(): TriggerResult {
    return 'CONTINUE';
  }

  clear(window: Window, context: TriggerContext): void {
    context.deleteEventTimeTimer(window.maxTimestamp());
  }

  override canMerge(): boolean {
    return true;
  }

  override onMerge(window: Window, context: OnMergeContext): void {
    const end = window.maxTimestamp();
    if (end > context.getCurrentWatermark()) context.registerEventTimeTimer(end);
  }
}

/** Fires when the clock reaches the end of the window. The default of processing-time windows. @public */
export class ProcessingTimeTrigger extends Trigger<unknown> {
  /** It has no settings. */
  static create(): ProcessingTimeTrigger {
    return new ProcessingTimeTrigger();
  }

  onElement(_value: unknown, _timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    context.registerProcessingTimeTimer(window.maxTimestamp());
    return 'CONTINUE';
  }

  onEventTime(): TriggerResult {
    return 'CONTINUE';
  }

  onProcessingTime(): TriggerResult {
    return 'FIRE';
  }

  clear(window: Window, context: TriggerContext): void {
    context.deleteProcessingTimeTimer(window.maxTimestamp());
  }

  override canMerge(): boolean {
    return true;
  }

  override onMerge(window: Window, context: OnMergeContext): void {
    const end = window.maxTimestamp();
    if (end > context.getCurrentProcessingTime()) context.registerProcessingTimeTimer(end);
  }
}

/** Never fires: a window with it gives nothing. The default of {@link GlobalWindows}, to be replaced. @public */
export class NeverTrigger extends Trigger<unknown> {
  onElement(): TriggerResult {
    return 'CONTINUE';
  }
  onEventTime(): TriggerResult {
    return 'CONTINUE';
  }
  onProcessingTime(): TriggerResult {
    return 'CONTINUE';
  }
  clear(): void {
    // There is nothing to drop.
  }
  override canMerge(): boolean {
    return true;
  }
  override onMerge(): void {
    // There is nothing to merge.
  }
}

const elementCount = reducingState<number>('count', (a, b) => a + b);

/**
 * Fires at every n-th record of a window. The window keeps its records, unless a {@link PurgingTrigger} is around it, and does
 * not fire at its end.
 *
 * @public
 */
export class CountTrigger extends Trigger<unknown> {
  readonly #maxCount: number;

  private constructor(maxCount: number) {
    super();
    this.#maxCount = maxCount;
  }

  /**
   * Fires at every so many records.
   *
   * @param maxCount above 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(maxCount: number): CountTrigger {
    requireAboveZero(maxCount, 'the count of a count trigger');
    return new CountTrigger(maxCount);
  }

  onElement(_value: unknown, _timestamp: number, _window: Window, context: TriggerContext): TriggerResult {
    const count = context.getReducingState(elementCount);
    count.add(1);
    if ((count.get() ?? 0) < this.#maxCount) return 'CONTINUE';
    count.clear();
    return 'FIRE';
  }

  onEventTime(): TriggerResult {
    return 'CONTINUE';
  }

  onProcessingTime(): TriggerResult {
    return 'CONTINUE';
  }

  clear(_window: Window, context: TriggerContext): void {
    context.getReducingState(elementCount).clear();
  }

  override canMerge(): boolean {
    return true;
  }

  /** Adds the counts up. Merging alone does not fire, even when the sum reaches the count: the next record does. */
  override onMerge(_window: Window, context: OnMergeContext): void {
    context.mergePartitionedState(elementCount);
  }
}

/**
 * Makes each firing of another trigger drop the window's contents. The other trigger's state and timers stay, as in Flink.
 *
 * @example
 * // Every hundred records of a user, each record once.
 * clicks.keyBy((click) => click.user).window(GlobalWindows.create()).trigger(PurgingTrigger.of(CountTrigger.of(100)));
 *
 * @public
 */
export class PurgingTrigger<T, W extends Window> extends Trigger<T, W> {
  readonly #nested: Trigger<T, W>;

  private constructor(nested: Trigger<T, W>) {
    super();
    this.#nested = nested;
  }

  /** Fires when `nested` does. */
  static of<T, W extends Window>(nested: Trigger<T, W>): PurgingTrigger<T, W> {
    return new PurgingTrigger(nested);
  }

  onElement(value: T, timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#nested.onElement(value, timestamp, window, context));
  }

  onEventTime(timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#nested.onEventTime(timestamp, window, context));
  }

  onProcessingTime(timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return purging(this.#nested.onProcessingTime(timestamp, window, context));
  }

  clear(window: W, context: TriggerContext): void {
    this.#nested.clear(window, context);
  }

  override canMerge(): boolean {
    return this.#nested.canMerge();
  }

  override onMerge(window: W, context: OnMergeContext): void {
    this.#nested.onMerge?.(window, context);
  }
}

function purging(result: TriggerResult): TriggerResult {
  return result === 'FIRE' ? 'FIRE_AND_PURGE' : result;
}

const nextFireTimestamp = reducingState<number>('fire-time', (a, b) => Math.min(a, b));

/**
 * Fires at each multiple of the interval that the watermark passes, and at the end of the window: results before the window is
 * complete. Multiples count from the epoch; a record that comes when the end has passed fires at once.
 *
 * @public
 */
export class ContinuousEventTimeTrigger extends Trigger<unknown> {
  readonly #intervalMs: number;

  private constructor(intervalMs: number) {
    super();
    this.#intervalMs = intervalMs;
  }

  /**
   * Fires at this interval.
   *
   * @param intervalMs milliseconds of event time, above 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(intervalMs: number): ContinuousEventTimeTrigger {
    requireAboveZero(intervalMs, 'the interval of a continuous trigger');
    return new ContinuousEventTimeTrigger(intervalMs);
  }

  onElement(_value: unknown, timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    if (window.maxTimestamp() <= context.getCurrentWatermark()) return 'FIRE';
    context.registerEventTimeTimer(window.maxTimestamp());
    const next = context.getReducingState(nextFireTimestamp);
    if (next.get() === undefined) this.#armAfter(timestamp - (timestamp % this.#intervalMs), window, context, next);
    return 'CONTINUE';
  }

  onEventTime(timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    if (timestamp === window.maxTimestamp()) return 'FIRE';
    const next = context.getReducingState(nextFireTimestamp);
    if (next.get() !== timestamp) return 'CONTINUE';
    next.clear();
    this.#armAfter(timestamp, window, context, next);
    return 'FIRE';
  }

  onProcessingTime(): TriggerResult {
    return 'CONTINUE';
  }

  clear(_window: Window, context: TriggerContext): void {
    const next = context.getReducingState(nextFireTimestamp);
    const timestamp = next.get();
    if (timestamp === undefined) return;
    context.deleteEventTimeTimer(timestamp);
    next.clear();
  }

  override canMerge(): boolean {
    return true;
  }

  override onMerge(_window: Window, context: OnMergeContext): void {
    context.mergePartitionedState(nextFireTimestamp);
    const timestamp = context.getReducingState(nextFireTimestamp).get();
    if (timestamp !== undefined) context.registerEventTimeTimer(timestamp);
  }

  #armAfter(timestamp: number, window: Window, context: TriggerContext, next: ReducingState<number>): void {
    const fireAt = Math.min(timestamp + this.#intervalMs, window.maxTimestamp());
    next.add(fireAt);
    context.registerEventTimeTimer(fireAt);
  }
}

/**
 * Fires at each multiple of the interval that the clock passes, at the latest when the clock reaches the window's end. An event-time
 * window does not fire when the watermark passes its end: what came since the last firing is then dropped with it.
 *
 * @public
 */
export class ContinuousProcessingTimeTrigger extends Trigger<unknown> {
  readonly #intervalMs: number;

  private constructor(intervalMs: number) {
    super();
    this.#intervalMs = intervalMs;
  }

  /**
   * Fires at this interval.
   *
   * @param intervalMs milliseconds of the clock, above 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of(intervalMs: number): ContinuousProcessingTimeTrigger {
    requireAboveZero(intervalMs, 'the interval of a continuous trigger');
    return new ContinuousProcessingTimeTrigger(intervalMs);
  }

  onElement(_value: unknown, _timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    const next = context.getReducingState(nextFireTimestamp);
    if (next.get() !== undefined) return 'CONTINUE';
    const now = context.getCurrentProcessingTime();
    this.#armAfter(now - (now % this.#intervalMs), window, context, next);
    return 'CONTINUE';
  }

  onEventTime(): TriggerResult {
    return 'CONTINUE';
  }

  onProcessingTime(timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    const next = context.getReducingState(nextFireTimestamp);
    if (next.get() !== timestamp) return 'CONTINUE';
    next.clear();
    // A window of event time may be there after the clock has passed its end: set again, its last timer would fire for ever.
    if (timestamp < window.maxTimestamp()) this.#armAfter(timestamp, window, context, next);
    return 'FIRE';
  }

  clear(_window: Window, context: TriggerContext): void {
    const next = context.getReducingState(nextFireTimestamp);
    const timestamp = next.get();
    if (timestamp === undefined) return;
    context.deleteProcessingTimeTimer(timestamp);
    next.clear();
  }

  override canMerge(): boolean {
    return true;
  }

  override onMerge(_window: Window, context: OnMergeContext): void {
    context.mergePartitionedState(nextFireTimestamp);
    const timestamp = context.getReducingState(nextFireTimestamp).get();
    if (timestamp !== undefined) context.registerProcessingTimeTimer(timestamp);
  }

  #armAfter(timestamp: number, window: Window, context: TriggerContext, next: ReducingState<number>): void {
    const fireAt = Math.min(timestamp + this.#intervalMs, window.maxTimestamp());
    next.add(fireAt);
    context.registerProcessingTimeTimer(fireAt);
  }
}

/** How far two records are apart, by the measure that a delta trigger or evictor uses. @public */
export type DeltaFunction<T> = (earlier: T, later: T) => number;

/**
 * Fires when a record is further than the threshold from the record of the last firing (at first: the first record). Not for
 * windows that merge.
 *
 * @example
 * DeltaTrigger.of<Position>(100, (last, now) => now.odometer - last.odometer); // every hundred kilometres
 *
 * @public
 */
export class DeltaTrigger<T> extends Trigger<T> {
  readonly #threshold: number;
  readonly #delta: DeltaFunction<T>;
  readonly #last = valueState<T>('last-element');

  private constructor(threshold: number, delta: DeltaFunction<T>) {
    super();
    this.#threshold = threshold;
    this.#delta = delta;
  }

  /** Fires beyond the threshold, by the measure of `delta`: a record that is just as far does not. */
  static of<T>(threshold: number, delta: DeltaFunction<T>): DeltaTrigger<T> {
    return new DeltaTrigger(threshold, delta);
  }

  onElement(value: T, _timestamp: number, _window: Window, context: TriggerContext): TriggerResult {
    const state = context.getState(this.#last);
    const last = state.value();
    if (last === undefined) {
      state.update(value);
      return 'CONTINUE';
    }
    if (!(this.#delta(last, value) > this.#threshold)) return 'CONTINUE';
    state.update(value);
    return 'FIRE';
  }

  onEventTime(): TriggerResult {
    return 'CONTINUE';
  }

  onProcessingTime(): TriggerResult {
    return 'CONTINUE';
  }

  clear(_window: Window, context: TriggerContext): void {
    context.getState(this.#last).clear();
  }
}
