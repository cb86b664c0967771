/**
 * A job's life, from its module to its end: plan, topics, restore, run, checkpoints, stop.
 *
 * ```text
 *   INITIALIZING ──▶ RUNNING ──▶ CANCELLING ──▶ CANCELED      somebody asked for the end
 *                     ▲ │  └────▶ FINISHED                    every source has ended
 *          RESTARTING ┘ └───────▶ FAILING ──▶ FAILED          a worker died, a function threw, a disk is full
 * ```
 *
 * Thread: main. The only implementation of {@link JobControl}: HTTP sees a job through that door alone.
 */
import { randomUUID } from 'node:crypto';
import { type MergedAccumulator, mergeAccumulators } from '../api/internal/merge-accumulators.js';
import type { Clock, MonotonicClock } from '../base/clock.js';
import { fromWire, MillraceError, toWire } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import { Lifecycle, type TransitionTable } from '../base/lifecycle.js';
import type { Logger } from '../base/log.js';
import type { Prng } from '../base/prng.js';
import { type FailingRecords, givenUp } from '../checkpoint/failing-records.js';
import type { TopicPort } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { declaredRoutes } from '../graph/request-routes.js';
import type { StreamGraph } from '../graph/stream-graph.js';
import type { BaseCopyRequest, WorkerEvent } from '../protocol/control-message.js';
import type { StateSettings } from '../protocol/deployment.js';
import type { Culprit } from '../protocol/culprit.js';
import type { TraceSpan } from '../protocol/trace-span.js';
import { BaseCopies } from './base-copies.js';
import { type AttemptReplacement, type AttemptSettings, AttemptSupervisor } from './attempt-supervisor.js';
import { CheckpointHistory } from './checkpoint-history.js';
import type { CheckpointScheduler } from './checkpoint-scheduler.js';
import { ExceptionHistory } from './exception-history.js';
import type { JobAttempt } from './job-attempt.js';
import type {
  JobControl,
  JobDescription,
  JobStatus,
  Readiness,
  Reply,
  RequestEnvelope,
  RequestListener,
  RequestRoute,
} from './job-control.js';
import type { JobCheckpoints } from './job-checkpoints.js';
import { type JobTopics, openJobTopics } from './job-topics.js';
import { JobRestarts } from './job-restarts.js';
import { ReplyReceiver } from './reply-receiver.js';
import { RequestIngress } from './request-ingress.js';
import { createRestartStrategy, type RestartSettings } from './restart-strategy.js';

/** Where this instance's replies go. */
export interface ReplyPlace {
  /** Of the response topic. */
  readonly partitionCount: number;
  /** The one that this instance reads. Two that read the same one are no harm: a reply to the other's request is dropped. */
  readonly partition: number;
}

const ONLY_PLACE: ReplyPlace = { partitionCount: 1, partition: 0 };

export interface JobSettings extends AttemptSettings, RestartSettings {
  readonly checkpointAgeMaxMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

export interface JobManagerOptions {
  readonly graph: StreamGraph;
  readonly plan: ExecutionPlan;
  /** The job laid out over another number of workers. */
  readonly planOf: (parallelism: number) => ExecutionPlan;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly port: TopicPort;
  readonly checkpoints: JobCheckpoints;
  readonly failingRecords: FailingRecords;
  readonly state: StateSettings;
  readonly settings: JobSettings;
  readonly clock: Clock;
  readonly monotonic: MonotonicClock;
  /** Jitter of restarts. */
  readonly prng: Prng;
  readonly logger: Logger;
  /** Takes what traced requests did in the workers. */
  readonly onSpans: (spans: readonly TraceSpan[]) => void;
  /** @defaultValue the one partition of the response topic */
  readonly replyPlace?: ReplyPlace;
  /**
   * Asked when an attempt has failed: whether somebody else puts another in its place, who has to do so by
   * {@link JobManager.replaceAttempt}. Otherwise the job fails.
   */
  readonly takesCareOf?: (failure: Error) => boolean;
  /** The job has ended by itself: failed, with the cause, or finished. Called at most once. */
  readonly onEnd: (cause: Error | null) => void;
}

/**
 *                   run()             stop()                 the last checkpoint is there
 *     INITIALIZING ───────▶ RUNNING ──────────▶ CANCELLING ──────────────────────────────▶ CANCELED
 *           │                 │ └─ all input has ended ─────────────────────────────────▶ FINISHED
 *           └────────┬────────┴────────────────────┘
 *                    ▼ a worker died, user code threw, a disk failed
 *                 FAILING ──▶ FAILED
 *
 *     RUNNING ──▶ RESTARTING ──▶ RUNNING    the same, and the restart strategy says: again
 */
const jobTransitions: TransitionTable<JobStatus> = {
  INITIALIZING: ['RUNNING', 'FAILING'],
  RUNNING: ['CANCELLING', 'FINISHED', 'FAILING', 'RESTARTING'],
  RESTARTING: ['RUNNING', 'CANCELLING', 'FAILING'],
  CANCELLING: ['CANCELED', 'FAILING'],
  FAILING: ['FAILED'],
  CANCELED: [],
  FINISHED: [],
  FAILED: [],
};

export class JobManager implements JobControl {
  readonly #options: JobManagerOptions;
  readonly exceptions: ExceptionHistory;
  readonly checkpointHistory: CheckpointHistory;
  readonly #routes: readonly RequestRoute[];
  readonly #ingress: RequestIngress;
  readonly #replies: ReplyReceiver | null;
  readonly #jobId: string;
  readonly #startTime: number;
  readonly #life = new Lifecycle('job', jobTransitions, 'INITIALIZING');
  readonly #supervisor: AttemptSupervisor;
  readonly #baseCopies = new BaseCopies((request) => this.#supervisor.attempt.copyBase(request));
  readonly #restarts: JobRestarts;
  /** The restart that somebody has asked for and that is under way. */
  #restarting: Promise<void> | null = null;
  #failure: Error | null = null;

  /** Opens topics, starts workers, restores their state. Records flow after {@link run}. */
  static async create(options: JobManagerOptions): Promise<JobManager> {
    const { port, plan, settings, replyPlace: { partition, partitionCount: replyPartitions } = ONLY_PLACE } = options;
    const { retentionMs, retentionBytes } = settings;
    const topics = await openJobTopics({ port, plan, replyPartitions, retentionMs, retentionBytes });
    let onReplyFailure: (error: Error) => void = () => undefined;
    const replies =
      plan.responseTopic === null
        ? null
        : await ReplyReceiver.create(port, { topic: plan.responseTopic, partition }, (error) => onReplyFailure(error));
    const manager = new JobManager(options, topics, replies);
    onReplyFailure = (error) => manager.#fail(error);
    await manager.#supervisor.deploy();
    return manager;
  }

  private constructor(options: JobManagerOptions, topics: JobTopics, replies: ReplyReceiver | null) {
    const { plan, graph, port, clock, settings, monotonic, logger, prng, replyPlace = ONLY_PLACE } = options;
    this.#options = options;
    this.exceptions = new ExceptionHistory(clock);
    this.checkpointHistory = new CheckpointHistory(clock);
    this.#replies = replies;
    this.#jobId = randomUUID().replaceAll('-', '');
    this.#startTime = clock.now();
    this.#routes = declaredRoutes(graph);
    this.#ingress = new RequestIngress({
      port,
      clock,
      replyTo: `${plan.responseTopic ?? ''}:${String(replyPlace.partition)}`,
      sources: plan.topicSources,
    });
    this.#supervisor = new AttemptSupervisor({
      ...options,
      topics,
      history: this.checkpointHistory,
      onEvent: (event) => this.#onWorkerEvent(event),
      onFailure: (error, culprit) => this.#onAttemptFailed(this.#judged(error, culprit)),
      setAside: () => options.failingRecords.givenUp().filter((culprit) => this.#goesOnWithout(culprit)),
      onFinished: () => this.#endIfFinished(),
    });
    options.checkpoints.onCommitted(({ sources }) => {
      options.failingRecords.onCheckpoint(sources);
      return Promise.resolve();
    });
    this.#restarts = new JobRestarts({
      strategy: createRestartStrategy(settings, prng),
      clock: monotonic,
      logger,
      // Somebody may have put another attempt in the place of the failed one already.
      restart: () => (this.#supervisor.isRunning ? Promise.resolve() : this.#restart()),
    });
  }

  /** Lets records flow, and begins to take checkpoints. */
  async run(): Promise<void> {
    await this.#supervisor.run();
    // A job may fail, or end, before the last of its workers has said that it runs.
    if (this.#failure !== null) throw this.#failure;
    this.#life.moveTo('RUNNING');
    this.#endIfFinished();
  }

  /**
   * Moves the shards to another number of workers. Requests wait meanwhile, and none is lost. Resolves when those workers
   * run, at once when they do already.
   *
   * @param parallelism an integer from 1 to the number of shards
   * @throws MillraceError `MILLRACE_NOT_READY` when the job does not run at this moment; or why it goes on as it was
   */
  async rescale(parallelism: number): Promise<void> {
    if (this.#life.state !== 'RUNNING') throw this.#notReady();
    if (parallelism === this.plan.parallelism) return;
    const plan = this.#options.planOf(parallelism);
    await this.replaceAttempt({ plan, reason: 'rescale', mode: 'handover' });
  }

  /**
   * Puts a new attempt in the place of the present one, whatever that is doing: what it did since the newest completed
   * checkpoint is done again. Requests wait meanwhile, and none is lost. A restart that waits for its time is made now.
   * Resolves when the new attempt runs. Whoever asks while a restart asked for is under way gets that one.
   *
   * @throws MillraceError `MILLRACE_NOT_READY` when the job is ending or has not begun; or why the new attempt has failed,
   * which is then the restart strategy's affair
   */
  restart(): Promise<void> {
    this.#restarting ??= this.#restartAsked().finally(() => {
      this.#restarting = null;
    });
    return this.#restarting;
  }

  /** Puts another attempt in the place of the present one; see {@link AttemptSupervisor.replaceAttempt}. */
  replaceAttempt(replacement: AttemptReplacement): Promise<void> {
    this.#baseCopies.abort();
    return this.#supervisor.replaceAttempt(replacement);
  }

  /** Something without which the job cannot go on has failed for good. It ends, as after a failure of its own. */
  fail(cause: Error): void {
    this.#fail(cause);
  }

  /**
   * Stops in order: a last checkpoint, so that the next start replays nothing, then workers, then threads. A checkpoint that
   * fails is logged: what it would have covered is in the topics and will be replayed.
   */
  async stop(): Promise<void> {
    if (this.#life.tryMoveTo('CANCELLING')) {
      try {
        await this.#supervisor.scheduler.takeNow();
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'last checkpoint failed; the next start replays from an older one');
      }
    }
    await this.#end();
    this.#life.tryMoveTo('CANCELED');
  }

  describe(): JobDescription {
    const { plan } = this.#supervisor.attempt;
    return {
      jid: this.#jobId,
      name: plan.jobName,
      state: this.#life.state,
      startTime: this.#startTime,
      parallelism: plan.parallelism,
      plan: {
        nodes: plan.vertices.map(({ id, name, parallelism, operators, inputEdges }) => ({
          id,
          name,
          parallelism,
          operators: operators.map((operator) => ({ uid: operator.id, name: operator.name, kind: operator.kind })),
          inputs: inputEdges.flatMap((index) => {
            const edge = plan.edges[index];
            const source = edge === undefined ? undefined : plan.vertices[edge.sourceVertex];
            if (edge === undefined || source === undefined) return [];
            return [{ id: source.id, ship_strategy: edge.exchange.toUpperCase() }];
          }),
        })),
      },
    };
  }

  readiness(): Readiness {
    if (this.#life.state === 'RUNNING' && !this.isCheckpointOverdue) return { ready: true, reasons: [] };
    if (this.#life.state === 'RUNNING') {
      const seconds = Math.round(this.checkpoints.overdueMs / 1000);
      return { ready: false, reasons: [`no checkpoint has been completed for ${String(seconds)} s`] };
    }
    const cause = this.#failure === null ? '' : `: ${this.#failure.message}`;
    return { ready: false, reasons: [`the job is ${this.#life.state.toLowerCase()}${cause}`] };
  }

  /** Whether a crash now would lose more time than `checkpointAgeMaxMs` allows. */
  get isCheckpointOverdue(): boolean {
    const { checkpointAgeMaxMs, checkpointIntervalMs, checkpointTimeoutMs } = this.#options.settings;
    return this.checkpoints.overdueMs > Math.max(checkpointAgeMaxMs, checkpointIntervalMs + checkpointTimeoutMs);
  }

  routes(): readonly RequestRoute[] {
    return this.#routes;
  }

  submit(envelope: RequestEnvelope, listener: RequestListener): void {
    this.#ingress.submit(envelope, listener);
  }

  onReply(receive: (reply: Reply) => void): void {
    this.#replies?.start(receive);
  }

  /** What is running. */
  get plan(): ExecutionPlan {
    return this.#supervisor.attempt.plan;
  }

  /** The checkpoint that what runs began with; `null` when it began with nothing. */
  get restoredCheckpointId(): number | null {
    return this.#supervisor.restoredCheckpointId;
  }

  /** Has a worker copy the base of a shard. */
  copyBase(request: BaseCopyRequest): Promise<number> {
    return this.#baseCopies.copy(request);
  }

  /** Takes a checkpoint that begins after the call. @returns its id, once it is complete */
  takeCheckpoint(): Promise<CheckpointId> {
    return this.#supervisor.scheduler.takeNow();
  }

  get takesRequests(): boolean {
    return this.isRunning || this.#life.state === 'RESTARTING';
  }

  get isRunning(): boolean {
    return this.#life.state === 'RUNNING';
  }

  /** Reads no more from the topics: the next checkpoint covers everything that was read. */
  pauseReading(): void {
    this.#supervisor.attempt.pauseIngress();
  }

  resumeReading(): void {
    this.#supervisor.attempt.resumeIngress();
  }

  /** Attempts that ran in the place of a failed one. */
  get numRestarts(): number {
    return this.#restarts.numRestarts;
  }

  /** What the job's functions have accumulated, merged over their subtasks; of a job that has ended, all of it. */
  accumulators(): MergedAccumulator[] {
    const operators = this.attempt.measurements.newest().flatMap((subtask) => subtask.operators);
    return mergeAccumulators(operators.flatMap(({ accumulators }) => accumulators));
  }

  /** For metrics. */
  get attempt(): JobAttempt {
    return this.#supervisor.attempt;
  }

  /** For metrics. */
  get checkpoints(): CheckpointScheduler {
    return this.#supervisor.scheduler;
  }

  #onWorkerEvent(event: WorkerEvent): void {
    switch (event.kind) {
      case 'base-copied':
        return this.#baseCopies.onCopied(event);
      case 'record-skipped':
        this.exceptions.skipped(fromWire(event.cause), event);
        return this.#options.logger.warn(
          { worker: event.worker, count: event.count, err: fromWire(event.cause) },
          'records skipped: their processing failed',
        );
      case 'spans':
        return this.#options.onSpans(event.spans);
      case 'printed':
        return void process.stdout.write(event.text);
      default:
    }
  }

  #endIfFinished(): void {
    if (!this.#supervisor.attempt.isFinished || this.#life.state !== 'RUNNING') return;
    // The end is part of the state: a restart finds nothing left to do.
    this.#supervisor.scheduler.takeNow().then(
      () => this.#finish(),
      // Not while another attempt takes over: that one ends in its turn.
      (error: unknown) => {
        if (this.#supervisor.isRunning) this.#fail(error as Error);
      },
    );
  }

  #finish(): void {
    if (!this.#life.tryMoveTo('FINISHED')) return;
    this.#end().then(
      () => this.#options.onEnd(null),
      (error: unknown) => this.#options.onEnd(error as Error),
    );
  }

  /** The attempt is being stopped. What follows is the restart strategy's affair, unless somebody has asked for the end. */
  #onAttemptFailed(error: Error): void {
    if (this.#options.takesCareOf?.(error) === true) return this.exceptions.failed(error);
    const { state } = this.#life;
    const isRestartable = state === 'RUNNING' || state === 'RESTARTING';
    if (!isRestartable || !this.#restarts.onFailure(error)) return this.#fail(error);
    this.#failure = error;
    this.exceptions.failed(error);
    this.#life.tryMoveTo('RESTARTING');
  }

  /** What has failed too often ends a job that does not go on without it. */
  #judged(error: Error, culprit: Culprit | null): Error {
    if (culprit === null) return error;
    const { failureCount, isGivenUp } = this.#options.failingRecords.onFailure(culprit);
    return isGivenUp && !this.#goesOnWithout(culprit) ? givenUp(error, culprit, failureCount) : error;
  }

  /** Under `reject` only what has a caller is dropped: of what never threw, that is known by its source. */
  #goesOnWithout(culprit: Culprit): boolean {
    const { onError, topicSources } = this.plan;
    if (onError !== 'reject') return onError !== 'fail';
    if (culprit.kind !== 'record' || !culprit.isDeadly) return false;
    const source = topicSources.find(({ operatorId }) => operatorId === culprit.record.sourceId);
    return source?.kind === 'requests';
  }

  async #restartAsked(): Promise<void> {
    const { state } = this.#life;
    if (state !== 'RUNNING' && state !== 'RESTARTING') throw this.#notReady();
    this.#restarts.stop();
    this.#life.tryMoveTo('RESTARTING');
    await this.#restart();
  }

  #notReady(): MillraceError {
    return new MillraceError('MILLRACE_NOT_READY', `the job is ${this.#life.state.toLowerCase()}`);
  }

  async #restart(): Promise<void> {
    await this.#options.failingRecords.settled();
    await this.replaceAttempt({ reason: 'restart', mode: 'rollback' });
    // It may have failed again by now, and wait for its next restart.
    if (!this.#supervisor.isRunning || !this.#life.tryMoveTo('RUNNING')) return;
    this.#failure = null;
    this.#endIfFinished();
  }

  /** For good. Only the first failure counts: those after it are its consequences. */
  #fail(error: Error): void {
    const wasInitializing = this.#life.state === 'INITIALIZING';
    if (!this.#life.tryMoveTo('FAILING')) return;
    this.#failure = error;
    this.exceptions.failed(error);
    this.#options.logger.error({ err: error, ...describeError(error) }, 'job failed');
    if (wasInitializing) return;
    const end = (): void => {
      this.#life.moveTo('FAILED');
      this.#options.onEnd(error);
    };
    this.#end().then(end, end);
  }

  async #end(): Promise<void> {
    this.#baseCopies.close();
    this.#restarts.stop();
    await this.#supervisor.stop();
    await this.#options.failingRecords.settled();
    this.#replies?.stop();
  }
}

function describeError(error: Error): object {
  if (!MillraceError.is(error)) return {};
  const { code, details, hint } = toWire(error);
  return { code, details, hint };
}
