import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { KeyedProcessContext, OnTimerContext, ProcessContext } from './process-function.js';

/** One result per record of either stream. @public */
export interface CoMapFunction<A, B, O> extends RichFunction {
  map1(value: A): O;
  map2(value: B): O;
}

/** Any number of results per record of either stream. @public */
export interface CoFlatMapFunction<A, B, O> extends RichFunction {
  flatMap1(value: A, out: Collector<O>): void;
  flatMap2(value: B, out: Collector<O>): void;
}

/** A function over two streams, without a key. @public */
export abstract class CoProcessFunction<A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  abstract processElement1(value: A, context: ProcessContext, out: Collector<O>): void;
  abstract processElement2(value: B, context: ProcessContext, out: Collector<O>): void;
}

/** A function over two keyed streams that share the state and timers of a key. @public */
export abstract class KeyedCoProcessFunction<K, A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  abstract processElement1(value: A, context: KeyedProcessContext<K>, out: Collector<O>): void;
  abstract processElement2(value: B, context: KeyedProcessContext<K>, out: Collector<O>): void;
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<O>): void;
}
