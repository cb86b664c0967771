import type { Accumulator, DoubleCounter, HistogramAccumulator, IntCounter, LongCounter } from '../api/accumulators.js';
import type { RuntimeContext, TaskInfo } from '../api/functions.js';
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
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
} from '../api/keyed-state.js';
import type { OperatorMeasurements } from '../api/internal/measurements.js';
import type { MetricGroup } from '../api/metrics.js';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { OperatorMetrics } from './metric-group.js';
import { OperatorAccumulators } from './operator-accumulators.js';

/** The runtime context of one operator: its place in the job, what it measures, and the door to its keyed state. */
export class OperatorRuntimeContext implements RuntimeContext {
  readonly taskInfo: TaskInfo;
  readonly #keyedState: KeyedStateBackend | null;
  readonly #metrics: OperatorMetrics;
  readonly #accumulators: OperatorAccumulators;

  /**
   * @param keyedState `null` for an operator without a key: asking for state then throws `MILLRACE_STATE_NO_KEY`.
   * @param clock of the meters
   */
  constructor(taskInfo: TaskInfo, keyedState: KeyedStateBackend | null, clock: MonotonicClock) {
    this.taskInfo = taskInfo;
    this.#keyedState = keyedState;
    this.#metrics = new OperatorMetrics(taskInfo.taskName, clock);
    this.#accumulators = new OperatorAccumulators(taskInfo.taskName);
  }

  get metrics(): MetricGroup {
    return this.#metrics.root;
  }

  addAccumulator<V, R>(name: string, accumulator: Accumulator<V, R>): void {
    this.#accumulators.add(name, accumulator);
  }

  getAccumulator<V, R>(name: string): Accumulator<V, R> | undefined {
    return this.#accumulators.get(name) as Accumulator<V, R> | undefined;
  }

  getIntCounter(name: string): IntCounter {
    return this.#accumulators.getOrCreate(name, 'IntCounter') as IntCounter;
  }

  getLongCounter(name: string): LongCounter {
    return this.#accumulators.getOrCreate(name, 'LongCounter') as LongCounter;
  }

  getDoubleCounter(name: string): DoubleCounter {
    return this.#accumulators.getOrCreate(name, 'DoubleCounter') as DoubleCounter;
  }

  getHistogram(name: string): HistogramAccumulator {
    return this.#accumulators.getOrCreate(name, 'Histogram') as HistogramAccumulator;
  }

  /** Lets meters take their samples; see {@link OperatorMetrics.sampleMeters}. */
  sampleMeters(nowMs: number): void {
    this.#metrics.sampleMeters(nowMs);
  }

  /** Metrics that the operator's functions have registered. */
  get metricCount(): number {
    return this.#metrics.count;
  }

  /** What the operator's functions have measured so far. */
  measurements(operatorId: string): OperatorMeasurements {
    const { hiddenCount } = this.#metrics;
    return { operatorId, metrics: this.#metrics.read(), hiddenCount, accumulators: this.#accumulators.read() };
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#require(descriptor.name).valueState(descriptor);
  }

  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#require(descriptor.name).listState(descriptor);
  }

  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#require(descriptor.name).mapState(descriptor);
  }

  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#require(descriptor.name).reducingState(descriptor);
  }

  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> {
    return this.#require(descriptor.name).aggregatingState(descriptor);
  }

  #require(stateName: string): KeyedStateBackend {
    if (this.#keyedState !== null) return this.#keyedState;
    const { taskName } = this.taskInfo;
    throw new MillraceError(
      'MILLRACE_STATE_NO_KEY',
      `operator "${taskName}" asks for state "${stateName}" without a key`,
      {
        hint: 'Use keyBy before the function that keeps state.',
        details: { name: taskName, state: stateName },
      },
    );
  }
}
