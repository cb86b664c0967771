import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { ShardId } from '../../../src/base/ids.js';
import type { SnapshotHandle } from '../../../src/protocol/snapshot-handle.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const SHARD_COUNT = 16;
const THREAD_COUNT = 4;
const ROUNDS = 8;

/** Has a thread run one round. */
function run(worker: Worker, round: object): Promise<SnapshotHandle> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (answer: { handle: SnapshotHandle } | { error: string }) => {
      worker.off('error', reject);
      if ('error' in answer) reject(new Error(answer.error));
      else resolve(answer.handle);
    });
    worker.postMessage(round);
  });
}

describe.each(['heap', 'lmdb'] as const)('shards of a %s store', (backend) => {
  it('move from thread to thread, closed here and opened there, with nothing lost', async () => {
    await withTemporaryDirectory(async (directory) => {
      const segmentDir = join(directory, 'segments');
      await mkdir(segmentDir);
      const fixture = new URL('../../fixtures/state/shard-worker.mjs', import.meta.url);
      const workers = Array.from({ length: THREAD_COUNT }, () => new Worker(fixture));
      try {
        let handles: SnapshotHandle[] = [];
        for (let checkpointId = 1; checkpointId <= ROUNDS; checkpointId++) {
          const restore = handles.length === 0 ? null : { checkpointId: checkpointId - 1, handles };
          // Each round every shard goes to the next thread; in some, one thread gets most of them.
          const shardsOf = (thread: number): ShardId[] => {
            const owner = (shard: number): number =>
              checkpointId % 3 === 0 && shard > 3 ? 0 : (shard + checkpointId) % THREAD_COUNT;
            return Array.from({ length: SHARD_COUNT }, (_, shard) => shard as ShardId).filter(
              (shard) => owner(shard) === thread,
            );
          };
          handles = await Promise.all(
            workers.map((worker, thread) =>
              run(worker, {
                backend,
                directory,
                segmentDir,
                shards: shardsOf(thread),
                shardCount: SHARD_COUNT,
                label: `main-${thread}`,
                restore,
                checkpointId,
              }),
            ),
          );
        }
        expect(handles.flatMap((handle) => handle.shards).length).toBe(SHARD_COUNT);
      } finally {
        for (const worker of workers) await worker.terminate();
      }
    });
  });
});
