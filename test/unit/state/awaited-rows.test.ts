import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { valueState, type StateOptions } from '../../../src/api/keyed-state.js';
import { systemClock } from '../../../src/base/clock.js';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import type { RestoredState } from '../../../src/protocol/snapshot-handle.js';
import { StateStore } from '../../../src/state/state-store.js';

const KEYS = Array.from({ length: 200 }, (_, index) => `key-${String(index)}`);
const SHARDS = Array.from({ length: 4 }, (_, shard) => shard as ShardId);

describe('restored rows that wait', () => {
  let dir = '';
  let restore: RestoredState;

  const open = (restored: RestoredState | null): Promise<StateStore> =>
    StateStore.open({
      backend: 'heap',
      namespace: 'test',
      label: 'test',
      stateDir: join(dir, 'state'),
      segmentDir: join(dir, 'segments'),
      shards: SHARDS,
      shardCount: SHARDS.length,
      memtableBudgetBytes: 2 ** 30,
      clock: systemClock,
      restore: restored,
    });

  const counts = (store: StateStore, options: StateOptions<number> = {}) => {
    const backend = store.openBackend('counter');
    return { backend, count: backend.valueState(valueState<number>('count', options)) };
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-awaited-'));
    await Promise.all(['state', 'segments'].map((name) => mkdir(join(dir, name))));
    const store = await open(null);
    const { backend, count } = counts(store);
    for (const [index, key] of KEYS.entries()) {
      backend.setCurrentKey(key);
      count.update(index);
    }
    const id = 1 as CheckpointId;
    store.beginSnapshot('counter', id);
    restore = { checkpointId: id, handles: [await store.finishSnapshot(id)] };
    await store.close();
  });

  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('come with the first key of their shard, the others when there is time', async () => {
    const store = await open(restore);
    const { backend, count } = counts(store);
    expect(store.stats().entries).toBe(0);
    backend.setCurrentKey('key-7');
    expect(count.value()).toBe(7);
    const ofOneShard = store.stats().entries;
    expect(ofOneShard).toBeGreaterThan(0);
    expect(ofOneShard).toBeLessThan(KEYS.length);
    while (store.runSlice(Infinity));
    expect(store.stats().entries).toBe(KEYS.length);
    for (const [index, key] of KEYS.entries()) {
      backend.setCurrentKey(key);
      expect(count.value()).toBe(index);
    }
    await store.close();
  });

  it('are all there for who walks them', async () => {
    const store = await open(restore);
    const { backend } = counts(store);
    const keys = new Set<unknown>();
    backend.forEachKey('count', (key) => keys.add(key));
    expect(keys).toEqual(new Set(KEYS));
    await store.close();
  });

  it('fail whoever asks, from the first that cannot be read on: none is taken for absent', async () => {
    const store = await open(restore);
    const { backend, count } = counts(store, {
      version: 2,
      migrate: (_version, value) => {
        if (value === 100) throw new RangeError('a hundred is too much');
        return value as number;
      },
    });
    expect(() => {
      while (store.runSlice(Infinity));
    }).toThrow('a hundred is too much');
    for (const key of KEYS) {
      // Twice: the second time it is not the current key.
      for (let time = 0; time < 2; time++) expect(() => backend.setCurrentKey(key)).toThrow('a hundred is too much');
      expect(() => count.value()).toThrow('while no key is current');
    }
    await store.close();
  });
});
