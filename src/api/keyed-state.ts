import { MillraceError } from '../base/errors.js';
import type { Serde } from './serde.js';

/**
 * Keyed state: what an operator remembers per key. Names and meaning are Flink's.
 *
 * The key is never passed: it is that of the record, or of the timer, being processed. Outside `processElement` and
 * `onTimer` there is no key, and every method throws `MILLRACE_STATE_NO_KEY`.
 */

/** One value per key. @public */
export interface ValueState<T> {
  /** The value of the current key, `undefined` when there is none. */
  value(): T | undefined;
  /** Sets the value of the current key. Durable when the next checkpoint completes; a crash before that replays the record. */
  update(value: T): void;
  clear(): void;
}

/** A list of values per key, in the order of adding. @public */
export interface ListState<T> {
  /** The list of the current key; empty when there is none. The array is the state's own: do not change it. */
  get(): readonly T[];
  add(value: T): void;
  addAll(values: Iterable<T>): void;
  /** Replaces the list. An empty list clears the state. */
  update(values: readonly T[]): void;
  clear(): void;
}

/** A map per key. Each entry is stored by itself, so a large map costs no more per access than a small one. @public */
export interface MapState<K, V> {
  get(key: K): V | undefined;
  put(key: K, value: V): void;
  putAll(entries: Iterable<readonly [K, V]>): void;
  remove(key: K): void;
  contains(key: K): boolean;
  isEmpty(): boolean;
  entries(): Iterable<readonly [K, V]>;
  keys(): Iterable<K>;
  values(): Iterable<V>;
  clear(): void;
}

/** One value per key that each added value is reduced into. @public */
export interface ReducingState<T> {
  get(): T | undefined;
  add(value: T): void;
  clear(): void;
}

/** One accumulator per key that each added value is aggregated into. @public */
export interface AggregatingState<I, O> {
  get(): O | undefined;
  add(value: I): void;
  clear(): void;
}

/** @public */
export type ReduceFunction<T> = (accumulated: T, value: T) => T;

/** As Flink's: an accumulator is created, added to, merged, and asked for its result. @public */
export interface AggregateFunction<I, A, O> {
  createAccumulator(): A;
  add(value: I, accumulator: A): A;
  getResult(accumulator: A): O;
  /** Needed where windows merge (sessions), and where sliding windows share slices. */
  merge(a: A, b: A): A;
  /**
   * The result does not depend on the order of the records, as of counts, sums and maxima. Sliding windows then add each
   * record once, to a slice that they share, and merge slices when they fire.
   *
   * @defaultValue false
   */
  readonly isCommutative?: boolean;
}

/** When a state's time to live starts anew. @public */
export type TtlUpdateType = 'OnCreateAndWrite' | 'OnReadAndWrite';
/** Whether an expired value that is not cleaned up yet may be read. @public */
export type TtlVisibility = 'NeverReturnExpired' | 'ReturnExpiredIfNotCleanedUp';

/**
 * Time to live of state, in processing time, as Flink's `StateTtlConfig`. What has expired is removed when it is read, is left
 * out of snapshots, and is swept out of memory and files, up to 4,096 rows of each store with every checkpoint.
 *
 * @public
 */
export interface StateTtlConfig {
  /** Milliseconds after the last write (or read) at which a value expires; > 0. */
  readonly ttlMs: number;
  /** @defaultValue 'OnCreateAndWrite' */
  readonly updateType?: TtlUpdateType;
  /** @defaultValue 'NeverReturnExpired' */
  readonly visibility?: TtlVisibility;
}

/** @public */
export interface StateOptions<T> {
  /** @defaultValue MessagePack, which keeps what JSON keeps, and also Date, Map, Set, bigint and bytes */
  readonly serde?: Serde<T>;
  readonly ttl?: StateTtlConfig;
  /**
   * Version of the form of the values, 1 to 65,535: raised when a new release of the job keeps them in another form. Each value
   * is stored with the version it was written with.
   *
   * @defaultValue 1
   */
  readonly version?: number;
  /**
   * Turns a value of an older version into the present form. Called when such a value is read, for each value by itself: of a
   * list for each item, of a map for each entry, of aggregating state for the accumulator. Must not return `undefined`, and must
   * give the same result each time: the value is written in its new form only when the job next changes it. Needed with a
   * `version` above 1.
   *
   * @example
   * const total = valueState<Money>('total', {
   *   version: 2,
   *   migrate: (version, value) => ({ cents: (value as { amount: number }).amount * 100 }),
   * });
   */
  readonly migrate?: (version: number, value: unknown) => T;
}

/** The largest version of a state's values. */
const VERSION_MAX = 0xffff;

function checkOptions(name: string, options: { readonly version?: number; readonly migrate?: unknown }): void {
  const { version = 1, migrate } = options;
  const isVersion = Number.isInteger(version) && version >= 1 && version <= VERSION_MAX;
  if (isVersion && (version === 1 || typeof migrate === 'function')) return;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    isVersion
      ? `state '${name}' has version ${String(version)} and no function that migrates older values`
      : `the version of state '${name}' is not a whole number from 1 to ${String(VERSION_MAX)}`,
    {
      details: { state: name, version },
      hint: 'Give the state a version from 1 on, and migrate(version, value) above 1.',
    },
  );
}

interface DescriptorBase<T> {
  /** Unique within an operator, and stable: together with the operator's uid it names the stored state. */
  readonly name: string;
  readonly options: StateOptions<T>;
}

/** @public */
export interface ValueStateDescriptor<T> extends DescriptorBase<T> {
  readonly kind: 'value';
}
/** @public */
export interface ListStateDescriptor<T> extends DescriptorBase<T> {
  readonly kind: 'list';
}
/** @public */
export interface MapStateDescriptor<K, V> extends DescriptorBase<V> {
  readonly kind: 'map';
  /** Only a type: says what the keys of the map are. */
  readonly mapKey?: K;
}
/** @public */
export interface ReducingStateDescriptor<T> extends DescriptorBase<T> {
  readonly kind: 'reducing';
  readonly reduce: ReduceFunction<T>;
}
/** @public */
export interface AggregatingStateDescriptor<I, A, O> extends DescriptorBase<A> {
  readonly kind: 'aggregating';
  readonly aggregate: AggregateFunction<I, A, O>;
}

/** @public */
export type StateDescriptor =
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<unknown, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>;

/** @public */
export function valueState<T>(name: string, options: StateOptions<T> = {}): ValueStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'value', name, options };
}
/** @public */
export function listState<T>(name: string, options: StateOptions<T> = {}): ListStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'list', name, options };
}
/** @public */
export function mapState<K, V>(name: string, options: StateOptions<V> = {}): MapStateDescriptor<K, V> {
  checkOptions(name, options);
  return { kind: 'map', name, options };
}
/** @public */
export function reducingState<T>(
  name: string,
  reduce: ReduceFunction<T>,
  options: StateOptions<T> = {},
): ReducingStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'reducing', name, reduce, options };
}
/** @public */
export function aggregatingState<I, A, O>(
  name: string,
  aggregate: AggregateFunction<I, A, O>,
  options: StateOptions<A> = {},
): AggregatingStateDescriptor<I, A, O> {
  checkOptions(name, options);
  return { kind: 'aggregating', name, aggregate, options };
}
