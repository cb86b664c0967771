import type { AggregatingStateDescriptor, ListStateDescriptor, ReducingStateDescriptor } from './keyed-state.js';
import type { KeyedStateStore } from './keyed-state-store.js';
import type { Window } from './windows.js';

/** What happens to a window: nothing; its function runs; its contents are dropped; both, in this order. @public */
export type TriggerResult = 'CONTINUE' | 'FIRE' | 'PURGE' | 'FIRE_AND_PURGE';

/** Timers and state of one key and window. Valid only during the call. @public */
export interface TriggerContext extends KeyedStateStore {
  /** The clock, in milliseconds since the epoch. */
  getCurrentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. */
  getCurrentWatermark(): number;
  /** Calls `onProcessingTime` when the clock reaches `timestamp`. */
  registerProcessingTimeTimer(timestamp: number): void;
  /** Calls `onEventTime` when the watermark reaches `timestamp`: with the next watermark, when it has done so already. */
  registerEventTimeTimer(timestamp: number): void;
  /** Deletes this window's timer of the clock at `timestamp`, if there is one. */
  deleteProcessingTimeTimer(timestamp: number): void;
  /** Deletes this window's timer of event time at `timestamp`, if there is one. That may be the one at which the window is cleaned up. */
  deleteEventTimeTimer(timestamp: number): void;
}

/** While windows merge: the context of the window that results. @public */
export interface OnMergeContext extends TriggerContext {
  /** Moves this state of the merged windows into the resulting one. */
  mergePartitionedState<T, A, O>(
    descriptor: ListStateDescriptor<T> | ReducingStateDescriptor<T> | AggregatingStateDescriptor<T, A, O>,
  ): void;
}

/**
 * Decides when a window's function runs. A trigger is shared by all keys and windows: what it remembers stands in the
 * context's state, never in fields.
 *
 * Triggers of the package: {@link EventTimeTrigger}, {@link ProcessingTimeTrigger}, {@link CountTrigger}, {@link DeltaTrigger},
 * {@link ContinuousEventTimeTrigger}, {@link ContinuousProcessingTimeTrigger}, {@link PurgingTrigger},
 * {@link ProcessingTimeoutTrigger}, {@link NeverTrigger}.
 *
 * @public
 */
export abstract class Trigger<T, W extends Window = Window> {
  /** Called for each record of the window, after it was added. */
  abstract onElement(value: T, timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Called when a processing-time timer of this window fires; of windows that end by the clock, also for the one at which the window is cleaned up. */
  abstract onProcessingTime(timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Called when an event-time timer of this window fires; of windows that end by watermark, also for the one at which the window is cleaned up. */
  abstract onEventTime(timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Drops all state and timers of the window. Called when it is cleaned up, or has become part of another one; not at a purge. */
  abstract clear(window: W, context: TriggerContext): void;
  /** Whether the trigger works with windows that merge; such a trigger has `onMerge`. */
  canMerge(): boolean {
    return false;
  }
  /** Called with the window that results from merging, before `clear` of the merged ones. */
  onMerge?(window: W, context: OnMergeContext): void;
}
