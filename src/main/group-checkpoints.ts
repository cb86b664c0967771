import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { BaseCopier } from '../checkpoint/archive-base.js';
import type { ArchiveFolder } from '../checkpoint/archive-folder.js';
import { AttemptArchive, groupFolder, manifestName } from '../checkpoint/attempt-archive.js';
import type { CheckpointManifest } from '../checkpoint/checkpoint-manifest.js';
import type { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import type { LocalBases } from '../checkpoint/local-bases.js';
import type { ObjectStore } from '../checkpoint/object-store.js';
import { mergeSnapshots, takeOver } from '../checkpoint/take-over.js';
import { producerFenced } from '../connectors/kafka/kafka-errors.js';
import type { KafkaTopics } from '../connectors/kafka/kafka-topics.js';
import { type ClaimedOffset, decodeClaim, encodeClaim } from '../connectors/kafka/partition-claims.js';
import type { CommittedOffset, OutputCommit, OutputEnds, TransactionalProducer } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { AcknowledgedCheckpoint } from './checkpoint-scheduler.js';
import { type AttemptBeginning, type AttemptTopics, JobCheckpoints, type RestorePoint } from './job-checkpoints.js';
import type { SourceOffsets } from './job-attempt.js';
import { openProducer } from './job-topics.js';

export interface GroupCheckpointsOptions {
  /** Of this process: a copy, which keeps the ids growing and the folder of segments tidy. */
  readonly store: CheckpointStore;
  readonly segmentDir: string;
  /** Bases that lie here. */
  readonly bases: LocalBases;
  readonly stateBackend: 'heap' | 'lmdb';
  /** For copies of bases on their way. */
  readonly workDir: string;
  /** What all instances of the group reach. */
  readonly shared: ObjectStore;
  readonly topics: KafkaTopics;
  readonly group: string;
  readonly jobName: string;
  /** A topic with a partition for each shard, for the claims of a job that reads none; `null` for one that does. */
  readonly claimTopic: string | null;
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
  readonly transactionalId: string;
  readonly generation: number;
  readonly producer: PreparedProducer;
  readonly archive: AttemptArchive;
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
 *   claim partitions ─▶ their checkpoints, by name ─▶ bases, segments that are not here ─▶ one manifest made of all ─▶ restore
 * ```
 *
 * - **Invariant:** an offset names a checkpoint only once everything that it consists of is in the shared store.
 * - **Invariant:** workers learn that a checkpoint is complete, and may write it to their bases, only once it is committed.
 * - Nobody writes what another instance wrote: names hold the attempt's.
 *
 * Thread: main.
 */
export class GroupCheckpoints extends JobCheckpoints {
  readonly #options: GroupCheckpointsOptions;
  readonly #folder: ArchiveFolder;
  #next: ShardsToRun = { shards: [], generation: -1 };
  #attempt: RunningAttempt | null = null;
  /** Of an attempt without shards, which has nothing to commit. */
  #idle: PreparedProducer | null = null;
  #leastId = 0;
  #copyBase: BaseCopier | null = null;

  constructor(options: GroupCheckpointsOptions) {
    super({ store: options.store, stateBackend: options.stateBackend, clock: options.clock });
    this.#options = options;
    this.#folder = groupFolder(options.shared, options);
    if (options.store.latest !== null) options.bases.note(options.store.latest);
  }

  /** Who copies bases, once the job runs. */
  copyBasesWith(copyBase: BaseCopier): void {
    this.#copyBase = copyBase;
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
    this.#addClaimTopic(wanted, plan, 0);
    const claims =
      wanted.size === 0
        ? new Map()
        : await topics.claimPartitions({ group, transactionalId, generation, partitions: wanted });
    const restored = wanted.size === 0 ? null : await this.#restore(plan, claims, name);
    const opened = await openProducer(port, plan, { transactionalId, committed: null, nextCheckpointId: 1 });
    const producer = new PreparedProducer(opened);
    if (restored === null) {
      this.#idle = producer;
      return { restorePoint: null, producer };
    }
    const { restorePoint, archive } = restored;
    this.#attempt = { transactionalId, generation, producer, archive };
    return { restorePoint, producer };
  }

  override async commit(checkpoint: AcknowledgedCheckpoint, plan: ExecutionPlan, outputs: OutputEnds): Promise<void> {
    const { group, isShared, bases } = this.#options;
    const attempt = this.#attempt;
    if (attempt === null) {
      // Nothing to keep; and what the folder keeps is of use when shards come back.
      await this.announce(this.manifestOf(checkpoint, plan, outputs));
      return this.#idle?.commitNow(nothingOf(checkpoint.checkpointId, group));
    }
    if (isShared) refuseOperatorState(checkpoint.acks);
    const manifest = await attempt.archive.nameSegments(this.manifestOf(checkpoint, plan, outputs));
    await this.keep(manifest);
    const reference = await attempt.archive.publish(manifest);
    try {
      await attempt.producer.commitNow({
        checkpointId: checkpoint.checkpointId,
        outputs,
        group,
        offsets: this.#offsetsOf(attempt, checkpoint, plan, reference),
      });
    } catch (cause) {
      if (MillraceError.is(cause, 'MILLRACE_PRODUCER_FENCED')) throw cause;
      // Whether it was committed is read from the offsets by the next attempt.
      throw producerFenced('complete a checkpoint', { reference, cause: String(cause) });
    }
    bases.note(manifest);
    await this.#tidy(attempt, plan);
  }

  #offsetsOf(
    { transactionalId: owner, generation }: RunningAttempt,
    checkpoint: AcknowledgedCheckpoint,
    plan: ExecutionPlan,
    reference: string,
  ): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    const metadata = encodeClaim({ owner, checkpoint: reference, generation });
    const offsets = claimedOffsets(plan, checkpoint.offsets, metadata);
    this.#addClaimTopic(offsets, plan, { offset: 0, metadata });
    return offsets;
  }

  /** Nothing is ever read from it: its offsets stand still, and say whose the shards are. */
  #addClaimTopic<T>(topics: Map<string, ReadonlyMap<number, T>>, { ownedShards }: ExecutionPlan, each: T): void {
    const { claimTopic } = this.#options;
    if (claimTopic === null || ownedShards === null || ownedShards.length === 0) return;
    topics.set(claimTopic, new Map(ownedShards.map((shard) => [shard, each])));
  }

  /** Copies bases if it is time to, and deletes what nobody needs any more. Never rejects: the checkpoint is complete. */
  async #tidy(attempt: RunningAttempt, plan: ExecutionPlan): Promise<void> {
    const { logger } = this.#options;
    try {
      await attempt.archive.dropOlder(() => this.#namedCheckpoints(plan));
    } catch (error) {
      logger.warn({ err: error }, 'checkpoints that nobody needs could not be deleted');
    }
    const copying = this.#copyBase === null ? null : attempt.archive.copyBases(this.#copyBase);
    copying?.then(
      () => logger.info({}, 'copies of all changed state are in the state store'),
      (error: unknown) => {
        if (attempt === this.#attempt) logger.warn({ err: error }, 'state could not be copied; it is tried again');
      },
    );
  }

  async #namedCheckpoints(plan: ExecutionPlan): Promise<Set<string>> {
    const { topics, group, claimTopic } = this.#options;
    const named = new Set<string>();
    const claimed = plan.topicSources.map((source) => source.topic);
    for (const topic of new Set(claimTopic === null ? claimed : [claimTopic])) {
      for (const { metadata } of (await topics.committedOffsets(group, topic)).values()) {
        const reference = decodeClaim(metadata)?.checkpoint ?? null;
        if (reference !== null) named.add(reference);
      }
    }
    return named;
  }

  async #restore(
    plan: ExecutionPlan,
    claims: Claims,
    name: string,
  ): Promise<{ restorePoint: RestorePoint; archive: AttemptArchive }> {
    const { segmentDir, workDir, bases, stateBackend, isShared, logger } = this.#options;
    const shardsOf = shardsByCheckpoint(plan, claims);
    const takenOver = new Map<string, CheckpointManifest>();
    for (const reference of shardsOf.keys()) takenOver.set(reference, await this.#load(reference));
    if (isShared) refuseOperatorState(takenOver.values());
    const newest = [...takenOver.values()].sort((a, b) => b.checkpointId - a.checkpointId)[0];
    this.#leastId = Math.max(this.#leastId, (newest?.checkpointId ?? 0) + 1);
    const merged = mergeSnapshots(
      { shardCount: plan.shardCount, stateBackend, namespaces: namespacesOf(plan), lineage: name },
      [...takenOver].map(([reference, manifest]) => [manifest, shardsOf.get(reference) ?? new Set()] as const),
    );
    const checkpointId = newest?.checkpointId ?? (0 as CheckpointId);
    const from = { checkpointId, snapshots: merged };
    const archive = new AttemptArchive({ folder: this.#folder, segmentDir, workDir, name, from, takenOver });
    const { snapshots, ...counts } = await takeOver(merged, {
      shards: new Set(plan.ownedShards),
      folder: this.#folder,
      segmentDir,
      bases,
      nextCheckpointId: this.nextCheckpointId,
    });
    logger.info({ checkpoints: [...takenOver.keys()], ...counts }, 'state of the shards is here');
    const offsets: SourceOffsets = offsetsBySource(plan, claims);
    if (newest === undefined)
      return { restorePoint: { checkpointId, offsets, workers: null, isFromElsewhere: false }, archive };
    // Of a job that one instance runs as a whole there is one checkpoint, with the state of its operators.
    const operatorStates = takenOver.size === 1 ? newest.operatorStates : [];
    const restorePoint = { ...this.recover({ ...newest, snapshots, operatorStates }, plan), offsets };
    return { restorePoint, archive };
  }

  async #load(reference: string): Promise<CheckpointManifest> {
    const manifest = await this.#folder.getManifest(manifestName(reference));
    if (manifest !== null) return manifest;
    const { location } = this.#folder;
    throw new MillraceError(
      'MILLRACE_STATE_CORRUPT',
      `the checkpoint ${reference}, which Kafka names, is not in ${location}`,
      {
        details: { reference, location },
        hint: 'Give all instances of a group the same kafkaStateStore, one that outlives each of them.',
      },
    );
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
function partitionsOf(plan: ExecutionPlan, defaults: SourceOffsets): Map<string, ReadonlyMap<number, number>> {
  const partitions = new Map<string, ReadonlyMap<number, number>>();
  for (const channel of plan.channels) {
    if (channel.kind !== 'ingress' || channel.partitions.length === 0) continue;
    const source = plan.topicSources[channel.topicSource];
    if (source === undefined) continue;
    const ofTopic = new Map(partitions.get(source.topic));
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
  metadata: string,
): Map<string, ReadonlyMap<number, CommittedOffset>> {
  return new Map(
    plan.topicSources.map(({ operatorId, topic }) => [
      topic,
      new Map([...(offsets.get(operatorId) ?? [])].map(([partition, offset]) => [partition, { offset, metadata }])),
    ]),
  );
}

/** Which shards' offsets name each checkpoint. */
function shardsByCheckpoint({ shardCount }: ExecutionPlan, claims: Claims): ReadonlyMap<string, ReadonlySet<number>> {
  const shardsOf = new Map<string, Set<number>>();
  for (const byPartition of claims.values()) {
    for (const [partition, { checkpoint }] of byPartition) {
      if (checkpoint === null) continue;
      const shards = shardsOf.get(checkpoint) ?? new Set();
      shardsOf.set(checkpoint, shards.add(partition % shardCount));
    }
  }
  return shardsOf;
}

function namespacesOf({ vertices }: ExecutionPlan): Set<string> {
  const operators = vertices.flatMap((vertex) => vertex.operators);
  return new Set(operators.flatMap(({ stateNamespace }) => stateNamespace ?? []));
}

/** State of an operator as a whole, not of its keys, belongs to no shard: nothing says to whom it would go. */
function refuseOperatorState(parts: Iterable<Pick<CheckpointManifest, 'operatorStates'>>): void {
  for (const { operatorStates } of parts) {
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
