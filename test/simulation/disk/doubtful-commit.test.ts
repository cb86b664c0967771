import { expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { SeededPrng } from '../../../src/base/prng.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';
import { useDisk } from './present-disk.js';
import { SimulatedDisk } from './simulated-disk.js';

vi.mock('node:fs', () => import('./node-fs.js'));
vi.mock('node:fs/promises', () => import('./node-fs-promises.js'));

it('goes on, in the same process and in the next, from one and the same checkpoint after commits that failed', async () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) {
    const disk = new SimulatedDisk();
    const prng = new SeededPrng(seed);
    useDisk(disk);
    const done = async <T>(work: Promise<T>, faultRate = 0): Promise<T> => {
      await disk.runUntil(work, prng, { faultRate });
      return work;
    };
    const open = (): Promise<CheckpointStore> =>
      done(
        CheckpointStore.open({
          checkpointDir: '/data/checkpoints',
          segmentDir: '/data/segments',
          retainedCount: 2,
          logger: silentLogger,
        }),
      );
    const store = await open();
    await done(store.commit(aManifest(1)));
    let committed = 1;
    let failures = 0;
    for (const id of [2, 3, 4]) {
      await done(store.commit(aManifest(id)), 0.1).then(
        () => {
          committed = id;
          failures = 0;
        },
        () => {
          failures += 1;
        },
      );
    }
    await done(store.settle());
    const goesOnFrom = store.latest?.checkpointId ?? 0;
    outcomes.add(`${String(failures)} failed, goes on from ${String(goesOnFrom - committed)} later`);
    await disk.abandon('/', prng);
    disk.losePower(prng);
    expect((await open()).latest?.checkpointId, `seed ${String(seed)}`).toBe(goesOnFrom);
  }
  expect(outcomes).toContain('0 failed, goes on from 0 later');
  expect(outcomes).toContain('2 failed, goes on from 0 later');
  expect(outcomes).toContain('2 failed, goes on from 1 later');
  expect(outcomes).toContain('2 failed, goes on from 2 later');
});
