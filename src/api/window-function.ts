import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { KeyedStateStore } from './keyed-state-store.js';
import type { OutputTag } from './process-function.js';
import type { Window } from './windows.js';

/** What a window function may ask and do. Valid only during the call. @public */
export interface ProcessWindowContext<W extends Window> {
  /** The window that fires, or is discarded. */
  window(): W;
  /** The clock, in milliseconds since the epoch. */
  currentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. */
  currentWatermark(): number;
  /** State of this key and window. Clear it in `clear`. Windows that merge have none: `MILLRACE_STATE_CONFLICT`. */
  windowState(): KeyedStateStore;
  /** State of this key over all windows. */
  globalState(): KeyedStateStore;
  /** Emits to a side output, with the window's largest timestamp. */
  output<T>(tag: OutputTag<T>, value: T): void;
}

/**
 * A function over all records of a key's window, or over the one result that they were reduced or aggregated to.
 *
 * @example
 * class WithWindow extends ProcessWindowFunction<number, Total, string, TimeWindow> {
 *   override process(key: string, context: ProcessWindowContext<TimeWindow>, [total = 0]: readonly number[], out: Collector<Total>) {
 *     out.collect({ key, total, until: context.window().end });
 *   }
 * }
 *
 * windows.aggregate(new Sum(), new WithWindow());
 *
 * @public
 */
export abstract class ProcessWindowFunction<In, Out, K, W extends Window = Window> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called when the window fires and holds something. Results carry the window's largest timestamp. */
  abstract process(key: K, context: ProcessWindowContext<W>, elements: readonly In[], out: Collector<Out>): void;
  /** Called when the window is discarded: drop what it keeps in window state. */
  clear?(context: ProcessWindowContext<W>): void;
}

/** A {@link ProcessWindowFunction} for windows over a whole stream, without a key. @public */
export abstract class ProcessAllWindowFunction<In, Out, W extends Window = Window> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called when the window fires and holds something. Results carry the window's largest timestamp. */
  abstract process(context: ProcessWindowContext<W>, elements: readonly In[], out: Collector<Out>): void;
  /** Called when the window is discarded: drop what it keeps in window state. */
  clear?(context: ProcessWindowContext<W>): void;
}
