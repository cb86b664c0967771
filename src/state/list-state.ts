import type { InternalListState, Namespace } from '../api/internal/state-backend.js';
import { estimateBytes } from './entry.js';
import type { SingleRowAccess, SingleRowState } from './observed-rows.js';
import type { TtlPolicy } from './ttl.js';
import type { Stamped } from './value-codec.js';

const EMPTY: readonly never[] = [];

/** A list per key, kept as one row. Adding appends in place. */
export class ListStateImpl<T> implements InternalListState<T>, SingleRowState {
  #rows: SingleRowAccess;

  constructor(rows: SingleRowAccess) {
    this.#rows = rows;
  }

  accessThrough(rows: SingleRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  get(): readonly T[] {
    return (this.#rows.readForUpdate() as T[] | undefined) ?? EMPTY;
  }

  add(value: T): void {
    this.append(value);
  }

  append(value: T): boolean {
    const list = this.#rows.readForUpdate() as T[] | undefined;
    if (list === undefined) {
      this.#rows.write([value]);
      return true;
    }
    this.#rows.touch(estimateBytes(value));
    list.push(value);
    return false;
  }

  addAll(values: Iterable<T>): void {
    for (const value of values) this.add(value);
  }

  update(values: readonly T[]): void {
    if (values.length === 0) this.#rows.remove();
    else this.#rows.write([...values]);
  }

  clear(): void {
    this.#rows.remove();
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeLists(this.#rows, target, sources);
  }

  peek(): unknown {
    return this.#rows.read();
  }
}

/** The same with a time to live for each item. */
export class TtlListState<T> implements InternalListState<T>, SingleRowState {
  #rows: SingleRowAccess;
  readonly #policy: TtlPolicy;

  constructor(rows: SingleRowAccess, policy: TtlPolicy) {
    this.#rows = rows;
    this.#policy = policy;
  }

  accessThrough(rows: SingleRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  /** As in Flink, expired items leave the store when reading renews the others, or when none is left alive. */
  get(): readonly T[] {
    const stored = this.#rows.readForUpdate() as Stamped[] | undefined;
    if (stored === undefined) return EMPTY;
    const alive = stored.filter((item) => !this.#policy.isExpired(item));
    if (alive.length === 0) this.#rows.remove();
    else if (this.#policy.updatesOnRead) this.#rows.write(alive.map((item) => this.#policy.stamp(item.value)));
    const visible = this.#policy.returnsExpired ? stored : alive;
    return visible.map((item) => item.value as T);
  }

  add(value: T): void {
    this.append(value);
  }

  append(value: T): boolean {
    const list = this.#rows.readForUpdate() as Stamped[] | undefined;
    const item = this.#policy.stamp(value);
    if (list === undefined) {
      this.#rows.write([item]);
      return true;
    }
    this.#rows.touch(estimateBytes(value));
    list.push(item);
    return false;
  }

  addAll(values: Iterable<T>): void {
    for (const value of values) this.add(value);
  }

  update(values: readonly T[]): void {
    if (values.length === 0) this.#rows.remove();
    else this.#rows.write(values.map((value) => this.#policy.stamp(value)));
  }

  clear(): void {
    this.#rows.remove();
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeLists(this.#rows, target, sources);
  }

  peek(): unknown {
    const items = (this.#rows.read() as Stamped[] | undefined)?.filter((item) => !this.#policy.isExpired(item)) ?? [];
    return items.length === 0 ? undefined : items.map((item) => item.value);
  }
}

/** Moves the lists of `sources` behind that of `target`, in the order given. */
function mergeLists(rows: SingleRowAccess, target: Namespace, sources: readonly Namespace[]): void {
  const moved: unknown[] = [];
  for (const source of sources) {
    if (source === target) continue;
    const list = rows.take(source) as unknown[] | undefined;
    if (list !== undefined) for (const item of list) moved.push(item);
  }
  if (moved.length === 0) return;
  rows.setNamespace(target);
  const list = rows.readForUpdate() as unknown[] | undefined;
  rows.write(list === undefined ? moved : [...list, ...moved]);
}
