import { canonicalKey, keyGroupOf } from '../../src/api/internal/key-bytes.js';
import type {
  InternalAggregatingState,
  InternalListState,
  InternalMapState,
  InternalReducingState,
  InternalValueState,
  KeyedStateBackend,
  Namespace,
  TimerTable,
} from '../../src/api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../../src/api/internal/state-backend.js';
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from '../../src/api/keyed-state.js';
import { MillraceError } from '../../src/base/errors.js';
import type { KeyGroup } from '../../src/base/ids.js';

/** The plainest keyed state that fulfils the contract, one Map per state: for tests of single operators. No time to live. */
export class MapBackend implements KeyedStateBackend {
  #key: unknown = undefined;
  #keyGroup = 0 as KeyGroup;
  #hasKey = false;
  readonly #tables = new Map<string, CellTable>();
  readonly #states = new Map<string, unknown>();

  setCurrentKey(key: unknown): void {
    this.setCurrentKeyAndGroup(key, keyGroupOf(key));
  }

  setCurrentKeyAndGroup(key: unknown, keyGroup: KeyGroup): void {
    this.#key = key;
    this.#keyGroup = keyGroup;
    this.#hasKey = true;
  }

  clearCurrentKey(): void {
    this.#hasKey = false;
  }

  getCurrentKey(): unknown {
    if (!this.#hasKey) throw new MillraceError('MILLRACE_STATE_NO_KEY', 'there is no current key');
    return this.#key;
  }

  getCurrentKeyGroup(): KeyGroup {
    this.getCurrentKey();
    return this.#keyGroup;
  }

  /** Number of stored values of all keys. */
  get size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): InternalValueState<T> {
    return this.#once(descriptor.name, (cells) => ({
      setCurrentNamespace: (namespace) => cells.enter(namespace),
      value: () => cells.get() as T | undefined,
      update: (value) => cells.set(value),
      clear: () => cells.delete(),
    }));
  }

  listState<T>(descriptor: ListStateDescriptor<T>): InternalListState<T> {
    return this.#once(descriptor.name, (cells) => {
      const read = (): readonly T[] => (cells.get() as readonly T[] | undefined) ?? [];
      const update = (values: readonly T[]): void => (values.length === 0 ? cells.delete() : cells.set(values));
      return {
        setCurrentNamespace: (namespace) => cells.enter(namespace),
        get: read,
        add: (value) => cells.set([...read(), value]),
        addAll: (values) => update([...read(), ...values]),
        update,
        clear: () => cells.delete(),
        mergeNamespaces: (target, sources) =>
          cells.merge(target, sources, (a, b) => [...(a as readonly T[]), ...(b as readonly T[])]),
      };
    });
  }

  mapState<K, V>(descriptor: MapStateDescriptor<K, V>): InternalMapState<K, V> {
    return this.#once(descriptor.name, (cells) => {
      const read = (): Map<string | number, [K, V]> =>
        (cells.get() as Map<string | number, [K, V]> | undefined) ?? new Map<string | number, [K, V]>();
      const put = (key: K, value: V): void => cells.set(read().set(canonicalKey(key), [key, value]));
      return {
        setCurrentNamespace: (namespace) => cells.enter(namespace),
        get: (key) => read().get(canonicalKey(key))?.[1],
        put,
        putAll: (entries) => {
          for (const [key, value] of entries) put(key, value);
        },
        remove: (key) => {
          const map = read();
          map.delete(canonicalKey(key));
          if (map.size === 0) cells.delete();
        },
        contains: (key) => read().has(canonicalKey(key)),
        isEmpty: () => read().size === 0,
        entries: () => [...read().values()],
        keys: () => [...read().values()].map((entry) => entry[0]),
        values: () => [...read().values()].map((entry) => entry[1]),
        clear: () => cells.delete(),
      };
    });
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): InternalReducingState<T> {
    return this.#once(descriptor.name, (cells) => ({
      setCurrentNamespace: (namespace) => cells.enter(namespace),
      get: () => cells.get() as T | undefined,
      add: (value) => {
        const before = cells.get() as T | undefined;
        cells.set(before === undefined ? value : descriptor.reduce(before, value));
      },
      clear: () => cells.delete(),
      mergeNamespaces: (target, sources) => cells.merge(target, sources, (a, b) => descriptor.reduce(a as T, b as T)),
    }));
  }

  aggregatingState<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): InternalAggregatingState<I, O> {
    const { aggregate } = descriptor;
    return this.#once(descriptor.name, (cells) => ({
      setCurrentNamespace: (namespace) => cells.enter(namespace),
      get: () => {
        const accumulator = cells.get() as A | undefined;
        return accumulator === undefined ? undefined : aggregate.getResult(accumulator);
      },
      add: (value) => {
        const accumulator = (cells.get() as A | undefined) ?? aggregate.createAccumulator();
        cells.set(aggregate.add(value, accumulator));
      },
      clear: () => cells.delete(),
      mergeNamespaces: (target, sources) => cells.merge(target, sources, (a, b) => aggregate.merge(a as A, b as A)),
    }));
  }

  timerTable(name: string): TimerTable {
    const cells = this.#table(`timers/${name}`);
    const rowOf = (timestamp: number, namespace: Namespace): string => `${timestamp}|${typeof namespace}|${namespace}`;
    const rows = (): Map<string, [number, Namespace]> =>
      (cells.get() as Map<string, [number, Namespace]> | undefined) ?? new Map<string, [number, Namespace]>();
    return {
      add: (timestamp, namespace) => cells.set(rows().set(rowOf(timestamp, namespace), [timestamp, namespace])),
      remove: (timestamp, namespace) => {
        const left = rows();
        left.delete(rowOf(timestamp, namespace));
        if (left.size === 0) cells.delete();
      },
      forEach: (visit) => {
        cells.forEach((key, _namespace, value) => {
          for (const [timestamp, namespace] of (value as Map<string, [number, Namespace]>).values()) {
            visit(timestamp, key, namespace);
          }
        });
      },
    };
  }

  forEachKey(stateName: string, visit: (key: unknown) => void): void {
    this.#table(stateName).forEach((key, namespace) => {
      if (namespace !== VOID_NAMESPACE) return;
      this.setCurrentKey(key);
      visit(key);
    });
    this.clearCurrentKey();
  }

  #once<S>(name: string, make: (cells: CellTable) => S): S {
    const known = this.#states.get(name);
    if (known !== undefined) return known as S;
    const state = make(this.#table(name));
    this.#states.set(name, state);
    return state;
  }

  #table(name: string): CellTable {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new CellTable(() => this.getCurrentKey());
      this.#tables.set(name, table);
    }
    return table;
  }
}

/** The values of one state, by key and namespace. */
class CellTable {
  readonly #currentKey: () => unknown;
  readonly #cells = new Map<string | number, { key: unknown; byNamespace: Map<Namespace, unknown> }>();
  #namespace: Namespace = VOID_NAMESPACE;

  constructor(currentKey: () => unknown) {
    this.#currentKey = currentKey;
  }

  get size(): number {
    let size = 0;
    for (const { byNamespace } of this.#cells.values()) size += byNamespace.size;
    return size;
  }

  enter(namespace: Namespace): void {
    this.#namespace = namespace;
  }

  get(namespace = this.#namespace): unknown {
    return this.#cells.get(canonicalKey(this.#currentKey()))?.byNamespace.get(namespace);
  }

  set(value: unknown, namespace = this.#namespace): void {
    const key = this.#currentKey();
    const lookup = canonicalKey(key);
    let cell = this.#cells.get(lookup);
    if (cell === undefined) {
      cell = { key, byNamespace: new Map() };
      this.#cells.set(lookup, cell);
    }
    cell.byNamespace.set(namespace, value);
  }

  delete(namespace = this.#namespace): void {
    const lookup = canonicalKey(this.#currentKey());
    const cell = this.#cells.get(lookup);
    cell?.byNamespace.delete(namespace);
    if (cell?.byNamespace.size === 0) this.#cells.delete(lookup);
  }

  merge(target: Namespace, sources: readonly Namespace[], combine: (a: unknown, b: unknown) => unknown): void {
    for (const source of sources) {
      const value = this.get(source);
      if (value === undefined) continue;
      const before = this.get(target);
      this.set(before === undefined ? value : combine(before, value), target);
      this.delete(source);
    }
  }

  forEach(visit: (key: unknown, namespace: Namespace, value: unknown) => void): void {
    const cells = Array.from(this.#cells.values());
    for (const { key, byNamespace } of cells) {
      for (const [namespace, value] of Array.from(byNamespace)) visit(key, namespace, value);
    }
  }
}
