import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { TimeDomain, TimerService } from './timer-service.js';

/**
 * Names a side output and its type. Two tags of one id are the same tag.
 *
 * @example
 * const late = new OutputTag<Bid>('late');
 * const counts = bids.keyBy((bid) => bid.auction).window(windows).sideOutputLateData(late).aggregate(new Count());
 * counts.getSideOutput(late).sinkTo(topicSink('late-bids', jsonSerde<Bid>()));
 *
 * @public
 */
export class OutputTag<T> {
  /** Unique among the side outputs of an operator. */
  readonly id: string;
  /** Only a type. */
  declare readonly type: T;

  constructor(id: string) {
    this.id = id;
  }
}

/**
 * Names a request that waits for its answer. Plain data: keep it in state, and answer later, from another record or a timer.
 *
 * @public
 */
export interface RequestHandle {
  /** Unique among all requests of all instances. */
  readonly correlationId: string;
  /** Where the reply goes: topic and partition of the instance that holds the connection. */
  readonly replyTo: string;
  /** Milliseconds since the epoch after which nobody waits any more. */
  readonly deadline: number;
  /** Of a request with an `Idempotency-Key`: who keeps its answer. Means nothing to a function. */
  readonly idempotency?: string;
  /** Of a request that is traced: the W3C trace context of the step that it is in. Means nothing to a function. */
  readonly trace?: string;
}

/** What `respond()` and `ctx.respondTo()` may be given beside a plain value. @public */
export interface ResponseOptions {
  /** The HTTP status. @defaultValue 200 */
  readonly status?: number;
}

/** What a function may ask and do while it processes one record. Valid only during the call. @public */
export interface ProcessContext {
  /** The record's event timestamp in milliseconds; `undefined` when it has none. */
  timestamp(): number | undefined;
  /** The clock, the watermark, and on a keyed stream the timers of the current key. */
  timerService(): TimerService;
  /** Emits to a side output, with the timestamp of the record or timer in process. */
  output<T>(tag: OutputTag<T>, value: T): void;
  /** The request that this record came from; `undefined` when it came from none. */
  request(): RequestHandle | undefined;
  /** Answers a request, now or one that was kept. The first answer wins. */
  respondTo(handle: RequestHandle, value: unknown, options?: ResponseOptions): void;
  /** The time of this record as the source saw it: the same on every replay. Milliseconds since the epoch. */
  now(): number;
  /** A float in [0, 1), the same on every replay. */
  random(): number;
  /** A version-4 UUID, the same on every replay. */
  uuid(): string;
}

/** The same on a keyed stream. Valid only during the call. @public */
export interface KeyedProcessContext<K> extends ProcessContext {
  /** The key of the record, or of the timer, in process. */
  getCurrentKey(): K;
}

/** What a function may ask and do when a timer fires. `timestamp()` is then the timer's. Valid only during the call. @public */
export interface OnTimerContext<K> extends KeyedProcessContext<K> {
  /** Whether the timer is one of event time or of the clock. */
  timeDomain(): TimeDomain;
}

/** A function over single records, with side outputs. For state and timers: {@link KeyedProcessFunction}. @public */
export abstract class ProcessFunction<I, O> implements RichFunction {
  /** Only a type: keeps a function that needs a key off a stream that has none, and the other way round. */
  declare readonly isKeyed?: false;
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each record. Results carry its timestamp. */
  abstract processElement(value: I, context: ProcessContext, out: Collector<O>): void;
}

/**
 * A function over the records of one key at a time, with keyed state and timers. One instance per subtask serves all its keys:
 * what belongs to a key stands in state, never in fields.
 *
 * @example
 * class Visits extends KeyedProcessFunction<string, Visit, number> {
 *   #count: ValueState<number> | undefined;
 *
 *   override open(context: RuntimeContext) {
 *     this.#count = context.getState(valueState<number>('count'));
 *   }
 *   override processElement(_visit: Visit, _context: KeyedProcessContext<string>, out: Collector<number>) {
 *     const count = (this.#count?.value() ?? 0) + 1;
 *     this.#count?.update(count);
 *     out.collect(count);
 *   }
 * }
 *
 * @public
 */
export abstract class KeyedProcessFunction<K, I, O> implements RichFunction {
  /** Only a type: keeps a function that needs a key off a stream that has none, and the other way round. */
  declare readonly isKeyed?: true;
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each record, with its key as the current one. Results carry its timestamp. */
  abstract processElement(value: I, context: KeyedProcessContext<K>, out: Collector<O>): void;
  /** Called when a timer of this function fires, with the timer's key as the current key. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<O>): void;
}
