import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { KeyedProcessContext, OnTimerContext, ProcessContext } from './process-function.js';

/** One result per record of either of two connected streams. @public */
export interface CoMapFunction<A, B, O> extends RichFunction {
  /** Called for each record of the first stream. */
  map1(value: A): O;
  /** Called for each record of the second stream. */
  map2(value: B): O;
}

/** Any number of results per record of either of two connected streams. @public */
export interface CoFlatMapFunction<A, B, O> extends RichFunction {
  /** Called for each record of the first stream. */
  flatMap1(value: A, out: Collector<O>): void;
  /** Called for each record of the second stream. */
  flatMap2(value: B, out: Collector<O>): void;
}

/** A function over two streams, without a key: side outputs and both clocks, but no keyed state and no timers. @public */
export abstract class CoProcessFunction<A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each record of the first stream. */
  abstract processElement1(value: A, context: ProcessContext, out: Collector<O>): void;
  /** Called for each record of the second stream. */
  abstract processElement2(value: B, context: ProcessContext, out: Collector<O>): void;
}

/**
 * A function over two keyed streams that share the state and timers of a key. No order holds between the streams.
 *
 * @example
 * class Paid extends KeyedCoProcessFunction<string, Order, Payment, Paid> {
 *   #order: ValueState<Order> | undefined;
 *
 *   override open(context: RuntimeContext) {
 *     this.#order = context.getState(valueState<Order>('order'));
 *   }
 *   override processElement1(order: Order) {
 *     this.#order?.update(order);
 *   }
 *   override processElement2(payment: Payment, _context: KeyedProcessContext<string>, out: Collector<Paid>) {
 *     const order = this.#order?.value();
 *     if (order !== undefined) out.collect({ order, payment });
 *   }
 * }
 *
 * @public
 */
export abstract class KeyedCoProcessFunction<K, A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each record of the first stream, with its key as the current one. */
  abstract processElement1(value: A, context: KeyedProcessContext<K>, out: Collector<O>): void;
  /** Called for each record of the second stream, with its key as the current one. */
  abstract processElement2(value: B, context: KeyedProcessContext<K>, out: Collector<O>): void;
  /** Called when a timer of either side fires, with the timer's key as the current one. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<O>): void;
}
