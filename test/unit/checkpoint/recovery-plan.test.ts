import { describe, expect, it } from 'vitest';
import type { ShardId } from '../../../src/base/ids.js';
import type { CheckpointManifest } from '../../../src/checkpoint/checkpoint-manifest.js';
import { planRecovery, type RecoveryPlan, type RecoveryTarget } from '../../../src/checkpoint/recovery-plan.js';
import { aManifest, aSnapshot } from '../../helpers/checkpoint-builders.js';

const target: RecoveryTarget = {
  jobName: 'counters',
  workerCount: 2,
  keyGroupCount: 1024,
  shardCount: 2,
  stateBackend: 'lmdb',
  operators: [
    { id: 'requests', parallelism: 2, stateNamespace: null },
    { id: 'count', parallelism: 2, stateNamespace: 'main' },
  ],
  sources: [{ id: 'requests', topic: 'counters.requests' }],
};

function plan(
  manifest: Partial<CheckpointManifest> = {},
  changes: Partial<RecoveryTarget> = {},
  allowNonRestoredState = false,
): RecoveryPlan {
  return planRecovery(aManifest(5, manifest), { ...target, ...changes }, { allowNonRestoredState });
}

const bytes = (...values: number[]): Uint8Array[] => values.map((value) => Uint8Array.of(value));

describe('planRecovery', () => {
  it('gives every worker all handles of the namespaces that it needs, and sources their positions', () => {
    const recovery = plan();
    expect(recovery.workers).toHaveLength(2);
    for (const worker of recovery.workers) {
      expect(worker.checkpointId).toBe(5);
      expect(worker.keyed).toEqual({ main: { checkpointId: 5, handles: [aSnapshot(5)] } });
    }
    expect(recovery.sources).toEqual({ requests: { topic: 'counters.requests', offsets: { 0: 50, 1: 100 } } });
    expect(recovery.leftBehind).toEqual([]);
  });

  it('hands the state of two workers to three and to one alike', () => {
    const snapshots = [aSnapshot(5, { shards: [0] as ShardId[] }), aSnapshot(5, { shards: [1] as ShardId[] })];
    expect(plan({ snapshots }, { workerCount: 3 }).workers).toHaveLength(3);
    expect(plan({ snapshots }, { workerCount: 1 }).workers[0]?.keyed['main']?.handles).toEqual(snapshots);
  });

  it('gives each subtask its own operator state back at the same parallelism, and that of all as a union', () => {
    const operatorStates = [
      { operatorId: 'requests', subtask: 1, lists: { position: bytes(3) } },
      { operatorId: 'requests', subtask: 0, lists: { position: bytes(1, 2) } },
    ];
    const { workers } = plan({ operatorStates });
    const union = { position: bytes(1, 2, 3) };
    expect(workers.map(({ operators }) => operators)).toEqual([
      [{ ...operatorStates[1], union }],
      [{ ...operatorStates[0], union }],
    ]);
  });

  it('gives what all hold as a whole also to a subtask that stored nothing, as broadcast state is stored once', () => {
    const lists = { 'broadcast/rules': bytes(1, 2) };
    const { workers } = plan({ operatorStates: [{ operatorId: 'requests', subtask: 0, lists }] });
    const restored = workers.flatMap(({ operators }) => operators);
    expect(restored).toContainEqual({ operatorId: 'requests', subtask: 1, lists: {}, union: lists });
  });

  it('deals operator state out in runs at another parallelism, every entry once, and gives each subtask all of it as a union', () => {
    const operatorStates = [
      { operatorId: 'requests', subtask: 0, lists: { position: bytes(1, 2), buffer: bytes(9) } },
      { operatorId: 'requests', subtask: 1, lists: { position: bytes(3) } },
    ];
    const operators = [
      { id: 'requests', parallelism: 3, stateNamespace: null },
      { id: 'count', parallelism: 3, stateNamespace: 'main' },
    ];
    const { workers } = plan({ operatorStates }, { operators });
    const union = { buffer: bytes(9), position: bytes(1, 2, 3) };
    expect(workers.map((worker) => worker.operators)).toEqual([
      [
        { operatorId: 'requests', subtask: 0, lists: { buffer: bytes(9), position: bytes(1) }, union },
        { operatorId: 'requests', subtask: 2, lists: { buffer: [], position: bytes(3) }, union },
      ],
      [{ operatorId: 'requests', subtask: 1, lists: { buffer: [], position: bytes(2) }, union }],
    ]);
  });

  it('lets a new operator and a new source start from nothing', () => {
    const operators = [...target.operators, { id: 'new', parallelism: 2, stateNamespace: 'main' }];
    const sources = [...target.sources, { id: 'more', topic: 'more' }];
    const recovery = plan({}, { operators, sources });
    expect(Object.keys(recovery.sources)).toEqual(['requests']);
    expect(recovery.workers[0]?.operators.map(({ operatorId }) => operatorId)).toEqual(['requests']);
  });

  it('asks for no namespace that the job does not use', () => {
    const operators = [{ id: 'requests', parallelism: 2, stateNamespace: null }];
    expect(plan({}, { operators }, true).workers[0]?.keyed).toEqual({});
  });
});

describe('a checkpoint that the job cannot go on from', () => {
  const refusal = (message: string): Error =>
    expect.objectContaining({ code: 'MILLRACE_STATE_INCOMPATIBLE', message }) as Error;

  it.each([
    [{ jobName: 'other' }, 'checkpoint 5 was taken with the job "counters", now it is "other"'],
    [{ shardCount: 4 }, 'checkpoint 5 was taken with the number of shards 2, now it is 4'],
    [{ keyGroupCount: 512 }, 'checkpoint 5 was taken with the number of key groups 1024, now it is 512'],
    [{ stateBackend: 'heap' as const }, 'checkpoint 5 was taken with the state backend "lmdb", now it is "heap"'],
    [
      { sources: [{ id: 'requests', topic: 'elsewhere' }] },
      "source 'requests' reads topic 'elsewhere', its position in checkpoint 5 is of topic 'counters.requests'",
    ],
    [
      {
        operators: [
          { id: 'requests', parallelism: 2, stateNamespace: null },
          { id: 'count', parallelism: 1, stateNamespace: 'count' },
        ],
      },
      "operator 'count' keeps its state in 'count', checkpoint 5 has it in 'main'",
    ],
  ])('is refused with the reason: %j', (changes, message) => {
    expect(() => plan({}, changes)).toThrowError(refusal(message));
  });

  it('is refused when it holds state that no operator claims, unless that is allowed', () => {
    const operators = [{ id: 'requests', parallelism: 2, stateNamespace: null }];
    const message = "checkpoint 5 holds state of operators that the job does not have: 'count'";
    expect(() => plan({}, { operators })).toThrowError(refusal(message));
    expect(plan({}, { operators }, true).leftBehind).toEqual(['count']);
  });

  it('counts positions of sources and entries of operator state as state, but not empty lists', () => {
    const operators = [{ id: 'count', parallelism: 2, stateNamespace: 'main' }];
    expect(plan({}, { operators, sources: [] }, true).leftBehind).toEqual(['requests']);
    const manifest = { sources: {}, operatorStates: [{ operatorId: 'requests', subtask: 0, lists: { position: [] } }] };
    expect(plan(manifest, { operators, sources: [] }).leftBehind).toEqual([]);
  });
});

describe('a checkpoint that contradicts itself', () => {
  it.each([
    ['a shard is missing', [aSnapshot(5, { shards: [0] as ShardId[] })]],
    ['a shard is there twice', [aSnapshot(5), aSnapshot(5, { shards: [1] as ShardId[] })]],
    ['a handle counts other shards', [aSnapshot(5, { shardCount: 4 })]],
  ])('because %s is called corrupt', (_why, snapshots) => {
    expect(() => plan({ snapshots })).toThrowError(
      expect.objectContaining({
        code: 'MILLRACE_STATE_CORRUPT',
        message: "checkpoint 5 does not hold each of the 2 shards of 'main' once",
      }) as Error,
    );
  });
});
