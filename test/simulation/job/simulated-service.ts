import { KEY_GROUP_COUNT } from '../../../src/api/internal/key-groups.js';
import type { CheckpointId, CorrelationId } from '../../../src/base/ids.js';
import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import {
  CheckpointCoordinator,
  type CoordinatorAction,
  type CoordinatorEvent,
} from '../../../src/checkpoint/checkpoint-coordinator.js';
import {
  type CheckpointManifest,
  decodeManifest,
  encodeManifest,
} from '../../../src/checkpoint/checkpoint-manifest.js';
import { planRecovery } from '../../../src/checkpoint/recovery-plan.js';
import type { TransactionalProducer } from '../../../src/connectors/topic.js';
import type { ExecutionPlan } from '../../../src/graph/execution-plan.js';
import type { StreamGraph } from '../../../src/graph/stream-graph.js';
import type { Reply } from '../../../src/main/job-control.js';
import type { SourceOffsets } from '../../../src/main/job-attempt.js';
import { ReplyReceiver } from '../../../src/main/reply-receiver.js';
import { RequestIngress } from '../../../src/main/request-ingress.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import { OutcomeJournal } from '../../../src/workers/outcome-journal.js';
import { type SegmentContent, SimulatedAttempt, type Variant } from './simulated-attempt.js';
import { SimulatedLog } from './simulated-log.js';
import { SimulatedOutcomes } from './simulated-outcomes.js';

type WorkerAck = WorkerEvent & { readonly kind: 'checkpoint-acknowledged' };

export interface ServiceOptions {
  readonly variant: Variant;
  readonly plan: ExecutionPlan;
  readonly graphOf: () => StreamGraph;
  readonly prng: Prng;
  readonly ringBytes: number;
  /** Chance per step of each kind of fault. */
  readonly faultRate: number;
  readonly onReply: (reply: Reply) => void;
}

/** What went wrong in a run. */
export interface FaultCounts {
  crashes: number;
  restarts: number;
  abortedCheckpoints: number;
  completedCheckpoints: number;
}

/**
 * The process and its disks: the log, the manifests, the segments, and one attempt of the job after the other. Everything
 * but the disks is lost in a crash. Main's decisions are those of production (coordinator, recovery plan, manifests as bytes).
 */
export class SimulatedService {
  readonly log = new SimulatedLog();
  readonly faults: FaultCounts = { crashes: 0, restarts: 0, abortedCheckpoints: 0, completedCheckpoints: 0 };
  readonly #options: ServiceOptions;
  readonly #outcomes = new SimulatedOutcomes();
  readonly #segments = new Map<string, SegmentContent>();
  /** Manifests on disk, oldest first. */
  readonly #manifests: Uint8Array[] = [];
  /** The newest that this process knows to be on disk: a write that seemed to fail may be there all the same. */
  #known: CheckpointManifest | null = null;
  #nextCheckpointId = 1;
  #nowMs = 1;
  #attempt: SimulatedAttempt | null = null;
  #coordinator: CheckpointCoordinator<WorkerAck | null> | null = null;
  #ingress: RequestIngress | null = null;
  #replies: ReplyReceiver | null = null;
  #offsets: SourceOffsets = new Map();
  #writingManifest: CheckpointManifest | null = null;
  #failure: Error | null = null;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#attempt !== null;
  }

  submit(envelope: Parameters<RequestIngress['submit']>[0]): void {
    this.#ingress?.submit(envelope, { onDurable: () => undefined, onRefused: () => undefined });
  }

  /** Takes one step of some actor, or lets something go wrong. Microtasks of it are done when this resolves. */
  async step(): Promise<void> {
    const { prng, faultRate } = this.#options;
    this.#nowMs += 1;
    if (this.#attempt === null) await this.#start();
    else if (prng.next() < faultRate) await this.#fault();
    else this.#stepActor(this.#attempt);
    this.#coordinate({ kind: 'tick', nowMs: this.#nowMs });
    await microtasks();
    if (this.#failure !== null) await this.#restart();
  }

  #stepActor(attempt: SimulatedAttempt): void {
    const { prng } = this.#options;
    const choice = prng.below(10);
    if (choice < 6) attempt.stepWorker(prng);
    else if (choice < 8) attempt.stepMain();
    else if (choice < 9) this.log.step(prng);
    else this.#stepDisk(attempt);
  }

  #stepDisk(attempt: SimulatedAttempt): void {
    const { prng } = this.#options;
    if (this.#writingManifest !== null && prng.below(2) === 0) return this.#manifestWritten(this.#writingManifest);
    if (prng.below(2) === 0) return this.#outcomes.step(prng);
    attempt.stepDisk(prng, null);
  }

  // -------------------------------------------------------------------------------------------------------------- faults

  async #fault(): Promise<void> {
    const { prng } = this.#options;
    switch (prng.below(6)) {
      case 0:
      case 1:
        return this.#crash();
      case 2:
        this.log.failWrite(prng);
        return;
      case 3:
        this.#attempt?.stepDisk(prng, new Error('the disk of a worker is full'));
        return;
      case 4:
        this.#failManifest();
        return;
      default:
        // A worker dies: the process lives on.
        this.#failure = new Error('a worker died');
    }
  }

  #crash(): void {
    const { prng } = this.#options;
    this.faults.crashes++;
    // The manifest that was being written is there or not; nothing in between, since it is renamed into its place.
    if (this.#writingManifest !== null && prng.below(2) === 0)
      this.#manifests.push(encodeManifest(this.#writingManifest));
    this.#stopAttempt();
    this.#known = null;
    this.log.crash(prng);
  }

  /** The write of a manifest fails, as far as anybody can tell. */
  #failManifest(): void {
    const manifest = this.#writingManifest;
    if (manifest === null) return;
    this.#writingManifest = null;
    if (this.#options.prng.below(2) === 0) this.#manifests.push(encodeManifest(manifest));
    const cause = new Error('the disk of the manifests failed');
    this.#coordinate({ kind: 'store-failed', nowMs: this.#nowMs, checkpointId: manifest.checkpointId, cause });
  }

  async #restart(): Promise<void> {
    this.faults.restarts++;
    this.#stopAttempt();
    await this.#start();
  }

  #stopAttempt(): void {
    this.#attempt?.stop();
    this.#outcomes.lose(this.#options.prng);
    this.#replies?.stop();
    this.#attempt = null;
    this.#coordinator = null;
    this.#ingress = null;
    this.#writingManifest = null;
    this.#failure = null;
  }

  // --------------------------------------------------------------------------------------------------------------- start

  async #start(): Promise<void> {
    const { plan, onReply } = this.#options;
    const newest = this.#manifests.at(-1);
    this.#known ??= newest === undefined ? null : decodeManifest(newest, 'the newest manifest');
    const manifest = this.#known;
    this.#nextCheckpointId = Math.max(this.#nextCheckpointId, (manifest?.checkpointId ?? 0) + 1);
    await this.#createTopics();
    const producer = await this.log.openTransactionalProducer({
      transactionalId: plan.jobName,
      topics: [...new Set(plan.topicSinks.map(({ topic }) => topic))],
      committed: manifest,
      nextCheckpointId: this.#nextCheckpointId,
    });
    const responses = { topic: plan.responseTopic ?? '', partition: 0 };
    this.#replies = await ReplyReceiver.create(this.log, responses, (error) => this.#fail(error));
    this.#ingress = new RequestIngress({
      port: this.log,
      clock: { now: () => this.#nowMs },
      replyTo: `${responses.topic}:0`,
      sources: plan.topicSources,
    });
    this.#attempt = this.#createAttempt(manifest, producer, await this.#openOutcomes());
    this.#coordinator = this.#createCoordinator(plan);
    this.#replies.start(onReply);
    this.#attempt.ingress.start();
  }

  async #createTopics(): Promise<void> {
    const { plan } = this.#options;
    const partitions = plan.shardCount;
    for (const { topic } of [...plan.topicSources, ...plan.topicSinks])
      await this.log.createTopic(topic, { partitions });
    if (plan.responseTopic !== null) await this.log.createTopic(plan.responseTopic, { partitions: 1 });
  }

  #openOutcomes(): Promise<OutcomeJournal[]> {
    const { plan } = this.#options;
    const sources = plan.topicSources.map(({ operatorId }) => operatorId);
    const workers = Array.from({ length: plan.workerCount }, (_, worker) => worker);
    return Promise.all(workers.map((worker) => OutcomeJournal.open({ folder: this.#outcomes, worker, sources })));
  }

  #createAttempt(
    manifest: CheckpointManifest | null,
    producer: TransactionalProducer,
    outcomes: readonly OutcomeJournal[],
  ): SimulatedAttempt {
    const { plan, graphOf, prng, ringBytes, variant } = this.#options;
    const recovery =
      manifest === null
        ? null
        : planRecovery(
            manifest,
            {
              jobName: plan.jobName,
              workerCount: plan.workerCount,
              shardCount: plan.shardCount,
              keyGroupCount: KEY_GROUP_COUNT,
              stateBackend: 'heap',
              operators: this.#operators(),
              sources: plan.topicSources.map(({ operatorId, topic }) => ({ id: operatorId, topic })),
            },
            { allowNonRestoredState: false },
          );
    const positions = Object.entries(recovery?.sources ?? {}).map(([id, { offsets }]) => {
      const ofSource = Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset] as const);
      return [id, new Map(ofSource)] as const;
    });
    const clock = { now: () => this.#nowMs, nowMs: () => this.#nowMs };
    return new SimulatedAttempt(
      {
        variant,
        plan,
        graphOf,
        prng,
        clock,
        port: this.log,
        producer,
        positions: new Map(positions),
        restored: recovery?.workers ?? null,
        outcomes,
        segments: this.#segments,
        onEvent: (event) => this.#onWorkerEvent(event),
        onEgressDurable: (channel, id) => this.#onEgress(channel, id, null),
        onEgressFailed: (channel, id, cause) => this.#onEgress(channel, id, cause),
        onFailure: (error) => this.#fail(error),
      },
      ringBytes,
    );
  }

  #operators(): { id: string; parallelism: number; stateNamespace: string | null }[] {
    return this.#options.plan.vertices.flatMap(({ operators, parallelism }) =>
      operators.map(({ id, stateNamespace }) => ({ id, parallelism, stateNamespace })),
    );
  }

  #fail(error: Error): void {
    if (error instanceof Error && error.name === 'MillraceError' && !/disk/.test(error.message)) throw error;
    this.#failure ??= error;
  }

  // --------------------------------------------------------------------------------------------------------- checkpoints

  #createCoordinator(plan: ExecutionPlan): CheckpointCoordinator<WorkerAck | null> {
    return new CheckpointCoordinator<WorkerAck | null>({
      intervalMs: 60,
      timeoutMs: 600,
      minPauseMs: 2,
      failuresMax: 1_000,
      participantCount: plan.workerCount + this.#egressChannels().length,
      firstCheckpointId: this.#nextCheckpointId as CheckpointId,
      nowMs: this.#nowMs,
    });
  }

  #egressChannels(): readonly number[] {
    return this.#options.plan.channels.filter(({ kind }) => kind === 'egress').map(({ index }) => index);
  }

  #onWorkerEvent(event: WorkerEvent): void {
    const nowMs = this.#nowMs;
    if (event.kind === 'checkpoint-acknowledged') {
      this.#coordinate({
        kind: 'acknowledged',
        nowMs,
        checkpointId: event.checkpointId,
        participant: event.worker,
        ack: event,
      });
    } else if (event.kind === 'checkpoint-declined') {
      const { checkpointId, worker: participant, cause } = event;
      this.#coordinate({ kind: 'declined', nowMs, checkpointId, participant, cause });
    }
  }

  #onEgress(channel: number, id: number, cause: Error | null): void {
    const participant = this.#options.plan.workerCount + this.#egressChannels().indexOf(channel);
    const checkpointId = id as CheckpointId;
    const nowMs = this.#nowMs;
    if (cause === null) this.#coordinate({ kind: 'acknowledged', nowMs, checkpointId, participant, ack: null });
    else this.#coordinate({ kind: 'declined', nowMs, checkpointId, participant, cause });
  }

  #coordinate(event: CoordinatorEvent<WorkerAck | null>): void {
    for (const action of this.#coordinator?.step(event) ?? []) this.#carryOut(action);
  }

  #carryOut(action: CoordinatorAction<WorkerAck | null>): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    switch (action.kind) {
      case 'trigger':
        this.#nextCheckpointId = action.checkpointId + 1;
        this.#offsets = attempt.triggerCheckpoint(action.checkpointId);
        break;
      case 'commit':
        this.#writingManifest = this.#manifestOf(attempt, action.checkpointId, action.acks);
        break;
      case 'notify-complete':
        this.faults.completedCheckpoints++;
        attempt.notifyCheckpointComplete(action.checkpointId);
        break;
      case 'notify-aborted':
        this.faults.abortedCheckpoints++;
        attempt.notifyCheckpointAborted(action.checkpointId);
        break;
      case 'fail-job':
        this.#fail(action.cause);
    }
  }

  #manifestOf(
    attempt: SimulatedAttempt,
    checkpointId: CheckpointId,
    acks: readonly (WorkerAck | null)[],
  ): CheckpointManifest {
    const { plan } = this.#options;
    const workerAcks = acks.filter((ack) => ack !== null);
    const sources = plan.topicSources.map(({ operatorId, topic }) => {
      return [operatorId, { topic, offsets: Object.fromEntries(this.#offsets.get(operatorId) ?? []) }] as const;
    });
    return {
      checkpointId,
      jobName: plan.jobName,
      timestamp: this.#nowMs,
      keyGroupCount: KEY_GROUP_COUNT,
      shardCount: plan.shardCount,
      sources: Object.fromEntries(sources),
      origin: null,
      savepointId: null,
      outputs: attempt.output.outputsOf(checkpointId),
      operators: this.#operators(),
      snapshots: workerAcks.flatMap(({ segments }) => segments),
      operatorStates: workerAcks.flatMap(({ operatorStates }) => operatorStates),
    };
  }

  /** The commit point: from here on a restart goes on from this checkpoint. */
  #manifestWritten(manifest: CheckpointManifest): void {
    this.#writingManifest = null;
    this.#manifests.push(encodeManifest(manifest));
    this.#known = manifest;
    const { checkpointId, outputs, jobName: group } = manifest;
    invariant(this.#attempt !== null, 'manifests are written for a running attempt');
    void this.#attempt.output.commit({ checkpointId, outputs, group, offsets: new Map() });
    this.#coordinate({ kind: 'stored', nowMs: this.#nowMs, checkpointId });
  }
}

/** Promises that were settled in this step have had their effect: the longest chain has some six links. */
async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

/** What a client sends. */
export function correlationOf(operation: number, attempt: number): CorrelationId {
  return `${String(operation)}/${String(attempt)}` as CorrelationId;
}
