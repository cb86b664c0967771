import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import type { InternalValueState, TimerRow, TimerTable } from '../../../src/api/internal/state-backend.js';
import { mapState, valueState } from '../../../src/api/keyed-state.js';
import type { Serde } from '../../../src/api/serde.js';
import type { CheckpointId } from '../../../src/base/ids.js';
import { segmentFilesOf, type RestoredState, type SnapshotHandle } from '../../../src/protocol/snapshot-handle.js';
import type { OperatorStateBackend } from '../../../src/state/keyed-state-backend.js';
import { MemoryStateStore } from '../../../src/state/memory-state-store.js';
import type { StateStore } from '../../../src/state/state-store.js';
import { errorOf, rejectionOf } from '../../helpers/error-of.js';
import { checkpoint, drain, openStore, restoredFrom } from '../../helpers/state-stores.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const id = (checkpointId: number): CheckpointId => checkpointId as CheckpointId;

function openCounter(store: StateStore, uid = 'counter', serde?: Serde<number>): Counter {
  const backend = store.openBackend(uid);
  return new Counter(backend, backend.valueState(valueState<number>('count', serde === undefined ? {} : { serde })));
}

/** A state of numbers by key. */
class Counter {
  readonly backend: OperatorStateBackend;
  readonly state: InternalValueState<number>;

  constructor(backend: OperatorStateBackend, state: InternalValueState<number>) {
    this.backend = backend;
    this.state = state;
  }

  set(from: number, to: number, value: (key: number) => number): void {
    for (let key = from; key < to; key++) {
      this.backend.setCurrentKey(key);
      this.state.update(value(key));
    }
  }

  clear(from: number, to: number): void {
    for (let key = from; key < to; key++) {
      this.backend.setCurrentKey(key);
      this.state.clear();
    }
  }

  get(key: number): number | undefined {
    this.backend.setCurrentKey(key);
    return this.state.value();
  }

  all(from: number, to: number): (number | undefined)[] {
    return Array.from({ length: to - from }, (_, index) => this.get(from + index));
  }
}

const range = (from: number, to: number, value: (key: number) => number): number[] =>
  Array.from({ length: to - from }, (_, index) => value(from + index));

describe.each(['heap', 'lmdb'] as const)('a %s store', (backend) => {
  it('serialises nothing at the barrier, and each changed row once', async () => {
    await withTemporaryDirectory(async (directory) => {
      let serialised = 0;
      const serde: Serde<number> = {
        name: 'counting',
        serialise: (value) => {
          serialised += 1;
          return Buffer.from(String(value));
        },
        deserialise: (bytes) => Number(Buffer.from(bytes).toString()),
      };
      const store = await openStore(directory, { backend });
      const counter = openCounter(store, 'counter', serde);
      counter.set(0, 5000, (key) => key);
      store.beginSnapshot('counter', id(1));
      expect(serialised).toBe(0);
      // Overwriting a sealed row serialises it first, once; the rest follows in slices.
      counter.set(0, 10, () => -1);
      counter.set(0, 10, () => -2);
      expect(serialised).toBe(10);
      const restore = restoredFrom(1, [await store.finishSnapshot(id(1))]);
      expect(serialised).toBe(5000);
      await store.close();

      const next = await openStore(directory, { backend, restore });
      expect(openCounter(next, 'counter', serde).all(0, 5000)).toEqual(range(0, 5000, (key) => key));
      await next.close();
    });
  });

  it('fails a checkpoint that holds a value that cannot be stored, naming it, and stores all else with the next', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const operator = store.openBackend('orders');
      const state = operator.valueState(valueState<unknown>('last'));
      for (const key of ['a', 'b', 'c']) {
        operator.setCurrentKey(key);
        state.update(key === 'b' ? { total: 1, notify: () => 1 } : key);
      }
      const error = await rejectionOf(store.finishSnapshot(id(1)));
      expect(error.code).toBe('MILLRACE_SERIALISATION_FAILED');
      expect(error.message).toContain("state 'last' of operator 'orders'");
      expect(error.details).toMatchObject({ operator: 'orders', state: 'last', path: '$.notify' });
      store.notifyCheckpointAborted(id(1));

      operator.setCurrentKey('b');
      state.update('repaired');
      const restore = await checkpoint(store, 2);
      await store.close();
      const restored = await openStore(directory, { backend, restore });
      const again = restored.openBackend('orders');
      const values = again.valueState(valueState<unknown>('last'));
      const found = ['a', 'b', 'c'].map((key) => {
        again.setCurrentKey(key);
        return values.value();
      });
      expect(found).toEqual(['a', 'repaired', 'c']);
      await restored.close();
    });
  });

  it('keeps what it could not write for the next checkpoint', async () => {
    await withTemporaryDirectory(async (directory) => {
      const segmentDir = join(directory, 'not-there-yet');
      const store = await openStore(directory, { backend, segmentDir });
      const counter = openCounter(store);
      counter.set(0, 100, (key) => key);
      const error = await rejectionOf(store.finishSnapshot(id(1)));
      expect(error.code).toBe('MILLRACE_STORAGE_FAILED');
      store.notifyCheckpointAborted(id(1));

      counter.set(50, 60, () => -1);
      await mkdir(segmentDir);
      const restore = await checkpoint(store, 2);
      await store.close();
      const restored = await openStore(directory, { backend, segmentDir, restore });
      expect(openCounter(restored).all(0, 100)).toEqual(range(0, 100, (key) => (key >= 50 && key < 60 ? -1 : key)));
      await restored.close();
    });
  });

  it('gives an aborted checkpoint’s rows to the next one, whichever operators had passed its barrier', async () => {
    await withTemporaryDirectory(async (directory) => {
      const first = await openStore(directory, { backend });
      const [a, b] = [openCounter(first, 'a'), openCounter(first, 'b')];
      a.set(0, 50, (key) => key);
      b.set(0, 50, (key) => key);
      const restore = await checkpoint(first, 1);
      await first.close();

      // With another ownership of the shards the first segment of a heap store is a full one: aborted halfway it must not
      // count as such, or what operator b holds would be gone.
      const shards = shardsOfSubtask(0, 2, 4);
      const store = await openStore(directory, { backend, restore, shards });
      const [c, d] = [openCounter(store, 'a'), openCounter(store, 'b')];
      const keys = range(0, 50, (key) => key).filter((key) => {
        c.backend.setCurrentKey(key);
        return c.backend.getCurrentKeyGroup() % 2 === 0;
      });
      for (const key of keys) c.set(key, key + 1, () => key + 1000);
      store.beginSnapshot('a', id(2));
      for (const key of keys) c.set(key, key + 1, () => key + 2000);
      store.notifyCheckpointAborted(id(2));
      // The barrier of the aborted checkpoint may still arrive.
      store.beginSnapshot('b', id(2));
      expect((await rejectionOf(store.finishSnapshot(id(2)))).code).toBe('MILLRACE_CHECKPOINT_DECLINED');
      const handle = await store.finishSnapshot(id(3));
      await store.close();

      const again = await openStore(directory, { backend, shards, restore: restoredFrom(3, [handle]) });
      const [e, f] = [openCounter(again, 'a'), openCounter(again, 'b')];
      for (const key of keys) expect([e.get(key), f.get(key)]).toEqual([key + 2000, key]);
      expect(d.backend.operatorUid).toBe('b');
      await again.close();
    });
  });

  it('forgets a row that was cleared, before and after a restore', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const counter = openCounter(store);
      counter.set(0, 100, (key) => key);
      await checkpoint(store, 1);
      counter.clear(0, 50);
      counter.set(200, 300, (key) => key);
      counter.clear(200, 300);
      const restore = await checkpoint(store, 2);
      expect(counter.get(10)).toBeUndefined();
      await store.close();
      const restored = await openStore(directory, { backend, restore });
      const again = openCounter(restored);
      expect(again.all(0, 50).every((value) => value === undefined)).toBe(true);
      expect(again.all(50, 100)).toEqual(range(50, 100, (key) => key));
      const keys: unknown[] = [];
      again.backend.forEachKey('count', (key) => keys.push(key));
      expect(keys.length).toBe(50);
      await restored.close();
    });
  });

  it('finds a row again that was written anew after its removal had been serialised', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const counter = openCounter(store);
      counter.set(0, 1, () => 1);
      await checkpoint(store, 1);
      counter.clear(0, 1);
      store.beginSnapshot('counter', id(2));
      store.runSlice(5);
      // The key is still the current one; its entry may have left the memtable.
      counter.state.update(2);
      expect(counter.get(1)).toBeUndefined();
      expect(counter.get(0)).toBe(2);
      await store.close();
    });
  });

  it('does not bring back what was removed, wherever its checkpoint is on the way', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const counter = openCounter(store);
      counter.set(0, 1, () => 1);
      await checkpoint(store, 1);
      counter.clear(0, 1);
      await store.finishSnapshot(id(2));
      // The base still holds the row; the segment with the removal waits for the word that the checkpoint is complete.
      counter.set(0, 1, () => 2);
      counter.clear(0, 1);
      expect(counter.get(1)).toBeUndefined();
      expect(counter.get(0)).toBeUndefined();
      await store.close();
    });
  });

  it('writes no file when nothing has changed', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const counter = openCounter(store);
      const empty = await checkpoint(store, 1);
      expect(empty.handles[0]).toMatchObject({ bytes: 0, rows: 0, segments: [] });
      counter.set(0, 10, (key) => key);
      await checkpoint(store, 2);
      await checkpoint(store, 3);
      expect(await readdir(join(directory, 'segments'))).toHaveLength(1);
      await store.close();
    });
  });

  it('needs a bounded number of files, however many checkpoints it has taken', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      const counter = openCounter(store);
      counter.set(0, 200, () => 0);
      let most = 0;
      let restore = await checkpoint(store, 1);
      for (let round = 2; round <= 80; round++) {
        counter.set(round, round + 3, () => round);
        restore = await checkpoint(store, round);
        most = Math.max(most, segmentFilesOf(restore.handles).size);
      }
      expect(most).toBeLessThanOrEqual(32);
      await store.close();
      // Nothing but the files that the last handle names is needed.
      const needed = segmentFilesOf(restore.handles);
      for (const file of await readdir(join(directory, 'segments'))) {
        if (!needed.has(file)) await rm(join(directory, 'segments', file));
      }
      const restored = await openStore(directory, { backend, restore });
      const again = openCounter(restored);
      expect(again.get(0)).toBe(0);
      expect(again.get(80)).toBe(80);
      expect(again.get(82)).toBe(80);
      await restored.close();
    });
  });

  it('keeps namespaces apart, whatever characters an operator’s uid has', async () => {
    await withTemporaryDirectory(async (directory) => {
      const namespace = '../pinned/op*:1';
      const options = { backend, namespace, label: `${namespace}-0` };
      const [main, pinned] = [await openStore(directory, { backend }), await openStore(directory, options)];
      openCounter(main).set(0, 1, () => 1);
      openCounter(pinned).set(0, 1, () => 2);
      await checkpoint(main, 1);
      const restore = await checkpoint(pinned, 1);
      await main.close();
      await pinned.close();
      const restored = await openStore(directory, { ...options, restore });
      expect(openCounter(restored).get(0)).toBe(2);
      await restored.close();
      expect((await readdir(directory)).sort()).toEqual(backend === 'heap' ? ['segments'] : ['segments', 'state']);
    });
  });

  it('answers queries for the shards that it owns', async () => {
    await withTemporaryDirectory(async (directory) => {
      const shards = shardsOfSubtask(0, 2, 4);
      const store = await openStore(directory, { backend, shards });
      const counter = openCounter(store);
      const probe = new MemoryStateStore({ shardCount: 4, shards: shardsOfSubtask(0, 1, 4), clock: { now: () => 0 } });
      const keyOf = probe.openBackend('probe');
      const owned: number[] = [];
      const others: number[] = [];
      for (let key = 0; key < 20; key++) {
        keyOf.setCurrentKey(key);
        (keyOf.getCurrentKeyGroup() % 2 === 0 ? owned : others).push(key);
      }
      for (const key of owned) counter.set(key, key + 1, () => key);
      await checkpoint(store, 1);
      expect(owned.map((key) => store.query('counter', 'count', key))).toEqual(owned);
      expect(others.every((key) => store.query('counter', 'count', key) === undefined)).toBe(true);
      expect(store.query('nobody', 'count', owned[0])).toBeUndefined();
      await store.close();
    });
  });

  it('may be closed twice, also while it is writing', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      openCounter(store).set(0, 1000, (key) => key);
      const finishing = store.finishSnapshot(id(1)).catch((error: unknown) => error);
      await Promise.all([store.close(), store.close()]);
      await finishing;
      expect(store.runSlice(1)).toBe(false);
      expect((await rejectionOf(store.finishSnapshot(id(2)))).code).toBe('MILLRACE_SHUTTING_DOWN');
    });
  });

  it('refuses state that was stored in another number of shards', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { backend });
      openCounter(store).set(0, 10, (key) => key);
      const restore = await checkpoint(store, 1);
      await store.close();
      const shards = shardsOfSubtask(0, 1, 8);
      const error = await rejectionOf(openStore(directory, { backend, restore, shardCount: 8, shards }));
      expect(error.code).toBe('MILLRACE_STATE_INCOMPATIBLE');
    });
  });
});

describe('an lmdb store', () => {
  it('fails each read of a value that cannot be read, and never takes it for absent', async () => {
    await withTemporaryDirectory(async (directory) => {
      let isBroken = false;
      const serde: Serde<number> = {
        name: 'moody',
        serialise: (value) => Buffer.from(String(value)),
        deserialise: (bytes) => {
          if (isBroken) throw new Error('not today');
          return Number(Buffer.from(bytes).toString());
        },
      };
      const store = await openStore(directory, { memtableBudgetBytes: 0 });
      const counter = openCounter(store, 'counter', serde);
      counter.set(0, 1, () => 7);
      await checkpoint(store, 1);
      isBroken = true;
      for (let attempt = 0; attempt < 2; attempt++) {
        const error = errorOf(() => counter.get(0));
        expect(error.code).toBe('MILLRACE_DESERIALISATION_FAILED');
        expect(error.details).toMatchObject({ operator: 'counter', state: 'count' });
      }
      isBroken = false;
      expect(counter.get(0)).toBe(7);
      await store.close();
    });
  });

  it('makes no environment before there is something to put into it', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory);
      const counter = openCounter(store);
      expect(counter.get(1)).toBeUndefined();
      expect(existsSync(join(directory, 'state'))).toBe(false);
      counter.set(1, 2, () => 1);
      await checkpoint(store, 1);
      expect(await readdir(join(directory, 'state', 'main'))).toHaveLength(1);
      await store.close();
    });
  });

  it('holds no more rows in memory than its budget allows, and finds the others', async () => {
    await withTemporaryDirectory(async (directory) => {
      const memtableBudgetBytes = 64 * 1024;
      const store = await openStore(directory, { memtableBudgetBytes });
      const counter = openCounter(store);
      let taken = 0;
      for (let from = 0; from < 20_000; from += 100) {
        counter.set(from, from + 100, (key) => key * 3);
        if (store.needsCheckpoint) await checkpoint(store, ++taken);
      }
      await checkpoint(store, ++taken);
      expect(taken).toBeGreaterThan(20);
      expect(store.stats().memtableBytes).toBeLessThanOrEqual(memtableBudgetBytes);
      for (let from = 0; from < 20_000; from += 100) {
        expect(counter.all(from, from + 100)).toEqual(range(from, from + 100, (key) => key * 3));
        store.runSlice(1);
        expect(store.stats().memtableBytes).toBeLessThan(memtableBudgetBytes * 1.3);
      }
      await store.close();
    });
  });

  it('asks for an early checkpoint when much has changed, and for inputs to wait only while the base is being written', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { memtableBudgetBytes: 32 * 1024 });
      const counter = openCounter(store);
      expect(store.needsCheckpoint).toBe(false);
      counter.set(0, 1000, (key) => key);
      expect(store.needsCheckpoint).toBe(true);
      // Waiting would keep the barrier out that brings relief.
      expect(store.isOverloaded).toBe(false);
      const finished = store.finishSnapshot(id(1));
      await drain(store);
      await finished;
      expect(store.needsCheckpoint).toBe(false);
      expect(store.isOverloaded).toBe(false);
      store.notifyCheckpointComplete(id(1));
      expect(store.isOverloaded).toBe(true);
      await drain(store);
      expect(store.isOverloaded).toBe(false);
      expect(store.stats().memtableBytes).toBeLessThanOrEqual(32 * 1024);
      await store.close();
    });
  });

  it('merges the segments that wait into one pass over the base', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { memtableBudgetBytes: 0 });
      const counter = openCounter(store);
      for (let taken = 1; taken <= 5; taken++) {
        counter.set(0, 200, (key) => key * taken);
        if (taken === 3) counter.clear(150, 200);
        if (taken >= 4) counter.clear(100, 200);
        await store.finishSnapshot(id(taken));
      }
      store.notifyCheckpointComplete(id(5));
      expect(store.stats().pendingSegments).toBe(5);
      await drain(store);
      expect(store.stats().entries).toBe(0);
      expect(counter.all(0, 100)).toEqual(range(0, 100, (key) => key * 5));
      expect(counter.all(100, 200).every((value) => value === undefined)).toBe(true);
      await store.close();
    });
  });

  it('lists a segment until the base holds it on disk, and no longer', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory);
      const counter = openCounter(store);
      counter.set(0, 100, (key) => key);
      const first = await checkpoint(store, 1);
      counter.set(0, 1, () => -1);
      const second = await checkpoint(store, 2);
      expect(first.handles[0]?.segments.map((segment) => segment.checkpointId)).toEqual([1]);
      expect(second.handles[0]?.segments.map((segment) => segment.checkpointId)).toEqual([2]);
      expect(second.handles[0]?.bases.map((base) => base.checkpointId)).toEqual([1, 1, 1, 1]);
      await store.close();
    });
  });

  it('writes segments to the base together when it may hold them back, and restores from those it holds', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { segmentsHeldMax: 3 });
      const counter = openCounter(store);
      const listed: number[][] = [];
      let last: RestoredState | null = null;
      for (const number of [1, 2, 3, 4]) {
        counter.set(0, 100, (key) => key * number);
        last = await checkpoint(store, number);
        listed.push((last.handles[0]?.segments ?? []).map((segment) => segment.checkpointId));
      }
      expect(listed).toEqual([[1], [1, 2], [1, 2, 3], [4]]);
      await store.close();
      const restored = await openStore(directory, { restore: last, segmentsHeldMax: 3 });
      expect(openCounter(restored).all(0, 100)).toEqual(range(0, 100, (key) => key * 4));
      await restored.close();
    });
  });

  it('holds back half as many segments when they are large', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory, { segmentsHeldMax: 4, memtableBudgetBytes: 1 << 30 });
      const operator = store.openBackend('op');
      const text = operator.valueState(valueState<string>('text'));
      const listed: number[] = [];
      for (const number of [1, 2, 3]) {
        for (let key = 0; key < 20; key++) {
          operator.setCurrentKey(key);
          text.update(String(number).repeat(1 << 20));
        }
        const { handles } = await checkpoint(store, number);
        listed.push(handles[0]?.segments.length ?? 0);
      }
      // The first is of 20 MiB, two of them are enough.
      expect(listed).toEqual([1, 2, 1]);
      await store.close();
    });
  });

  it('keeps a removed number hidden while the base still has it', async () => {
    await withTemporaryDirectory(async (directory) => {
      const held = { segmentsHeldMax: 4, memtableBudgetBytes: 1 << 30 };
      const store = await openStore(directory, held);
      const counter = openCounter(store);
      for (const number of [1, 2, 3, 4]) {
        counter.set(0, 10, () => number);
        await checkpoint(store, number);
      }
      await drain(store);
      counter.clear(0, 10);
      await checkpoint(store, 5);
      counter.set(0, 5, () => 2);
      counter.clear(0, 5);
      expect(counter.all(0, 10)).toEqual(range(0, 10, () => 0).map(() => undefined));
      const last = await checkpoint(store, 6);
      expect(last.handles[0]?.segments.map(({ checkpointId }) => checkpointId)).toEqual([5, 6]);
      await store.close();
      const restored = await openStore(directory, { ...held, restore: last });
      expect(openCounter(restored).all(0, 10)).toEqual(range(0, 10, () => 0).map(() => undefined));
      await restored.close();
    });
  });

  it('reads what it holds back over the base after a restart, before and after that is written to it', async () => {
    await withTemporaryDirectory(async (directory) => {
      const statesOf = (store: StateStore) => {
        const operator = store.openBackend('op');
        return {
          operator,
          single: operator.valueState(valueState<number>('single')),
          map: operator.mapState(mapState<string, number>('map')),
        };
      };
      type States = ReturnType<typeof statesOf>;
      const contentOf = ({ operator, single, map }: States): unknown[] =>
        range(0, 60, (key) => key).map((key) => {
          operator.setCurrentKey(key);
          return [single.value(), [...map.entries()], map.get('b')];
        });
      const timersOf = (timers: TimerTable): number[] => {
        const found: number[] = [];
        timers.forEach(({ timestamp }) => void found.push(timestamp));
        return found.toSorted((a, b) => a - b);
      };
      const held = { segmentsHeldMax: 3, memtableBudgetBytes: 1 << 30 };
      const store = await openStore(directory, held);
      const states = statesOf(store);
      const timers = states.operator.timerTable('timers');
      let last: RestoredState | null = null;
      const kept = new Map<number, TimerRow>();
      for (const round of [1, 2, 3, 4, 5]) {
        for (let key = 0; key < 60; key++) {
          states.operator.setCurrentKey(key);
          if (round === 1) kept.set(key, timers.add(key, ''));
          if ((key + round) % 2 === 0) continue;
          states.single.update(key * round);
          states.map.put(round % 2 === 0 ? 'a' : `c${String(round)}`, key);
          states.map.put('b', round);
          if (round === 4) states.single.clear();
          if (round === 5) states.map.remove('a');
          const timer = kept.get(key);
          if (round === 5 && timer !== undefined) timers.remove(timer);
        }
        last = await checkpoint(store, round);
      }
      expect(last?.handles[0]?.segments.map(({ checkpointId }) => checkpointId)).toEqual([4, 5]);
      const expected = { content: contentOf(states), timers: timersOf(timers) };
      expect(expected.timers).toHaveLength(30);
      await store.close();

      for (const checkedBytesMax of [0, Infinity]) {
        const restored = await openStore(directory, { ...held, restore: last, checkedBytesMax });
        const found = statesOf(restored);
        const foundTimers = found.operator.timerTable('timers');
        expect(restored.stats().pendingSegments).toBe(checkedBytesMax === 0 ? 2 : 0);
        expect(contentOf(found)).toEqual(expected.content);
        expect(timersOf(foundTimers)).toEqual(expected.timers);
        await drain(restored);
        expect(contentOf(found)).toEqual(expected.content);
        last = await checkpoint(restored, 5 + (checkedBytesMax === 0 ? 1 : 2));
        expect(last.handles[0]?.segments).toEqual([]);
        await restored.close();
      }
    });
  });

  it('goes on from the newest checkpoint only', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory);
      const counter = openCounter(store);
      counter.set(0, 100, (key) => key);
      const older = await checkpoint(store, 1);
      counter.set(0, 100, (key) => -key);
      await checkpoint(store, 2);
      await store.close();
      for (const restore of [older, null]) {
        const error = await rejectionOf(openStore(directory, { restore }));
        expect(error.code).toBe('MILLRACE_STATE_INCOMPATIBLE');
        expect(error.message).toContain('holds checkpoint 2');
      }
    });
  });

  it('notices that a base was lost, or replaced by an older copy', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory);
      const counter = openCounter(store);
      counter.set(0, 100, (key) => key);
      await checkpoint(store, 1);
      counter.set(0, 1, () => 5);
      const restore = await checkpoint(store, 2);
      await store.close();
      await rename(join(directory, 'state', 'main', 'shard-002'), join(directory, 'moved-away'));
      const error = await rejectionOf(openStore(directory, { restore }));
      expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
      expect(error.message).toContain('shard-002');
    });
  });

  it('records in each base a checkpoint that its shard has had, of whichever store it was', async () => {
    await withTemporaryDirectory(async (directory) => {
      const handles: SnapshotHandle[] = [];
      for (const [subtask, checkpointId] of [3, 9].entries()) {
        const store = await openStore(directory, { label: `main-${subtask}`, shards: shardsOfSubtask(subtask, 2, 4) });
        const { backend, state } = openCounter(store);
        for (let key = 0; key < 40; key++) {
          backend.setCurrentKey(key);
          if (backend.getCurrentKeyGroup() % 2 === subtask) state.update(key);
        }
        handles.push(await store.finishSnapshot(id(checkpointId)));
        await store.close();
      }
      const heir = await openStore(directory, { restore: restoredFrom(9, handles) });
      await drain(heir);
      const { bases } = await heir.finishSnapshot(id(10));
      expect(bases.map(({ checkpointId }) => checkpointId)).toEqual([3, 9, 3, 9]);
      await heir.close();
    });
  });

  it('takes over shards from several stores, and gives them to several', async () => {
    await withTemporaryDirectory(async (directory) => {
      let restore: RestoredState | null = null;
      let taken = 0;
      for (const parallelism of [1, 3, 2, 4]) {
        const stores = await Promise.all(
          Array.from({ length: parallelism }, (_, subtask) =>
            openStore(directory, {
              label: `main-${subtask}`,
              shards: shardsOfSubtask(subtask, parallelism, 4),
              restore,
            }),
          ),
        );
        const counters = stores.map((store) => openCounter(store));
        const probe = counters[0] as Counter;
        for (let key = 0; key < 300; key++) {
          probe.backend.setCurrentKey(key);
          const owner = counters[(probe.backend.getCurrentKeyGroup() % 4) % parallelism] as Counter;
          probe.backend.clearCurrentKey();
          expect(owner.get(key) ?? 0).toBe(taken);
          owner.state.update(taken + 1);
        }
        taken += 1;
        const handles = await Promise.all(stores.map((store) => store.finishSnapshot(id(taken))));
        restore = restoredFrom(taken, handles);
        for (const store of stores) {
          // Some bases get the checkpoint before the end, others at the restore.
          if (taken % 2 === 0) store.notifyCheckpointComplete(id(taken));
          await drain(store);
          await store.close();
        }
      }
    });
  });
});
