import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import type { Clock } from '../base/clock.js';
import type { CheckpointId } from '../base/ids.js';
import type { CheckpointManifest, ManifestOperator } from '../checkpoint/checkpoint-manifest.js';
import type { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import { planRecovery } from '../checkpoint/recovery-plan.js';
import type {
  OutputEnds,
  TopicPort,
  TransactionalProducer,
  TransactionalProducerOptions,
} from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { RestoredJob } from '../protocol/deployment.js';
import type { AcknowledgedCheckpoint } from './checkpoint-scheduler.js';
import { openProducer } from './job-topics.js';
import type { SourceOffsets } from './job-attempt.js';

/** Where a job goes on. */
export interface RestorePoint {
  readonly checkpointId: CheckpointId;
  readonly offsets: SourceOffsets;
  /** By worker; `null` when there is no state yet. */
  readonly workers: readonly RestoredJob[] | null;
  /** Whether it was brought here from elsewhere, and its offsets may be those of topics that are not here. */
  readonly isFromElsewhere: boolean;
}

export interface AttemptTopics {
  readonly port: TopicPort;
  /** Where sources begin that no checkpoint knows. */
  readonly defaultPositions: SourceOffsets;
}

export interface AttemptBeginning {
  readonly restorePoint: RestorePoint | null;
  readonly producer: TransactionalProducer;
}

/** Told of each completed checkpoint, and awaited before the next one completes. Must not reject. */
export type CommitListener = (manifest: CheckpointManifest) => Promise<void>;

/** A job's checkpoints: what the newest holds for a plan, and how the next becomes durable. Thread: main. */
export class JobCheckpoints {
  readonly #store: CheckpointStore;
  readonly #stateBackend: 'heap' | 'lmdb';
  readonly #clock: Clock;
  readonly #allowNonRestoredState: boolean;
  readonly #listeners: CommitListener[] = [];

  constructor(options: {
    store: CheckpointStore;
    stateBackend: 'heap' | 'lmdb';
    /** Go on although a checkpoint holds state of operators that the job no longer has. @defaultValue false */
    allowNonRestoredState?: boolean;
    clock: Clock;
  }) {
    this.#store = options.store;
    this.#stateBackend = options.stateBackend;
    this.#clock = options.clock;
    this.#allowNonRestoredState = options.allowNonRestoredState ?? false;
  }

  onCommitted(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  get nextCheckpointId(): CheckpointId {
    return this.#store.nextCheckpointId;
  }

  /**
   * Where the job goes on; `null` to start from nothing.
   *
   * @throws MillraceError `MILLRACE_STATE_INCOMPATIBLE` when the job cannot go on from its newest checkpoint.
   */
  restorePoint(plan: ExecutionPlan): RestorePoint | null {
    const manifest = this.#store.latest;
    return manifest === null ? null : this.recover(manifest, plan);
  }

  /** Where an attempt begins, and what its exactly-once output is written with. The attempt before has ended. */
  async begin(plan: ExecutionPlan, { port }: AttemptTopics): Promise<AttemptBeginning> {
    const settled = await this.#store.settle();
    if (settled !== null) await this.announce(settled);
    const restorePoint = this.restorePoint(plan);
    return { restorePoint, producer: await openProducer(port, plan, this.committedOutput()) };
  }

  protected recover(manifest: CheckpointManifest, plan: ExecutionPlan): RestorePoint {
    const { jobName, workerCount, shardCount, topicSources } = plan;
    const { workers, sources } = planRecovery(
      manifest,
      {
        jobName,
        workerCount,
        shardCount,
        keyGroupCount: KEY_GROUP_COUNT,
        stateBackend: this.#stateBackend,
        operators: operatorsOf(plan),
        sources: topicSources.map(({ operatorId, topic }) => ({ id: operatorId, topic })),
      },
      { allowNonRestoredState: this.#allowNonRestoredState },
    );
    const offsets = Object.entries(sources).map(
      ([id, source]) =>
        [
          id,
          new Map(Object.entries(source.offsets).map(([partition, offset]) => [Number(partition), offset])),
        ] as const,
    );
    return {
      checkpointId: manifest.checkpointId,
      offsets: new Map(offsets),
      workers,
      isFromElsewhere: manifest.origin?.isFresh ?? false,
    };
  }

  /** How far the output of exactly-once sinks is committed: what the newest checkpoint says, wherever the job goes on from. */
  committedOutput(): Pick<TransactionalProducerOptions, 'committed' | 'nextCheckpointId'> {
    const { latest, nextCheckpointId } = this.#store;
    const committed = latest === null ? null : { checkpointId: latest.checkpointId, outputs: latest.outputs };
    return { committed, nextCheckpointId };
  }

  /**
   * Makes a checkpoint of an attempt with this plan durable, and drops the oldest beyond those retained.
   *
   * @param outputs where the output of exactly-once sinks ends that belongs to it
   */
  async commit(
    { checkpointId, offsets, acks }: AcknowledgedCheckpoint,
    plan: ExecutionPlan,
    outputs: OutputEnds,
  ): Promise<void> {
    await this.keep(this.manifestOf({ checkpointId, offsets, acks }, plan, outputs));
  }

  protected async keep(manifest: CheckpointManifest): Promise<void> {
    await this.#store.commit(manifest);
    await this.announce(manifest);
  }

  protected async announce(manifest: CheckpointManifest): Promise<void> {
    for (const listener of this.#listeners) await listener(manifest);
  }

  protected manifestOf(
    { checkpointId, offsets, acks }: AcknowledgedCheckpoint,
    plan: ExecutionPlan,
    outputs: OutputEnds,
  ): CheckpointManifest {
    const { jobName, shardCount, topicSources } = plan;
    const sources: Record<string, { topic: string; offsets: Record<number, number> }> = {};
    for (const { operatorId, topic } of topicSources) {
      sources[operatorId] = { topic, offsets: Object.fromEntries(offsets.get(operatorId) ?? []) };
    }
    const origin = this.#store.latest?.origin ?? null;
    return {
      checkpointId,
      jobName,
      timestamp: this.#clock.now(),
      keyGroupCount: KEY_GROUP_COUNT,
      shardCount,
      sources,
      outputs,
      operators: claimedOperatorsOf(plan),
      snapshots: acks.flatMap(({ segments }) => segments),
      operatorStates: acks.flatMap(({ operatorStates }) => operatorStates),
      origin: origin === null ? null : { ...origin, isFresh: false },
      savepointId: null,
    };
  }
}

/** Those whose state a later job must claim. What a request source remembers may go with the source. */
function claimedOperatorsOf(plan: ExecutionPlan): ManifestOperator[] {
  const sources = new Set(plan.topicSources.map(({ operatorId }) => operatorId));
  return operatorsOf(plan).map(({ id, parallelism, stateNamespace }) => ({
    id,
    parallelism,
    stateNamespace: sources.has(id) ? null : stateNamespace,
  }));
}

function operatorsOf({ vertices }: ExecutionPlan): ManifestOperator[] {
  return vertices.flatMap(({ operators, parallelism }) =>
    operators.map(({ id, stateNamespace }) => ({ id, parallelism, stateNamespace })),
  );
}
