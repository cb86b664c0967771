import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type CheckpointManifest, decodeManifest, encodeManifest } from '../checkpoint/checkpoint-manifest.js';
import type { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import type { ObjectStore } from '../checkpoint/object-store.js';
import type { Clock } from '../base/clock.js';
import type { KafkaTopics } from '../connectors/kafka/kafka-topics.js';
import { type ClaimedOffset, encodeClaim } from '../connectors/kafka/partition-claims.js';
import { producerFenced } from '../connectors/kafka/kafka-errors.js';
import type { CommittedOffset, OutputCommit, OutputEnds, TransactionalProducer } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { segmentFilesOf, type SnapshotHandle } from '../protocol/snapshot-handle.js';
import type { AcknowledgedCheckpoint } from './checkpoint-scheduler.js';
import { type AttemptBeginning, type AttemptTopics, JobCheckpoints, type RestorePoint } from './job-checkpoints.js';
import type { SourceOffsets } from './job-attempt.js';
import { openProducer } from './job-topics.js';

export interface GroupCheckpointsOptions {
  /** Of this process: a copy, which keeps the ids growing and the folder of segments tidy. */
  readonly store: CheckpointStore;
  readonly segmentDir: string;
  /** What all instances of the group reach. */
  readonly shared: ObjectStore;
  readonly topics: KafkaTopics;
  readonly group: string;
  readonly jobName: string;
  /** Whether several instances may run the job at one time, each some of its shards. */
  readonly isShared: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Shards that an attempt is to run. */
export interface ShardsToRun {
  readonly shards: readonly number[];
  readonly generation: number;
}

type Claims = ReadonlyMap<string, ReadonlyMap<number, ClaimedOffset>>;

/** What an attempt with shards commits with. */
interface RunningAttempt {
  /** Names the attempt in the shared store: unique. */
  readonly name: string;
  readonly transactionalId: string;
  readonly generation: number;
  readonly producer: PreparedProducer;
  /** Files in the shared store, by their name here. */
  readonly shared: Map<string, string>;
  /** Of this attempt, newest last. */
  readonly manifests: string[];
}

/**
 * The checkpoints of an instance that shares a job with others over Kafka.
 *
 * The commit of a checkpoint is one Kafka transaction: the output of exactly-once sinks, the offsets of the sources, and with
 * each offset the name of the checkpoint that holds the state of its shard. So what counts is decided in one place, for every
 * partition by itself, and the shard's state follows its partition to whoever claims it (connectors/kafka/partition-claims.ts).
 *
 * ```text
 *   segments ─▶ shared store     manifest ─▶ shared store     transaction: output, offsets, "attempt/checkpoint"
 *
 *   claim partitions ─▶ their checkpoints, by name ─▶ segments ─▶ here ─▶ one manifest made of all ─▶ restore
 * ```
 *
 * - **Invariant:** an offset names a checkpoint only once its segments and its manifest are in the shared store.
 * - Nobody writes what another instance wrote: names begin with the attempt's.
 *
 * Thread: main.
 */
export class GroupCheckpoints extends JobCheckpoints {
  readonly #options: GroupCheckpointsOptions;
  #next: ShardsToRun = { shards: [], generation: -1 };
  #attempt: RunningAttempt | null = null;
  /** Of an attempt without shards, which has nothing to commit. */
  #idle: PreparedProducer | null = null;
  #leastId = 0;

  constructor(options: GroupCheckpointsOptions) {
    super({ store: options.store, stateBackend: 'heap', clock: options.clock });
    this.#options = options;
  }

  /** What the next attempt will run. */
  prepareFor(next: ShardsToRun): void {
    this.#next = next;
  }

  override get nextCheckpointId(): CheckpointId {
    return Math.max(super.nextCheckpointId, this.#leastId) as CheckpointId;
  }

  override async begin(plan: ExecutionPlan, { port, defaultPositions }: AttemptTopics): Promise<AttemptBeginning> {
    const { group, topics, clock } = this.#options;
    this.#attempt = null;
    this.#idle = null;
    const name = `${clock.now().toString(36)}-${randomBytes(6).toString('hex')}`;
    const transactionalId = `${group}.${name}`;
    const { generation } = this.#next;
    const wanted = partitionsOf(plan, defaultPositions);
    let restorePoint: RestorePoint | null = null;
    const shared = new Map<string, string>();
    if (wanted.size > 0) {
      const claims = await topics.claimPartitions({ group, transactionalId, generation, partitions: wanted });
      restorePoint = await this.#restore(plan, claims, shared);
    }
    const opened = await openProducer(port, plan, { transactionalId, committed: null, nextCheckpointId: 1 });
    const producer = new PreparedProducer(opened);
    if (wanted.size === 0) this.#idle = producer;
    else this.#attempt = { name, transactionalId, generation, producer, shared, manifests: [] };
    return { restorePoint, producer };
  }

  override async commit(checkpoint: AcknowledgedCheckpoint, plan: ExecutionPlan, outputs: OutputEnds): Promise<void> {
    await super.commit(checkpoint, plan, outputs);
    const attempt = this.#attempt;
    if (attempt === null) return this.#idle?.commitNow(nothingOf(checkpoint.checkpointId, this.#options.group));
    if (this.#options.isShared) refuseOperatorState(checkpoint);
    const reference = await this.#publish(attempt, this.manifestOf(checkpoint, plan, outputs));
    try {
      await attempt.producer.commitNow({
        checkpointId: checkpoint.checkpointId,
        outputs,
        group: this.#options.group,
        offsets: claimedOffsets(plan, checkpoint.offsets, {
          owner: attempt.transactionalId,
          checkpoint: reference,
          generation: attempt.generation,
        }),
      });
    } catch (cause) {
      if (MillraceError.is(cause, 'MILLRACE_PRODUCER_FENCED')) throw cause;
      // Whether it was committed is read from the offsets by the next attempt.
      throw producerFenced('complete a checkpoint', { reference, cause: String(cause) });
    }
    await this.#dropOlder(attempt);
  }

  /** @returns the name of the checkpoint, for the metadata of offsets */
  async #publish(attempt: RunningAttempt, manifest: CheckpointManifest): Promise<string> {
    const { shared, segmentDir } = this.#options;
    const files = segmentFilesOf(manifest.snapshots);
    for (const file of files) {
      if (attempt.shared.has(file)) continue;
      const published = `${attempt.name}.${file}`;
      await shared.put(this.#segmentKey(published), await readFile(join(segmentDir, file)));
      attempt.shared.set(file, published);
    }
    const snapshots = manifest.snapshots.map((handle) => ({
      ...handle,
      segments: handle.segments.map((segment) => ({
        ...segment,
        file: attempt.shared.get(segment.file) ?? segment.file,
      })),
    }));
    const reference = `${attempt.name}/${String(manifest.checkpointId)}`;
    await shared.put(this.#manifestKey(reference), encodeManifest({ ...manifest, snapshots }));
    attempt.manifests.push(reference);
    return reference;
  }

  /** Every offset of this attempt now names the newest checkpoint, so nobody can ask for the ones before. */
  async #dropOlder(attempt: RunningAttempt): Promise<void> {
    const { shared, store, logger } = this.#options;
    try {
      for (const reference of attempt.manifests.splice(0, attempt.manifests.length - 1)) {
        await shared.delete(this.#manifestKey(reference));
      }
      const needed = segmentFilesOf(store.latest?.snapshots ?? []);
      for (const [file, published] of attempt.shared) {
        // What others wrote may be needed by others.
        if (needed.has(file) || !published.startsWith(`${attempt.name}.`)) continue;
        await shared.delete(this.#segmentKey(published));
        attempt.shared.delete(file);
      }
    } catch (error) {
      logger.warn({ err: error }, 'checkpoints that nobody needs could not be deleted');
    }
  }

  async #restore(plan: ExecutionPlan, claims: Claims, shared: Map<string, string>): Promise<RestorePoint | null> {
    const shardsOf = new Map<string, Set<number>>();
    for (const byPartition of claims.values()) {
      for (const [partition, { checkpoint }] of byPartition) {
        if (checkpoint === null) continue;
        const shards = shardsOf.get(checkpoint) ?? new Set();
        shardsOf.set(checkpoint, shards.add(partition % plan.shardCount));
      }
    }
    const manifests: [CheckpointManifest, ReadonlySet<number>][] = [];
    for (const [reference, shards] of shardsOf) manifests.push([await this.#load(reference), shards]);
    const newest = manifests.map(([manifest]) => manifest).sort((a, b) => b.checkpointId - a.checkpointId)[0];
    const offsets: SourceOffsets = offsetsBySource(plan, claims);
    if (newest === undefined)
      return { checkpointId: 0 as CheckpointId, offsets, workers: null, isFromElsewhere: false };
    this.#leastId = newest.checkpointId + 1;
    const snapshots = mergeSnapshots(plan, manifests);
    await this.#fetchSegments(snapshots, shared);
    // Of a job that one instance runs as a whole there is one checkpoint, with the state of its operators.
    const operatorStates = manifests.length === 1 ? newest.operatorStates : [];
    return { ...this.recover({ ...newest, snapshots, operatorStates }, plan), offsets };
  }

  async #load(reference: string): Promise<CheckpointManifest> {
    const { shared } = this.#options;
    const bytes = await shared.get(this.#manifestKey(reference));
    if (bytes !== null) return decodeManifest(bytes, `${shared.location}/${this.#manifestKey(reference)}`);
    throw new MillraceError(
      'MILLRACE_STATE_CORRUPT',
      `the checkpoint ${reference}, which Kafka names, is not in ${shared.location}`,
      {
        details: { reference, location: shared.location },
        hint: 'Give all instances of a group the same checkpointStore, one that outlives each of them.',
      },
    );
  }

  async #fetchSegments(snapshots: readonly SnapshotHandle[], shared: Map<string, string>): Promise<void> {
    const { segmentDir, shared: store } = this.#options;
    for (const file of segmentFilesOf(snapshots)) {
      shared.set(file, file);
      const bytes = await store.get(this.#segmentKey(file));
      // Reading it says what is lost.
      if (bytes !== null) await writeFile(join(segmentDir, file), bytes);
    }
  }

  #segmentKey(file: string): string {
    return `${this.#options.jobName}/segments/${file}`;
  }

  #manifestKey(reference: string): string {
    return `${this.#options.jobName}/manifests/${reference}.json`;
  }
}

/** Leaves the commit to the checkpoints, which commit the offsets of the sources in the same transaction. */
class PreparedProducer implements TransactionalProducer {
  readonly #producer: TransactionalProducer;
  #preparedId = 0;

  constructor(producer: TransactionalProducer) {
    this.#producer = producer;
  }

  append(...args: Parameters<TransactionalProducer['append']>): void {
    this.#producer.append(...args);
  }

  prepare(checkpointId: number): Promise<OutputEnds> {
    this.#preparedId = checkpointId;
    return this.#producer.prepare(checkpointId);
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  /** A job without exactly-once sinks has prepared nothing: its offsets are committed all the same. */
  async commitNow(commit: OutputCommit): Promise<void> {
    if (this.#preparedId !== commit.checkpointId) await this.prepare(commit.checkpointId);
    await this.#producer.commit(commit);
  }

  abort(checkpointId: number): void {
    this.#producer.abort(checkpointId);
  }

  close(): Promise<void> {
    return this.#producer.close();
  }
}

function nothingOf(checkpointId: number, group: string): OutputCommit {
  return { checkpointId, outputs: {}, group, offsets: new Map() };
}

/** What an attempt with this plan reads: by topic and partition, where it begins when nobody has been there. */
function partitionsOf(plan: ExecutionPlan, defaults: SourceOffsets): Map<string, Map<number, number>> {
  const partitions = new Map<string, Map<number, number>>();
  for (const channel of plan.channels) {
    if (channel.kind !== 'ingress' || channel.partitions.length === 0) continue;
    const source = plan.topicSources[channel.topicSource];
    if (source === undefined) continue;
    const ofTopic = partitions.get(source.topic) ?? new Map<number, number>();
    for (const partition of channel.partitions) {
      ofTopic.set(partition, defaults.get(source.operatorId)?.get(partition) ?? 0);
    }
    partitions.set(source.topic, ofTopic);
  }
  return partitions;
}

function offsetsBySource(plan: ExecutionPlan, claims: Claims): SourceOffsets {
  return new Map(
    plan.topicSources.map(({ operatorId, topic }) => [
      operatorId,
      new Map([...(claims.get(topic) ?? [])].map(([partition, { offset }]) => [partition, offset])),
    ]),
  );
}

function claimedOffsets(
  plan: ExecutionPlan,
  offsets: SourceOffsets,
  claim: { owner: string; checkpoint: string; generation: number },
): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
  const metadata = encodeClaim(claim);
  return new Map(
    plan.topicSources.map(({ operatorId, topic }) => [
      topic,
      new Map([...(offsets.get(operatorId) ?? [])].map(([partition, offset]) => [partition, { offset, metadata }])),
    ]),
  );
}

/** Of each shard that was claimed, the handle of the checkpoint that its offset names; of every other, an empty one. */
function mergeSnapshots(
  { shardCount }: ExecutionPlan,
  manifests: readonly (readonly [CheckpointManifest, ReadonlySet<number>])[],
): SnapshotHandle[] {
  const merged: SnapshotHandle[] = [];
  const covered = new Map<string, Set<number>>();
  for (const [{ snapshots }, claimed] of manifests) {
    for (const handle of snapshots) {
      const shards = handle.shards.filter((shard) => claimed.has(shard));
      const known = covered.get(handle.namespace) ?? new Set();
      covered.set(handle.namespace, known);
      if (shards.length === 0) continue;
      for (const shard of shards) known.add(shard);
      merged.push({ ...handle, shards });
    }
  }
  for (const [namespace, known] of covered) {
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId).filter(
      (shard) => !known.has(shard),
    );
    if (shards.length === 0) continue;
    merged.push({ namespace, backend: 'heap', checkpointId: 0 as CheckpointId, shards, shardCount, segments: [], bases: [], bytes: 0, rows: 0 }); // prettier-ignore
  }
  return merged;
}

/** State of an operator as a whole, not of its keys, belongs to no shard: nothing says to whom it would go. */
function refuseOperatorState({ acks }: AcknowledgedCheckpoint): void {
  for (const { operatorStates } of acks) {
    for (const { operatorId, lists } of operatorStates) {
      if (Object.values(lists).every((items) => items.length === 0)) continue;
      throw new MillraceError(
        'MILLRACE_STATE_INCOMPATIBLE',
        `operator '${operatorId}' keeps operator state, which instances of a group cannot share`,
        { details: { operator: operatorId }, hint: 'Keep it by key, or run the job with transport embedded.' },
      );
    }
  }
}
