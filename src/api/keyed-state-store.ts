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

/**
 * Where windows and triggers ask for state: of the key, or of the key and a window. May be asked at each call; a name always
 * gives the same state. A name that was asked for as another kind throws `MILLRACE_STATE_CONFLICT`.
 *
 * @public
 */
export interface KeyedStateStore {
  /** The value under this descriptor's name. */
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  /** The list under this descriptor's name. */
  getListState<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  /** The map under this descriptor's name. */
  getMapState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>;
  /** The reduced value under this descriptor's name. */
  getReducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>;
  /** The accumulator under this descriptor's name. */
  getAggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O>;
}
