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
import { MillraceError } from '../base/errors.js';

/** The runtime context of one operator: its place in the job, and the door to its keyed state. */
export class OperatorRuntimeContext implements RuntimeContext {
  readonly taskInfo: TaskInfo;
  readonly #keyedState: KeyedStateBackend | null;

  /** @param keyedState `null` for an operator without a key: asking for state then throws `MILLRACE_STATE_NO_KEY`. */
  constructor(taskInfo: TaskInfo, keyedState: KeyedStateBackend | null) {
    this.taskInfo = taskInfo;
    this.#keyedState = keyedState;
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
