import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_GROUP_COUNT } from '../../../src/api/internal/key-groups.js';
import { listState, mapState, valueState } from '../../../src/api/keyed-state.js';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import { environmentPath } from '../../../src/state/base-applier.js';
import { LmdbEnvironment } from '../../../src/state/lmdb-environment.js';
import { checkpoint, drain, openStore } from '../../helpers/state-stores.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** Expired state goes by itself, also from the disk. */

const ttl = { ttlMs: 100 };
const counts = valueState<number>('counts', { ttl });
const lists = listState<number>('lists', { ttl });
const maps = mapState<string, number>('maps', { ttl });

/** Rows of all bases, as they lie on disk. The store must be closed. */
async function rowsOnDisk(directory: string): Promise<number> {
  let count = 0;
  for (let shard = 0; shard < 4; shard++) {
    const path = environmentPath(join(directory, 'state', 'main'), shard as ShardId);
    const place = { shard: shard as ShardId, shardCount: 4 };
    const environment = await LmdbEnvironment.openExisting(path, place, { checkedBytesMax: 1 << 30, durable: 0 });
    const prefix = Buffer.alloc(2);
    for (let keyGroup = 0; keyGroup < KEY_GROUP_COUNT; keyGroup++) {
      prefix.writeUInt16BE(keyGroup, 0);
      environment?.readRange(prefix, () => ++count > 0);
    }
    await environment?.close();
  }
  return count;
}

describe('state that has expired', () => {
  it('leaves the base though nobody reads it, some rows for each checkpoint; what is renewed stays', async () => {
    await withTemporaryDirectory(async (directory) => {
      let now = 0;
      const clock = { now: () => now };
      // A budget of nothing: what is in the base is not kept in memory.
      let store = await openStore(directory, { clock, memtableBudgetBytes: 1 });
      const backend = store.openBackend('op');
      const [count, list, map] = [backend.valueState(counts), backend.listState(lists), backend.mapState(maps)];
      const write = (from: number, to: number): void => {
        for (let key = from; key < to; key++) {
          backend.setCurrentKey(key);
          count.update(key);
          list.add(key);
          map.put('a', key);
          // Longer than a key of LMDB.
          map.put('b'.repeat(600), key);
        }
      };
      write(0, 2_500);
      await checkpoint(store, 1);
      now = 50;
      write(0, 100);
      await checkpoint(store, 2);
      expect(store.stats().entries).toBe(0);
      now = 120;
      await checkpoint(store, 3);
      // Their deletions are in memory, and what a checkpoint may look at is bounded.
      const removedByOne = store.stats().entries;
      expect(removedByOne).toBeGreaterThan(0);
      expect(removedByOne).toBeLessThanOrEqual(4_096);
      let restored = await checkpoint(store, 4);
      for (let id = 5; id < 12; id++) restored = await checkpoint(store, id);
      await store.close();
      expect(await rowsOnDisk(directory)).toBe(400);

      store = await openStore(directory, { clock, restore: restored });
      const again = store.openBackend('op');
      const [count2, map2] = [again.valueState(counts), again.mapState(maps)];
      again.setCurrentKey(99);
      expect([count2.value(), [...map2.entries()].length]).toEqual([99, 2]);
      again.setCurrentKey(100);
      expect([count2.value(), map2.isEmpty()]).toEqual([undefined, true]);
      await store.close();
    });
  });

  it('is not written into snapshots, and leaves memory, with the backend heap', async () => {
    await withTemporaryDirectory(async (directory) => {
      let now = 0;
      const clock = { now: () => now };
      const store = await openStore(directory, { backend: 'heap', clock });
      const backend = store.openBackend('op');
      const count = backend.valueState(counts);
      for (let key = 0; key < 500; key++) {
        backend.setCurrentKey(`key-${String(key)}`);
        count.update(key);
      }
      now = 100;
      backend.setCurrentKey('key-7');
      count.update(8);
      const restored = await checkpoint(store, 1);
      expect(store.stats().entries).toBe(1);
      await store.close();
      const after = await openStore(directory, { backend: 'heap', clock, restore: restored });
      const again = after.openBackend('op').valueState(counts);
      expect(after.stats().entries).toBe(1);
      expect(again).toBeDefined();
      await after.close();
    });
  });

  it('is never seen, and nothing else is lost, whatever is written, read and checkpointed: heap and lmdb agree', async () => {
    const step = fc.record({
      op: fc.constantFrom('write', 'add', 'put', 'read', 'wait', 'checkpoint'),
      key: fc.nat({ max: 5 }),
      waitMs: fc.nat({ max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        await withTemporaryDirectory(async (directory) => {
          let now = 0;
          const clock = { now: () => now };
          const stores = [
            await openStore(join(directory, 'heap'), { backend: 'heap', clock }),
            await openStore(join(directory, 'lmdb'), { clock, memtableBudgetBytes: 1 }),
          ];
          const sides = stores.map((store) => {
            const backend = store.openBackend('op');
            return {
              store,
              backend,
              count: backend.valueState(counts),
              list: backend.listState(lists),
              map: backend.mapState(maps),
            };
          });
          let id = 0;
          for (const { op, key, waitMs } of steps) {
            if (op === 'wait') now += waitMs;
            if (op === 'checkpoint') {
              id++;
              for (const { store } of sides) {
                await store.finishSnapshot(id as CheckpointId);
                store.notifyCheckpointComplete(id as CheckpointId);
                await drain(store);
              }
            }
            const seen = sides.map(({ backend, count, list, map }) => {
              backend.setCurrentKey(key);
              if (op === 'write') count.update(now);
              if (op === 'add') list.add(now);
              if (op === 'put') map.put(String(waitMs % 3), now);
              return op === 'read' ? [count.value(), list.get(), [...map.entries()]] : null;
            });
            expect(seen[1]).toEqual(seen[0]);
          }
          for (const { store } of sides) await store.close();
        });
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
