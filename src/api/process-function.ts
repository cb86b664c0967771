import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { TimeDomain, TimerService } from './timer-service.js';

/** Names a side output and its type. Two tags of one id are the same tag. @public */
export class OutputTag<T> {
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
  /** @defaultValue 200 */
  readonly status?: number;
}

/** What a function may ask and do while it processes one record. Valid only during the call. @public */
export interface ProcessContext {
  /** The record's event timestamp in milliseconds; `undefined` when it has none. */
  timestamp(): number | undefined;
  timerService(): TimerService;
  /** Emits to a side output. */
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

/** @public */
export interface KeyedProcessContext<K> extends ProcessContext {
  getCurrentKey(): K;
}

/** @public */
export interface OnTimerContext<K> extends KeyedProcessContext<K> {
  timeDomain(): TimeDomain;
}

/** A function over single records, with side outputs. @public */
export abstract class ProcessFunction<I, O> implements RichFunction {
  /** Only a type: keeps a function that needs a key off a stream that has none, and the other way round. */
  declare readonly isKeyed?: false;
  open?(context: RuntimeContext): void;
  close?(): void;
  abstract processElement(value: I, context: ProcessContext, out: Collector<O>): void;
}

/** A function over the records of one key at a time, with keyed state and timers. @public */
export abstract class KeyedProcessFunction<K, I, O> implements RichFunction {
  /** Only a type: keeps a function that needs a key off a stream that has none, and the other way round. */
  declare readonly isKeyed?: true;
  open?(context: RuntimeContext): void;
  close?(): void;
  abstract processElement(value: I, context: KeyedProcessContext<K>, out: Collector<O>): void;
  /** Called when a timer of this function fires, with the timer's key as the current key. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<O>): void;
}
