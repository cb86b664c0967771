import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import type { ShardId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';

/** The form of a key under which it is looked up: see `canonicalKey`. */
export type LookupKey = string | number;

/** The only item of a namespace. */
class Single<T> {
  readonly key: LookupKey;
  readonly item: T;

  constructor(key: LookupKey, item: T) {
    this.key = key;
    this.item = item;
  }

  /** As a Map compares: NaN is itself. */
  isOf(key: LookupKey): boolean {
    return this.key === key || (Number.isNaN(this.key) && Number.isNaN(key));
  }
}

/**
 * Items by shard, namespace and key. What has no namespace lies in one table per shard. The rest lies in a table per
 * namespace within the shard: few windows are open at a time, records that follow each other mostly belong to the same one,
 * and a window that has ended takes its whole table away. A namespace with one item, as a session or its timer has, needs no
 * table for it.
 */
export class ShardTables<T> {
  readonly #tables: (Map<LookupKey, T> | undefined)[] = [];
  readonly #namespaced: (Map<Namespace, Single<T> | Map<LookupKey, T>> | undefined)[] = [];

  /** @param owned whether each shard belongs to this store */
  constructor(owned: readonly boolean[]) {
    owned.forEach((isOwned, shard) => {
      this.#tables[shard] = isOwned ? new Map() : undefined;
      this.#namespaced[shard] = isOwned ? new Map() : undefined;
    });
  }

  get(shard: ShardId, namespace: Namespace, key: LookupKey): T | undefined {
    if (namespace !== VOID_NAMESPACE) {
      const table = this.#namespaced[shard]?.get(namespace);
      if (table instanceof Single) return table.isOf(key) ? table.item : undefined;
      return table?.get(key);
    }
    const table = this.#tables[shard];
    invariant(table !== undefined, 'a key is only ever processed by the owner of its shard');
    return table.get(key);
  }

  set(shard: ShardId, namespace: Namespace, key: LookupKey, item: T): void {
    const tables = this.#namespaced[shard];
    invariant(tables !== undefined, 'a key is only ever processed by the owner of its shard');
    if (namespace === VOID_NAMESPACE) {
      this.#tables[shard]?.set(key, item);
      return;
    }
    const table = tables.get(namespace);
    if (table === undefined || (table instanceof Single && table.isOf(key))) {
      tables.set(namespace, new Single(key, item));
    } else if (table instanceof Single) {
      const several = new Map<LookupKey, T>();
      several.set(table.key, table.item);
      several.set(key, item);
      tables.set(namespace, several);
    } else {
      table.set(key, item);
    }
  }

  delete(shard: ShardId, namespace: Namespace, key: LookupKey): void {
    if (namespace === VOID_NAMESPACE) {
      this.#tables[shard]?.delete(key);
      return;
    }
    const tables = this.#namespaced[shard];
    const table = tables?.get(namespace);
    if (table instanceof Single) {
      if (table.isOf(key)) tables?.delete(namespace);
      return;
    }
    table?.delete(key);
    if (table?.size === 0) tables?.delete(namespace);
  }

  /** Every item, in any order; items may be added and removed while this is walked. */
  *values(): IterableIterator<T> {
    yield* this.voidValues();
    for (const tables of this.#namespaced) {
      if (tables === undefined) continue;
      for (const table of tables.values()) {
        if (table instanceof Single) yield table.item;
        else yield* table.values();
      }
    }
  }

  /** The items without a namespace. */
  *voidValues(): IterableIterator<T> {
    for (const table of this.#tables) if (table !== undefined) yield* table.values();
  }
}
