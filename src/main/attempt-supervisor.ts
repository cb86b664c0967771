/**
 * The life of a job's attempts: one runs at a time, and another may take its place while the process, its topics and the
 * requests that wait in them stay.
 *
 * ```text
 *                handover: prepare the next ▸ checkpoint ▸ pause sources ▸ checkpoint ─┐
 *   RUNNING ─────┤                                                                     ├─▶ stop it ▸ restore ▸ start ─▶ RUNNING
 *      │         rollback: what it did since the newest completed checkpoint is lost ──┘                       │
 *      └──────── failed: it is stopped at once, and nothing runs until a rollback ◀────────────────────────────┘
 * ```
 *
 * - **Invariant:** state is opened by the next attempt only after every worker of the one before has closed it, or its
 *   thread is gone.
 * - **Invariant:** the next attempt begins at the newest completed checkpoint, which is known only once no commit is under
 *   way, and reads from the offsets of that checkpoint.
 * - **Invariant:** events of an attempt that is not the present one mean nothing.
 * - A request that comes meanwhile waits in its topic: whoever runs next answers it.
 *
 * Thread: main. Replacements take place one after another.
 */
import type { Clock, MonotonicClock } from '../base/clock.js';
import { fromWire, MillraceError } from '../base/errors.js';
import { SteadyClock } from '../base/steady-clock.js';
import type { Logger } from '../base/log.js';
import type { TopicPort } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { WorkerEvent } from '../protocol/control-message.js';
import type { StateSettings } from '../protocol/deployment.js';
import type { Culprit } from '../protocol/culprit.js';
import type { CheckpointHistory } from './checkpoint-history.js';
import { type AcknowledgedCheckpoint, CheckpointScheduler } from './checkpoint-scheduler.js';
import { JobAttempt } from './job-attempt.js';
import type { JobCheckpoints } from './job-checkpoints.js';
import { type JobTopics, openExpiredRequests } from './job-topics.js';
import { startPositions } from './start-positions.js';
import { WorkerThreads } from './worker-thread.js';

/** The spare thread is started when the first requests have had the machine for themselves, in milliseconds. */
const SPARE_THREAD_DELAY_MS = 1_000;

export interface AttemptSettings {
  readonly checkpointIntervalMs: number;
  readonly checkpointTimeoutMs: number;
  readonly checkpointMinPauseMs: number;
  readonly checkpointFailuresMax: number;
  readonly controlTimeoutMs: number;
  readonly ringBytes: number;
}

export interface AttemptSupervisorOptions {
  /** Of the first attempt. */
  readonly plan: ExecutionPlan;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly port: TopicPort;
  readonly topics: JobTopics;
  readonly checkpoints: JobCheckpoints;
  readonly history: CheckpointHistory;
  readonly state: StateSettings;
  readonly settings: AttemptSettings;
  readonly clock: Clock;
  readonly monotonic: MonotonicClock;
  readonly logger: Logger;
  /** Of the present attempt, beside those that concern its checkpoints and its end. */
  readonly onEvent: (event: WorkerEvent) => void;
  /**
   * The present attempt cannot go on and is being stopped; `culprit` is what the next one may fail because of again. Called
   * once per attempt.
   */
  readonly onFailure: (error: Error, culprit: Culprit | null) => void;
  /** Asked at the start of each attempt: what it goes on without when that fails again. */
  readonly setAside: () => readonly Culprit[];
  /** Every source of the present attempt has ended. */
  readonly onFinished: () => void;
}

/** How an attempt is to be replaced. */
export interface AttemptReplacement {
  /** Layout of the next attempt. @defaultValue that of the present one */
  readonly plan?: ExecutionPlan;
  /** For the log: `rescale`, `restart`, … */
  readonly reason: string;
  /**
   * `handover`: the present attempt stops behind a checkpoint, so that the next does nothing again. `rollback`: it ends as it
   * is, and what it did since the newest completed checkpoint is done again.
   */
  readonly mode: 'handover' | 'rollback';
}

export class AttemptSupervisor {
  readonly scheduler: CheckpointScheduler;
  readonly #options: AttemptSupervisorOptions;
  readonly #threads = new WorkerThreads();
  readonly #deadlineClock: SteadyClock;
  #attempt: JobAttempt;
  #attemptCount = 0;
  #restoredCheckpointId: number | null = null;
  /** Why the present attempt has ended; `null` while it has not. */
  #failure: Error | null = null;
  #isStopped = false;
  /** The end of the replacement under way. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: AttemptSupervisorOptions) {
    this.#options = options;
    this.#deadlineClock = new SteadyClock(options.clock, options.monotonic);
    this.#attempt = this.#createAttempt(options.plan);
    this.scheduler = this.#createScheduler();
  }

  /** Starts the workers of the first attempt and restores their state. Records flow after {@link run}. */
  async deploy(): Promise<void> {
    try {
      await this.#attempt.prepare();
      await this.#deploy(this.#attempt);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Lets records flow, and begins to take checkpoints. */
  async run(): Promise<void> {
    await this.#attempt.start();
    if (this.#failure === null) this.scheduler.start();
    setTimeout(() => void this.#threads.settle(), SPARE_THREAD_DELAY_MS).unref();
  }

  /** The one that runs, or the one that ran last. */
  get attempt(): JobAttempt {
    return this.#attempt;
  }

  /** What the present attempt began with; `null` when it began with nothing. */
  get restoredCheckpointId(): number | null {
    return this.#restoredCheckpointId;
  }

  get isRunning(): boolean {
    return this.#failure === null && !this.#isStopped;
  }

  /**
   * Puts another attempt in the place of the present one. Resolves when it runs.
   *
   * Rejects when it does not: then either the present attempt goes on, or, once that was stopped, `onFailure` has been
   * called and a `rollback` is what helps.
   */
  replaceAttempt(replacement: AttemptReplacement): Promise<void> {
    const replaced = this.#turn.then(() => this.#replace(replacement));
    this.#turn = replaced.catch(() => undefined);
    return replaced;
  }

  /** Ends the present attempt and all threads. Takes no checkpoint. May be called twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.scheduler.stop();
    await this.#turn;
    await this.#attempt.stop();
    await this.#threads.end();
  }

  async #replace({ plan = this.#attempt.plan, reason, mode }: AttemptReplacement): Promise<void> {
    this.#refuseWhenStopped();
    const startedMs = this.#options.monotonic.nowMs();
    const { checkpoints } = this.#options;
    if (mode === 'handover') await this.#handOver(plan);
    else await this.#rollBack(plan);
    const checkpointId = checkpoints.nextCheckpointId - 1;
    const durationMs = Math.round(this.#options.monotonic.nowMs() - startedMs);
    this.#options.logger.info(
      { reason, checkpointId, parallelism: plan.parallelism, durationMs },
      'another attempt of the job runs',
    );
  }

  async #handOver(plan: ExecutionPlan): Promise<void> {
    if (!this.isRunning) throw notRunning();
    const present = this.#attempt;
    const next = this.#createAttempt(plan);
    try {
      await next.prepare();
      // The first checkpoint is taken while requests are answered: it leaves little to do for the second, during which they wait.
      await this.scheduler.takeNow();
      present.pauseIngress();
      await this.scheduler.takeNow();
      this.#refuseWhenStopped();
    } catch (error) {
      await next.stop();
      await this.#threads.settle();
      present.resumeIngress();
      throw error;
    }
    await this.#switchTo(next);
  }

  async #rollBack(plan: ExecutionPlan): Promise<void> {
    await this.#stopPresent();
    const next = this.#createAttempt(plan);
    await this.#bringUp(next, () => next.prepare());
  }

  async #switchTo(next: JobAttempt): Promise<void> {
    await this.#stopPresent();
    await this.#bringUp(next, () => Promise.resolve());
  }

  /** What it appended is durable afterwards, decisions about expired requests among it. */
  async #stopPresent(): Promise<void> {
    this.#failure ??= notRunning();
    await this.scheduler.suspend();
    await this.#attempt.stop();
    // Refused appends have been reported to whoever made them.
    await this.#options.port.flush().catch(() => undefined);
  }

  async #bringUp(next: JobAttempt, prepare: () => Promise<void>): Promise<void> {
    // Its workers have been prepared: nobody else would end them.
    if (this.#isStopped) await next.stop();
    this.#refuseWhenStopped();
    this.#attempt = next;
    this.#failure = null;
    try {
      await prepare();
      await this.#deploy(next);
      await next.start();
    } catch (error) {
      await this.#giveUp(next, error as Error);
    }
    // It may fail, too, before the last of its workers has said that it runs.
    if (this.#failure !== null) await this.#giveUp(next, this.#failure);
    this.scheduler.resume(next, this.#options.checkpoints.nextCheckpointId);
    await this.#threads.settle();
    if (next.isFinished) this.#options.onFinished();
  }

  async #giveUp(next: JobAttempt, cause: Error): Promise<never> {
    this.#onFailure(next, cause);
    await next.stop();
    throw cause;
  }

  async #deploy(attempt: JobAttempt): Promise<void> {
    const { port, checkpoints, topics } = this.#options;
    const { defaultPositions } = topics;
    const { restorePoint, producer } = await checkpoints.begin(attempt.plan, { port, defaultPositions });
    const expired = await openExpiredRequests(port, attempt.plan, this.#deadlineClock);
    this.#restoredCheckpointId = restorePoint?.checkpointId ?? null;
    await attempt.deploy({
      positions: startPositions(restorePoint, topics),
      expired,
      producer,
      restored: restorePoint?.workers ?? null,
      setAside: this.#options.setAside(),
    });
  }

  #createAttempt(plan: ExecutionPlan): JobAttempt {
    const { jobModule, topics, port, state, settings, clock, onFinished, onEvent } = this.#options;
    const ofPresent =
      <Args extends unknown[]>(act: (...args: Args) => void) =>
      (...args: Args): void => {
        if (attempt === this.#attempt && this.#failure === null) act(...args);
      };
    const attempt: JobAttempt = new JobAttempt({
      plan,
      jobModule,
      port,
      sinkPartitionCounts: topics.sinkPartitionCounts,
      state,
      attempt: this.#attemptCount++,
      ringBytes: settings.ringBytes,
      controlTimeoutMs: settings.controlTimeoutMs,
      threads: this.#threads,
      onEvent: ofPresent((event: WorkerEvent) => {
        if (event.kind === 'worker-failed') {
          return this.#onFailure(attempt, fromWire(event.cause), event.culprit);
        }
        onEvent(event);
        this.scheduler.onWorkerEvent(event);
      }),
      onFinished: ofPresent(onFinished),
      clock,
      onCommitWanted: ofPresent(() => this.scheduler.takeSoon()),
      onEgressDurable: ofPresent((channel: number, id) => this.scheduler.onEgressDurable(channel, id)),
      onEgressFailed: ofPresent((channel: number, id, cause) => this.scheduler.onEgressFailed(channel, id, cause)),
      onFailure: (error, culprit) => this.#onFailure(attempt, error, culprit),
    });
    return attempt;
  }

  #createScheduler(): CheckpointScheduler {
    const { settings, checkpoints, history, monotonic, logger } = this.#options;
    return new CheckpointScheduler({
      intervalMs: settings.checkpointIntervalMs,
      timeoutMs: settings.checkpointTimeoutMs,
      minPauseMs: settings.checkpointMinPauseMs,
      failuresMax: settings.checkpointFailuresMax,
      firstCheckpointId: checkpoints.nextCheckpointId,
      target: this.#attempt,
      commit: (checkpoint) => this.#commit(this.#attempt, checkpoint),
      onFailure: (error) => this.#onFailure(this.#attempt, error),
      history,
      clock: monotonic,
      logger,
    });
  }

  /** The manifest is the point of no return; exactly-once output is visible behind it. */
  async #commit(attempt: JobAttempt, checkpoint: AcknowledgedCheckpoint): Promise<void> {
    const { checkpointId, offsets } = checkpoint;
    try {
      await this.#options.checkpoints.commit(checkpoint, attempt.plan, attempt.outputsOf(checkpointId));
      await attempt.commitOutputs(checkpointId, offsets);
    } catch (error) {
      // Somebody else goes on from an older checkpoint: no later one of this attempt can be completed either.
      if (MillraceError.is(error, 'MILLRACE_PRODUCER_FENCED')) this.#onFailure(attempt, error);
      throw error;
    }
  }

  /** Only the first failure of an attempt counts: those after it are its consequences. */
  #onFailure(attempt: JobAttempt, error: Error, culprit: Culprit | null = null): void {
    if (attempt !== this.#attempt || this.#failure !== null || this.#isStopped) return;
    this.#failure = error;
    // Whoever waits for a checkpoint is told at once, and whoever waits in the sources is not fed any more.
    void this.scheduler.suspend().then(() => attempt.stop());
    this.#options.onFailure(error, culprit);
  }

  #refuseWhenStopped(): void {
    if (this.#isStopped) throw new MillraceError('MILLRACE_SHUTTING_DOWN', 'the job is being stopped');
  }
}

function notRunning(): MillraceError {
  return new MillraceError('MILLRACE_NOT_READY', 'the job does not run at this moment');
}
