import { MillraceError } from '../base/errors.js';
import type { Serde } from './serde.js';

/**
 * Keyed state: what an operator remembers per key. Names and meaning are Flink's.
 *
 * The key is never passed: it is that of the record, or of the timer, being processed. Outside `processElement` and
 * `onTimer` there is no key, and every method throws `MILLRACE_STATE_NO_KEY`.
 */

/**
 * One value per key. The key is never passed: it is that of the record, or of the timer, being processed; where there is none,
 * every method throws `MILLRACE_STATE_NO_KEY`. So with all kinds of keyed state.
 *
 * @example
 * total.update((total.value() ?? 0) + payment.amount);
 *
 * @public
 */
export interface ValueState<T> {
  /** The value of the current key, `undefined` when there is none. It is the state's own: to change it, `update` it. */
  value(): T | undefined;
  /** Sets the value of the current key. Durable when the next checkpoint completes; a crash before that replays the record. */
  update(value: T): void;
  /** Drops the value of the current key. */
  clear(): void;
}

/** A list of values per key, in the order of adding, stored as one: for some hundred values, not for millions. @public */
export interface ListState<T> {
  /** The list of the current key; empty when there is none. The array is the state's own: do not change it. */
  get(): readonly T[];
  /** Adds a value at the end. */
  add(value: T): void;
  /** Adds values at the end. */
  addAll(values: Iterable<T>): void;
  /** Replaces the list. An empty list clears the state. */
  update(values: readonly T[]): void;
  /** Drops the list of the current key. */
  clear(): void;
}

/**
 * A map per key. Each entry is stored by itself, so a large map costs no more per access than a small one.
 *
 * Iteration goes in the order of the map's keys: integers, other numbers, strings, each ascending; it is the same after a
 * restore.
 *
 * @public
 */
export interface MapState<K, V> {
  /** The value under a key of the map; `undefined` when there is none. */
  get(key: K): V | undefined;
  /** Sets the value under a key; `undefined` removes it, `null` is a value. */
  put(key: K, value: V): void;
  /** Sets several values. */
  putAll(entries: Iterable<readonly [K, V]>): void;
  /** Drops the value under a key, if there is one. */
  remove(key: K): void;
  /** Whether there is a value under the key. */
  contains(key: K): boolean;
  /** Whether there is no entry. One that has expired and was not read since still counts, as in Flink. */
  isEmpty(): boolean;
  /** All entries, as they were when the iteration began, without those removed since. */
  entries(): Iterable<readonly [K, V]>;
  /** The keys of {@link MapState.entries}. */
  keys(): Iterable<K>;
  /** The values of {@link MapState.entries}. */
  values(): Iterable<V>;
  /** Drops all entries of the current key. */
  clear(): void;
}

/** One value per key that each added value is reduced into. @public */
export interface ReducingState<T> {
  /** What was added so far, reduced; `undefined` before the first. */
  get(): T | undefined;
  /** Reduces a value into the state; the first is taken as it is. */
  add(value: T): void;
  /** Drops the value of the current key. */
  clear(): void;
}

/** One accumulator per key that each added value is aggregated into. @public */
export interface AggregatingState<I, O> {
  /** The result of what was added so far; `undefined` before the first. */
  get(): O | undefined;
  /** Adds a value to the accumulator, which is created for the first. */
  add(value: I): void;
  /** Drops the accumulator of the current key. */
  clear(): void;
}

/** Makes one value of two: what was accumulated so far and the next. Associative, where windows merge. May change and return the first. @public */
export type ReduceFunction<T> = (accumulated: T, value: T) => T;

/**
 * As Flink's: an accumulator is created, added to, merged, and asked for its result. Only the accumulator is kept.
 *
 * @typeParam I the records.
 * @typeParam A the accumulator: plain data, for it is state.
 * @typeParam O the result.
 *
 * @example
 * const mean: AggregateFunction<number, { sum: number; count: number }, number> = {
 *   createAccumulator: () => ({ sum: 0, count: 0 }),
 *   add: (value, { sum, count }) => ({ sum: sum + value, count: count + 1 }),
 *   getResult: ({ sum, count }) => sum / count,
 *   merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
 *   isCommutative: true,
 * };
 *
 * @public
 */
export interface AggregateFunction<I, A, O> {
  /** A new, empty accumulator. */
  createAccumulator(): A;
  /** The accumulator with one more record. May change the one it is given, and return it. */
  add(value: I, accumulator: A): A;
  /** The result so far. Must leave the accumulator as it is. In a window, `null` and `undefined` are no result: nothing is emitted. */
  getResult(accumulator: A): O;
  /** One accumulator of two, `a` being the earlier; may change and return it. Needed where windows merge (sessions), and where sliding windows share slices. */
  merge(a: A, b: A): A;
  /**
   * The result does not depend on the order of the records, as of counts, sums and maxima. Sliding windows then add each
   * record once, to a slice that they share, and merge slices when they fire.
   *
   * @defaultValue false
   */
  readonly isCommutative?: boolean;
}

/** When a state's time to live starts anew: at each write; or at each read too. @public */
export type TtlUpdateType = 'OnCreateAndWrite' | 'OnReadAndWrite';
/** Whether an expired value that is not cleaned up yet may be read: never; or once, since reading it removes it. @public */
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
  /** What makes the time start anew. @defaultValue 'OnCreateAndWrite' */
  readonly updateType?: TtlUpdateType;
  /** Whether what has expired may be seen a last time. @defaultValue 'NeverReturnExpired' */
  readonly visibility?: TtlVisibility;
}

/** How a state's values are stored, how long they live, and what becomes of those of older releases. @public */
export interface StateOptions<T> {
  /** Turns values into bytes. @defaultValue MessagePack, which keeps what JSON keeps, and also Date, Map, Set, bigint and bytes */
  readonly serde?: Serde<T>;
  /** How long values live: of a list each item, of a map each entry by itself. @defaultValue for ever */
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
  /** As given, defaults not filled in. */
  readonly options: StateOptions<T>;
}

/** Describes a {@link ValueState}. Made by {@link valueState}. @public */
export interface ValueStateDescriptor<T> extends DescriptorBase<T> {
  /** Tells the kinds of descriptors apart. */
  readonly kind: 'value';
}
/** Describes a {@link ListState}. Made by {@link listState}. @public */
export interface ListStateDescriptor<T> extends DescriptorBase<T> {
  /** Tells the kinds of descriptors apart. */
  readonly kind: 'list';
}
/** Describes a {@link MapState}, or a broadcast state. Made by {@link mapState}. @public */
export interface MapStateDescriptor<K, V> extends DescriptorBase<V> {
  /** Tells the kinds of descriptors apart. */
  readonly kind: 'map';
  /** Only a type: says what the keys of the map are. */
  readonly mapKey?: K;
}
/** Describes a {@link ReducingState}. Made by {@link reducingState}. @public */
export interface ReducingStateDescriptor<T> extends DescriptorBase<T> {
  /** Tells the kinds of descriptors apart. */
  readonly kind: 'reducing';
  /** Makes one value of two. */
  readonly reduce: ReduceFunction<T>;
}
/** Describes an {@link AggregatingState}. Made by {@link aggregatingState}. @public */
export interface AggregatingStateDescriptor<I, A, O> extends DescriptorBase<A> {
  /** Tells the kinds of descriptors apart. */
  readonly kind: 'aggregating';
  /** What is done with values and accumulators. */
  readonly aggregate: AggregateFunction<I, A, O>;
}

/** A descriptor of any kind of keyed state, told apart by `kind`. @public */
export type StateDescriptor =
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<unknown, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>;

/**
 * Describes one value per key.
 *
 * @param name unique within an operator, and stable: together with the operator's uid it names the stored state.
 * @throws MillraceError `MILLRACE_JOB_INVALID` for a version without a migration
 *
 * @example
 * override open(context: RuntimeContext) {
 *   this.#total = context.getState(valueState<number>('total', { ttl: { ttlMs: 3_600_000 } }));
 * }
 *
 * @public
 */
export function valueState<T>(name: string, options: StateOptions<T> = {}): ValueStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'value', name, options };
}
/** Describes a list per key. As {@link valueState}. @public */
export function listState<T>(name: string, options: StateOptions<T> = {}): ListStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'list', name, options };
}
/** Describes a map per key, or a broadcast state. As {@link valueState}. @public */
export function mapState<K, V>(name: string, options: StateOptions<V> = {}): MapStateDescriptor<K, V> {
  checkOptions(name, options);
  return { kind: 'map', name, options };
}
/** Describes a value per key that each added one is reduced into. As {@link valueState}. @public */
export function reducingState<T>(
  name: string,
  reduce: ReduceFunction<T>,
  options: StateOptions<T> = {},
): ReducingStateDescriptor<T> {
  checkOptions(name, options);
  return { kind: 'reducing', name, reduce, options };
}
/** Describes an accumulator per key that each added value is aggregated into. As {@link valueState}; the options are those of the accumulator. @public */
export function aggregatingState<I, A, O>(
  name: string,
  aggregate: AggregateFunction<I, A, O>,
  options: StateOptions<A> = {},
): AggregatingStateDescriptor<I, A, O> {
  checkOptions(name, options);
  return { kind: 'aggregating', name, aggregate, options };
}
