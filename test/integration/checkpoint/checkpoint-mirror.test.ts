import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { CheckpointArchive } from '../../../src/checkpoint/checkpoint-archive.js';
import type { CheckpointManifest } from '../../../src/checkpoint/checkpoint-manifest.js';
import { CheckpointMirror } from '../../../src/checkpoint/checkpoint-mirror.js';
import { DirectoryObjectStore } from '../../../src/checkpoint/directory-object-store.js';
import { aManifest, aSnapshot } from '../../helpers/checkpoint-builders.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** A folder that takes its time for the objects that `isSlow` names, until {@link SlowStore.release}. */
class SlowStore extends DirectoryObjectStore {
  isSlow: (key: string) => boolean = () => false;
  readonly #held: (() => void)[] = [];

  get heldCount(): number {
    return this.#held.length;
  }

  override async put(key: string, bytes: Uint8Array): Promise<void> {
    if (this.isSlow(key)) await new Promise<void>((resolve) => this.#held.push(resolve));
    await super.put(key, bytes);
  }

  release(): void {
    this.isSlow = () => false;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

it('a checkpoint that completes while an older one is being sent waits for its turn: whatever the store lists is whole', async () => {
  await withTemporaryDirectory(async (folder) => {
    const [checkpointDir, segmentDir] = [join(folder, 'checkpoints'), join(folder, 'segments')];
    await mkdir(checkpointDir);
    await mkdir(segmentDir);
    const objects = new SlowStore(join(folder, 'objects'));
    const archive = new CheckpointArchive(objects, 'job');
    let due: (() => void)[] = [];
    const mirror = await CheckpointMirror.open({
      archive,
      copyBase: () => Promise.reject(new Error('a heap store has no bases')),
      checkpointDir,
      segmentDir,
      latest: null,
      intervalMs: 1,
      clock: { now: () => 0 },
      callLater: (run) => {
        due.push(run);
        return () => {
          due = due.filter((other) => other !== run);
        };
      },
      logger: silentLogger,
    });
    /** Every interval is over. */
    const passTime = (): void => {
      for (const run of due.splice(0)) run();
    };
    // Each checkpoint has a segment of its own, which is all that it needs.
    const commit = async (checkpointId: number): Promise<void> => {
      const manifest = aManifest(checkpointId, { snapshots: [aSnapshot(checkpointId, { backend: 'heap' })] });
      await writeFile(join(segmentDir, segmentOf(manifest)), `state ${String(checkpointId)}`);
      await mirror.onCommitted(manifest);
    };
    const sentIds = async (): Promise<number[]> => (await archive.list()).map(({ checkpointId }) => checkpointId);
    for (const checkpointId of [1, 2]) {
      await commit(checkpointId);
      passTime();
      await expect.poll(sentIds).toContain(checkpointId);
      await expect.poll(() => mirror.stats().waitingBytes).toBe(0);
    }

    objects.isSlow = (key) => key.includes('manifests/') && key.endsWith('3');
    await commit(3);
    passTime();
    await expect.poll(() => objects.heldCount).toBe(1);
    for (const checkpointId of [4, 5]) {
      await commit(checkpointId);
      passTime();
      // A sending that began now would be through with its manifest by the time that the store answers again.
      await objects.list('');
    }
    expect(await sentIds()).toEqual([1, 2]);
    objects.release();
    await mirror.close();

    expect(await sentIds()).toEqual([3, 5]);
    for (const checkpoint of await archive.list()) {
      const manifest = await archive.get(checkpoint);
      if (manifest === null) throw new Error('a listed manifest is there');
      await archive
        .folderOf(checkpoint.writer)
        .fetchSegment(segmentOf(manifest), join(folder, `fetched-${String(checkpoint.checkpointId)}`));
    }
  });
});

function segmentOf({ snapshots }: CheckpointManifest): string {
  const [file] = snapshots.flatMap(({ segments }) => segments.map((segment) => segment.file));
  if (file === undefined) throw new Error('each checkpoint has a segment');
  return file;
}
