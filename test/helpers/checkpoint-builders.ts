import type { CheckpointId, ShardId } from '../../src/base/ids.js';
import type { CheckpointManifest } from '../../src/checkpoint/checkpoint-manifest.js';
import type { SegmentHandle, SnapshotHandle } from '../../src/protocol/snapshot-handle.js';

/** Checkpoints as data, for tests: small, valid, and changed where a test needs it. */

export function aSegment(checkpointId: number, file = `segment-${checkpointId}.seg`): SegmentHandle {
  return {
    file,
    checkpointId: checkpointId as CheckpointId,
    kind: 'delta',
    bytes: 100,
    rows: 2,
    sections: [{ shard: 0 as ShardId, position: 16, frameCount: 1, rows: 2 }],
  };
}

export function aSnapshot(checkpointId: number, changes: Partial<SnapshotHandle> = {}): SnapshotHandle {
  return {
    namespace: 'main',
    backend: 'lmdb',
    checkpointId: checkpointId as CheckpointId,
    shards: [0, 1] as ShardId[],
    shardCount: 2,
    segments: [aSegment(checkpointId)],
    bases: [{ shard: 0 as ShardId, checkpointId: 0 }],
    bytes: 100,
    rows: 2,
    ...changes,
  };
}

export function aManifest(checkpointId: number, changes: Partial<CheckpointManifest> = {}): CheckpointManifest {
  return {
    checkpointId: checkpointId as CheckpointId,
    jobName: 'counters',
    timestamp: 1_700_000_000_000 + checkpointId,
    keyGroupCount: 1024,
    shardCount: 2,
    sources: { requests: { topic: 'counters.requests', offsets: { 0: checkpointId * 10, 1: checkpointId * 20 } } },
    outputs: {},
    operators: [
      { id: 'requests', parallelism: 2, stateNamespace: null },
      { id: 'count', parallelism: 2, stateNamespace: 'main' },
    ],
    snapshots: [aSnapshot(checkpointId)],
    operatorStates: [{ operatorId: 'requests', subtask: 0, lists: { position: [Uint8Array.of(1, 2, 255)] } }],
    origin: null,
    savepointId: null,
    ...changes,
  };
}
