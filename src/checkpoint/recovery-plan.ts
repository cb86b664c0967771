/**
 * From a checkpoint and the job that is to go on from it, to what each worker restores and where each source continues.
 *
 * - Keyed state is found by key group: any parallelism can take it over, because a worker owns whole shards and reads them
 *   from the handles of all workers of before. The numbers of key groups and shards must be the same.
 * - Operator state is a list per name. At the same parallelism each subtask gets its own back; at another one the entries
 *   are dealt out in runs to the subtasks of now, as Flink does.
 * - State is matched by the operator's uid. State that no operator claims is refused, unless that is allowed: a renamed
 *   operator would otherwise start empty, and nobody would notice.
 *
 * Pure; any thread.
 */
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { OperatorStateSnapshot } from '../protocol/control-message.js';
import type { RestoredJob, RestoredOperatorState } from '../protocol/deployment.js';
import type { RestoredState, SnapshotHandle } from '../protocol/snapshot-handle.js';
import type { CheckpointManifest, ManifestOperator, SourceOffsets } from './checkpoint-manifest.js';

/** The job that is to go on: what a restore must know of its plan. */
export interface RecoveryTarget {
  readonly jobName: string;
  readonly workerCount: number;
  readonly keyGroupCount: number;
  readonly shardCount: number;
  readonly stateBackend: 'heap' | 'lmdb';
  /** Every operator of every vertex. */
  readonly operators: readonly ManifestOperator[];
  /** Uids of the sources whose position main keeps. */
  readonly sources: readonly { readonly id: string; readonly topic: string }[];
}

export interface RecoveryOptions {
  /** Go on although the checkpoint holds state of operators that the job no longer has. */
  readonly allowNonRestoredState: boolean;
}

/** What to do before the first record. */
export interface RecoveryPlan {
  /** By worker. */
  readonly workers: readonly RestoredJob[];
  /** By source uid. A source that is not here is new: it starts where its definition says. */
  readonly sources: Readonly<Record<string, SourceOffsets>>;
  /** Uids whose state is left behind; empty unless that was allowed. */
  readonly leftBehind: readonly string[];
}

/**
 * @throws MillraceError `MILLRACE_STATE_INCOMPATIBLE` when the job cannot go on from this checkpoint, naming the first
 *   reason; `MILLRACE_STATE_CORRUPT` when the checkpoint contradicts itself
 */
export function planRecovery(
  manifest: CheckpointManifest,
  target: RecoveryTarget,
  options: RecoveryOptions,
): RecoveryPlan {
  requireSameJob(manifest, target);
  const leftBehind = unclaimedState(manifest, target);
  if (leftBehind.length > 0 && !options.allowNonRestoredState) throw nonRestoredState(manifest, leftBehind);
  requireSameNamespaces(manifest, target);
  requireSameTopics(manifest, target);

  const keyed = keyedState(manifest, target);
  const operators = target.operators.flatMap((operator) => operatorState(manifest, operator));
  return {
    workers: Array.from({ length: target.workerCount }, (_, worker) => ({
      checkpointId: manifest.checkpointId,
      keyed,
      operators: operators.filter(({ subtask }) => subtask % target.workerCount === worker),
    })),
    sources: Object.fromEntries(
      target.sources.flatMap(({ id }) => {
        const offsets = manifest.sources[id];
        return offsets === undefined ? [] : [[id, offsets] as const];
      }),
    ),
    leftBehind,
  };
}

// ------------------------------------------------------------------------------------------------- what must be the same

function requireSameJob(manifest: CheckpointManifest, target: RecoveryTarget): void {
  requireSame(manifest, 'job', manifest.jobName, target.jobName, 'Use another data folder for another job.');
  requireSame(manifest, 'number of key groups', manifest.keyGroupCount, target.keyGroupCount, 'It is fixed for ever.');
  requireSame(
    manifest,
    'number of shards',
    manifest.shardCount,
    target.shardCount,
    `Set shardCount to ${manifest.shardCount}: it is fixed when the data folder is created.`,
  );
  // What was brought here from elsewhere lies in a state folder of its own, which either backend can read.
  if (manifest.origin?.isFresh === true) return;
  for (const { backend } of manifest.snapshots) {
    const hint = `Set stateBackend to ${backend}, or change it through a savepoint.`;
    requireSame(manifest, 'state backend', backend, target.stateBackend, hint);
  }
}

function requireSame<T extends string | number>(
  { checkpointId }: CheckpointManifest,
  what: string,
  stored: T,
  wanted: T,
  hint: string,
): void {
  if (stored === wanted) return;
  throw new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `checkpoint ${checkpointId} was taken with the ${what} ${JSON.stringify(stored)}, now it is ${JSON.stringify(wanted)}`,
    { details: { checkpointId, stored, wanted }, hint },
  );
}

/** An operator whose parallelism is pinned, or no longer, keeps its state elsewhere: it would start empty. */
function requireSameNamespaces(manifest: CheckpointManifest, target: RecoveryTarget): void {
  const now = new Map(target.operators.map((operator) => [operator.id, operator]));
  for (const { id, stateNamespace } of manifest.operators) {
    const operator = now.get(id);
    if (operator === undefined || stateNamespace === null || operator.stateNamespace === null) continue;
    if (operator.stateNamespace === stateNamespace) continue;
    throw new MillraceError(
      'MILLRACE_STATE_INCOMPATIBLE',
      `operator '${id}' keeps its state in '${operator.stateNamespace}', checkpoint ${manifest.checkpointId} has it in '${stateNamespace}'`,
      {
        details: { operator: id, stored: stateNamespace, wanted: operator.stateNamespace },
        hint: 'Pin the parallelism of an operator with keyed state, or leave it unpinned, for the whole life of its state.',
      },
    );
  }
}

/** A source that kept its uid and changed its topic would take the offsets of one topic for those of another. */
function requireSameTopics(manifest: CheckpointManifest, target: RecoveryTarget): void {
  for (const { id, topic } of target.sources) {
    const stored = manifest.sources[id];
    if (stored === undefined || stored.topic === topic) continue;
    throw new MillraceError(
      'MILLRACE_STATE_INCOMPATIBLE',
      `source '${id}' reads topic '${topic}', its position in checkpoint ${manifest.checkpointId} is of topic '${stored.topic}'`,
      {
        details: { source: id, stored: stored.topic, wanted: topic },
        hint: 'Give a source of another topic another uid.',
      },
    );
  }
}

// -------------------------------------------------------------------------------------------------------- unclaimed state

/** Uids that have state in the checkpoint and no operator now, sorted. */
function unclaimedState(manifest: CheckpointManifest, target: RecoveryTarget): string[] {
  const now = new Set([...target.operators.map(({ id }) => id), ...target.sources.map(({ id }) => id)]);
  const withState = [
    ...manifest.operators.filter(({ stateNamespace }) => stateNamespace !== null).map(({ id }) => id),
    ...manifest.operatorStates.filter(hasEntries).map(({ operatorId }) => operatorId),
    ...Object.keys(manifest.sources),
  ];
  return [...new Set(withState)].filter((id) => !now.has(id)).sort();
}

function hasEntries({ lists }: OperatorStateSnapshot): boolean {
  return Object.values(lists).some((items) => items.length > 0);
}

function nonRestoredState({ checkpointId }: CheckpointManifest, ids: readonly string[]): MillraceError {
  const names = ids.map((id) => `'${id}'`).join(', ');
  return new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `checkpoint ${checkpointId} holds state of operators that the job does not have: ${names}`,
    {
      details: { checkpointId, operators: ids },
      hint: 'Give the operators the uids back that they had, or allow their state to be left behind.',
    },
  );
}

// ------------------------------------------------------------------------------------------------------------ keyed state

/** The handles of each namespace, all of them for every worker: which shards it takes from them is its own affair. */
function keyedState(manifest: CheckpointManifest, target: RecoveryTarget): Readonly<Record<string, RestoredState>> {
  const wanted = new Set(target.operators.flatMap(({ stateNamespace }) => stateNamespace ?? []));
  const byNamespace = new Map<string, SnapshotHandle[]>();
  for (const handle of manifest.snapshots) {
    const handles = byNamespace.get(handle.namespace) ?? [];
    byNamespace.set(handle.namespace, [...handles, handle]);
  }
  const restored: Record<string, RestoredState> = {};
  for (const [namespace, handles] of byNamespace) {
    if (!wanted.has(namespace)) continue;
    requireEachShardOnce(manifest, namespace, handles);
    restored[namespace] = { checkpointId: manifest.checkpointId, handles };
  }
  return restored;
}

function requireEachShardOnce(
  manifest: CheckpointManifest,
  namespace: string,
  handles: readonly SnapshotHandle[],
): void {
  const shards = handles.flatMap((handle) => handle.shards).sort((a, b) => a - b);
  const isComplete = shards.length === manifest.shardCount && shards.every((shard, index) => shard === index);
  const hasSameCount = handles.every(({ shardCount }) => shardCount === manifest.shardCount);
  if (isComplete && hasSameCount) return;
  throw new MillraceError(
    'MILLRACE_STATE_CORRUPT',
    `checkpoint ${manifest.checkpointId} does not hold each of the ${manifest.shardCount} shards of '${namespace}' once`,
    { details: { checkpointId: manifest.checkpointId, namespace, shards } },
  );
}

// --------------------------------------------------------------------------------------------------------- operator state

/** What each subtask of an operator gets of its stored lists; nothing for an operator that had none. */
function operatorState(manifest: CheckpointManifest, operator: ManifestOperator): RestoredOperatorState[] {
  const states = manifest.operatorStates
    .filter(({ operatorId }) => operatorId === operator.id)
    .sort((a, b) => a.subtask - b.subtask);
  if (states.length === 0) return [];
  const before = manifest.operators.find(({ id }) => id === operator.id);
  const shares = before?.parallelism === operator.parallelism ? ofEach(states, operator) : dealOut(states, operator);
  const union = Object.fromEntries(allEntries(states));
  return shares.map(({ operatorId, subtask, lists }) => ({ operatorId, subtask, lists, union }));
}

/** Every list with the entries of all subtasks, in their order. */
function allEntries(states: readonly OperatorStateSnapshot[]): (readonly [name: string, items: Uint8Array[]])[] {
  const names = [...new Set(states.flatMap(({ lists }) => Object.keys(lists)))].sort();
  return names.map((name) => [name, states.flatMap(({ lists }) => lists[name] ?? [])] as const);
}

/** Its own state for each subtask, also for one that stored nothing: it still gets what all subtasks hold as a whole. */
function ofEach(
  states: readonly OperatorStateSnapshot[],
  { id, parallelism }: ManifestOperator,
): OperatorStateSnapshot[] {
  return Array.from({ length: parallelism }, (_, subtask) => {
    const own = states.find((state) => state.subtask === subtask);
    return own ?? { operatorId: id, subtask, lists: {} };
  });
}

/**
 * Deals the entries of every list out to the subtasks of now. A subtask that gets no entry still gets the name with an empty
 * list: it was restored, only nothing fell to it.
 */
function dealOut(
  states: readonly OperatorStateSnapshot[],
  { id, parallelism }: ManifestOperator,
): OperatorStateSnapshot[] {
  invariant(parallelism > 0, 'an operator has at least one subtask');
  const entries = allEntries(states);
  return Array.from({ length: parallelism }, (_, subtask) => ({
    operatorId: id,
    subtask,
    lists: Object.fromEntries(entries.map(([name, items]) => [name, shareOf(items, subtask, parallelism)])),
  }));
}

/**
 * One subtask's part of a list that is split: contiguous runs in the order of the subtasks of before, of equal length up to
 * one, the longer ones first. As Flink's `RoundRobinOperatorStateRepartitioner`.
 */
export function shareOf<T>(items: readonly T[], subtask: number, parallelism: number): T[] {
  const least = Math.floor(items.length / parallelism);
  const longer = items.length % parallelism;
  const start = subtask * least + Math.min(subtask, longer);
  return items.slice(start, start + least + (subtask < longer ? 1 : 0));
}
