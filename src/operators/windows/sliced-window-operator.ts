import type { KeySelector } from '../../api/functions.js';
import type { InternalValueState } from '../../api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../../api/internal/state-backend.js';
import { valueState } from '../../api/keyed-state.js';
import type { AggregateFunction } from '../../api/keyed-state.js';
import type { OutputTag } from '../../api/process-function.js';
import { NO_TIMESTAMP } from '../../api/timer-service.js';
import { requireEventTimestamp, type SlidingEventTimeWindows } from '../../api/window-assigners.js';
import { TimeWindow, windowStartWithOffset } from '../../api/windows.js';
import { KeyedOperatorBase } from '../keyed-operator-base.js';
import type { OperatorContext } from '../operator.js';
import { InternalTimerService } from '../timer-service.js';
import type { TimerTarget } from '../timer-service.js';
import { TimestampedCollector } from '../timestamped-collector.js';
import { OperatorWindowContext } from './window-contexts.js';
import type { AnyWindowFunction, WindowFunctionCaller } from './window-function-caller.js';
import { windowFunctionCaller } from './window-function-caller.js';
import { WindowNamespaces } from './window-namespace.js';

export interface SlicedWindowOptions<In, Acc, Out> {
  readonly key: KeySelector<In, unknown>;
  readonly assigner: SlidingEventTimeWindows;
  readonly lateTag: OutputTag<In> | null;
  readonly aggregate: AggregateFunction<In, Acc, unknown>;
  readonly fn: AnyWindowFunction<unknown, Out, TimeWindow>;
}

/**
 * Sliding windows of event time whose aggregate does not look at the order of the records: each record is added to one
 * slice, as long as the greatest common divisor of size and slide, and a window that fires merges the slices it covers. The
 * results are those of {@link WindowOperator}, at a cost per record that does not grow with the number of windows it is in.
 *
 * ```
 *   slices    │ 0 │ 1 │ 2 │ 3 │ 4 │ 5 │
 *   windows   └─── A ─────┘
 *                 └─── B ─────┘          A fires: merges 0, 1, 2; drops 0; the timer moves on to the end of B
 * ```
 *
 * As others that share partial results of overlapping windows: J. Li et al., "No Pane, No Gain", SIGMOD Record 34 (2005).
 *
 * **Invariant:** a key with a slice has a timer at the end of the first window that covers it and has not fired. The first
 * record of a slice sets it, and a window that fires sets the next while slices are left.
 */
export class SlicedWindowOperator<In, Acc, Out> extends KeyedOperatorBase<In, Out> implements TimerTarget {
  readonly #options: SlicedWindowOptions<In, Acc, Out>;
  readonly #caller: WindowFunctionCaller<TimeWindow, Out>;
  readonly #sizeMs: number;
  readonly #slideMs: number;
  readonly #sliceMs: number;
  readonly #namespaces: WindowNamespaces<TimeWindow>;
  #slices: InternalValueState<Acc> | null = null;
  #timers: InternalTimerService | null = null;
  #windowContext: OperatorWindowContext<TimeWindow, Out> | null = null;
  #collector: TimestampedCollector<Out>;

  constructor(options: SlicedWindowOptions<In, Acc, Out>) {
    super(options.key);
    const { fixedSizeMs, slideMs } = options.assigner;
    this.#options = options;
    this.#caller = windowFunctionCaller(options.fn);
    this.#sizeMs = fixedSizeMs;
    this.#slideMs = slideMs;
    this.#sliceMs = greatestCommonDivisor(fixedSizeMs, slideMs);
    this.#namespaces = new WindowNamespaces<TimeWindow>(fixedSizeMs);
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#slices = this.keyedState.valueState(valueState<Acc>('window-slices'));
    this.#timers = new InternalTimerService(context, 'window-timers', this);
    this.#windowContext = new OperatorWindowContext(context, this.#timers, false);
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.openFunction(this.#options.fn);
  }

  processElement(value: In, timestamp: number): void {
    this.enterKey(value);
    try {
      requireEventTimestamp(timestamp);
    } catch (error) {
      throw this.named(error, 'assignWindows');
    }
    const end = this.#firstOpenEnd(timestamp);
    if (end === null) this.#onOutside(value, timestamp);
    else this.#addToSlice(value, timestamp, end);
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(timestamp: number): void {
    const end = timestamp + 1;
    const start = end - this.#sizeMs;
    const slices = this.#slices as InternalValueState<Acc>;
    const { aggregate } = this.#options;
    // What one slice holds goes into several windows: merging begins with an accumulator of the window's own.
    let merged = aggregate.createAccumulator();
    let isEmpty = true;
    let hasMore = false;
    for (let slice = start; slice < end; slice += this.#sliceMs) {
      slices.setCurrentNamespace(slice);
      const accumulator = slices.value();
      if (accumulator === undefined) continue;
      isEmpty = false;
      merged = this.#merge(merged, accumulator);
      if (slice < start + this.#slideMs) slices.clear();
      else hasMore = true;
    }
    if (!isEmpty) this.#fire(new TimeWindow(start, end), merged);
    if (hasMore) this.#timers?.registerEventTimeTimer(VOID_NAMESPACE, timestamp + this.#slideMs);
  }

  /** End of the first window that holds the timestamp and has not fired; `null` when there is none. */
  #firstOpenEnd(timestamp: number): number | null {
    const lastStart = windowStartWithOffset(timestamp, this.#options.assigner.offsetMs, this.#slideMs);
    const watermark = this.#timers?.currentWatermark() ?? NO_TIMESTAMP;
    let first: number | null = null;
    for (let start = lastStart; start > timestamp - this.#sizeMs; start -= this.#slideMs) {
      const end = start + this.#sizeMs;
      if (end - 1 <= watermark) break;
      first = end;
    }
    return first;
  }

  #addToSlice(value: In, timestamp: number, end: number): void {
    const slices = this.#slices as InternalValueState<Acc>;
    const { aggregate, assigner } = this.#options;
    slices.setCurrentNamespace(windowStartWithOffset(timestamp, assigner.offsetMs, this.#sliceMs));
    const before = slices.value();
    try {
      slices.update(aggregate.add(value, before === undefined ? aggregate.createAccumulator() : before));
    } catch (error) {
      throw this.failure(error, 'aggregate');
    }
    if (before === undefined) this.#timers?.registerEventTimeTimer(VOID_NAMESPACE, end - 1);
  }

  /** As in Flink: late is what the watermark has passed; the rest fell between windows. */
  #onOutside(value: In, timestamp: number): void {
    if (timestamp > (this.#timers?.currentWatermark() ?? NO_TIMESTAMP)) return;
    const { lateTag } = this.#options;
    if (lateTag === null) this.context.counters.numLateRecordsDropped++;
    else this.output.collectSide(lateTag, value, timestamp);
  }

  #merge(merged: Acc, accumulator: Acc): Acc {
    try {
      return this.#options.aggregate.merge(merged, accumulator);
    } catch (error) {
      throw this.failure(error, 'merge');
    }
  }

  #fire(window: TimeWindow, accumulator: Acc): void {
    const windowContext = this.#windowContext as OperatorWindowContext<TimeWindow, Out>;
    windowContext.enter(window, this.#namespaces.namespaceOf(window));
    this.#collector.timestamp = window.maxTimestamp();
    try {
      const result = this.#options.aggregate.getResult(accumulator);
      if (result !== undefined && result !== null) {
        this.#caller.process(this.keyedState.getCurrentKey(), windowContext, [result], this.#collector);
      }
      this.#caller.clear(windowContext);
    } catch (error) {
      throw this.failure(error, 'process');
    }
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
