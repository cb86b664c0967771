import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type * as keyGroupsModule from '../../src/api/internal/key-groups.js';
import type * as keyedStateModule from '../../src/api/keyed-state.js';
import type { CheckpointId, ShardId } from '../../src/base/ids.js';
import type * as logModule from '../../src/base/log.js';
import type * as checkpointStoreModule from '../../src/checkpoint/checkpoint-store.js';
import type { SnapshotHandle } from '../../src/protocol/snapshot-handle.js';
import type * as stateStoreModule from '../../src/state/state-store.js';

const dist = new URL('../../../dist/', import.meta.url);
const SHARD_COUNT = 16;
const SHARDS = Array.from({ length: SHARD_COUNT }, (_, shard) => shard as ShardId);
/** Rows of one checkpoint on the way: the memtable gives them up once they are in the bases. */
const ROWS_PER_CHECKPOINT = 200_000;

/**
 * Makes the data folder of a job that has counted every key `k0` … once, on lmdb: state, and the checkpoint it goes on from. Its
 * topics are empty.
 */
export async function storeCounters(
  dataDir: string,
  job: { name: string; operator: string },
  keys: number,
): Promise<void> {
  const { StateStore } = (await import(new URL('state/state-store.js', dist).href)) as typeof stateStoreModule;
  const { valueState } = (await import(new URL('api/keyed-state.js', dist).href)) as typeof keyedStateModule;
  const segmentDir = join(dataDir, 'checkpoints', 'segments');
  await mkdir(segmentDir, { recursive: true });
  const store = await StateStore.open({
    backend: 'lmdb',
    namespace: 'main',
    label: 'main-0',
    stateDir: join(dataDir, 'state'),
    segmentDir,
    shards: SHARDS,
    shardCount: SHARD_COUNT,
    memtableBudgetBytes: 64 << 20,
    clock: { now: () => 0 },
    restore: null,
  });
  const backend = store.openBackend(job.operator);
  const count = backend.valueState(valueState<number>('count'));
  let handle: SnapshotHandle | null = null;
  let checkpointId = 0;
  for (let key = 0; key < keys; key++) {
    backend.setCurrentKey(`k${String(key)}`);
    count.update(1);
    if ((key + 1) % ROWS_PER_CHECKPOINT !== 0 && key + 1 !== keys) continue;
    checkpointId += 1;
    handle = await store.finishSnapshot(checkpointId as CheckpointId);
    store.notifyCheckpointComplete(checkpointId as CheckpointId);
    await untilApplied(store);
  }
  await store.close();
  if (handle !== null) await commit(dataDir, segmentDir, job, handle);
}

async function untilApplied(store: stateStoreModule.StateStore): Promise<void> {
  for (;;) {
    const hasMore = store.runSlice(10);
    if (!hasMore && !store.hasPendingIo && store.stats().pendingSegments === 0) return;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

async function commit(
  dataDir: string,
  segmentDir: string,
  { name, operator }: { name: string; operator: string },
  handle: SnapshotHandle,
): Promise<void> {
  const { CheckpointStore } = (await import(
    new URL('checkpoint/checkpoint-store.js', dist).href
  )) as typeof checkpointStoreModule;
  const { silentLogger } = (await import(new URL('base/log.js', dist).href)) as typeof logModule;
  const { KEY_GROUP_COUNT } = (await import(
    new URL('api/internal/key-groups.js', dist).href
  )) as typeof keyGroupsModule;
  const checkpointDir = join(dataDir, 'checkpoints');
  const store = await CheckpointStore.open({ checkpointDir, segmentDir, retainedCount: 2, logger: silentLogger });
  await store.commit({
    checkpointId: handle.checkpointId,
    jobName: name,
    timestamp: Date.now(),
    keyGroupCount: KEY_GROUP_COUNT,
    shardCount: SHARD_COUNT,
    sources: {},
    outputs: {},
    operators: [{ id: operator, parallelism: 1, stateNamespace: 'main' }],
    snapshots: [handle],
    operatorStates: [],
    origin: null,
    savepointId: null,
  });
}
