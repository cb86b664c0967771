import { MillraceError } from '../base/errors.js';
import { NO_TIMESTAMP } from './timer-service.js';
import type { DeltaFunction } from './triggers.js';
import type { Window } from './windows.js';

/** A record in a window that has an evictor. @public */
export interface TimestampedValue<T> {
  /** The record. */
  readonly value: T;
  /** Its event timestamp in milliseconds; `-Infinity` when the record has none. */
  readonly timestamp: number;
}

/** What an evictor may ask. Valid only during the call. @public */
export interface EvictorContext {
  /** The clock, in milliseconds since the epoch. */
  getCurrentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. */
  getCurrentWatermark(): number;
}

/**
 * Takes records out of a window when it fires, before or after the function. A window with an evictor keeps all its
 * records: nothing is aggregated ahead.
 *
 * Evictors of the package: {@link CountEvictor}, {@link TimeEvictor}, {@link DeltaEvictor}.
 *
 * @public
 */
export interface Evictor<T, W extends Window = Window> {
  /**
   * Called before the window's function, which sees what stays.
   *
   * @returns the records that stay, in the same order.
   */
  evictBefore(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[];
  /**
   * Called after the window's function, with what it has seen. The next firing begins with what stays.
   *
   * @returns the records that stay, in the same order.
   */
  evictAfter(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[];
}

/** When an evictor of the package takes records out. @public */
export interface EvictorOptions {
  /** Evict after the function rather than before. @defaultValue false */
  readonly doEvictAfter?: boolean;
}

abstract class OneSidedEvictor<T> implements Evictor<T> {
  readonly #doEvictAfter: boolean;

  constructor(options: EvictorOptions) {
    this.#doEvictAfter = options.doEvictAfter ?? false;
  }

  evictBefore(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    return this.#doEvictAfter ? elements : this.keep(elements);
  }

  evictAfter(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    return this.#doEvictAfter ? this.keep(elements) : elements;
  }

  protected abstract keep(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[];
}

/**
 * Keeps the last records of a window, by their order of arrival.
 *
 * @example
 * clicks.keyBy((click) => click.user).window(GlobalWindows.create()).evictor(CountEvictor.of(10)).trigger(CountTrigger.of(1));
 *
 * @public
 */
export class CountEvictor<T> extends OneSidedEvictor<T> {
  readonly #maxCount: number;

  private constructor(maxCount: number, options: EvictorOptions) {
    super(options);
    this.#maxCount = maxCount;
  }

  /**
   * Keeps so many records.
   *
   * @param maxCount how many records stay; a whole number from 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of<T>(maxCount: number, options: EvictorOptions = {}): CountEvictor<T> {
    if (!Number.isSafeInteger(maxCount) || maxCount < 0) {
      throw new MillraceError(
        'MILLRACE_JOB_INVALID',
        `the count of an evictor is ${String(maxCount)}, but must be at least 0`,
      );
    }
    return new CountEvictor<T>(maxCount, options);
  }

  protected keep(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    return elements.length <= this.#maxCount ? elements : elements.slice(elements.length - this.#maxCount);
  }
}

/** Keeps the records whose timestamp is less than `size` before the window's largest. Records without timestamps all stay. @public */
export class TimeEvictor<T> extends OneSidedEvictor<T> {
  readonly #sizeMs: number;

  private constructor(sizeMs: number, options: EvictorOptions) {
    super(options);
    this.#sizeMs = sizeMs;
  }

  /**
   * Keeps the records of so much event time.
   *
   * @param sizeMs milliseconds of event time that stay.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a size that is no number
   */
  static of<T>(sizeMs: number, options: EvictorOptions = {}): TimeEvictor<T> {
    if (!Number.isFinite(sizeMs)) {
      throw new MillraceError('MILLRACE_JOB_INVALID', `the size of a time evictor is ${String(sizeMs)} ms`);
    }
    return new TimeEvictor<T>(sizeMs, options);
  }

  protected keep(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    if (elements[0] === undefined || elements[0].timestamp === NO_TIMESTAMP) return elements;
    let largest = NO_TIMESTAMP;
    for (const element of elements) largest = Math.max(largest, element.timestamp);
    return elements.filter((element) => element.timestamp > largest - this.#sizeMs);
  }
}

/** Evicts the records that are at least the threshold away from the last record, by a measure of the author's. @public */
export class DeltaEvictor<T> extends OneSidedEvictor<T> {
  readonly #threshold: number;
  readonly #delta: DeltaFunction<T>;

  private constructor(threshold: number, delta: DeltaFunction<T>, options: EvictorOptions) {
    super(options);
    this.#threshold = threshold;
    this.#delta = delta;
  }

  /**
   * Evicts what is at least the threshold away.
   *
   * @param delta how far the last record, its second argument, is from the one in question.
   */
  static of<T>(threshold: number, delta: DeltaFunction<T>, options: EvictorOptions = {}): DeltaEvictor<T> {
    return new DeltaEvictor(threshold, delta, options);
  }

  protected keep(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    const last = elements.at(-1);
    if (last === undefined) return elements;
    return elements.filter((element) => !(this.#delta(element.value, last.value) >= this.#threshold));
  }
}
