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
  /** Emits a result. It has been through all operators of the task when this returns. */
  collect(value: T): void;
}

/** Where a function runs. @public */
export interface TaskInfo {
  /** The name given to `defineJob`. */
  readonly jobName: string;
  /** The operator's name. */
  readonly taskName: string;
  /** How many subtasks the operator has in this run. */
  readonly parallelism: number;
  /** Which of them this is: 0 … parallelism - 1. */
  readonly indexOfThisSubtask: number;
  /** 0 at the first start, one more at each restart. */
  readonly attemptNumber: number;
}

/** What a rich function is given when it opens. @public */
export interface RuntimeContext {
  /** Where the function runs. */
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
  /** The counter of this name; added when there is none. */
  getLongCounter(name: string): LongCounter;
  /** The counter of this name; added when there is none. */
  getDoubleCounter(name: string): DoubleCounter;
  /** The accumulated histogram of this name, likewise. One for monitoring is `metrics.histogram(name)`. */
  getHistogram(name: string): HistogramAccumulator;
  /**
   * Keyed state of one value per key: only in functions on a `KeyedStream`, only while opening.
   *
   * @throws MillraceError `MILLRACE_STATE_NO_KEY` on a stream without a key; `MILLRACE_STATE_CONFLICT` for a name that the
   *   operator has with another kind or other options; `MILLRACE_STATE_INCOMPATIBLE` when what was restored is of another kind
   */
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  /** Keyed state of a list per key; as {@link RuntimeContext.getState}. */
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  /** Keyed state of a map per key; as {@link RuntimeContext.getState}. */
  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>;
  /** Keyed state of one reduced value per key; as {@link RuntimeContext.getState}. */
  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>;
  /** Keyed state of one accumulator per key; as {@link RuntimeContext.getState}. */
  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O>;
}

/** The life of a function's instance: one per subtask, opened before the first record, closed after the last. @public */
export interface RichFunction {
  /** Called first of all, before operator state comes back. Most functions need only `open`. */
  setRuntimeContext?(context: RuntimeContext): void;
  /** Called before the first record, when operator state is there: ask for keyed state and register metrics here. */
  open?(context: RuntimeContext): void;
  /** Called when the subtask ends, also after a failure. Not called when the process is killed: what must not be lost is state. */
  close?(): void;
}

/** A {@link MapFunction} with a life: it opens and closes, and sees where it runs. @public */
export interface RichMapFunction<I, O> extends RichFunction {
  /** Makes the one result of a record. */
  map(value: I): O;
}
/** A {@link FilterFunction} with a life: it opens and closes, and sees where it runs. @public */
export interface RichFilterFunction<T> extends RichFunction {
  /** Whether the record stays. */
  filter(value: T): boolean;
}
/** A {@link FlatMapFunction} with a life: it opens and closes, and sees where it runs. @public */
export interface RichFlatMapFunction<I, O> extends RichFunction {
  /** Emits the results of a record. */
  flatMap(value: I, out: Collector<O>): void;
}

/** Makes one result of a record: a plain function, or an object with a life. @public */
export type MapFunction<I, O> = ((value: I) => O) | RichMapFunction<I, O>;
/** Whether a record stays: a plain function, or an object with a life. @public */
export type FilterFunction<T> = ((value: T) => boolean) | RichFilterFunction<T>;
/** Makes any number of results of a record: a plain function, or an object with a life. @public */
export type FlatMapFunction<I, O> = ((value: I, out: Collector<O>) => void) | RichFlatMapFunction<I, O>;
/** Picks the key of a record: a string, a number, or an array or plain object of those. Must depend on the value alone. @public */
export type KeySelector<T, K> = (value: T) => K;
