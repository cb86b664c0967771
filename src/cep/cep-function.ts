import type { Collector, RuntimeContext } from '../api/functions.js';
import { mapState, valueState } from '../api/keyed-state.js';
import type { MapState, ValueState } from '../api/keyed-state.js';
import type { Counter } from '../api/metrics.js';
import { KeyedProcessFunction } from '../api/process-function.js';
import type { KeyedProcessContext, OnTimerContext, OutputTag } from '../api/process-function.js';
import { MillraceError } from '../base/errors.js';
import { MatchBuffer } from './match-buffer.js';
import type { BufferedEvent, Link } from './match-buffer.js';
import type { Pattern } from './pattern.js';
import { compilePattern } from './pattern-compiler.js';
import type { PatternContext, PatternProcessFunction, TimedOutPartialMatchHandler } from './pattern-functions.js';
import { NOTHING_MATCHED, PatternMatcher } from './pattern-matcher.js';
import type { MatcherState, Step } from './pattern-matcher.js';
import { takenNames } from './pattern-part.js';

/** How `CEP.pattern` was told to look for matches. */
export interface CepOptions<T> {
  readonly isEventTime: boolean;
  /** Orders events of one timestamp; `null` leaves them in the order of arrival. */
  readonly comparator: ((a: T, b: T) => number) | null;
  /** Where late events go; `null` drops them. */
  readonly lateTag: OutputTag<T> | null;
}

type AnyFunction<O> = PatternProcessFunction<never, O> & Partial<TimedOutPartialMatchHandler<never>>;

/** With processing time a timer means that the millisecond is over. */
const PROCESSING_TIME_STEP_MS = 1;

/**
 * Looks for a pattern in the events of each key.
 *
 * In event time an event waits in keyed state until the watermark reaches its timestamp; then the events of that timestamp are
 * tried, ordered by the comparator if there is one. One timer per timestamp stands for them, and one for each time at which a
 * partial match is over. An event at or before the watermark is late;
 * those that go nowhere are counted under Flink's name. In processing time events are tried as they come.
 */
export class CepFunction<K, T, O> extends KeyedProcessFunction<K, T, O> {
  readonly #pattern: Pattern<T, unknown, never>;
  readonly #fn: AnyFunction<O>;
  readonly #options: CepOptions<T>;
  #name = '';
  #matcher: PatternMatcher | null = null;
  #matching: ValueState<MatcherState> | null = null;
  /** Events that wait for the watermark, by timestamp. */
  #waiting: MapState<number, T[]> | null = null;
  #lateDropped: Counter | null = null;
  #now: () => number = () => 0;
  /** Set while a call lasts. */
  #context: KeyedProcessContext<K> | null = null;
  #timestamp = 0;
  readonly #patternContext: PatternContext = {
    timestamp: () => this.#timestamp,
    currentProcessingTime: () => this.#now(),
    output: (tag, value) => this.#context?.output(tag, value),
  };

  constructor(pattern: Pattern<T, unknown, never>, fn: AnyFunction<O>, options: CepOptions<T>) {
    super();
    this.#pattern = pattern;
    this.#fn = fn;
    this.#options = options;
  }

  override open(context: RuntimeContext): void {
    const { parts, skipStrategy } = this.#pattern;
    this.#name = context.taskInfo.taskName;
    this.#matching = context.getState(valueState<MatcherState>('matching'));
    this.#lateDropped = context.metrics.counter('numLateRecordsDropped');
    this.#waiting = context.getMapState(mapState<number, T[]>('waiting'));
    const buffer = new MatchBuffer(
      context.getMapState(mapState<number, Link>('links')),
      context.getMapState(mapState<number, BufferedEvent>('events')),
    );
    this.#matcher = new PatternMatcher(compilePattern(parts), skipStrategy, {
      buffer,
      parts: takenNames(parts),
      clock: () => this.#now(),
    });
    this.#fn.open?.(context);
  }

  override close(): void {
    this.#fn.close?.();
  }

  override processElement(event: T, context: KeyedProcessContext<K>, out: Collector<O>): void {
    this.#enter(context);
    const timers = context.timerService();
    if (!this.#options.isEventTime) {
      this.#processInOrder([event], timers.currentProcessingTime(), out);
      return;
    }
    const timestamp = context.timestamp();
    if (timestamp === undefined) throw this.#withoutTimestamp();
    if (timestamp > timers.currentWatermark()) {
      const waiting = this.#waiting?.get(timestamp) ?? [];
      waiting.push(event);
      this.#waiting?.put(timestamp, waiting);
      timers.registerEventTimeTimer(timestamp);
    } else if (this.#options.lateTag !== null) {
      context.output(this.#options.lateTag, event);
    } else this.#lateDropped?.inc();
  }

  override onTimer(timestamp: number, context: OnTimerContext<K>, out: Collector<O>): void {
    this.#enter(context);
    if (!this.#options.isEventTime) {
      this.#processInOrder([], timestamp - PROCESSING_TIME_STEP_MS, out);
      return;
    }
    const waiting = this.#waiting?.get(timestamp) ?? [];
    if (waiting.length > 0) this.#waiting?.remove(timestamp);
    const { comparator } = this.#options;
    this.#processInOrder(comparator === null ? waiting : [...waiting].sort(comparator), timestamp, out);
  }

  #enter(context: KeyedProcessContext<K>): void {
    this.#context = context;
    this.#now = () => context.timerService().currentProcessingTime();
  }

  /** Ends what is over at a time, then tries the events of that time. */
  #processInOrder(events: readonly T[], timestamp: number, out: Collector<O>): void {
    const matcher = this.#matcher as PatternMatcher;
    const before = this.#matching?.value() ?? NOTHING_MATCHED;
    let state = this.#handOver(matcher.advanceTime(before, timestamp), timestamp, out);
    for (const event of events) {
      const step = matcher.processEvent(state, event, timestamp);
      for (const end of step.ends) this.#registerEnd(end);
      state = this.#handOver(step, timestamp, out);
    }
    if (state === before) return;
    // With nothing under way the numbers may begin anew, and the key costs nothing.
    if (state.partials.length === 0 && state.completed.length === 0) this.#matching?.clear();
    else this.#matching?.update(state);
  }

  /** Gives matches to the function, in the order of their completion. */
  #handOver(step: Step, timestamp: number, out: Collector<O>): MatcherState {
    this.#timestamp = timestamp;
    for (const match of step.matches) this.#fn.processMatch(match as never, this.#patternContext, out);
    if (this.#fn.processTimedOutMatch === undefined) return step.state;
    for (const { events, at } of step.timedOut) {
      this.#timestamp = at;
      this.#fn.processTimedOutMatch(events as never, this.#patternContext);
    }
    return step.state;
  }

  #registerEnd(end: number): void {
    const timers = this.#context?.timerService();
    if (this.#options.isEventTime) timers?.registerEventTimeTimer(end);
    else timers?.registerProcessingTimeTimer(end + PROCESSING_TIME_STEP_MS);
  }

  #withoutTimestamp(): MillraceError {
    return new MillraceError(
      'MILLRACE_TIMESTAMP_MISSING',
      `operator "${this.#name}" has an event without a timestamp`,
      {
        details: { operator: this.#name },
        hint: 'Give the source a watermark strategy with a timestamp assigner, or look for the pattern inProcessingTime().',
      },
    );
  }
}
