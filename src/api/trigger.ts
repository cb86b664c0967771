import type { AggregatingStateDescriptor, ListStateDescriptor, ReducingStateDescriptor } from './keyed-state.js';
import type { KeyedStateStore } from './keyed-state-store.js';
import type { Window } from './windows.js';

/** What happens to a window: nothing; its function runs; its contents are dropped; both. @public */
export type TriggerResult = 'CONTINUE' | 'FIRE' | 'PURGE' | 'FIRE_AND_PURGE';

/** Timers and state of one key and window. @public */
export interface TriggerContext extends KeyedStateStore {
  getCurrentProcessingTime(): number;
  /** `-Infinity` before the first watermark. */
  getCurrentWatermark(): number;
  registerProcessingTimeTimer(timestamp: number): void;
  registerEventTimeTimer(timestamp: number): void;
  deleteProcessingTimeTimer(timestamp: number): void;
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
 * @public
 */
export abstract class Trigger<T, W extends Window = Window> {
  /** Called for each record of the window, after it was added. */
  abstract onElement(value: T, timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Called when a processing-time timer of this window fires. */
  abstract onProcessingTime(timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Called when an event-time timer of this window fires; also for the timer at which the window is cleaned up. */
  abstract onEventTime(timestamp: number, window: W, context: TriggerContext): TriggerResult;
  /** Drops all state and timers of the window. */
  abstract clear(window: W, context: TriggerContext): void;
  /** Whether the trigger works with windows that merge; such a trigger has `onMerge`. */
  canMerge(): boolean {
    return false;
  }
  /** Called with the window that results from merging, before `clear` of the merged ones. */
  onMerge?(window: W, context: OnMergeContext): void;
}
