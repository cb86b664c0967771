import type { KeySelector } from '../../api/functions.js';
import type { Namespace } from '../../api/internal/state-backend.js';
import type { OutputTag } from '../../api/process-function.js';
import type { TimeDomain } from '../../api/timer-service.js';
import { MAX_WATERMARK, NO_TIMESTAMP } from '../../api/timer-service.js';
import type { Trigger, TriggerResult } from '../../api/trigger.js';
import { EventTimeTrigger, ProcessingTimeTrigger } from '../../api/triggers.js';
import { MergingWindowAssigner } from '../../api/window-assigner.js';
import type { WindowAssigner, WindowAssignerContext } from '../../api/window-assigner.js';
import type { TimeWindow, Window } from '../../api/windows.js';
import { MillraceError } from '../../base/errors.js';
import { KeyedOperatorBase } from '../keyed-operator-base.js';
import type { OperatorContext } from '../operator.js';
import { InternalTimerService } from '../timer-service.js';
import type { TimerTarget } from '../timer-service.js';
import { TimestampedCollector } from '../timestamped-collector.js';
import { MergingWindowSet } from './merging-window-set.js';
import { CONTENTS_STATE, createWindowContents } from './window-contents.js';
import type { WindowAggregation, WindowContents } from './window-contents.js';
import { OperatorTriggerContext, OperatorWindowContext } from './window-contexts.js';
import type { AnyWindowFunction, WindowFunctionCaller } from './window-function-caller.js';
import { windowFunctionCaller } from './window-function-caller.js';
import { WindowNamespaces } from './window-namespace.js';

/** What a window operator does. Types of values are erased: the typed streams of `api/` have checked them. */
export interface WindowOperatorOptions<In, Out, W extends Window> {
  readonly key: KeySelector<In, unknown>;
  readonly assigner: WindowAssigner<In, W>;
  readonly trigger: Trigger<In, W>;
  readonly allowedLatenessMs: number;
  /** Where late records go; `null` drops and counts them. */
  readonly lateTag: OutputTag<In> | null;
  readonly aggregation: WindowAggregation<In>;
  readonly fn: AnyWindowFunction<unknown, Out, W>;
}

/**
 * Puts the records of each key into windows and runs a function over a window's contents when its trigger says so. The
 * semantics are those of Flink's `WindowOperator`.
 *
 * ```
 *   record ─▶ assigner ─▶ merge sessions ─▶ late? ─▶ contents, trigger ─▶ FIRE: function ─▶ PURGE: drop contents
 *   timer  ─▶ trigger ─▶ FIRE / PURGE ─▶ at max timestamp + lateness: drop contents, trigger state and function state
 * ```
 *
 * State per key and window: the contents, the trigger's state, the function's; timers carry the window as their namespace.
 * Of merging windows the contents stand in the namespace that {@link MergingWindowSet} names, everything else in the
 * window's own.
 */
export class WindowOperator<In, Out, W extends Window>
  extends KeyedOperatorBase<In, Out>
  implements TimerTarget, WindowAssignerContext
{
  protected readonly options: WindowOperatorOptions<In, Out, W>;
  protected readonly caller: WindowFunctionCaller<W, Out>;
  readonly #namespaces: WindowNamespaces<W>;
  readonly #isMerging: boolean;
  /** Whether the trigger's own timer is always at the time of cleanup, so that a second registration would change nothing. */
  readonly #triggerArmsCleanup: boolean;
  /** Whether, moreover, a window with contents always has that timer, so that only the first record sets it. */
  readonly #isArmedWhileFull: boolean;
  #contents: WindowContents<In> | null = null;
  #timers: InternalTimerService | null = null;
  #triggerContext: OperatorTriggerContext | null = null;
  #windowContext: OperatorWindowContext<W, Out> | null = null;
  #sessions: MergingWindowSet | null = null;
  #collector: TimestampedCollector<Out>;

  constructor(options: WindowOperatorOptions<In, Out, W>) {
    super(options.key);
    const { assigner, trigger, allowedLatenessMs } = options;
    this.options = options;
    this.caller = windowFunctionCaller(options.fn);
    this.#namespaces = new WindowNamespaces<W>(assigner.fixedSizeMs);
    this.#isMerging = assigner instanceof MergingWindowAssigner;
    this.#triggerArmsCleanup = armsCleanup(trigger, assigner.isEventTime) && allowedLatenessMs === 0;
    this.#isArmedWhileFull = this.#triggerArmsCleanup && !this.#isMerging;
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
    if (this.#isMerging && !trigger.canMerge()) {
      throw new MillraceError('MILLRACE_JOB_INVALID', 'windows that merge have a trigger that cannot', {
        hint: 'Use a trigger with canMerge() and onMerge().',
      });
    }
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#contents = this.createContents();
    this.#timers = new InternalTimerService(context, 'window-timers', this);
    this.#triggerContext = new OperatorTriggerContext(context, this.#timers);
    this.#windowContext = new OperatorWindowContext(context, this.#timers, this.#isMerging);
    this.#sessions = this.#isMerging ? new MergingWindowSet(this.keyedState) : null;
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    const { assigner } = this.options;
    if (assigner.isEventTime && assigner.fixedSizeMs !== null) this.#armRestored();
    this.openFunction(this.options.fn);
  }

  /** Windows that {@link TumblingWindowOperator} has stored have no timers: they get theirs. */
  #armRestored(): void {
    const { keyedState, timers } = this;
    keyedState.forEachRow(CONTENTS_STATE, (key, namespace) => {
      const window = this.#namespaces.windowOf(namespace);
      keyedState.setCurrentKey(key);
      // One that has its timer of cleanup has had all of them, and may have fired.
      const isUnarmed = timers.registerEventTimeTimer(namespace, this.#cleanupTime(window));
      if (isUnarmed) timers.registerEventTimeTimer(namespace, window.maxTimestamp());
    });
  }

  processElement(value: In, timestamp: number): void {
    this.enterKey(value);
    let windows: readonly W[];
    try {
      windows = this.options.assigner.assignWindows(value, timestamp, this);
    } catch (error) {
      throw this.named(error, 'assignWindows');
    }
    const wasAdded =
      this.#sessions === null
        ? this.#addToWindows(windows, value, timestamp)
        : this.#addToSessions(this.#sessions, windows, value, timestamp);
    if (!wasAdded && this.#isRecordLate(timestamp)) this.#emitLate(value, timestamp);
  }

  override processWatermark(timestamp: number): void {
    this.timers.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(timestamp: number, namespace: Namespace, domain: TimeDomain): void {
    const window = this.#namespaces.windowOf(namespace);
    const contentsNamespace = this.#enterContentsOf(window, namespace);
    // A timer that a trigger left behind for a session that is gone: nothing belongs to it any more.
    if (contentsNamespace === null) return;
    this.#enterWindow(window, namespace, contentsNamespace);
    const result = this.#callTrigger(timestamp, window, domain);
    if (isFire(result)) this.#fire(window);
    if (isPurge(result)) this.contents.clear();
    const isCleanup = this.options.assigner.isEventTime === (domain === 'EVENT_TIME');
    if (isCleanup && timestamp === this.#cleanupTime(window)) this.#dropWindow(window, namespace);
    this.#sessions?.persist();
  }

  currentProcessingTime(): number {
    return this.context.processingTime.now();
  }

  protected get contents(): WindowContents<In> {
    return this.#contents as WindowContents<In>;
  }

  protected get timers(): InternalTimerService {
    return this.#timers as InternalTimerService;
  }

  protected createContents(): WindowContents<In> {
    return createWindowContents(this.keyedState, this.options.aggregation);
  }

  /** Runs the function over the contents of the window that was entered. */
  protected emitContents(window: W): void {
    const elements = this.contents.read();
    if (elements !== undefined) this.callFunction(window, elements);
  }

  protected callFunction(window: W, elements: readonly unknown[]): void {
    const collector = this.#collector;
    collector.timestamp = window.maxTimestamp();
    const windowContext = this.#windowContext as OperatorWindowContext<W, Out>;
    windowContext.enter(window, this.#namespaces.namespaceOf(window));
    try {
      this.caller.process(this.keyedState.getCurrentKey(), windowContext, elements, collector);
    } catch (error) {
      throw this.failure(error, 'process');
    }
  }

  #addToWindows(windows: readonly W[], value: In, timestamp: number): boolean {
    let wasAdded = false;
    for (let i = 0; i < windows.length; i++) {
      const window = windows[i] as W;
      if (this.#isWindowLate(window)) continue;
      wasAdded = true;
      const namespace = this.#namespaces.namespaceOf(window);
      this.#addToWindow(window, namespace, namespace, value, timestamp);
    }
    return wasAdded;
  }

  #addToSessions(sessions: MergingWindowSet, windows: readonly W[], value: In, timestamp: number): boolean {
    let wasAdded = false;
    sessions.load();
    for (const added of windows) {
      const session = sessions.add(added as TimeWindow, (result, merged, stateTarget, stateSources) => {
        this.#mergeSessions(result as W, merged as readonly W[], stateTarget, stateSources);
      });
      const window = session as W;
      if (this.#isWindowLate(window)) {
        sessions.retire(session);
        continue;
      }
      wasAdded = true;
      const stateNamespace = sessions.stateNamespaceOf(session);
      if (stateNamespace === null)
        throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a session in use is in flight');
      this.#addToWindow(window, this.#namespaces.namespaceOf(window), stateNamespace, value, timestamp);
    }
    sessions.persist();
    return wasAdded;
  }

  #mergeSessions(result: W, merged: readonly W[], stateTarget: Namespace, stateSources: readonly Namespace[]): void {
    this.#refuseEndedMerge(result);
    const context = this.#triggerContext as OperatorTriggerContext;
    const { trigger } = this.options;
    const mergedNamespaces = merged.map((window) => this.#namespaces.namespaceOf(window));
    context.enterMerge(this.#namespaces.namespaceOf(result), mergedNamespaces);
    try {
      trigger.onMerge?.(result, context);
      for (const window of merged) {
        context.enter(this.#namespaces.namespaceOf(window));
        trigger.clear(window, context);
        this.#deleteCleanupTimer(window);
      }
    } catch (error) {
      throw this.failure(error, 'onMerge');
    }
    if (stateSources.length > 0) this.contents.merge(stateTarget, stateSources);
  }

  /** A session only grows, so it cannot end before now, unless the clock or an assigner misbehaves. */
  #refuseEndedMerge(result: W): void {
    const { assigner } = this.options;
    const hasEnded = assigner.isEventTime
      ? this.#isWindowLate(result)
      : result.maxTimestamp() <= this.context.processingTime.now();
    if (!hasEnded) return;
    throw new MillraceError('MILLRACE_USER_FUNCTION_FAILED', 'merged windows end before the present time', {
      details: { operator: this.context.operatorId, maxTimestamp: result.maxTimestamp() },
    });
  }

  #addToWindow(window: W, namespace: Namespace, contentsNamespace: Namespace, value: In, timestamp: number): void {
    const context = this.#triggerContext as OperatorTriggerContext;
    const { contents } = this;
    contents.enter(contentsNamespace);
    context.enter(namespace);
    let result: TriggerResult;
    try {
      const isFirst = contents.add(value, timestamp);
      if (this.#isArmedWhileFull && !isFirst) return;
      result = this.options.trigger.onElement(value, timestamp, window, context);
    } catch (error) {
      throw this.failure(error, 'window');
    }
    if (isFire(result)) this.#fire(window);
    if (isPurge(result)) contents.clear();
    if (!this.#triggerArmsCleanup) this.#registerCleanupTimer(window, namespace);
  }

  #fire(window: W): void {
    this.emitContents(window);
  }

  #callTrigger(timestamp: number, window: W, domain: TimeDomain): TriggerResult {
    const context = this.#triggerContext as OperatorTriggerContext;
    const { trigger } = this.options;
    try {
      return domain === 'EVENT_TIME'
        ? trigger.onEventTime(timestamp, window, context)
        : trigger.onProcessingTime(timestamp, window, context);
    } catch (error) {
      throw this.failure(error, 'trigger');
    }
  }

  /** @returns where the contents of the window stand; `null` for a session that is gone. */
  #enterContentsOf(window: W, namespace: Namespace): Namespace | null {
    if (this.#sessions === null) return namespace;
    this.#sessions.load();
    return this.#sessions.stateNamespaceOf(window as TimeWindow);
  }

  #enterWindow(window: W, namespace: Namespace, contentsNamespace: Namespace): void {
    this.contents.enter(contentsNamespace);
    (this.#triggerContext as OperatorTriggerContext).enter(namespace);
    (this.#windowContext as OperatorWindowContext<W, Out>).enter(window, namespace);
  }

  #dropWindow(window: W, namespace: Namespace): void {
    this.contents.clear();
    const windowContext = this.#windowContext as OperatorWindowContext<W, Out>;
    windowContext.enter(window, namespace);
    try {
      this.options.trigger.clear(window, this.#triggerContext as OperatorTriggerContext);
      this.caller.clear(windowContext);
    } catch (error) {
      throw this.failure(error, 'clear');
    }
    this.#sessions?.retire(window as TimeWindow);
  }

  #emitLate(value: In, timestamp: number): void {
    const { lateTag } = this.options;
    if (lateTag === null) this.context.counters.numLateRecordsDropped++;
    else this.output.collectSide(lateTag, value, timestamp);
  }

  #isWindowLate(window: W): boolean {
    return this.options.assigner.isEventTime && this.#cleanupTime(window) <= this.timers.currentWatermark();
  }

  #isRecordLate(timestamp: number): boolean {
    if (!this.options.assigner.isEventTime) return false;
    return timestamp + this.options.allowedLatenessMs <= this.timers.currentWatermark();
  }

  #cleanupTime(window: W): number {
    const end = window.maxTimestamp();
    return this.options.assigner.isEventTime ? end + this.options.allowedLatenessMs : end;
  }

  #registerCleanupTimer(window: W, namespace: Namespace): void {
    const timestamp = this.#cleanupTime(window);
    // The global window never ends.
    if (timestamp === MAX_WATERMARK) return;
    if (this.options.assigner.isEventTime) this.timers.registerEventTimeTimer(namespace, timestamp);
    else this.timers.registerProcessingTimeTimer(namespace, timestamp);
  }

  #deleteCleanupTimer(window: W): void {
    const timestamp = this.#cleanupTime(window);
    if (timestamp === MAX_WATERMARK) return;
    const namespace = this.#namespaces.namespaceOf(window);
    if (this.options.assigner.isEventTime) this.timers.deleteEventTimeTimer(namespace, timestamp);
    else this.timers.deleteProcessingTimeTimer(namespace, timestamp);
  }
}

/** Of Flink's own triggers: a subclass may do something else. */
function armsCleanup(trigger: object, isEventTime: boolean): boolean {
  return trigger.constructor === (isEventTime ? EventTimeTrigger : ProcessingTimeTrigger);
}

function isFire(result: TriggerResult): boolean {
  return result === 'FIRE' || result === 'FIRE_AND_PURGE';
}

function isPurge(result: TriggerResult): boolean {
  return result === 'PURGE' || result === 'FIRE_AND_PURGE';
}
