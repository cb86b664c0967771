/**
 * One run of a job, from one restored point to its end: the workers, the rings, and main's ends of them.
 *
 * ```text
 *   prepare: threads, job module ──▶ deploy: state, tasks, topics ──▶ start ──▶ stop
 * ```
 *
 * A restart is a new attempt over the same topics. Thread: main. Nothing here waits for a worker but the control plane.
 */
import type { StateAnswer, StateQuery, SubtaskHotKeys, SubtaskWatermarks } from '../protocol/inspection.js';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { OutputEnds } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { BaseCopyRequest, WorkerEvent } from '../protocol/control-message.js';
import type { Culprit } from '../protocol/culprit.js';
import type { RestoredJob, SharedMemoryMap, StateSettings } from '../protocol/deployment.js';
import { RecordInWork } from '../shared-memory/record-in-work.js';
import { AttemptChannels, type AttemptChannelsOptions, type SourceOffsets } from './attempt-channels.js';
import { AttemptMeasurements } from './attempt-measurements.js';
import type { TopicPosition } from '../base/topic-position.js';
import { type PassageOutcome, RecordPassage } from './record-passage.js';
import { allocateSharedMemory } from './shared-memory-plan.js';
import { type GiveCommand, WorkerPool } from './worker-pool.js';
import type { WorkerThreads } from './worker-thread.js';

export type { SourceOffsets } from './attempt-channels.js';

/** What only the moment before the start can tell: where the attempt begins, and what it writes to. */
export interface AttemptStart extends Pick<AttemptChannelsOptions, 'producer' | 'positions' | 'expired'> {
  /** By worker; `null` for a start from nothing. */
  readonly restored: readonly RestoredJob[] | null;
  /** What the job goes on without when it fails again. */
  readonly setAside: readonly Culprit[];
}

export interface JobAttemptOptions extends Omit<AttemptChannelsOptions, 'shared' | 'onFailure' | keyof AttemptStart> {
  /** URL of the job module. */
  readonly jobModule: string;
  readonly state: StateSettings;
  /** 0 for the first of the process. */
  readonly attempt: number;
  readonly ringBytes: number;
  readonly controlTimeoutMs: number;
  readonly threads: WorkerThreads;
  readonly onEvent: (event: WorkerEvent) => void;
  /** Every source has ended, and every task behind it. */
  readonly onFinished: () => void;
  /** The attempt cannot go on; `culprit` is what the next one may fail because of again. May be called several times. */
  readonly onFailure: (error: Error, culprit?: Culprit | null) => void;
}

export class JobAttempt {
  readonly plan: ExecutionPlan;
  readonly shared: SharedMemoryMap;
  readonly #options: JobAttemptOptions;
  readonly #pool: WorkerPool;
  readonly #subtasksLeft: Set<string>;
  /** What the job's functions measure. */
  readonly measurements: AttemptMeasurements;
  #channels: AttemptChannels | null = null;
  #offsetsOfCheckpoint: SourceOffsets = new Map();
  readonly #passage: RecordPassage;
  #isStopped = false;
  #stopping: Promise<void> | null = null;

  constructor(options: JobAttemptOptions) {
    const { plan } = options;
    this.#options = options;
    this.plan = plan;
    this.shared = allocateSharedMemory(plan, options.ringBytes);
    this.#pool = new WorkerPool({
      threads: options.threads,
      controlTimeoutMs: options.controlTimeoutMs,
      onEvent: (event) => this.#onEvent(event),
      onDeath: (worker, cause) => options.onFailure(cause, this.#recordInWork(worker)),
      onCancelled: (worker, measurements) => this.measurements.keep(worker, measurements),
    });
    this.#passage = new RecordPassage({
      plan,
      ingress: () => this.#channels?.ingress ?? null,
      watch: (vertex, ticket) => this.#pool.all((commands) => commands.watchPassage(vertex, ticket)),
    });
    this.measurements = new AttemptMeasurements(plan, (worker) =>
      this.#isStopped ? Promise.reject(attemptEnded()) : this.#pool.one(worker, (c) => c.readMeasurements()),
    );
    this.#subtasksLeft = new Set(
      plan.vertices.flatMap(({ index, parallelism }) =>
        Array.from({ length: parallelism }, (_, subtask) => subtaskName(index, subtask)),
      ),
    );
  }

  /** 0 for the first of the process. */
  get number(): number {
    return this.#options.attempt;
  }

  /** Starts the workers and has them load the job. Nothing else is touched: the attempt before may still run. */
  async prepare(): Promise<void> {
    const { plan, jobModule, state, attempt } = this.#options;
    const workers = Array.from({ length: plan.workerCount }, (_, worker) => worker);
    await this.#pool.launch(
      workers.map((worker) => ({ worker, plan, jobModule, shared: this.shared, state, attempt })),
    );
  }

  /** Has the workers restore and build their parts. The attempt before has ended. Nothing runs yet. */
  async deploy({ restored, setAside, ...start }: AttemptStart): Promise<void> {
    this.#channels = new AttemptChannels({ ...this.#options, ...start, shared: this.shared });
    await this.#pool.all((commands, worker) => commands.deploy(restored?.[worker] ?? null, setAside));
  }

  /** Lets the records flow. */
  async start(): Promise<void> {
    await this.#pool.all((commands) => commands.start());
    this.#channels?.start();
  }

  /**
   * Waits until a record of a topic, and what was made of it, has come through a vertex.
   *
   * @throws MillraceError `MILLRACE_NOT_READY` when the attempt has ended, or ends before
   */
  passed(position: TopicPosition, vertex: number, timeoutMs: number): Promise<PassageOutcome> {
    if (this.#isStopped) return Promise.reject(attemptEnded());
    return this.#passage.through(position, vertex, timeoutMs);
  }

  /** Asks a worker for what its operators hold of a key. */
  readState(worker: number, query: StateQuery): Promise<StateAnswer> {
    return this.#pool.one(worker, (commands) => commands.readState(query));
  }

  /** Where the watermarks of all subtasks stand; those of a worker that does not answer are missing. */
  describeWatermarks(): Promise<SubtaskWatermarks[]> {
    return this.#ofAll((commands) => commands.describeWatermarks());
  }

  /** The most frequent keys of all keyed operators; those of a worker that does not answer are missing. */
  hotKeys(): Promise<SubtaskHotKeys[]> {
    return this.#ofAll((commands) => commands.hotKeys());
  }

  async #ofAll<T>(ask: GiveCommand<T[]>): Promise<T[]> {
    const { workerCount } = this.#options.plan;
    const answers = await Promise.allSettled(
      Array.from({ length: workerCount }, (_, worker) => this.#pool.one(worker, ask)),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  }

  /** Whether a checkpoint may be started now. */
  get isSettled(): boolean {
    return this.#channels?.ingress.isSettled ?? false;
  }

  /** Whether every subtask has ended by itself. */
  get isFinished(): boolean {
    return this.#subtasksLeft.size === 0;
  }

  /** Starts a checkpoint at all sources. @returns the offsets that it covers */
  triggerCheckpoint(checkpointId: CheckpointId): SourceOffsets {
    const offsets = this.#channels?.ingress.emitBarriers(checkpointId) ?? new Map();
    this.#offsetsOfCheckpoint = offsets;
    this.#tellWorkers((commands) => commands.triggerCheckpoint(checkpointId));
    return offsets;
  }

  /** Where the output of exactly-once sinks ends that belongs to a checkpoint which everybody has acknowledged. */
  outputsOf(checkpointId: CheckpointId): OutputEnds {
    return this.#channels?.outputsOf(checkpointId) ?? {};
  }

  /** The checkpoint's manifest is durable: its output becomes visible. */
  async commitOutputs(checkpointId: CheckpointId, offsets: SourceOffsets): Promise<void> {
    await this.#channels?.commitOutputs(checkpointId, offsets);
  }

  /** How far the sources that main feeds have been read. */
  positions(): SourceOffsets {
    return this.#channels?.ingress.positions() ?? new Map();
  }

  notifyCheckpointComplete(checkpointId: CheckpointId): void {
    // One checkpoint is in flight at a time: the one that was triggered last.
    const positions = this.#offsetsOfCheckpoint;
    this.#tellWorkers((commands) => commands.notifyCheckpointComplete(checkpointId, positions));
  }

  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    this.#channels?.abortOutputs(checkpointId);
    this.#tellWorkers((commands) => commands.notifyCheckpointAborted(checkpointId));
  }

  /** Asks every worker. @returns whether each owns the shard */
  copyBase(request: BaseCopyRequest): Promise<boolean[]> {
    return this.#pool.all((commands) => commands.copyBase(request));
  }

  /** Reads no more from the topics; what is in the rings goes on, and so do barriers. */
  pauseIngress(): void {
    this.#channels?.ingress.pause();
  }

  resumeIngress(): void {
    this.#channels?.ingress.unpause();
  }

  /** Ends the attempt: workers close their state, their threads are free. May be called twice, and after a failure. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#passage.stop(attemptEnded());
    try {
      await this.#channels?.stop();
    } finally {
      await this.#pool.stop();
    }
  }

  #onEvent(event: WorkerEvent): void {
    if (event.kind === 'passed') return this.#passage.onPassed(event.worker, event.ticket);
    if (event.kind !== 'subtask-finished') return this.#options.onEvent(event);
    this.#subtasksLeft.delete(subtaskName(event.subtask.vertex, event.subtask.subtask));
    if (this.isFinished) this.#options.onFinished();
  }

  #tellWorkers(give: Parameters<WorkerPool['all']>[0]): void {
    if (this.#isStopped) return;
    this.#pool.all(give).catch((error: unknown) => {
      if (!this.#isStopped) this.#options.onFailure(error as Error, this.#heldUpBy(error));
    });
  }

  /** A worker that does not answer is busy with one record, or with none that could be told. */
  #heldUpBy(error: unknown): Culprit | null {
    if (!MillraceError.is(error, 'MILLRACE_CONTROL_TIMEOUT')) return null;
    const worker = error.details?.['worker'];
    return typeof worker === 'number' ? this.#recordInWork(worker) : null;
  }

  /** What a worker does at this moment, or was at when its thread died: the source record that it is made of. */
  #recordInWork(worker: number): Culprit | null {
    const block = this.shared.controlBlocks[worker];
    invariant(block !== undefined, 'each worker has a control block');
    const { originSource, originPartition: partition, originOffset: offset } = new RecordInWork(block);
    const source = partition < 0 ? undefined : this.plan.topicSources[originSource];
    if (source === undefined) return null;
    const { operatorId: sourceId, topic } = source;
    return { kind: 'record', record: { sourceId, topic, partition, offset }, isDeadly: true };
  }
}

function attemptEnded(): MillraceError {
  return new MillraceError('MILLRACE_NOT_READY', 'the attempt has ended');
}

function subtaskName(vertex: number, subtask: number): string {
  return `${String(vertex)}:${String(subtask)}`;
}
