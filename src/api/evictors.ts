import { MillraceError } from '../base/errors.js';
import { NO_TIMESTAMP } from './timer-service.js';
import type { DeltaFunction } from './triggers.js';
import type { Window } from './windows.js';

/** A record in a window that has an evictor. @public */
export interface TimestampedValue<T> {
  readonly value: T;
  /** `-Infinity` when the record has none. */
  readonly timestamp: number;
}

/** @public */
export interface EvictorContext {
  getCurrentProcessingTime(): number;
  getCurrentWatermark(): number;
}

/**
 * Takes records out of a window when it fires, before or after the function. A window with an evictor keeps all its
 * records: nothing is aggregated ahead.
 *
 * @public
 */
export interface Evictor<T, W extends Window = Window> {
  /** @returns the records that stay, in the same order. */
  evictBefore(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[];
  /** @returns the records that stay, in the same order. */
  evictAfter(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[];
}

/** @public */
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

/** Keeps the last records. @public */
export class CountEvictor<T> extends OneSidedEvictor<T> {
  readonly #maxCount: number;

  private constructor(maxCount: number, options: EvictorOptions) {
    super(options);
    this.#maxCount = maxCount;
  }

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

/** Keeps the records whose timestamp is less than `size` before the window's largest. @public */
export class TimeEvictor<T> extends OneSidedEvictor<T> {
  readonly #sizeMs: number;

  private constructor(sizeMs: number, options: EvictorOptions) {
    super(options);
    this.#sizeMs = sizeMs;
  }

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

/** Evicts the records that are at least the threshold away from the last record. @public */
export class DeltaEvictor<T> extends OneSidedEvictor<T> {
  readonly #threshold: number;
  readonly #delta: DeltaFunction<T>;

  private constructor(threshold: number, delta: DeltaFunction<T>, options: EvictorOptions) {
    super(options);
    this.#threshold = threshold;
    this.#delta = delta;
  }

  static of<T>(threshold: number, delta: DeltaFunction<T>, options: EvictorOptions = {}): DeltaEvictor<T> {
    return new DeltaEvictor(threshold, delta, options);
  }

  protected keep(elements: readonly TimestampedValue<T>[]): readonly TimestampedValue<T>[] {
    const last = elements.at(-1);
    if (last === undefined) return elements;
    return elements.filter((element) => !(this.#delta(element.value, last.value) >= this.#threshold));
  }
}
