import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import { valueState } from '../../../src/api/keyed-state.js';
import { MillraceError } from '../../../src/base/errors.js';
import { SeededPrng } from '../../../src/base/prng.js';
import type { RestoredState } from '../../../src/protocol/snapshot-handle.js';
import type { StateStore } from '../../../src/state/state-store.js';
import { rejectionOf } from '../../helpers/error-of.js';
import { checkpoint, drain, openStore } from '../../helpers/state-stores.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** What a damaged file does to a restart: an error that names the file, or nothing at all; never a wrong value, never a crash. */

const KEYS = 2000;
const ONE_SHARD = shardsOfSubtask(0, 1, 1);

function valueOf(key: number): unknown {
  if (key % 100 === 0) return `long ${key} `.repeat(1500);
  return key % 3 === 0 ? { id: key, tags: ['a', 'b'] } : key;
}

/** State in a few checkpoints, so that pages have been freed and taken again. The last may be held back from the base. */
async function fill(directory: string, backend: 'heap' | 'lmdb', segmentsHeldMax = 1): Promise<RestoredState> {
  const store = await openStore(directory, {
    backend,
    shardCount: 1,
    shards: ONE_SHARD,
    segmentsHeldMax,
    memtableBudgetBytes: 1 << 30,
  });
  const operator = store.openBackend('op');
  const state = operator.valueState(valueState<unknown>('v'));
  let restore: RestoredState | null = null;
  for (let round = 1; round <= 4; round++) {
    for (let key = 0; key < KEYS; key++) {
      if (round > 1 && (key + round) % 3 !== 0) continue;
      operator.setCurrentKey(key);
      state.update(valueOf(key));
    }
    restore = await checkpoint(store, round);
  }
  restore = await checkpoint(store, 5);
  await store.close();
  return restore;
}

/** Restores, reads and overwrites everything. @returns the number of wrong values */
async function useEverything(directory: string, backend: 'heap' | 'lmdb', restore: RestoredState): Promise<number> {
  let store: StateStore | null = null;
  try {
    store = await openStore(directory, { backend, restore, shardCount: 1, shards: ONE_SHARD });
    const operator = store.openBackend('op');
    const state = operator.valueState(valueState<unknown>('v'));
    let wrong = 0;
    for (let key = 0; key < KEYS; key++) {
      operator.setCurrentKey(key);
      if (JSON.stringify(state.value()) !== JSON.stringify(valueOf(key))) wrong += 1;
      if (key % 2 === 0) state.update(key);
    }
    await checkpoint(store, 6);
    await drain(store);
    return wrong;
  } finally {
    await store?.close();
  }
}

describe('a damaged segment', () => {
  it('is refused, naming the file and the position, wherever a bit has flipped', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'heap');
      const segments = join(directory, 'segments');
      const files = restore.handles.flatMap((handle) => handle.segments.map(({ file }) => file));
      const prng = new SeededPrng(1);
      for (let round = 0; round < 60; round++) {
        const file = files[prng.below(files.length)] as string;
        const path = join(segments, file);
        const intact = await readFile(path);
        const damaged = Buffer.from(intact);
        // The first bytes are headers, worth a closer look.
        const at = round % 2 === 0 ? prng.below(intact.length) : prng.below(120);
        damaged[at] = (damaged[at] as number) ^ (1 << prng.below(8));
        await writeFile(path, damaged);
        const error = await rejectionOf(
          openStore(directory, { backend: 'heap', restore, shardCount: 1, shards: ONE_SHARD }),
        );
        expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
        expect(error.message).toContain(file);
        await writeFile(path, intact);
      }
      expect(await useEverything(directory, 'heap', restore)).toBe(0);
    });
  });

  it('is refused when it is cut short, empty, of another kind, or not there', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'heap');
      const file = restore.handles[0]?.segments[0]?.file as string;
      const path = join(directory, 'segments', file);
      const intact = await readFile(path);
      const damages: (() => Promise<void>)[] = [
        () => truncate(path, intact.length - 1),
        () => truncate(path, Math.floor(intact.length / 2)),
        () => truncate(path, 0),
        () => writeFile(path, 'not a segment at all, but long enough to be read as one'),
        () => rm(path),
      ];
      for (const damage of damages) {
        await damage();
        const error = await rejectionOf(useEverything(directory, 'heap', restore));
        expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
        expect(error.message).toContain(file);
        await writeFile(path, intact);
      }
    });
  });
});

describe('a damaged base', () => {
  it('is refused, or does no harm where nothing needs the damaged bytes, wherever a bit has flipped', async () => {
    await withTemporaryDirectory(async (directory) => {
      const original = join(directory, 'original');
      const restore = await fill(original, 'lmdb');
      const copy = join(directory, 'copy');
      const dataFile = join('state', 'main', 'shard-000', 'data.mdb');
      const intact = await readFile(join(original, dataFile));
      const prng = new SeededPrng(2);
      const outcomes = { refused: 0, harmless: 0 };
      for (let round = 0; round < 60; round++) {
        await rm(copy, { recursive: true, force: true });
        await cp(original, copy, { recursive: true });
        const damaged = Buffer.from(intact);
        const page = prng.below(intact.length / 4096) * 4096;
        const at = round % 2 === 0 ? prng.below(intact.length) : page + prng.below(48);
        damaged[at] = (damaged[at] as number) ^ (1 << prng.below(8));
        await writeFile(join(copy, dataFile), damaged);
        try {
          expect(await useEverything(copy, 'lmdb', restore), `a flipped bit at ${at}`).toBe(0);
          outcomes.harmless += 1;
        } catch (error) {
          if (!MillraceError.is(error, 'MILLRACE_STATE_CORRUPT')) throw error;
          expect(error.message).toContain('data.mdb');
          outcomes.refused += 1;
        }
      }
      expect(outcomes.refused).toBeGreaterThan(20);
    });
  });

  it('is refused when it is cut short, empty, overwritten, or that of another shard', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'lmdb');
      const path = join(directory, 'state', 'main', 'shard-000', 'data.mdb');
      const intact = await readFile(path);
      const damages: (() => Promise<void>)[] = [
        () => truncate(path, Math.floor(intact.length / 2)),
        () => truncate(path, 8192),
        () => truncate(path, 5000),
        () => truncate(path, 100),
        () => truncate(path, 0),
        () => writeFile(path, Buffer.alloc(intact.length)),
        () => writeFile(path, Buffer.from('not a base at all '.repeat(1000))),
      ];
      for (const damage of damages) {
        await damage();
        const error = await rejectionOf(useEverything(directory, 'lmdb', restore));
        expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
        expect(error.message).toContain('shard-000');
        await writeFile(path, intact);
      }
      expect(await useEverything(directory, 'lmdb', restore)).toBe(0);
    });
  });

  it('that is too large to be checked before it is used is found while it is, and nothing is written to it', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'lmdb', 3);
      const path = join(directory, 'state', 'main', 'shard-000', 'data.mdb');
      const damaged = await readFile(path);
      // In the value of a row that nobody reads.
      const at = damaged.indexOf('long 300 ');
      damaged[at] = (damaged[at] as number) ^ 1;
      await writeFile(path, damaged);
      const options = { backend: 'lmdb', restore, shardCount: 1, shards: ONE_SHARD, checkedBytesMax: 0 } as const;
      const store = await openStore(directory, options);
      const operator = store.openBackend('op');
      const state = operator.valueState(valueState<unknown>('v'));
      operator.setCurrentKey(1);
      expect(state.value()).toEqual(valueOf(1));
      // The checkpoint that it goes on from has rows that wait for the base.
      expect(store.stats().pendingSegments).toBeGreaterThan(0);
      const error = await rejectionOf(drain(store));
      expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
      expect(error.message).toMatch(/shard-000.*data\.mdb.*page \d+ at position \d+/);
      await store.close();
      expect((await readFile(path)).equals(damaged)).toBe(true);
    });
  });

  it('is not looked for again by a process that has looked: an attempt of a job does not wait for that', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'lmdb');
      const path = join(directory, 'state', 'main', 'shard-000', 'data.mdb');
      const damaged = await readFile(path);
      const at = damaged.indexOf('long 300 ');
      damaged[at] = (damaged[at] as number) ^ 1;
      await writeFile(path, damaged);
      const options = { backend: 'lmdb', restore, shardCount: 1, shards: ONE_SHARD } as const;
      expect((await rejectionOf(openStore(directory, options))).code).toBe('MILLRACE_STATE_CORRUPT');
      const store = await openStore(directory, { ...options, areBasesKnown: true });
      const operator = store.openBackend('op');
      const state = operator.valueState(valueState<unknown>('v'));
      operator.setCurrentKey(1);
      expect(state.value()).toEqual(valueOf(1));
      await drain(store);
      await store.close();
    });
  });

  it('that is cut short is refused before it is used, however large', async () => {
    await withTemporaryDirectory(async (directory) => {
      const restore = await fill(directory, 'lmdb');
      const path = join(directory, 'state', 'main', 'shard-000', 'data.mdb');
      const { length } = await readFile(path);
      await truncate(path, Math.floor(length / 2));
      const options = { backend: 'lmdb', restore, shardCount: 1, shards: ONE_SHARD, checkedBytesMax: 0 } as const;
      expect((await rejectionOf(openStore(directory, options))).code).toBe('MILLRACE_STATE_CORRUPT');
    });
  });

  it('is noticed when the folders of two shards were exchanged', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory);
      const operator = store.openBackend('op');
      const state = operator.valueState(valueState<number>('v'));
      for (let key = 0; key < 100; key++) {
        operator.setCurrentKey(key);
        state.update(key);
      }
      const restore = await checkpoint(store, 1);
      await store.close();
      const folder = join(directory, 'state', 'main');
      expect(await readdir(folder)).toHaveLength(4);
      await rm(join(folder, 'shard-001'), { recursive: true });
      await cp(join(folder, 'shard-002'), join(folder, 'shard-001'), { recursive: true });
      const error = await rejectionOf(openStore(directory, { restore }));
      expect(error.code).toBe('MILLRACE_STATE_CORRUPT');
      expect(error.message).toContain('holds shard 2 of 4 where shard 1 of 4 belongs');
    });
  });
});
