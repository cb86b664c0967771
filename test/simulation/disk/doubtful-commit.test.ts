import { expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { SeededPrng } from '../../../src/base/prng.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';
import { useDisk } from './present-disk.js';
import { SimulatedDisk } from './simulated-disk.js';

vi.mock('node:fs', () => import('./node-fs.js'));
vi.mock('node:fs/promises', () => import('./node-fs-promises.js'));

it('goes on, in the same process and in the next, from one and the same checkpoint after a commit that failed', async () => {
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
    const isCommitted = await done(store.commit(aManifest(2)), 0.1).then(
      () => true,
      () => false,
    );
    const settled = await done(store.settle());
    if (isCommitted) expect(settled).toBeNull();
    const goesOnFrom = store.latest?.checkpointId;
    outcomes.add(`${isCommitted ? 'committed' : 'failed'}, goes on from ${String(goesOnFrom)}`);
    await disk.abandon('/', prng);
    disk.losePower(prng);
    expect((await open()).latest?.checkpointId, `seed ${String(seed)}`).toBe(goesOnFrom);
  }
  expect([...outcomes].sort()).toEqual([
    'committed, goes on from 2',
    'failed, goes on from 1',
    'failed, goes on from 2',
  ]);
});
