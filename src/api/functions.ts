import type { Accumulator, DoubleCounter, HistogramAccumulator, IntCounter, LongCounter } from './accumulators.js';
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from './keyed-state.js';
import type { MetricGroup } from './metrics.js';

/** Takes the results of a function. Valid only during the call it was given to. @public */
export interface Collector<T> {
  collect(value: T): void;
}

/** Where a function runs. @public */
export interface TaskInfo {
  readonly jobName: string;
  /** The operator's name. */
  readonly taskName: string;
  readonly parallelism: number;
  /** 0 … parallelism - 1. */
  readonly indexOfThisSubtask: number;
  /** 0 at the first start, one more at each restart. */
  readonly attemptNumber: number;
}

/** What a rich function is given when it opens. @public */
export interface RuntimeContext {
  readonly taskInfo: TaskInfo;
  /** Where the function registers metrics; Flink's `getMetricGroup()`. */
  readonly metrics: MetricGroup;
  /**
   * Adds an accumulator of this subtask. At `GET /jobs/:id/accumulators`, and at the end of a job, it appears merged with
   * those of the same name of all other subtasks.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` when the operator has one of this name already
   */
  addAccumulator<V, R>(name: string, accumulator: Accumulator<V, R>): void;
  /** The accumulator of this subtask that was added under this name. */
  getAccumulator<V, R>(name: string): Accumulator<V, R> | undefined;
  /** The counter of this name; added when there is none. */
  getIntCounter(name: string): IntCounter;
  /** Likewise. */
  getLongCounter(name: string): LongCounter;
  /** Likewise. */
  getDoubleCounter(name: string): DoubleCounter;
  /** The accumulated histogram of this name, likewise. One for monitoring is `metrics.histogram(name)`. */
  getHistogram(name: string): HistogramAccumulator;
  /** Keyed state: only in functions on a `KeyedStream`, only while opening. */
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>;
  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>;
  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O>;
}

/** The life of a function's instance: one per subtask, opened before the first record, closed after the last. @public */
export interface RichFunction {
  /** Called first of all, before operator state comes back. Most functions need only `open`. */
  setRuntimeContext?(context: RuntimeContext): void;
  open?(context: RuntimeContext): void;
  close?(): void;
}

/** @public */
export interface RichMapFunction<I, O> extends RichFunction {
  map(value: I): O;
}
/** @public */
export interface RichFilterFunction<T> extends RichFunction {
  filter(value: T): boolean;
}
/** @public */
export interface RichFlatMapFunction<I, O> extends RichFunction {
  flatMap(value: I, out: Collector<O>): void;
}

/** A plain function, or an object with a life. @public */
export type MapFunction<I, O> = ((value: I) => O) | RichMapFunction<I, O>;
/** @public */
export type FilterFunction<T> = ((value: T) => boolean) | RichFilterFunction<T>;
/** @public */
export type FlatMapFunction<I, O> = ((value: I, out: Collector<O>) => void) | RichFlatMapFunction<I, O>;
/** Picks the key of a record: a string, a number, or an array or plain object of those. Must depend on the value alone. @public */
export type KeySelector<T, K> = (value: T) => K;
