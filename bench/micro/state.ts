/**
 * Keyed state on one thread: updates per second on both backends beside a bare Map with the same keys, each kind of state,
 * what a checkpoint costs at the barrier, and how fast state is restored.
 *
 * Keys are visited at random, as records come; values are compared at the end, before anything is reported.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as keyBytesModule from '../../src/api/internal/key-bytes.js';
import type * as keyedStateModule from '../../src/api/keyed-state.js';
import type { CheckpointId, KeyGroup, ShardId } from '../../src/base/ids.js';
import type { RestoredState } from '../../src/protocol/snapshot-handle.js';
import type * as stateStoreModule from '../../src/state/state-store.js';
import { atLeast, atMost, median, type Row } from '../lib/report.js';

const KEY_COUNT = 1_000_000;
/** Updates of each round. */
const UPDATE_COUNT = 2_000_000;
const ROUNDS = 3;

const SHARD_COUNT = 16;
const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard as ShardId);
/** As between two turns of a worker's loop. */
const UPDATES_PER_BATCH = 500;
export const SLICE_MS = 0.5;
const DIRTY_KEYS = 100_000;
/** What an entry of an integer key takes in the memtable, by its own estimate. */
const ENTRY_BYTES = 144;

type StateStore = stateStoreModule.StateStore;
type StateBackend = ReturnType<StateStore['openBackend']>;

export interface Modules {
  readonly StateStore: typeof stateStoreModule.StateStore;
  readonly keyedState: typeof keyedStateModule;
  readonly keyGroupOf: (key: unknown) => KeyGroup;
}

export interface Keys {
  /** The key of each update. */
  readonly sequence: Int32Array;
  /** By key. */
  readonly keyGroups: Uint16Array;
}

/** Compiled, this file lies in build/bench/micro; what it measures is the built product. */
const dist = new URL('../../../dist/', import.meta.url);

/** Runs for some thirty seconds. In brief only the updates are measured, once. Figures are medians over the rounds. */
export async function run({ isFull }: { readonly isFull: boolean }): Promise<Row[]> {
  const modules = await loadModules();
  const keys = chooseKeys(modules, KEY_COUNT, UPDATE_COUNT);
  if (!isFull) return measureUpdates(modules, keys, 1);
  return [
    ...(await measureUpdates(modules, keys, ROUNDS)),
    ...(await measureKinds(modules, keys, ROUNDS)),
    ...(await measureSnapshots(modules, keys, ROUNDS)),
  ];
}

export async function loadModules(): Promise<Modules> {
  const { StateStore } = (await import(new URL('state/state-store.js', dist).href)) as typeof stateStoreModule;
  const keyedState = (await import(new URL('api/keyed-state.js', dist).href)) as typeof keyedStateModule;
  const { keyGroupOf } = (await import(new URL('api/internal/key-bytes.js', dist).href)) as typeof keyBytesModule;
  return { StateStore, keyedState, keyGroupOf };
}

export function chooseKeys({ keyGroupOf }: Modules, keyCount: number, updateCount: number): Keys {
  let seed = 1;
  const sequence = Int32Array.from({ length: updateCount }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed % keyCount;
  });
  return { sequence, keyGroups: Uint16Array.from({ length: keyCount }, (_, key) => keyGroupOf(key)) };
}

export async function withStore<T>(
  { StateStore }: Modules,
  options: { backend: 'heap' | 'lmdb'; budgetBytes: number; segmentsHeldMax?: number },
  use: (store: StateStore, reopen: (restore: RestoredState) => Promise<StateStore>) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const segmentDir = join(directory, 'segments');
  await mkdir(segmentDir);
  const open = (restore: RestoredState | null): Promise<StateStore> =>
    StateStore.open({
      backend: options.backend,
      namespace: 'main',
      label: 'main-0',
      stateDir: directory,
      segmentDir,
      shards: SHARDS,
      shardCount: SHARD_COUNT,
      memtableBudgetBytes: options.budgetBytes,
      segmentsHeldMax: options.segmentsHeldMax ?? 1,
      clock: { now: () => 0 },
      restore,
    });
  try {
    const store = await open(null);
    try {
      return await use(store, open);
    } finally {
      await store.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// -------------------------------------------------------------------------------------------------------------- updates

async function measureUpdates(modules: Modules, keys: Keys, rounds: number): Promise<Row[]> {
  const { keyGroups, sequence } = keys;
  const bare = Array.from({ length: rounds }, () => measureBareMap(keys));
  const idle = { backend: 'heap', budgetBytes: 2 ** 40 } as const;
  const heap = await measureCounters(modules, keys, rounds, { ...idle, checkpointMs: Infinity });
  const heapChecked = await measureCounters(modules, keys, rounds, { ...idle, checkpointMs: 1000 });
  const budgetBytes = (keyGroups.length / 10) * ENTRY_BYTES;
  const fewer = { sequence: sequence.subarray(0, sequence.length / 4), keyGroups };
  const lmdb = await measureCounters(modules, fewer, rounds, { backend: 'lmdb', budgetBytes, checkpointMs: 1000 });
  const few = { sequence: sequence.map((key) => key % 1000), keyGroups };
  const heapFew = await measureCounters(modules, few, rounds, { ...idle, checkpointMs: Infinity });
  const against = (value: number): NonNullable<Row['against']> => ({ name: 'bare Map', ratio: value / median(bare) });
  const row = (name: string, values: readonly number[], target: number, text: string): Row => {
    const value = median(values);
    return { name, value, unit: 'updates/s', against: against(value), target: atLeast(value, target, text) };
  };
  const of = `of ${keyGroups.length.toLocaleString('en')} integer keys`;
  return [
    { name: `bare Map: counter ${of}`, value: median(bare), unit: 'updates/s' },
    row(`heap: counter ${of}`, heap, 5_000_000, '5 M/s'),
    row(`heap: counter ${of}, a checkpoint per second`, heapChecked, 4_000_000, '4 M/s'),
    { name: 'heap: counter of 1,000 integer keys', value: median(heapFew), unit: 'updates/s' },
    row(`lmdb: counter ${of}, a tenth of them in memory`, lmdb, 500_000, '500 k/s'),
  ];
}

/** What the same updates cost at least: a Map per shard with an object per key. */
function measureBareMap({ sequence, keyGroups }: Keys): number {
  const maps = SHARDS.map(() => new Map<number, { count: number }>());
  const update = (key: number): void => {
    const map = maps[(keyGroups[key] as number) & (SHARD_COUNT - 1)] as Map<number, { count: number }>;
    const entry = map.get(key);
    if (entry === undefined) map.set(key, { count: 1 });
    else entry.count += 1;
  };
  for (const key of sequence) update(key);
  const startMs = performance.now();
  for (const key of sequence) update(key);
  return perSecond(sequence.length, startMs);
}

interface CounterOptions {
  readonly backend: 'heap' | 'lmdb';
  readonly budgetBytes: number;
  /** Between two checkpoints. */
  readonly checkpointMs: number;
}

/** Updates per second of the second pass over the sequence: in the first one keys come into being. */
async function measureCounters(
  modules: Modules,
  keys: Keys,
  rounds: number,
  options: CounterOptions,
): Promise<number[]> {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await withStore(modules, options, async (store) => {
      const backend = store.openBackend('op');
      const count = backend.valueState(modules.keyedState.valueState<number>('count'));
      const upkeep = new Upkeep(store, options.checkpointMs);
      const { sequence, keyGroups } = keys;
      const pass = async (): Promise<void> => {
        for (let at = 0; at < sequence.length; at += UPDATES_PER_BATCH) {
          const end = Math.min(at + UPDATES_PER_BATCH, sequence.length);
          for (let index = at; index < end; index++) {
            const key = sequence[index] as number;
            backend.setCurrentKeyAndGroup(key, keyGroups[key] as KeyGroup);
            count.update((count.value() ?? 0) + 1);
          }
          await upkeep.run();
        }
      };
      await pass();
      const startMs = performance.now();
      let passes = 0;
      // Long enough for several checkpoints, where there are any.
      const leastMs = options.checkpointMs === Infinity ? 0 : 3 * options.checkpointMs;
      do {
        await pass();
        passes += 1;
      } while (performance.now() - startMs < leastMs);
      figures.push(perSecond(sequence.length * passes, startMs));
      await upkeep.finish();
      checkCounts(keys, backend, passes + 1, (key) => {
        backend.setCurrentKeyAndGroup(key, keyGroups[key] as KeyGroup);
        return count.value() ?? 0;
      });
    });
  }
  return figures;
}

function checkCounts(
  { sequence }: Keys,
  backend: StateBackend,
  passes: number,
  countOf: (key: number) => number,
): void {
  const expected = new Map<number, number>();
  for (const key of sequence) expected.set(key, (expected.get(key) ?? 0) + passes);
  for (const [key, count] of expected) {
    if (countOf(key) !== count) throw new Error(`operator '${backend.operatorUid}' miscounted key ${key}`);
  }
}

/** What a worker does for its store between two batches. */
export class Upkeep {
  readonly #store: StateStore;
  readonly #checkpointMs: number;
  #lastMs = performance.now();
  #checkpointId = 0;
  #finishing: Promise<void> | null = null;

  constructor(store: StateStore, checkpointMs: number) {
    this.#store = store;
    this.#checkpointMs = checkpointMs;
  }

  async run(): Promise<void> {
    const store = this.#store;
    store.runSlice(SLICE_MS);
    const isDue = store.needsCheckpoint || performance.now() - this.#lastMs > this.#checkpointMs;
    if (isDue && this.#finishing === null) this.#finishing = this.#checkpoint();
    if (store.hasPendingIo) await turnOfEventLoop();
    while (store.isOverloaded) {
      store.runSlice(SLICE_MS);
      await turnOfEventLoop();
    }
  }

  async finish(): Promise<void> {
    await this.#finishing;
  }

  async #checkpoint(): Promise<void> {
    this.#lastMs = performance.now();
    const id = ++this.#checkpointId as CheckpointId;
    this.#store.beginSnapshot('op', id);
    await this.#store.finishSnapshot(id);
    this.#store.notifyCheckpointComplete(id);
    this.#finishing = null;
  }
}

// ----------------------------------------------------------------------------------------------------------------- kinds

async function measureKinds(modules: Modules, keys: Keys, rounds: number): Promise<Row[]> {
  const figures = new Map<string, number[]>();
  const note = (name: string, value: number): void => {
    figures.set(name, [...(figures.get(name) ?? []), value]);
  };
  for (let round = 0; round < rounds; round++) {
    await withStore(modules, { backend: 'heap', budgetBytes: 2 ** 40 }, async (store) => {
      const backend = store.openBackend('op');
      for (const [name, act] of kindsOf(modules, backend)) {
        const startMs = performance.now();
        const count = keys.sequence.length / 4;
        for (let index = 0; index < count; index++) {
          // A hundredth of the keys: each is touched some fifty times.
          const key = (keys.sequence[index] as number) % (keys.keyGroups.length / 100);
          backend.setCurrentKeyAndGroup(key, keys.keyGroups[key] as KeyGroup);
          act(index);
        }
        note(name, perSecond(count, startMs));
      }
      return Promise.resolve();
    });
  }
  return [...figures].map(([name, values]) => ({ name: `heap: ${name}`, value: median(values), unit: 'operations/s' }));
}

function kindsOf({ keyedState }: Modules, backend: StateBackend): [name: string, act: (index: number) => void][] {
  const value = backend.valueState(keyedState.valueState<object>('value'));
  const list = backend.listState(keyedState.listState<number>('list'));
  const map = backend.mapState(keyedState.mapState<number, number>('map'));
  const reducing = backend.reducingState(keyedState.reducingState<number>('sum', (a, b) => a + b));
  const timers = backend.timerTable('timers');
  return [
    ['value: update with an object', (index) => value.update({ index })],
    ['value: read', () => void value.value()],
    ['list: add', (index) => list.add(index)],
    ['list: read', () => void list.get()],
    ['map: put', (index) => map.put(index % 16, index)],
    ['map: get', (index) => void map.get(index % 16)],
    ['reducing: add', (index) => reducing.add(index)],
    ['timers: add and remove', (index) => {
      timers.remove(timers.add(index, ''));
    }],
  ]; // prettier-ignore
}

// ------------------------------------------------------------------------------------------------------------- snapshots

async function measureSnapshots(modules: Modules, keys: Keys, rounds: number): Promise<Row[]> {
  const sealMs: number[] = [];
  const sliceMs: number[] = [];
  const durableMs: number[] = [];
  const restoreMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await withStore(modules, { backend: 'heap', budgetBytes: 2 ** 40 }, async (store, reopen) => {
      const backend = store.openBackend('op');
      const count = backend.valueState(modules.keyedState.valueState<number>('count'));
      let restore: RestoredState | null = null;
      for (let id = 1; id <= 10; id++) {
        for (let key = 0; key < DIRTY_KEYS; key++) {
          backend.setCurrentKeyAndGroup(key, keys.keyGroups[key] as KeyGroup);
          count.update(id * key);
        }
        const startMs = performance.now();
        store.beginSnapshot('op', id as CheckpointId);
        sealMs.push(performance.now() - startMs);
        const finished = store.finishSnapshot(id as CheckpointId);
        let longestMs = 0;
        while (store.stats().pendingSnapshots > 0) {
          const sliceStartMs = performance.now();
          store.runSlice(SLICE_MS);
          longestMs = Math.max(longestMs, performance.now() - sliceStartMs);
          await turnOfEventLoop();
        }
        sliceMs.push(longestMs);
        restore = { checkpointId: id as CheckpointId, handles: [await finished] };
        durableMs.push(performance.now() - startMs);
      }
      const startMs = performance.now();
      const restored = await reopen(restore as RestoredState);
      const again = restored.openBackend('op').valueState(modules.keyedState.valueState<number>('count'));
      restoreMs.push(performance.now() - startMs);
      void again;
      await restored.close();
    });
  }
  const worst = (values: readonly number[]): number => Math.max(...values);
  const dirty = `${DIRTY_KEYS.toLocaleString('en')} changed keys`;
  return [
    { name: `barrier with ${dirty}, longest`, value: worst(sealMs), unit: 'ms', target: atMost(worst(sealMs), 20, '20 ms') },
    { name: `slice of ${SLICE_MS} ms, longest of a checkpoint`, value: median(sliceMs), unit: 'ms' },
    { name: `checkpoint of ${dirty}, to durable`, value: median(durableMs), unit: 'ms' },
    { name: `restore of ${DIRTY_KEYS.toLocaleString('en')} keys`, value: median(restoreMs), unit: 'ms' },
  ]; // prettier-ignore
}

function perSecond(count: number, startMs: number): number {
  return (count * 1000) / (performance.now() - startMs);
}

export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
