import type { InternalMapState, Namespace } from '../api/internal/state-backend.js';
import type { MapRowAccess, MapRowState } from './observed-rows.js';
import { readStamped, type TtlPolicy } from './ttl.js';
import type { Stamped } from './value-codec.js';

/**
 * A map per key, a row per entry. Iteration sees the entries in the order of their keys (see MapRows) and the map as it was
 * when the iteration began, without what was removed since.
 */
export class MapStateImpl<K, V> implements InternalMapState<K, V>, MapRowState {
  #rows: MapRowAccess;

  constructor(rows: MapRowAccess) {
    this.#rows = rows;
  }

  accessThrough(rows: MapRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  get(key: K): V | undefined {
    return this.#rows.readForUpdate(key) as V | undefined;
  }

  put(key: K, value: V): void {
    if (value === undefined) this.#rows.remove(key);
    else this.#rows.write(key, value);
  }

  putAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.put(key, value);
  }

  remove(key: K): void {
    this.#rows.remove(key);
  }

  contains(key: K): boolean {
    return this.#rows.readForUpdate(key) !== undefined;
  }

  isEmpty(): boolean {
    return this.#rows.isEmpty();
  }

  *entries(): Iterable<readonly [K, V]> {
    for (const entry of this.#rows.sortedEntries()) {
      if (entry.value !== undefined) yield [entry.subKey as K, this.#rows.handOut(entry) as V];
    }
  }

  *keys(): Iterable<K> {
    for (const entry of this.#rows.sortedEntries()) if (entry.value !== undefined) yield entry.subKey as K;
  }

  *values(): Iterable<V> {
    for (const [, value] of this.entries()) yield value;
  }

  clear(): void {
    this.#rows.clear();
  }

  peek(): unknown {
    const entries = [...this.entries()];
    return entries.length === 0 ? undefined : entries;
  }
}

/** The same with a time to live for each entry. */
export class TtlMapState<K, V> implements InternalMapState<K, V>, MapRowState {
  #rows: MapRowAccess;
  readonly #policy: TtlPolicy;

  constructor(rows: MapRowAccess, policy: TtlPolicy) {
    this.#rows = rows;
    this.#policy = policy;
  }

  accessThrough(rows: MapRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  get(key: K): V | undefined {
    return this.#read(key, this.#rows.readForUpdate(key) as Stamped | undefined);
  }

  put(key: K, value: V): void {
    if (value === undefined) this.#rows.remove(key);
    else this.#rows.write(key, this.#policy.stamp(value));
  }

  putAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.put(key, value);
  }

  remove(key: K): void {
    this.#rows.remove(key);
  }

  contains(key: K): boolean {
    return this.get(key) !== undefined;
  }

  /** As in Flink, expired entries count until they are read. */
  isEmpty(): boolean {
    return this.#rows.isEmpty();
  }

  *entries(): Iterable<readonly [K, V]> {
    for (const entry of this.#rows.sortedEntries()) {
      if (entry.value === undefined) continue;
      const value = this.#read(entry.subKey as K, this.#rows.handOut(entry) as Stamped);
      if (value !== undefined) yield [entry.subKey as K, value];
    }
  }

  *keys(): Iterable<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): Iterable<V> {
    for (const [, value] of this.entries()) yield value;
  }

  clear(): void {
    this.#rows.clear();
  }

  peek(): unknown {
    const entries = this.#visibleEntries();
    return entries.length === 0 ? undefined : entries;
  }

  #visibleEntries(): (readonly [unknown, unknown])[] {
    return this.#rows
      .sortedEntries()
      .map((entry) => [entry.subKey, this.#policy.visible(entry.value as Stamped | undefined)] as const)
      .filter(([, value]) => value !== undefined);
  }

  #read(key: K, stamped: Stamped | undefined): V | undefined {
    return readStamped(
      this.#policy,
      stamped,
      (renewed) => this.#rows.write(key, renewed),
      () => this.#rows.remove(key),
    ) as V | undefined;
  }
}
