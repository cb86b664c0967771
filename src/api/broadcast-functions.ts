import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type {
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from './keyed-state.js';
import type { KeyedProcessContext, OnTimerContext, ProcessContext } from './process-function.js';

/** Broadcast state as the keyed side sees it: to be read, not to be changed. @public */
export interface ReadOnlyBroadcastState<K, V> {
  /** The value under a key; `undefined` when there is none. It is the state's own: do not change it. */
  get(key: K): V | undefined;
  /** Whether there is a value under the key. */
  contains(key: K): boolean;
  /** All entries, in the order in which their keys were first put. */
  entries(): Iterable<readonly [K, V]>;
}

/**
 * A map that every subtask holds as a whole. Each subtask must change it in the same way for the same broadcast record, and
 * depend on nothing else: no key, no clock, no order between broadcast streams.
 *
 * @public
 */
export interface BroadcastState<K, V> extends ReadOnlyBroadcastState<K, V> {
  /** Sets the value under a key. */
  put(key: K, value: V): void;
  /** Drops the value under a key, if there is one. */
  remove(key: K): void;
  /** Drops everything. */
  clear(): void;
}

/** What a {@link KeyedBroadcastProcessFunction} may ask and do for a record of the keyed stream. Valid only during the call. @public */
export interface KeyedBroadcastReadContext<K> extends KeyedProcessContext<K> {
  /** The state under this descriptor's name. @throws MillraceError `MILLRACE_STATE_CONFLICT` if `broadcast(…)` did not name it */
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): ReadOnlyBroadcastState<UK, UV>;
}

/** What it may ask and do when a timer fires. Valid only during the call. @public */
export interface KeyedBroadcastOnTimerContext<K> extends OnTimerContext<K> {
  /** The state under this descriptor's name. @throws MillraceError `MILLRACE_STATE_CONFLICT` if `broadcast(…)` did not name it */
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): ReadOnlyBroadcastState<UK, UV>;
}

/** What it may ask and do for a record of the broadcast stream: there is no current key, and so no timers. @public */
export interface KeyedBroadcastContext<K> extends Omit<ProcessContext, 'timerService'> {
  /** The clock, in milliseconds since the epoch. It differs between subtasks: nothing that goes into broadcast state may follow from it. */
  currentProcessingTime(): number;
  /** The operator's watermark; `-Infinity` before the first. It differs between subtasks, as the clock does. */
  currentWatermark(): number;
  /** The state under this descriptor's name. @throws MillraceError `MILLRACE_STATE_CONFLICT` if `broadcast(…)` did not name it */
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): BroadcastState<UK, UV>;
  /** Calls back for every key of this subtask that has something in the state, with that key as the current one. */
  applyToKeyedState<T>(descriptor: ValueStateDescriptor<T>, visit: (key: K, state: ValueState<T>) => void): void;
  /** The same for lists. */
  applyToKeyedState<T>(descriptor: ListStateDescriptor<T>, visit: (key: K, state: ListState<T>) => void): void;
  /** The same for maps. */
  applyToKeyedState<UK, UV>(
    descriptor: MapStateDescriptor<UK, UV>,
    visit: (key: K, state: MapState<UK, UV>) => void,
  ): void;
  /** The same for reduced values. */
  applyToKeyedState<T>(descriptor: ReducingStateDescriptor<T>, visit: (key: K, state: ReducingState<T>) => void): void;
}

/**
 * A function over a keyed stream and a stream that every subtask sees whole: rules, settings, prices.
 *
 * No order holds between the two streams: a keyed record may come before the rule that was written earlier.
 *
 * @example
 * const rules = mapState<string, Rule>('rules');
 *
 * class Check extends KeyedBroadcastProcessFunction<string, Payment, Rule, Alert> {
 *   override processElement(payment: Payment, context: KeyedBroadcastReadContext<string>, out: Collector<Alert>) {
 *     for (const [id, rule] of context.getBroadcastState(rules).entries()) {
 *       if (payment.amount > rule.limit) out.collect({ rule: id, payment });
 *     }
 *   }
 *   override processBroadcastElement(rule: Rule, context: KeyedBroadcastContext<string>) {
 *     context.getBroadcastState(rules).put(rule.id, rule);
 *   }
 * }
 *
 * payments.keyBy((payment) => payment.card).connect(ruleChanges.broadcast(rules)).process(new Check());
 *
 * @public
 */
export abstract class KeyedBroadcastProcessFunction<K, A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each record of the keyed stream, in the subtask that owns its key. */
  abstract processElement(value: A, context: KeyedBroadcastReadContext<K>, out: Collector<O>): void;
  /** Called for each record of the broadcast stream, in every subtask. What it emits, every subtask emits. */
  abstract processBroadcastElement(value: B, context: KeyedBroadcastContext<K>, out: Collector<O>): void;
  /** Called when a timer fires that `processElement` or `onTimer` registered, with the timer's key as the current one. */
  onTimer?(timestamp: number, context: KeyedBroadcastOnTimerContext<K>, out: Collector<O>): void;
}
