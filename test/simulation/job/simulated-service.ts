import { MillraceError } from '../../../src/base/errors.js';
import type { CheckpointId, CorrelationId } from '../../../src/base/ids.js';
import { invariant } from '../../../src/base/invariant.js';
import { silentLogger } from '../../../src/base/log.js';
import type { Prng } from '../../../src/base/prng.js';
import {
  CheckpointCoordinator,
  type CoordinatorAction,
  type CoordinatorEvent,
} from '../../../src/checkpoint/checkpoint-coordinator.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import type { TopicPort } from '../../../src/connectors/topic.js';
import type { ExecutionPlan } from '../../../src/graph/execution-plan.js';
import type { StreamGraph } from '../../../src/graph/stream-graph.js';
import type { WorkerAck } from '../../../src/main/checkpoint-scheduler.js';
import type { SourceOffsets } from '../../../src/main/job-attempt.js';
import { JobCheckpoints } from '../../../src/main/job-checkpoints.js';
import type { Reply } from '../../../src/main/job-control.js';
import { ReplyReceiver } from '../../../src/main/reply-receiver.js';
import { RequestIngress } from '../../../src/main/request-ingress.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import { OutcomeDirectory } from '../../../src/workers/outcome-file.js';
import { OutcomeJournal } from '../../../src/workers/outcome-journal.js';
import { WorkerState } from '../../../src/workers/worker-state.js';
import { useDisk } from '../disk/present-disk.js';
import { SimulatedDisk } from '../disk/simulated-disk.js';
import { turnsOfEventLoop } from '../disk/turns.js';
import { SimulatedAttempt, type Variant } from './simulated-attempt.js';

export interface ServiceOptions {
  readonly variant: Variant;
  readonly plan: ExecutionPlan;
  readonly graphOf: () => StreamGraph;
  readonly prng: Prng;
  readonly ringBytes: number;
  /** Chance per step that something goes wrong. */
  readonly faultRate: number;
  readonly onReply: (reply: Reply) => void;
}

/** What went wrong in a run. */
export interface FaultCounts {
  /** Of the process; with or without the machine's power. */
  crashes: number;
  /** Of the job within its process. */
  restarts: number;
  failedStarts: number;
  abortedCheckpoints: number;
  completedCheckpoints: number;
}

/** Main's part of a process, from its start to its end. */
interface Process {
  readonly log: EmbeddedLog;
  readonly checkpoints: JobCheckpoints;
  readonly replies: ReplyReceiver;
  readonly ingress: RequestIngress;
}

/** One run of the job within a process. */
interface Run {
  readonly attempt: SimulatedAttempt;
  readonly coordinator: CheckpointCoordinator<WorkerAck | null>;
  readonly states: readonly WorkerState[];
  readonly outcomes: readonly OutcomeJournal[];
}

const DATA_DIR = '/data';
/** What the threads of workers write lies apart from what main writes: either may die without the other. */
const WORKER_DIR = `${DATA_DIR}/workers`;
const SEGMENT_DIR = `${WORKER_DIR}/segments`;
const OUTCOME_DIR = `${WORKER_DIR}/outcomes`;
/** Somebody who waits for the disk while it has nothing to do waits for ever. */
const IDLE_TURNS_MAX = 100;

/**
 * The process and its disk: the log, the checkpoints, and one attempt of the job after the other. Everything but the disk is
 * lost in a crash. All of it is production's own, down to the calls of the file system.
 */
export class SimulatedService {
  readonly faults: FaultCounts = {
    crashes: 0,
    restarts: 0,
    failedStarts: 0,
    abortedCheckpoints: 0,
    completedCheckpoints: 0,
  };
  readonly #options: ServiceOptions;
  readonly #disk: SimulatedDisk;
  readonly #segmentBytes: number;
  readonly #retainedCount: number;
  readonly #clock = { now: (): number => this.#nowMs, nowMs: (): number => this.#nowMs };
  #nextCheckpointId = 1;
  #nowMs = 1;
  #process: Process | null = null;
  #run: Run | null = null;
  #offsets: SourceOffsets = new Map();
  #commitUnderWay: Promise<void> = Promise.resolve();
  /** Why the job has to be started again. */
  #failure: Error | null = null;
  /** Whether the process has to be started again, as nobody would hear of answers any more. */
  #hasFailedForGood = false;
  /** What no fault explains. */
  #surprise: Error | null = null;

  constructor(options: ServiceOptions) {
    const { variant, prng } = options;
    this.#options = options;
    this.#disk = new SimulatedDisk(
      variant === 'unsynced-content' ? 'content' : variant === 'unsynced-names' ? 'names' : 'none',
    );
    this.#segmentBytes = [1 << 11, 1 << 14][prng.below(2)] ?? 0;
    this.#retainedCount = 1 + prng.below(2);
  }

  /** The log of the process that runs; `null` while none does. */
  get log(): TopicPort | null {
    return this.#process?.log ?? null;
  }

  submit(envelope: Parameters<RequestIngress['submit']>[0]): void {
    this.#process?.ingress.submit(envelope, { onDurable: () => undefined, onRefused: () => undefined });
  }

  /** Takes one step of some actor, or lets something go wrong. */
  async step(): Promise<void> {
    const { prng, faultRate } = this.#options;
    useDisk(this.#disk);
    this.#nowMs += 1;
    const run = this.#run;
    if (run === null) await this.#start();
    else if (prng.next() < faultRate) await this.#fault();
    else await this.#stepActor(run.attempt);
    this.#coordinate({ kind: 'tick', nowMs: this.#nowMs });
    await turnsOfEventLoop(1);
    if (this.#hasFailedForGood) await this.#end();
    else if (this.#failure !== null && this.#run !== null) await this.#restart();
    if (this.#surprise !== null) throw this.#surprise;
  }

  async #stepActor(attempt: SimulatedAttempt): Promise<void> {
    const { prng } = this.#options;
    const choice = prng.below(10);
    if (choice < 5) attempt.stepWorker(prng);
    else if (choice < 7) attempt.stepMain();
    else await this.#stepDisk();
  }

  async #stepDisk(): Promise<void> {
    const { prng } = this.#options;
    for (let count = prng.below(6); count >= 0; count--) {
      this.#disk.step(prng);
      await turnsOfEventLoop(1);
    }
  }

  // -------------------------------------------------------------------------------------------------------------- faults

  async #fault(): Promise<void> {
    const { prng } = this.#options;
    switch (prng.below(5)) {
      case 0:
      case 1:
        return this.#crash();
      case 2:
      case 3:
        this.#disk.step(prng, true);
        return;
      default:
        // A worker dies: the process lives on.
        this.#failure = new Error('a worker died');
    }
  }

  /** The process is killed, or the machine loses its power. */
  async #crash(): Promise<void> {
    const { prng } = this.#options;
    this.faults.crashes++;
    await this.#end();
    if (prng.below(2) === 0) this.#disk.losePower(prng);
  }

  async #end(): Promise<void> {
    this.#run?.attempt.stop();
    this.#process?.replies.stop();
    this.#run = null;
    this.#process = null;
    this.#failure = null;
    this.#hasFailedForGood = false;
    this.#commitUnderWay = Promise.resolve();
    await this.#disk.abandon('/', this.#options.prng);
  }

  /** As production replaces an attempt: state is opened again only when the workers before have closed it, or are gone. */
  async #restart(): Promise<void> {
    const run = this.#run;
    const process = this.#process;
    invariant(run !== null && process !== null, 'what is started again has run');
    this.faults.restarts++;
    run.attempt.stop();
    this.#run = null;
    this.#failure = null;
    if (!(await this.#whileDiskWorks(this.#commitUnderWay))) return;
    if (this.#options.prng.below(2) === 0) await this.#killWorkers(run);
    else if (!(await this.#whileDiskWorks(closeWorkers(run)))) return;
    // Refused appends have been reported to whoever made them.
    if (!(await this.#whileDiskWorks(process.log.flush().catch(() => undefined)))) return;
    await this.#whileDiskWorks(this.#startRun(process));
  }

  /** Their threads end as they are; what they had asked of the disk it may still do. */
  async #killWorkers(run: Run): Promise<void> {
    const gone = this.#disk.abandon(WORKER_DIR, this.#options.prng);
    void closeWorkers(run);
    await gone;
  }

  // --------------------------------------------------------------------------------------------------------------- start

  async #start(): Promise<void> {
    await this.#whileDiskWorks(
      this.#startProcess().then((process) => {
        this.#process = process;
        return this.#startRun(process);
      }),
    );
  }

  /**
   * Lets the disk work until something has come to its end, which a crash may prevent, and a fault of the disk.
   *
   * @returns whether the process has lived to see it
   */
  async #whileDiskWorks(work: Promise<void>): Promise<boolean> {
    const { prng } = this.#options;
    let isOver = false;
    let failure: unknown = null;
    work
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        isOver = true;
      });
    for (let idleTurns = 0; ; idleTurns++) {
      await turnsOfEventLoop(1);
      if (isOver) break;
      invariant(idleTurns < IDLE_TURNS_MAX, 'whoever waits for the disk has asked it for something');
      if (this.#disk.pendingCount === 0) continue;
      idleTurns = 0;
      const isFault = prng.next() < this.#options.faultRate / 2;
      if (isFault && prng.below(2) === 0) {
        await this.#crash();
        return false;
      }
      this.#disk.step(prng, isFault);
      for (let more = prng.below(this.#disk.pendingCount + 1); more > 0; more--) this.#disk.step(prng);
    }
    if (failure === null) return true;
    if (!isOfDisk(failure)) throw failure as Error;
    this.faults.failedStarts++;
    await this.#end();
    return false;
  }

  async #startProcess(): Promise<Process> {
    const { plan, onReply } = this.#options;
    const log = await EmbeddedLog.open({
      dataDir: DATA_DIR,
      clock: this.#clock,
      segmentBytes: this.#segmentBytes,
      cacheBytes: 1 << 16,
      preallocateBytes: 1 << 10,
      retentionCheckMs: 0,
    });
    const store = await CheckpointStore.open({
      checkpointDir: `${DATA_DIR}/checkpoints`,
      segmentDir: SEGMENT_DIR,
      retainedCount: this.#retainedCount,
      logger: silentLogger,
    });
    await store.sweepSegments();
    await createTopics(log, plan);
    const responses = { topic: plan.responseTopic ?? '', partition: 0 };
    const replies = await ReplyReceiver.create(log, responses, (error) => this.#failForGood(error));
    const ingress = new RequestIngress({
      port: log,
      clock: this.#clock,
      replyTo: `${responses.topic}:0`,
      sources: plan.topicSources,
    });
    replies.start(onReply);
    const checkpoints = new JobCheckpoints({ store, stateBackend: 'heap', clock: this.#clock });
    return { log, checkpoints, replies, ingress };
  }

  async #startRun({ log, checkpoints }: Process): Promise<void> {
    const { plan, graphOf, ringBytes, variant } = this.#options;
    const begun = await checkpoints.begin(plan, { port: log, defaultPositions: new Map() });
    const restored = begun.restorePoint?.workers ?? null;
    this.#nextCheckpointId = Math.max(this.#nextCheckpointId, checkpoints.nextCheckpointId);
    const workers = Array.from({ length: plan.workerCount }, (_, worker) => worker);
    const states = workers.map((worker) => this.#createState(worker));
    for (const [worker, state] of states.entries()) await state.open(restored?.[worker] ?? null);
    const sources = plan.topicSources.map(({ operatorId }) => operatorId);
    const folder = new OutcomeDirectory(OUTCOME_DIR);
    const outcomes = await Promise.all(workers.map((worker) => OutcomeJournal.open({ folder, worker, sources })));
    const ofRun =
      <Args extends unknown[]>(act: (...args: Args) => void) =>
      (...args: Args): void => {
        if (this.#run?.attempt === attempt) act(...args);
      };
    const attempt: SimulatedAttempt = new SimulatedAttempt(
      {
        variant,
        plan,
        graphOf,
        clock: this.#clock,
        port: log,
        producer: begun.producer,
        positions: begun.restorePoint?.offsets ?? new Map(),
        restored,
        states,
        outcomes,
        onEvent: ofRun((event) => this.#onWorkerEvent(event)),
        onEgressDurable: ofRun((channel, id) => this.#onEgress(channel, id, null)),
        onEgressFailed: ofRun((channel, id, cause) => this.#onEgress(channel, id, cause)),
        onFailure: (error) => this.#fail(error),
      },
      ringBytes,
    );
    this.#run = { attempt, states, outcomes, coordinator: this.#createCoordinator(plan) };
    attempt.ingress.start();
  }

  #createState(worker: number): WorkerState {
    const { plan } = this.#options;
    const state = {
      backend: 'heap',
      stateDir: `${WORKER_DIR}/state`,
      segmentDir: SEGMENT_DIR,
      memtableBudgetBytes: Infinity,
    } as const;
    return new WorkerState({ worker, plan, state, attempt: 0 }, this.#clock, () => undefined, this.#clock);
  }

  #failForGood(error: Error): void {
    if (isOfDisk(error)) this.#hasFailedForGood = true;
    else this.#surprise ??= error;
  }

  #fail(error: Error): void {
    if (isOfDisk(error)) this.#failure ??= error;
    else this.#surprise ??= error;
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
      const { checkpointId, worker: participant } = event;
      this.#coordinate({ kind: 'acknowledged', nowMs, checkpointId, participant, ack: event });
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
    for (const action of this.#run?.coordinator.step(event) ?? []) this.#carryOut(action);
  }

  #carryOut(action: CoordinatorAction<WorkerAck | null>): void {
    const attempt = this.#run?.attempt;
    if (attempt === undefined) return;
    switch (action.kind) {
      case 'trigger':
        this.#nextCheckpointId = action.checkpointId + 1;
        this.#offsets = attempt.triggerCheckpoint(action.checkpointId);
        break;
      case 'commit':
        this.#commitUnderWay = this.#commit(attempt, action.checkpointId, action.acks);
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

  /** The commit point: from the manifest on a restart goes on from this checkpoint. */
  async #commit(
    attempt: SimulatedAttempt,
    checkpointId: CheckpointId,
    acks: readonly (WorkerAck | null)[],
  ): Promise<void> {
    const { plan } = this.#options;
    const offsets = this.#offsets;
    const outputs = attempt.output.outputsOf(checkpointId);
    const workerAcks = acks.filter((ack) => ack !== null);
    const tell = (event: CoordinatorEvent<WorkerAck | null>): void => {
      if (this.#run?.attempt === attempt) this.#coordinate(event);
    };
    try {
      await this.#process?.checkpoints.commit({ checkpointId, offsets, acks: workerAcks }, plan, outputs);
      await attempt.output.commit({ checkpointId, outputs, group: plan.jobName, offsets: new Map() });
      tell({ kind: 'stored', nowMs: this.#nowMs, checkpointId });
    } catch (cause) {
      if (!isOfDisk(cause)) this.#surprise ??= cause as Error;
      tell({ kind: 'store-failed', nowMs: this.#nowMs, checkpointId, cause });
    }
  }
}

async function createTopics(port: TopicPort, plan: ExecutionPlan): Promise<void> {
  const config = { partitions: plan.shardCount, retentionMs: Infinity, retentionBytes: Infinity };
  for (const { topic } of [...plan.topicSources, ...plan.topicSinks]) await port.createTopic(topic, config);
  if (plan.responseTopic !== null) await port.createTopic(plan.responseTopic, { ...config, partitions: 1 });
}

async function closeWorkers({ states, outcomes }: Run): Promise<void> {
  await Promise.all(states.map((state) => state.close()));
  await Promise.all(outcomes.map((journal) => journal.close()));
}

/** What the faults of the disk bring about, and nothing else. */
export function isOfDisk(error: unknown): boolean {
  return MillraceError.is(error, 'MILLRACE_STORAGE_FULL') || MillraceError.is(error, 'MILLRACE_STORAGE_FAILED');
}

/** What a client sends. */
export function correlationOf(operation: number, attempt: number): CorrelationId {
  return `${String(operation)}/${String(attempt)}` as CorrelationId;
}
