import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type {
  InternalAggregatingState,
  InternalListState,
  InternalMapState,
  InternalReducingState,
  InternalValueState,
  Namespace,
  TimerRow,
  TimerTable,
} from '../../src/api/internal/state-backend.js';
import { canonicalKey, keyGroupOf } from '../../src/api/internal/key-bytes.js';
import { shardOfKeyGroup, shardsOfSubtask } from '../../src/api/internal/key-groups.js';
import { aggregatingState, listState, mapState, reducingState, valueState } from '../../src/api/keyed-state.js';
import type { CheckpointId } from '../../src/base/ids.js';
import type { RestoredState, SnapshotHandle } from '../../src/protocol/snapshot-handle.js';
import { StateStore } from '../../src/state/state-store.js';

/**
 * A job's keyed state beside a model of plain Maps: two operators on some stores, driven command by command, with
 * checkpoints, aborts and restores in between. Every read is compared; {@link StateWorld.check} compares everything.
 */

export const SHARD_COUNT = 4;
export const OPERATORS = ['first', 'second'] as const;

/** Kinds of key that encode differently; the long ones do not fit an LMDB key. */
export const KEYS: readonly unknown[] = [
  'a',
  'b',
  '',
  'é',
  'zero\u0000within',
  '\ud800',
  'x'.repeat(1600),
  `${'x'.repeat(1600)}y`,
  0,
  1,
  -1,
  256,
  -70_000,
  2 ** 40,
  1.5,
  -Infinity,
  true,
  ['a', 1],
  { region: 'eu', id: 7 },
  12n,
];
// The last two begin with the same bytes, as rows of a map in a store.
export const NAMESPACES: readonly Namespace[] = ['', 0, 60_000, 'session', 'session\u0000'];

interface Average {
  sum: number;
  count: number;
}

/** The model's rows of one key: by state, namespace and map key. */
type Rows = Map<string, unknown>;

const value = valueState<unknown>('value');
const list = listState<unknown>('list');
const map = mapState<unknown, unknown>('map');
const sum = reducingState<number>('sum', (a, b) => a + b);
const average = aggregatingState<number, Average, number>('average', {
  createAccumulator: () => ({ sum: 0, count: 0 }),
  // Changes its accumulator in place, as authors do.
  add: (added, accumulator) => {
    accumulator.sum += added;
    accumulator.count += 1;
    return accumulator;
  },
  getResult: (accumulator) => accumulator.sum / accumulator.count,
  merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
});

interface OperatorStates {
  readonly setKey: (key: unknown) => void;
  readonly currentKey: () => unknown;
  readonly value: InternalValueState<unknown>;
  readonly list: InternalListState<unknown>;
  readonly map: InternalMapState<unknown, unknown>;
  readonly sum: InternalReducingState<number>;
  readonly average: InternalAggregatingState<number, number>;
  readonly timers: TimerTable;
}

interface OpenStore {
  readonly store: StateStore;
  readonly operators: readonly OperatorStates[];
}

interface Checkpoint {
  readonly id: CheckpointId;
  /** The model as of the barrier, by store and operator: what was cut so far. */
  readonly cuts: Map<string, Map<string, Rows>>;
  handles: Promise<readonly SnapshotHandle[]> | null;
}

interface Completed {
  readonly restore: RestoredState;
  readonly model: readonly Map<string, Rows>[];
}

export interface WorldOptions {
  readonly backend: 'heap' | 'lmdb';
  readonly directory: string;
  readonly memtableBudgetBytes: number;
  readonly segmentsHeldMax: number;
}

export class StateWorld {
  readonly #options: WorldOptions;
  #parallelism = 1;
  #stores: OpenStore[] = [];
  /** By operator: rows by canonical key. */
  #model: Map<string, Rows>[] = OPERATORS.map(() => new Map<string, Rows>());
  #nextId = 1;
  #checkpoint: Checkpoint | null = null;
  #completed: Completed | null = null;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  async open(parallelism: number): Promise<void> {
    const { backend, directory, memtableBudgetBytes, segmentsHeldMax } = this.#options;
    const segmentDir = join(directory, 'segments');
    await mkdir(segmentDir, { recursive: true });
    this.#parallelism = parallelism;
    this.#stores = [];
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const store = await StateStore.open({
        backend,
        namespace: 'main',
        label: `main-${subtask}`,
        stateDir: join(directory, 'state'),
        segmentDir,
        shards: shardsOfSubtask(subtask, parallelism, SHARD_COUNT),
        shardCount: SHARD_COUNT,
        memtableBudgetBytes,
        segmentsHeldMax,
        clock: { now: () => 0 },
        restore: this.#completed?.restore ?? null,
      });
      this.#stores.push({ store, operators: OPERATORS.map((uid) => openOperator(store, uid)) });
    }
  }

  async close(): Promise<void> {
    this.#checkpoint?.handles?.catch(() => undefined);
    for (const { store } of this.#stores) await store.close();
    this.#stores = [];
  }

  /** Everything since the last completed checkpoint is lost; the job goes on from there, perhaps on other stores. */
  async restart(parallelism: number): Promise<void> {
    await this.close();
    this.#checkpoint = null;
    this.#model = this.#completed?.model.map(copyRows) ?? OPERATORS.map(() => new Map<string, Rows>());
    await this.open(parallelism);
  }

  /** One of the changes and reads that an operator makes of its state. */
  act(operator: number, keyIndex: number, namespaceIndex: number, action: number, argument: number): void {
    const key = KEYS[keyIndex % KEYS.length];
    const namespace = NAMESPACES[namespaceIndex % NAMESPACES.length] ?? '';
    const { operators } = this.#storeOf(key);
    const states = operators[operator % OPERATORS.length] as OperatorStates;
    states.setKey(key);
    const rows = this.#rowsOf(operator % OPERATORS.length, key);
    actions[action % actions.length]?.(states, rows, namespace, argument);
  }

  /** Lets a store do some of its background work. */
  slice(storeIndex: number): void {
    this.#stores[storeIndex % this.#stores.length]?.store.runSlice(0);
  }

  /** The barrier reaches one operator of one store. */
  barrier(storeIndex: number, operator: number): void {
    this.#checkpoint ??= { id: this.#nextId++ as CheckpointId, cuts: new Map(), handles: null };
    if (this.#checkpoint.handles !== null) return;
    this.#cut(this.#checkpoint, storeIndex % this.#stores.length, operator % OPERATORS.length);
  }

  /** The barrier reaches everyone else, and the stores are asked for their snapshots. */
  finish(): void {
    if (this.#checkpoint === null || this.#checkpoint.handles !== null) return;
    const checkpoint = this.#checkpoint;
    this.#stores.forEach((_, store) => OPERATORS.forEach((__, operator) => this.#cut(checkpoint, store, operator)));
    checkpoint.handles = Promise.all(this.#stores.map(({ store }) => store.finishSnapshot(checkpoint.id)));
    checkpoint.handles.catch(() => undefined);
  }

  async complete(): Promise<void> {
    const checkpoint = this.#checkpoint;
    if (checkpoint?.handles === null || checkpoint === null) return;
    const handles = await checkpoint.handles;
    // As it would be read back from the manifest.
    const restore = JSON.parse(JSON.stringify({ checkpointId: checkpoint.id, handles })) as RestoredState;
    const model = OPERATORS.map((_, operator) => {
      const rows = new Map<string, Rows>();
      for (const [name, cut] of checkpoint.cuts) {
        if (name.endsWith(`#${operator}`)) for (const [key, cutRows] of cut) rows.set(key, cutRows);
      }
      return rows;
    });
    this.#completed = { restore, model };
    this.#checkpoint = null;
    for (const { store } of this.#stores) store.notifyCheckpointComplete(checkpoint.id);
  }

  abort(): void {
    const checkpoint = this.#checkpoint;
    if (checkpoint === null) return;
    this.#checkpoint = null;
    for (const { store } of this.#stores) store.notifyCheckpointAborted(checkpoint.id);
  }

  /** Lets the event loop turn, so that what the disk has finished is taken note of. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Compares all state with the model. */
  check(): void {
    OPERATORS.forEach((_, operator) => {
      for (const key of KEYS) {
        const states = this.#storeOf(key).operators[operator] as OperatorStates;
        states.setKey(key);
        checkKey(states, this.#rowsOf(operator, key));
      }
      this.#checkTimers(operator);
    });
  }

  #checkTimers(operator: number): void {
    const found: string[] = [];
    for (const { operators } of this.#stores) {
      operators[operator]?.timers.forEach(({ timestamp, key, namespace }) => {
        found.push(`${modelKey(key)}|${timerRow(timestamp, namespace)}`);
      });
    }
    const expected: string[] = [];
    for (const [key, rows] of this.#model[operator] ?? []) {
      for (const name of rows.keys()) if (name.startsWith('timer|')) expected.push(`${key}|${name}`);
    }
    expectEqual(found.sort(), expected.sort(), 'timers');
  }

  #cut(checkpoint: Checkpoint, storeIndex: number, operator: number): void {
    const name = `${storeIndex}#${operator}`;
    if (checkpoint.cuts.has(name)) return;
    const all = this.#model[operator] ?? new Map<string, Rows>();
    const owned = [...all].filter(([key]) => this.#indexByKey(key) === storeIndex);
    checkpoint.cuts.set(name, copyRows(new Map(owned)));
    this.#stores[storeIndex]?.store.beginSnapshot(OPERATORS[operator] as string, checkpoint.id);
  }

  #indexByKey(lookupKey: string): number {
    const key = KEYS.find((candidate) => modelKey(candidate) === lookupKey);
    return shardOfKeyGroup(keyGroupOf(key), SHARD_COUNT) % this.#parallelism;
  }

  #storeOf(key: unknown): OpenStore {
    return this.#stores[shardOfKeyGroup(keyGroupOf(key), SHARD_COUNT) % this.#parallelism] as OpenStore;
  }

  #rowsOf(operator: number, key: unknown): Rows {
    const lookupKey = modelKey(key);
    const model = this.#model[operator] as Map<string, Rows>;
    let rows = model.get(lookupKey);
    if (rows === undefined) {
      rows = new Map();
      model.set(lookupKey, rows);
    }
    return rows;
  }
}

function openOperator(store: StateStore, uid: string): OperatorStates {
  const backend = store.openBackend(uid);
  return {
    setKey: (key) => backend.setCurrentKey(key),
    currentKey: () => backend.getCurrentKey(),
    value: backend.valueState(value),
    list: backend.listState(list),
    map: backend.mapState(map),
    sum: backend.reducingState(sum),
    average: backend.aggregatingState(average),
    timers: backend.timerTable('timers'),
  };
}

/** A key by which the model finds its rows. */
function modelKey(key: unknown): string {
  return `${typeof key}:${canonicalKey(key)}`;
}

function copyRows(rows: ReadonlyMap<string, Rows>): Map<string, Rows> {
  return structuredClone(rows) as Map<string, Rows>;
}

function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: ${JSON.stringify(actual)} where the model has ${JSON.stringify(expected)}`);
}

function timerRow(timestamp: number, namespace: Namespace): string {
  return `timer|${timestamp}|${typeof namespace}|${namespace}`;
}

/** Values of several kinds and sizes. */
function valueFor(argument: number): unknown {
  switch (argument % 6) {
    case 0:
      return argument;
    case 1:
      return `text ${argument}`;
    case 2:
      return { count: argument, tags: ['a', 'b'] };
    case 3:
      return [argument, null, true];
    case 4:
      return new Map([[argument, { since: new Date(argument) }]]);
    default:
      return 'long '.repeat(argument % 200);
  }
}

type Action = (states: OperatorStates, rows: Rows, namespace: Namespace, argument: number) => void;

function rowName(state: string, namespace: Namespace): string {
  return `${state}|${typeof namespace}|${namespace}`;
}

function set(rows: Rows, name: string, content: unknown): void {
  if (content === undefined) rows.delete(name);
  else rows.set(name, content);
}

const actions: readonly Action[] = [
  ({ value: state }, rows, namespace, argument) => {
    const name = rowName('value', namespace);
    state.setCurrentNamespace(namespace);
    if (argument % 2 === 0) expectEqual(state.value(), rows.get(name), name);
    state.update(valueFor(argument));
    rows.set(name, valueFor(argument));
  },
  ({ value: state }, rows, namespace) => {
    state.setCurrentNamespace(namespace);
    state.clear();
    rows.delete(rowName('value', namespace));
  },
  // A value that is changed in place between reading and writing, as an author may.
  ({ value: state }, rows, namespace) => {
    const name = rowName('value', namespace);
    state.setCurrentNamespace(namespace);
    const current = state.value() as { count?: number } | undefined;
    expectEqual(current, rows.get(name), name);
    const counter = typeof current === 'object' && current.count !== undefined ? current : { count: 0 };
    counter.count = (counter.count ?? 0) + 1;
    state.update(counter);
    rows.set(name, structuredClone(counter));
  },
  ({ list: state }, rows, namespace, argument) => {
    const name = rowName('list', namespace);
    state.setCurrentNamespace(namespace);
    state.add(valueFor(argument));
    rows.set(name, [...((rows.get(name) as unknown[] | undefined) ?? []), valueFor(argument)]);
  },
  ({ list: state }, rows, namespace, argument) => {
    const name = rowName('list', namespace);
    state.setCurrentNamespace(namespace);
    expectEqual(state.get(), rows.get(name) ?? [], name);
    const values = Array.from({ length: argument % 4 }, (_, index) => valueFor(argument + index));
    state.update(values);
    set(rows, name, values.length === 0 ? undefined : values);
  },
  ({ map: state }, rows, namespace, argument) => {
    const name = rowName('map', namespace);
    const mapKey = KEYS[argument % KEYS.length];
    state.setCurrentNamespace(namespace);
    const entries = new Map((rows.get(name) as Map<unknown, unknown> | undefined) ?? []);
    const known = [...entries.keys()].find((key) => isDeepStrictEqual(key, mapKey));
    expectEqual(state.contains(mapKey), known !== undefined, `${name} contains`);
    expectEqual(state.get(mapKey), known === undefined ? undefined : entries.get(known), name);
    state.put(mapKey, valueFor(argument));
    entries.set(known ?? mapKey, valueFor(argument));
    rows.set(name, entries);
  },
  ({ map: state }, rows, namespace, argument) => {
    const name = rowName('map', namespace);
    const mapKey = KEYS[argument % KEYS.length];
    state.setCurrentNamespace(namespace);
    state.remove(mapKey);
    const entries = new Map((rows.get(name) as Map<unknown, unknown> | undefined) ?? []);
    for (const key of entries.keys()) if (isDeepStrictEqual(key, mapKey)) entries.delete(key);
    set(rows, name, entries.size === 0 ? undefined : entries);
  },
  ({ map: state }, rows, namespace) => {
    state.setCurrentNamespace(namespace);
    state.clear();
    rows.delete(rowName('map', namespace));
  },
  ({ sum: state }, rows, namespace, argument) => {
    const name = rowName('sum', namespace);
    state.setCurrentNamespace(namespace);
    state.add(argument);
    rows.set(name, ((rows.get(name) as number | undefined) ?? 0) + argument);
  },
  ({ average: state }, rows, namespace, argument) => {
    const name = rowName('average', namespace);
    state.setCurrentNamespace(namespace);
    state.add(argument);
    const before = (rows.get(name) as Average | undefined) ?? { sum: 0, count: 0 };
    rows.set(name, { sum: before.sum + argument, count: before.count + 1 });
  },
  // Sessions merge: what lies in other namespaces moves into one.
  ({ list: lists, sum: sums, average: averages }, rows, target) => {
    const sources = NAMESPACES.filter((namespace) => namespace !== target);
    for (const state of [lists, sums, averages]) state.mergeNamespaces(target, sources);
    mergeRows(rows, 'list', target, sources, (a, b) => [...(a as unknown[]), ...(b as unknown[])]);
    mergeRows(rows, 'sum', target, sources, (a, b) => (a as number) + (b as number));
    mergeRows(rows, 'average', target, sources, (a, b) => {
      const [x, y] = [a as Average, b as Average];
      return { sum: x.sum + y.sum, count: x.count + y.count };
    });
  },
  ({ timers }, rows, namespace, argument) => {
    if (rows.has(timerRow(argument, namespace))) return;
    timers.add(argument, namespace);
    rows.set(timerRow(argument, namespace), true);
  },
  ({ timers, currentKey }, rows) => {
    const first = [...rows.keys()].find((name) => name.startsWith('timer|'));
    if (first === undefined) return;
    let found: TimerRow | null = null;
    timers.forEach((row) => {
      const isIt = timerRow(row.timestamp, row.namespace) === first && modelKey(row.key) === modelKey(currentKey());
      if (isIt) found = row;
    });
    if (found === null) throw new Error(`${first} is not there`);
    timers.remove(found);
    rows.delete(first);
  },
];

function mergeRows(
  rows: Rows,
  state: string,
  target: Namespace,
  sources: readonly Namespace[],
  merge: (a: unknown, b: unknown) => unknown,
): void {
  let merged = rows.get(rowName(state, target));
  for (const source of sources) {
    const moved = rows.get(rowName(state, source));
    if (moved === undefined) continue;
    rows.delete(rowName(state, source));
    merged = merged === undefined ? moved : merge(merged, moved);
  }
  set(rows, rowName(state, target), merged);
}

function checkKey(states: OperatorStates, rows: Rows): void {
  for (const namespace of NAMESPACES) {
    for (const state of [states.value, states.list, states.map, states.sum, states.average]) {
      state.setCurrentNamespace(namespace);
    }
    const modelOf = (state: string): unknown => rows.get(rowName(state, namespace));
    expectEqual(states.value.value(), modelOf('value'), `value in ${namespace}`);
    expectEqual(states.list.get(), modelOf('list') ?? [], `list in ${namespace}`);
    expectEqual(states.sum.get(), modelOf('sum'), `sum in ${namespace}`);
    const mean = modelOf('average') as Average | undefined;
    expectEqual(states.average.get(), mean && mean.sum / mean.count, `average in ${namespace}`);
    const entries = (modelOf('map') as Map<unknown, unknown> | undefined) ?? new Map();
    expectEqual(states.map.isEmpty(), entries.size === 0, `emptiness of the map in ${namespace}`);
    const found = [...states.map.entries()];
    expectEqual(new Map(found), entries, `map in ${namespace}`);
    expectEqual(found.length, entries.size, `size of the map in ${namespace}`);
  }
}
