import { NO_TIMESTAMP } from '../../api/timer-service.js';
import { requireEventTimestamp, type TumblingEventTimeWindows } from '../../api/window-assigners.js';
import { TimeWindow, windowStartWithOffset } from '../../api/windows.js';
import { KeyedOperatorBase } from '../keyed-operator-base.js';
import { everyFailure, type OperatorContext } from '../operator.js';
import { enterTimerScope, InternalTimerService } from '../timer-service.js';
import type { TimerTarget } from '../timer-service.js';
import { TimestampedCollector } from '../timestamped-collector.js';
import { OperatorWindowContext } from './window-contexts.js';
import { CONTENTS_STATE, createWindowContents } from './window-contents.js';
import type { WindowAggregation, WindowContents } from './window-contents.js';
import type { WindowFunctionCaller } from './window-function-caller.js';
import { windowFunctionCaller } from './window-function-caller.js';
import { WindowNamespaces } from './window-namespace.js';
import type { WindowOperatorOptions } from './window-operator.js';

export interface TumblingWindowOptions<In, Out> extends Omit<
  WindowOperatorOptions<In, Out, TimeWindow>,
  'assigner' | 'trigger' | 'allowedLatenessMs'
> {
  readonly assigner: TumblingEventTimeWindows;
  readonly aggregation: NonNullable<WindowAggregation<In>>;
}

/**
 * Tumbling windows of event time that are aggregated and fire when the watermark has passed their end. The results, and the
 * rows of what windows hold, are those of {@link WindowOperator}. It has no timers: the keys of an open window are listed, in
 * the order in which they came, and the watermark fires them one after another.
 *
 * **Invariant:** a key has a row in a window's namespace exactly as long as it is listed for that window, so after a restore the
 * lists are made of the rows. Timers that the general operator has left are dropped; it makes its own of rows as well, so an
 * author may add lateness or a trigger, and take it away.
 */
export class TumblingWindowOperator<In, Out> extends KeyedOperatorBase<In, Out> implements TimerTarget {
  readonly #options: TumblingWindowOptions<In, Out>;
  readonly #caller: WindowFunctionCaller<TimeWindow, Out>;
  readonly #sizeMs: number;
  readonly #offsetMs: number;
  /** The keys of each open window, by its start. */
  readonly #keys = new Map<number, unknown[]>();
  /** The window of the last record, and its keys: records that follow each other mostly share it. */
  #start = NaN;
  #keysOfStart: unknown[] = [];
  #contents: WindowContents<In> | null = null;
  #timers: InternalTimerService | null = null;
  #windowContext: OperatorWindowContext<TimeWindow, Out> | null = null;
  #collector: TimestampedCollector<Out>;

  constructor(options: TumblingWindowOptions<In, Out>) {
    super(options.key);
    this.#options = options;
    this.#caller = windowFunctionCaller(options.fn);
    this.#sizeMs = options.assigner.fixedSizeMs;
    this.#offsetMs = options.assigner.offsetMs;
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#contents = createWindowContents(this.keyedState, this.#options.aggregation);
    this.#timers = new InternalTimerService(context, 'window-timers', this);
    this.#windowContext = new OperatorWindowContext(context, this.#timers, false);
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.#timers.deleteAllEventTimeTimers();
    const namespaces = new WindowNamespaces<TimeWindow>(this.#sizeMs);
    this.keyedState.forEachRow(CONTENTS_STATE, (key, namespace) => {
      this.#keysOf(namespaces.windowOf(namespace).start).push(key);
    });
    this.openFunction(this.#options.fn);
  }

  processElement(value: In, timestamp: number): void {
    this.enterKey(value);
    try {
      requireEventTimestamp(timestamp);
    } catch (error) {
      throw this.named(error, 'assignWindows');
    }
    const start = windowStartWithOffset(timestamp, this.#offsetMs, this.#sizeMs);
    const watermark = (this.#timers as InternalTimerService).currentWatermark();
    if (start + this.#sizeMs - 1 <= watermark) {
      this.#emitLate(value, timestamp);
      return;
    }
    const contents = this.#contents as WindowContents<In>;
    contents.enter(start);
    let isFirst: boolean;
    try {
      isFirst = contents.add(value, timestamp);
    } catch (error) {
      throw this.failure(error, 'window');
    }
    if (!isFirst) return;
    if (start !== this.#start) {
      this.#start = start;
      this.#keysOfStart = this.#keysOf(start);
    }
    this.#keysOfStart.push(this.keyedState.getCurrentKey());
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    const ended = [...this.#keys.keys()].filter((start) => start + this.#sizeMs - 1 <= timestamp);
    for (const start of ended.sort((a, b) => a - b)) this.#fireAll(start);
    super.processWatermark(timestamp);
  }

  onTimer(): void {
    // It sets none.
  }

  #keysOf(start: number): unknown[] {
    let keys = this.#keys.get(start);
    if (keys === undefined) {
      keys = [];
      this.#keys.set(start, keys);
    }
    return keys;
  }

  #fireAll(start: number): void {
    const keys = this.#keysOf(start);
    this.#keys.delete(start);
    this.#start = NaN;
    const window = new TimeWindow(start, start + this.#sizeMs);
    this.#collector.timestamp = window.maxTimestamp();
    for (const key of keys) {
      this.keyedState.setCurrentKey(key);
      enterTimerScope(this.context.scope, key, window.maxTimestamp());
      try {
        this.#fire(key, window);
      } catch (error) {
        (this.context.failures ?? everyFailure).timerFailed(error, this.context.operatorId);
        // Its key is listed no longer, and so must have no row.
        this.#contents?.clear();
      }
    }
  }

  #fire(key: unknown, window: TimeWindow): void {
    const contents = this.#contents as WindowContents<In>;
    const windowContext = this.#windowContext as OperatorWindowContext<TimeWindow, Out>;
    contents.enter(window.start);
    windowContext.enter(window, window.start);
    try {
      const results = contents.read();
      if (results !== undefined) this.#caller.process(key, windowContext, results, this.#collector);
      contents.clear();
      this.#caller.clear(windowContext);
    } catch (error) {
      throw this.failure(error, 'process');
    }
  }

  #emitLate(value: In, timestamp: number): void {
    const { lateTag } = this.#options;
    if (lateTag === null) this.context.counters.numLateRecordsDropped++;
    else this.output.collectSide(lateTag, value, timestamp);
  }
}
