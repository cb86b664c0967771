import type { KeyGroup } from '../../base/ids.js';
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
} from '../keyed-state.js';

/**
 * The contract between operators and keyed state: what `state/` implements and `operators/` use.
 *
 * One instance serves one keyed operator of one subtask, on one thread. It is synchronous: a read of the lmdb backend that
 * misses the memtable reads the memory-mapped file.
 */

/**
 * Separates states of one key: a window, for a window operator. Windows of fixed size use their start (a number); others
 * any string that is unique among the operator's windows.
 */
export type Namespace = string | number;

/** The namespace of state that belongs to the key alone. */
export const VOID_NAMESPACE: Namespace = '';

/** State within a namespace: window operators move it before each access, everyone else leaves it at the void namespace. */
export interface Namespaced {
  setCurrentNamespace(namespace: Namespace): void;
}

/** State whose namespaces can be merged into one, for merging windows: values of `sources` move into `target`. */
export interface Mergeable extends Namespaced {
  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void;
}

/** State that window operators add to: adding says whether it was empty. */
export interface Accumulating<T> {
  /** As `add`. @returns whether nothing was there before */
  append(value: T): boolean;
}

export type InternalValueState<T> = ValueState<T> & Namespaced;
export type InternalListState<T> = ListState<T> & Mergeable & Accumulating<T>;
export type InternalMapState<K, V> = MapState<K, V> & Namespaced;
export type InternalReducingState<T> = ReducingState<T> & Mergeable & Accumulating<T>;
export type InternalAggregatingState<I, O> = AggregatingState<I, O> & Mergeable & Accumulating<I>;

/** One timer of one key: what the timer queue keeps, and what makes it durable, in one. */
export interface TimerRow {
  readonly timestamp: number;
  readonly key: unknown;
  readonly keyGroup: KeyGroup;
  readonly namespace: Namespace;
  /** The timer queue's own mark. */
  isDeleted: boolean;
}

/**
 * The stored rows of one timer queue. Order and firing are the timer service's; the table only remembers which timers
 * exist, so that they are part of every checkpoint. Who adds a timer keeps its row, and removes it by that.
 */
export interface TimerTable {
  /** A timer of the current key, which does not exist yet. */
  add(timestamp: number, namespace: Namespace): TimerRow;
  /** Of any key. Once. */
  remove(row: TimerRow): void;
  /** Calls back for every stored timer of every key, in no particular order: used once, after a restore. */
  forEach(visit: (row: TimerRow) => void): void;
}

/** Told of each call that reads or changes keyed state while somebody looks, by the state's name. */
export interface StateObserver {
  onRead(state: string): void;
  onWrite(state: string): void;
}

export interface KeyedStateBackend {
  /** Sets the key that every state of this backend then refers to. Hashes the key. */
  setCurrentKey(key: unknown): void;
  /** The same with a key group that was computed before: records from an exchange carry theirs. */
  setCurrentKeyAndGroup(key: unknown, keyGroup: KeyGroup): void;
  /** Back to no key: every access to state then throws `MILLRACE_STATE_NO_KEY`. */
  clearCurrentKey(): void;
  getCurrentKey(): unknown;
  getCurrentKeyGroup(): KeyGroup;

  /**
   * The state of this name, created at first asking. Asking again with the same name and another kind throws
   * `MILLRACE_STATE_CONFLICT`.
   */
  valueState<T>(descriptor: ValueStateDescriptor<T>): InternalValueState<T>;
  listState<T>(descriptor: ListStateDescriptor<T>): InternalListState<T>;
  mapState<K, V>(descriptor: MapStateDescriptor<K, V>): InternalMapState<K, V>;
  reducingState<T>(descriptor: ReducingStateDescriptor<T>): InternalReducingState<T>;
  aggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): InternalAggregatingState<I, O>;
  timerTable(name: string): TimerTable;

  /** Calls back for every key that has something in this state (void namespace), with that key as the current one. */
  forEachKey(stateName: string, visit: (key: unknown) => void): void;
  /**
   * Calls back for every row of a state of one row per key and namespace, in any order. The visitor may set a key, and change
   * other states; afterwards no key is set.
   */
  forEachRow(stateName: string, visit: (key: unknown, namespace: Namespace) => void): void;

  /** Tells of accesses from now on; `null`: no more. Costs nothing while nobody looks. Timers are not told of. */
  observe(observer: StateObserver | null): void;
}

/** State of a subtask that belongs to no key: a source's position, buffered elements. Small: it travels in the acknowledgement. */
export interface OperatorStateStore {
  /** The list stored under this name at the restore, shared out among subtasks; `undefined` when there was none. */
  restored(name: string): readonly unknown[] | undefined;
  /**
   * The lists of all subtasks under this name, whole, for state that every subtask holds as a whole (broadcast and union
   * list state); `undefined` when there was none. A store without it can only restore at the same parallelism.
   */
  restoredUnion?(name: string): readonly unknown[] | undefined;
}
