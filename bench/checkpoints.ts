/**
 * What a checkpoint per second costs: keyed updates with and without, in one run; and how long a barrier with 100,000 changed keys
 * holds up the thread.
 *
 * Values are compared at the end, before anything is reported.
 */
import type { CheckpointId, KeyGroup } from '../src/base/ids.js';
import { atLeast, atMost, median, type Row } from './lib/report.js';
import {
  chooseKeys,
  type Keys,
  loadModules,
  type Modules,
  SLICE_MS,
  turnOfEventLoop,
  Upkeep,
  withStore,
} from './micro/state.js';

const ROUNDS = 2;
const TURNS = 3;
/** Until what the turn before has left behind is written. */
const SETTLE_SECONDS = 1;
/** As workers hold segments back: a measurement has to last for some rounds of writing them to the bases. */
const SEGMENTS_HELD_MAX = 16;
const SECONDS = { heap: 3, lmdb: SEGMENTS_HELD_MAX };
const SECONDS_WITHOUT = 3;
/** About what a worker does between two turns of its loop, which it gives a millisecond. */
const UPDATES_PER_BATCH = 5_000;
const KEYS = 100_000;
const MANY_KEYS = 1_000_000;
const BARRIERS = 100;
/** Everything fits, so that what is measured is checkpoints and not reads from disk. */
const BUDGET_BYTES = 2 ** 32;

/** What is counted, and how. */
interface Counters<V> {
  readonly keyOf: (key: number) => unknown;
  readonly increased: (value: V | undefined) => V;
  readonly countIn: (value: V | undefined) => number;
}

const numbers: Counters<number> = {
  keyOf: (key) => key,
  increased: (count) => (count ?? 0) + 1,
  countIn: (count) => count ?? 0,
};

const accounts: Counters<{ count: number; owner: string }> = {
  keyOf: (key) => `account-${key}`,
  increased: (account) => ({ count: (account?.count ?? 0) + 1, owner: 'somebody' }),
  countIn: (account) => account?.count ?? 0,
};

export async function run(): Promise<Row[]> {
  const modules = await loadModules();
  const few = chooseKeys(modules, KEYS, 2_000_000);
  const many = chooseKeys(modules, MANY_KEYS, 2_000_000);
  return [
    ...(await cost(modules, 'heap', 'keys', few, numbers, { rounds: ROUNDS, isPromised: true })),
    ...(await cost(modules, 'lmdb', 'keys', few, numbers, { rounds: ROUNDS, isPromised: true })),
    ...(await cost(modules, 'heap', 'keys', many, numbers, { rounds: 1, isPromised: false })),
    ...(await cost(modules, 'heap', 'objects under texts', few, accounts, { rounds: 1, isPromised: false })),
    ...(await cost(modules, 'lmdb', 'objects under texts', few, accounts, { rounds: 1, isPromised: false })),
    ...(await barrier(modules)),
  ];
}

async function cost<V>(
  modules: Modules,
  backend: 'heap' | 'lmdb',
  what: string,
  keys: Keys,
  counters: Counters<V>,
  { rounds, isPromised }: { readonly rounds: number; readonly isPromised: boolean },
): Promise<Row[]> {
  const without: number[] = [];
  const withCheckpoints: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const measured = await updatesPerSecond(modules, backend, keys, counters);
    without.push(...measured.without);
    withCheckpoints.push(...measured.withCheckpoints);
    // Each turn against those before and behind it: the machine's speed drifts.
    ratios.push(
      ...measured.withCheckpoints.map((rate, turn) => {
        const [before, behind] = measured.without.slice(turn, turn + 2) as [number, number];
        return (2 * rate) / (before + behind);
      }),
    );
  }
  const ratio = median(ratios);
  const name = `${backend}: ${keys.keyGroups.length.toLocaleString('en')} ${what}, all changed in each second`;
  return [
    { name: `${name}, no checkpoints`, value: median(without), unit: 'updates/s' },
    {
      name: `${name}, one per second`,
      value: median(withCheckpoints),
      unit: 'updates/s',
      against: { name: 'without', ratio },
      ...(isPromised ? { target: atLeast(ratio, 0.95, '0.95 × without') } : {}),
    },
  ];
}

/**
 * In turns in one store: where its rows came to lie in memory makes more of a difference than what is measured.
 *
 * @returns one turn more without checkpoints than with them
 */
async function updatesPerSecond<V>(
  modules: Modules,
  kind: 'heap' | 'lmdb',
  { sequence, keyGroups }: Keys,
  { keyOf, increased, countIn }: Counters<V>,
): Promise<{ without: readonly number[]; withCheckpoints: readonly number[] }> {
  return withStore(
    modules,
    { backend: kind, budgetBytes: BUDGET_BYTES, segmentsHeldMax: SEGMENTS_HELD_MAX },
    async (store) => {
      const backend = store.openBackend('op');
      const state = backend.valueState(modules.keyedState.valueState<V>('count'));
      const names = Array.from(keyGroups, (_, key) => keyOf(key));
      const groups = names.map((name) => modules.keyGroupOf(name));
      const expected = new Uint32Array(keyGroups.length);
      const checkpoints = new Upkeep(store, 1000);
      let at = 0;
      const batch = async (hasCheckpoints: boolean): Promise<void> => {
        const end = Math.min(at + UPDATES_PER_BATCH, sequence.length);
        for (; at < end; at++) {
          const key = sequence[at] as number;
          backend.setCurrentKeyAndGroup(names[key], groups[key] as KeyGroup);
          state.update(increased(state.value()));
          expected[key] = (expected[key] as number) + 1;
        }
        if (at === sequence.length) at = 0;
        if (hasCheckpoints) return checkpoints.run();
        store.runSlice(SLICE_MS);
        if (store.hasPendingIo) await turnOfEventLoop();
      };
      const rate = async (hasCheckpoints: boolean, seconds: number): Promise<number> => {
        let updates = 0;
        const startMs = performance.now();
        for (; performance.now() - startMs < seconds * 1000; updates += UPDATES_PER_BATCH) await batch(hasCheckpoints);
        return (updates * 1000) / (performance.now() - startMs);
      };
      // In the first pass keys come into being.
      for (let done = 0; done < sequence.length; done += UPDATES_PER_BATCH) await batch(false);
      await rate(true, SETTLE_SECONDS);
      await rate(false, SETTLE_SECONDS);
      const without = [await rate(false, SECONDS_WITHOUT)];
      const withCheckpoints: number[] = [];
      for (let turn = 0; turn < TURNS; turn++) {
        withCheckpoints.push(await rate(true, SECONDS[kind]));
        await rate(false, SETTLE_SECONDS);
        without.push(await rate(false, SECONDS_WITHOUT));
      }
      await checkpoints.finish();
      for (let key = 0; key < expected.length; key++) {
        backend.setCurrentKeyAndGroup(names[key], groups[key] as KeyGroup);
        if (countIn(state.value()) !== expected[key]) throw new Error(`key ${String(key)} is miscounted`);
      }
      return { without, withCheckpoints };
    },
  );
}

/** How long the thread stands still for a checkpoint: at the barrier, and in the longest slice of what follows. */
async function barrier(modules: Modules): Promise<Row[]> {
  const keys = chooseKeys(modules, KEYS, 1);
  const pauses: number[] = [];
  const slices: number[] = [];
  await withStore(modules, { backend: 'lmdb', budgetBytes: BUDGET_BYTES }, async (store) => {
    const backend = store.openBackend('op');
    const count = backend.valueState(modules.keyedState.valueState<{ id: number }>('count'));
    for (let id = 1; id <= BARRIERS; id++) {
      for (let key = 0; key < KEYS; key++) {
        backend.setCurrentKeyAndGroup(key, keys.keyGroups[key] as KeyGroup);
        count.update({ id });
      }
      const startMs = performance.now();
      store.beginSnapshot('op', id as CheckpointId);
      const finished = store.finishSnapshot(id as CheckpointId);
      pauses.push(performance.now() - startMs);
      let longestMs = 0;
      while (store.stats().pendingSnapshots > 0 || store.stats().pendingSegments > 0) {
        const sliceMs = performance.now();
        store.runSlice(SLICE_MS);
        longestMs = Math.max(longestMs, performance.now() - sliceMs);
        await turnOfEventLoop();
      }
      slices.push(longestMs);
      await finished;
      store.notifyCheckpointComplete(id as CheckpointId);
    }
  });
  const pause = percentile99(pauses);
  return [
    {
      name: `barrier with ${KEYS.toLocaleString('en')} changed keys, p99 of ${String(BARRIERS)}`,
      value: pause,
      unit: 'ms',
      target: atMost(pause, 20, '20 ms'),
    },
    { name: 'longest slice of such a checkpoint, p99', value: percentile99(slices), unit: 'ms' },
  ];
}

function percentile99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
