import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { shardsOfSubtask } from '../../src/api/internal/key-groups.js';
import type { CheckpointId } from '../../src/base/ids.js';
import type { RestoredState, SnapshotHandle } from '../../src/protocol/snapshot-handle.js';
import { StateStore, type StateStoreOptions } from '../../src/state/state-store.js';

/** Stores on disk for tests: 4 shards, all of them owned, unless told otherwise. */
export async function openStore(directory: string, options: Partial<StateStoreOptions> = {}): Promise<StateStore> {
  const segmentDir = join(directory, 'segments');
  if (options.segmentDir === undefined) await mkdir(segmentDir, { recursive: true });
  return StateStore.open({
    backend: 'lmdb',
    namespace: 'main',
    label: 'main-0',
    stateDir: join(directory, 'state'),
    segmentDir,
    shards: shardsOfSubtask(0, 1, options.shardCount ?? 4),
    shardCount: 4,
    memtableBudgetBytes: 1 << 20,
    clock: { now: () => 0 },
    restore: null,
    ...options,
  });
}

/** Waits until a store has nothing left to do. */
export async function drain(store: StateStore): Promise<void> {
  // Disks of a busy machine take their time: bounded by the clock, not by turns.
  const deadline = performance.now() + 90_000;
  while (performance.now() < deadline) {
    const hasMore = store.runSlice(1);
    const { pendingSegments, pendingSnapshots } = store.stats();
    if (!hasMore && !store.hasPendingIo && pendingSegments === 0 && pendingSnapshots === 0) return;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  throw new Error(`the store is not idle: ${JSON.stringify(store.stats())}`);
}

/** Takes a checkpoint that completes. @returns what a restore starts from, as the manifest would give it back */
export async function checkpoint(store: StateStore, id: number): Promise<RestoredState> {
  const handle = await store.finishSnapshot(id as CheckpointId);
  store.notifyCheckpointComplete(id as CheckpointId);
  await drain(store);
  return restoredFrom(id, [handle]);
}

export function restoredFrom(id: number, handles: readonly SnapshotHandle[]): RestoredState {
  return JSON.parse(JSON.stringify({ checkpointId: id, handles })) as RestoredState;
}
