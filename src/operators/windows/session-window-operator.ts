import type { KeySelector } from '../../api/functions.js';
import type { InternalValueState } from '../../api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../../api/internal/state-backend.js';
import { valueState } from '../../api/keyed-state.js';
import type { OutputTag } from '../../api/process-function.js';
import { NO_TIMESTAMP } from '../../api/timer-service.js';
import { requireEventTimestamp, type EventTimeSessionWindows } from '../../api/window-assigners.js';
import { TimeWindow } from '../../api/windows.js';
import { KeyedOperatorBase } from '../keyed-operator-base.js';
import type { OperatorContext } from '../operator.js';
import { InternalTimerService } from '../timer-service.js';
import type { TimerTarget } from '../timer-service.js';
import { TimestampedCollector } from '../timestamped-collector.js';
import { type Accumulation, accumulationOf } from './accumulation.js';
import { OperatorWindowContext } from './window-contexts.js';
import { CONTENTS_STATE, type WindowAggregation } from './window-contents.js';
import type { AnyWindowFunction, WindowFunctionCaller } from './window-function-caller.js';
import { windowFunctionCaller } from './window-function-caller.js';

export interface SessionWindowOptions<In, Out> {
  readonly key: KeySelector<In, unknown>;
  readonly assigner: EventTimeSessionWindows<In>;
  readonly lateTag: OutputTag<In> | null;
  readonly aggregation: NonNullable<WindowAggregation<In>>;
  readonly fn: AnyWindowFunction<unknown, Out, TimeWindow>;
}

/** A session in flight. Stored as it is; changed in place. */
interface Session {
  start: number;
  end: number;
  accumulated: unknown;
}

/**
 * Sessions of event time that are aggregated and fire when the watermark has passed their end: the results are those of
 * {@link WindowOperator}, at a fraction of its cost. All sessions of a key, of which there is mostly one, are one row, and a
 * record that makes a session longer changes that row alone.
 *
 * ```
 *   records      x  x x      x
 *   session      [──────────────────────)
 *   timer              │ set for the first record: too early by now, so it is set again when it fires
 * ```
 *
 * **Invariant:** a key with sessions has a timer at the last millisecond of its first session to end, or before. The record
 * that begins a session sets it. A session only grows, so the timer may come too early, never too late: then the next one is
 * set. That is once in a gap, where moving the timer would be once a record.
 */
export class SessionWindowOperator<In, Out> extends KeyedOperatorBase<In, Out> implements TimerTarget {
  readonly #options: SessionWindowOptions<In, Out>;
  readonly #accumulation: Accumulation<In>;
  readonly #caller: WindowFunctionCaller<TimeWindow, Out>;
  #state: InternalValueState<Session[]> | null = null;
  #timers: InternalTimerService | null = null;
  #windowContext: OperatorWindowContext<TimeWindow, Out> | null = null;
  #collector: TimestampedCollector<Out>;

  constructor(options: SessionWindowOptions<In, Out>) {
    super(options.key);
    this.#options = options;
    this.#accumulation = accumulationOf(options.aggregation);
    this.#caller = windowFunctionCaller(options.fn);
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    // A name that WindowOperator uses for another kind of state: what one has stored, the other refuses.
    this.#state = this.keyedState.valueState(valueState<Session[]>(CONTENTS_STATE));
    this.#timers = new InternalTimerService(context, 'window-timers', this);
    this.#windowContext = new OperatorWindowContext(context, this.#timers, true);
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.openFunction(this.#options.fn);
  }

  processElement(value: In, timestamp: number): void {
    this.enterKey(value);
    const end = this.#endOf(value, timestamp);
    const state = this.#state as InternalValueState<Session[]>;
    const sessions = state.value();
    const session = sessions === undefined ? null : this.#joinTouching(sessions, timestamp, end);
    if (session === null) {
      this.#begin(sessions, value, timestamp, end);
      return;
    }
    session.accumulated = this.#add(session.accumulated, value);
    state.update(sessions as Session[]);
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(timestamp: number): void {
    const state = this.#state as InternalValueState<Session[]>;
    const sessions = state.value();
    // Two sessions that became one had a timer each.
    if (sessions === undefined) return;
    const ended = sessions.filter(({ end }) => end - 1 <= timestamp);
    const open = ended.length === 0 ? sessions : sessions.filter(({ end }) => end - 1 > timestamp);
    if (ended.length > 0) {
      if (open.length === 0) state.clear();
      else state.update(open);
    }
    if (open.length > 0) {
      const firstEnd = open.reduce((least, { end }) => Math.min(least, end), Infinity);
      this.#timers?.registerEventTimeTimer(VOID_NAMESPACE, firstEnd - 1);
    }
    for (const session of ended) this.#fire(session);
  }

  #endOf(value: In, timestamp: number): number {
    try {
      requireEventTimestamp(timestamp);
      return timestamp + this.#options.assigner.gapOf(value);
    } catch (error) {
      throw this.named(error, 'assignWindows');
    }
  }

  /**
   * Makes the sessions that `[start, end)` overlaps or touches one, which holds it as well.
   *
   * @returns `null` when there is none
   */
  #joinTouching(sessions: Session[], start: number, end: number): Session | null {
    let joined: Session | null = null;
    let touchingCount = 0;
    for (let index = 0; index < sessions.length; index++) {
      const session = sessions[index] as Session;
      if (session.start > end || session.end < start) continue;
      touchingCount++;
      joined = session;
    }
    if (joined === null) return null;
    if (touchingCount > 1) joined = this.#merge(sessions, start, end);
    if (start < joined.start) joined.start = start;
    if (end > joined.end) joined.end = end;
    return joined;
  }

  /** The record has closed the gap between sessions. They are put together in their order of time. */
  #merge(sessions: Session[], start: number, end: number): Session {
    const touching = sessions.filter((session) => session.start <= end && session.end >= start);
    touching.sort((a, b) => a.start - b.start);
    const [first, ...others] = touching as [Session, ...Session[]];
    try {
      const moved = others.map(({ accumulated }) => accumulated).reduce((a, b) => this.#accumulation.merge(a, b));
      first.accumulated = this.#accumulation.merge(first.accumulated, moved);
    } catch (error) {
      throw this.failure(error, 'merge');
    }
    first.end = Math.max(...touching.map((session) => session.end));
    const kept = sessions.filter((session) => session === first || !touching.includes(session));
    sessions.length = 0;
    sessions.push(...kept);
    return first;
  }

  #begin(sessions: Session[] | undefined, value: In, start: number, end: number): void {
    const watermark = this.#timers?.currentWatermark() ?? NO_TIMESTAMP;
    if (end - 1 <= watermark) {
      if (start <= watermark) this.#emitLate(value, start);
      return;
    }
    const session = { start, end, accumulated: this.#add(undefined, value) };
    if (sessions === undefined) this.#state?.update([session]);
    else {
      sessions.push(session);
      this.#state?.update(sessions);
    }
    this.#timers?.registerEventTimeTimer(VOID_NAMESPACE, end - 1);
  }

  #add(accumulated: unknown, value: In): unknown {
    try {
      return this.#accumulation.add(accumulated, value);
    } catch (error) {
      throw this.failure(error, 'window');
    }
  }

  #emitLate(value: In, timestamp: number): void {
    const { lateTag } = this.#options;
    if (lateTag === null) this.context.counters.numLateRecordsDropped++;
    else this.output.collectSide(lateTag, value, timestamp);
  }

  #fire({ start, end, accumulated }: Session): void {
    const window = new TimeWindow(start, end);
    const windowContext = this.#windowContext as OperatorWindowContext<TimeWindow, Out>;
    windowContext.enter(window, VOID_NAMESPACE);
    this.#collector.timestamp = window.maxTimestamp();
    try {
      const result = this.#accumulation.resultOf(accumulated);
      // As in Flink, a result of nothing is no content, and the function is not called.
      if (result !== undefined && result !== null) {
        this.#caller.process(this.keyedState.getCurrentKey(), windowContext, [result], this.#collector);
      }
      this.#caller.clear(windowContext);
    } catch (error) {
      throw this.failure(error, 'process');
    }
  }
}
