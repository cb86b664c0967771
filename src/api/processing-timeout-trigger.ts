import { requireAboveZero } from './internal/author-checks.js';
import { valueState } from './keyed-state.js';
import { Trigger } from './trigger.js';
import type { TriggerContext, TriggerResult } from './trigger.js';
import type { Window } from './windows.js';

/** What a {@link ProcessingTimeoutTrigger} does with its time-out. @public */
export interface ProcessingTimeoutOptions {
  /** Whether each record starts the time-out anew. @defaultValue false */
  readonly resetTimerOnNewRecord?: boolean;
  /** Whether a time-out also clears the other trigger's state. @defaultValue true */
  readonly shouldClearOnTimeout?: boolean;
}

const timeoutTimestamp = valueState<number>('timeout');

/**
 * Fires when another trigger does, or at the latest this long, by the clock, after a window's first record since it fired. Not
 * for windows that merge.
 *
 * @example
 * // A hundred records, or what there is after five seconds.
 * ProcessingTimeoutTrigger.of(CountTrigger.of(100), 5_000);
 *
 * @public
 */
export class ProcessingTimeoutTrigger<T, W extends Window> extends Trigger<T, W> {
  readonly #nested: Trigger<T, W>;
  readonly #timeoutMs: number;
  readonly #resetTimerOnNewRecord: boolean;
  readonly #shouldClearOnTimeout: boolean;

  private constructor(nested: Trigger<T, W>, timeoutMs: number, options: ProcessingTimeoutOptions) {
    super();
    this.#nested = nested;
    this.#timeoutMs = timeoutMs;
    this.#resetTimerOnNewRecord = options.resetTimerOnNewRecord ?? false;
    this.#shouldClearOnTimeout = options.shouldClearOnTimeout ?? true;
  }

  /**
   * Fires when `nested` does, or when the time is up.
   *
   * @param timeoutMs milliseconds of the clock, above 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static of<T, W extends Window>(
    nested: Trigger<T, W>,
    timeoutMs: number,
    options: ProcessingTimeoutOptions = {},
  ): ProcessingTimeoutTrigger<T, W> {
    requireAboveZero(timeoutMs, 'the time-out of a trigger');
    return new ProcessingTimeoutTrigger(nested, timeoutMs, options);
  }

  onElement(value: T, timestamp: number, window: W, context: TriggerContext): TriggerResult {
    const result = this.#nested.onElement(value, timestamp, window, context);
    if (isFire(result)) {
      this.clear(window, context);
      return result;
    }
    const state = context.getState(timeoutTimestamp);
    const fireAt = context.getCurrentProcessingTime() + this.#timeoutMs;
    let armed = state.value();
    if (armed !== undefined && this.#resetTimerOnNewRecord) {
      context.deleteProcessingTimeTimer(armed);
      state.clear();
      armed = undefined;
    }
    if (armed === undefined) {
      state.update(fireAt);
      context.registerProcessingTimeTimer(fireAt);
    }
    return result;
  }

  onProcessingTime(timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return this.#onTimeout(this.#nested.onProcessingTime(timestamp, window, context), window, context);
  }

  onEventTime(timestamp: number, window: W, context: TriggerContext): TriggerResult {
    return this.#onTimeout(this.#nested.onEventTime(timestamp, window, context), window, context);
  }

  clear(window: W, context: TriggerContext): void {
    const state = context.getState(timeoutTimestamp);
    const armed = state.value();
    if (armed !== undefined) {
      context.deleteProcessingTimeTimer(armed);
      state.clear();
    }
    this.#nested.clear(window, context);
  }

  #onTimeout(result: TriggerResult, window: W, context: TriggerContext): TriggerResult {
    if (this.#shouldClearOnTimeout) this.clear(window, context);
    return isPurge(result) ? 'FIRE_AND_PURGE' : 'FIRE';
  }
}

function isFire(result: TriggerResult): boolean {
  return result === 'FIRE' || result === 'FIRE_AND_PURGE';
}

function isPurge(result: TriggerResult): boolean {
  return result === 'PURGE' || result === 'FIRE_AND_PURGE';
}
