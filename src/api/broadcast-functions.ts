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

/** Broadcast state as the keyed side sees it. @public */
export interface ReadOnlyBroadcastState<K, V> {
  get(key: K): V | undefined;
  contains(key: K): boolean;
  entries(): Iterable<readonly [K, V]>;
}

/**
 * A map that every subtask holds as a whole. Each subtask must change it in the same way for the same broadcast record, and
 * depend on nothing else: no key, no clock, no order between broadcast streams.
 *
 * @public
 */
export interface BroadcastState<K, V> extends ReadOnlyBroadcastState<K, V> {
  put(key: K, value: V): void;
  remove(key: K): void;
  clear(): void;
}

/** For a record of the keyed stream. @public */
export interface KeyedBroadcastReadContext<K> extends KeyedProcessContext<K> {
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): ReadOnlyBroadcastState<UK, UV>;
}

/** For a timer. @public */
export interface KeyedBroadcastOnTimerContext<K> extends OnTimerContext<K> {
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): ReadOnlyBroadcastState<UK, UV>;
}

/** For a record of the broadcast stream: there is no current key. @public */
export interface KeyedBroadcastContext<K> extends Omit<ProcessContext, 'timerService'> {
  currentProcessingTime(): number;
  currentWatermark(): number;
  getBroadcastState<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): BroadcastState<UK, UV>;
  /** Calls back for every key of this subtask that has something in the state, with that key as the current one. */
  applyToKeyedState<T>(descriptor: ValueStateDescriptor<T>, visit: (key: K, state: ValueState<T>) => void): void;
  applyToKeyedState<T>(descriptor: ListStateDescriptor<T>, visit: (key: K, state: ListState<T>) => void): void;
  applyToKeyedState<UK, UV>(
    descriptor: MapStateDescriptor<UK, UV>,
    visit: (key: K, state: MapState<UK, UV>) => void,
  ): void;
  applyToKeyedState<T>(descriptor: ReducingStateDescriptor<T>, visit: (key: K, state: ReducingState<T>) => void): void;
}

/** A function over a keyed stream and a stream that every subtask sees whole: rules, settings, prices. @public */
export abstract class KeyedBroadcastProcessFunction<K, A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  abstract processElement(value: A, context: KeyedBroadcastReadContext<K>, out: Collector<O>): void;
  abstract processBroadcastElement(value: B, context: KeyedBroadcastContext<K>, out: Collector<O>): void;
  onTimer?(timestamp: number, context: KeyedBroadcastOnTimerContext<K>, out: Collector<O>): void;
}
