/**
 * One worker thread at run time: builds its tasks, runs them in a loop, and carries out main's commands.
 *
 * ```text
 *   turn:  each task a step of about a millisecond  →  state upkeep  →  reports
 *          mail, or promises pending: turn the event loop once
 *          nothing done: park on the doorbell; with promises pending, wait without blocking the event loop
 * ```
 *
 * The loop never awaits user code, and a task's step never waits. A parked worker answers commands because main rings its
 * doorbell after posting them.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { CheckpointId } from '../base/ids.js';
import { type Clock, type MonotonicClock, systemClock, systemMonotonicClock } from '../base/clock.js';
import { toWire, type WireError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { JobDefinition } from '../api/job.js';
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import { type ExecutionPlan, isWithinThread } from '../graph/execution-plan.js';
import { fingerprintOf, requireSameGraph } from '../graph/fingerprint.js';
import { withRepartitionTopics } from '../graph/repartition-topics.js';
import { buildStreamGraph, type StreamGraph } from '../graph/stream-graph.js';
import { TaskCountersWriter, ThreadCountersWriter } from '../metrics/counters.js';
import type { BaseCopyRequest, SourcePositions, WorkerEvent } from '../protocol/control-message.js';
import type {
  StateAnswer,
  StateQuery,
  SubtaskHotKeys,
  SubtaskMeasurements,
  SubtaskWatermarks,
} from '../protocol/inspection.js';
import type { RestoredJob, WorkerDeployment } from '../protocol/deployment.js';
import type { Culprit } from '../protocol/culprit.js';
import { AlignmentBoard } from '../shared-memory/alignment-board.js';
import { ChannelReader } from '../shared-memory/channel-reader.js';
import { ChannelWriter } from '../shared-memory/channel-writer.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import { Doorbell } from '../shared-memory/doorbell.js';
import type { RingDescriptor } from '../shared-memory/shared-region.js';
import { CheckpointParticipant } from './checkpoint-participant.js';
import { LocalChannel } from './local-channel.js';
import { OutcomeDirectory } from './outcome-file.js';
import { OutcomeJournal } from './outcome-journal.js';
import { PassageWatch } from './passage-watch.js';
import { SkipReport } from './skip-report.js';
import { SpanReport } from './span-report.js';
import { ThreadReport } from './thread-report.js';
import { WorkerRecordScope } from './worker-record-scope.js';
import { WorkerState } from './worker-state.js';
import type { Task } from './task.js';
import { buildTask } from './task-builder.js';
import type { TaskHost } from './task-host.js';

/** How long one task may work before the others get their turn, in milliseconds. */
const STEP_MS = 1;
/** How long state upkeep may take per turn, in milliseconds. */
const UPKEEP_MS = 0.5;
/** How often the meters of the job's functions are asked whether a sample is due, in milliseconds. */
const METER_SAMPLE_MS = 1_000;
/** A parked worker looks around this often even if nobody rings: a bound on the damage of a lost wake-up, not a poll. */
const PARK_MS_MAX = 10_000;
/** Keys told of each operator of each subtask. */
const HOT_KEYS_MAX = 20;

/** What the job takes for the time. How long the worker lets it work before it looks elsewhere goes by the machine's. */
export interface JobClocks {
  readonly wall: Clock;
  readonly monotonic: MonotonicClock;
}

export class WorkerRuntime {
  readonly #deployment: WorkerDeployment<ExecutionPlan>;
  readonly #clocks: JobClocks;
  readonly #controlBlock: ControlBlock;
  readonly #state: WorkerState;
  readonly #checkpoints: CheckpointParticipant;
  readonly #skips: SkipReport;
  readonly #spans: SpanReport;
  readonly #report: ThreadReport;
  readonly #passages: PassageWatch;
  readonly #graphs = new Map<number, StreamGraph>();
  /** By the plan's channel index. */
  readonly #localChannels = new Map<number, LocalChannel>();
  #tasks: Task[] = [];
  #job: JobDefinition | null = null;
  #restored: RestoredJob | null = null;
  #setAside: readonly Culprit[] = [];
  /** `null` for a job that asks nobody. */
  #outcomes: OutcomeJournal | null = null;
  /** What the worker fails because of. */
  #culprit: Culprit | null = null;
  #isStopping = false;
  #hasWantedCheckpoint = false;
  /** Promises of operators that are under way: while there are any, the event loop has to turn. */
  #pendingPromises = 0;
  #nextMeterSampleMs = 0;
  /** What the job has printed in this turn. */
  #printed = '';

  constructor(
    deployment: WorkerDeployment<ExecutionPlan>,
    clocks: JobClocks = { wall: systemClock, monotonic: systemMonotonicClock },
  ) {
    this.#deployment = deployment;
    this.#clocks = clocks;
    this.#controlBlock = new ControlBlock(this.#descriptorOf(deployment.worker));
    this.#state = new WorkerState(deployment, clocks.wall, () => this.#controlBlock.doorbell.ring());
    const counters = deployment.shared.threadCounters[deployment.worker];
    invariant(counters !== undefined, 'each worker has counters');
    this.#report = new ThreadReport(new ThreadCountersWriter(counters));
    this.#skips = new SkipReport(deployment.worker, (event) => this.#post(event));
    this.#spans = new SpanReport(deployment.worker, (event) => this.#post(event));
    this.#passages = new PassageWatch((ticket) => this.#post({ kind: 'passed', worker: deployment.worker, ticket }));
    this.#checkpoints = new CheckpointParticipant({
      worker: deployment.worker,
      taskCount: this.#subtasks().length,
      stores: () => this.#state.stores(),
      post: (event) => {
        this.#post(event);
        this.#controlBlock.doorbell.ring();
      },
    });
  }

  /** Takes the job, which must be the one that main has planned. */
  prepare(job: JobDefinition): void {
    this.#job = job;
    requireSameGraph(this.#deployment.plan.fingerprint, fingerprintOf(this.#graphOf(0)));
  }

  /** Restores state and builds tasks. */
  async deploy(restored: RestoredJob | null, setAside: readonly Culprit[]): Promise<void> {
    const { plan } = this.#deployment;
    this.#restored = restored;
    this.#setAside = setAside;
    await this.#state.open(restored);
    this.#outcomes = await this.#openOutcomes();
    const host = this.#taskHost();
    for (const { vertex, subtask } of this.#subtasks()) {
      const planVertex = plan.vertices[vertex];
      invariant(planVertex !== undefined, 'a subtask belongs to a vertex of the plan');
      this.#tasks.push(buildTask(host, planVertex, subtask));
    }
    // The last vertex first: records of a restored operator find the next one open.
    for (const task of this.#tasks.toReversed()) task.chain.open();
  }

  /** Runs until {@link stop}. Rejects when the worker cannot go on. */
  async run(): Promise<void> {
    this.#controlBlock.setState('running');
    this.#report.start(systemMonotonicClock.nowMs());
    while (!this.#isStopping) {
      const startedAtMs = systemMonotonicClock.nowMs();
      const hasWorked = this.turn();
      this.#report.turned(startedAtMs, systemMonotonicClock.nowMs());
      this.#controlBlock.beat();
      if (this.#controlBlock.takeMail()) await mailDelivered();
      else if (hasWorked && this.hasPromises) await nextTurnOfEventLoop();
      else if (!hasWorked) await this.#park();
    }
    this.#report.stop(systemMonotonicClock.nowMs());
    this.#controlBlock.setState('stopping');
  }

  /** Ends the loop after the present turn. */
  stop(): void {
    this.#isStopping = true;
    this.#controlBlock.doorbell.ring();
  }

  /**
   * Closes operators and state, after the loop has ended. May be called twice.
   *
   * @returns what the author's functions have measured
   */
  async close(): Promise<SubtaskMeasurements[]> {
    const failures: unknown[] = [];
    for (const task of this.#tasks) {
      try {
        task.close();
      } catch (error) {
        failures.push(error);
      }
    }
    const measurements = this.readMeasurements();
    this.#tasks = [];
    this.#sendPrinted();
    await this.#state.close();
    await this.#outcomes?.close();
    this.#controlBlock.setState(failures.length === 0 ? 'stopped' : 'failed');
    if (failures.length > 0) throw failures[0];
    return measurements;
  }

  triggerCheckpoint(checkpointId: CheckpointId): void {
    this.#hasWantedCheckpoint = false;
    this.#checkpoints.begin(checkpointId);
    for (const task of this.#tasks) task.triggerCheckpoint(checkpointId);
  }

  notifyCheckpointComplete(checkpointId: CheckpointId, positions: SourcePositions): void {
    for (const task of this.#tasks) task.chain.notifyCheckpointComplete(checkpointId);
    this.#state.notifyCheckpointComplete(checkpointId);
    this.#outcomes?.onCheckpointComplete(checkpointId, positions);
  }

  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    for (const task of this.#tasks) task.abortCheckpoint(checkpointId);
    this.#state.notifyCheckpointAborted(checkpointId);
  }

  /** @returns whether the shard is one of this worker's */
  copyBase(request: BaseCopyRequest): boolean {
    const copied = this.#state.copyBase(request);
    if (copied === null) return false;
    const post = (checkpointId: number, cause: WireError | null): void => {
      this.#post({ kind: 'base-copied', worker: this.#deployment.worker, request, checkpointId, cause });
    };
    copied.then(
      (checkpointId) => post(checkpointId, null),
      (error: unknown) => post(0, toWire(error)),
    );
    return true;
  }

  /** Says in an event when the subtasks of a vertex have taken in what waits for them now. */
  watchPassage(vertex: number, ticket: number): void {
    const tasks = this.#tasks.filter(({ name }) => name.vertex === vertex);
    this.#passages.watch(ticket, tasks);
  }

  /** Answers from outside the data plane: between two turns, so nothing is in the middle of a record. */
  readState(query: StateQuery): StateAnswer {
    return this.#state.read(query);
  }

  /** Likewise between two turns. */
  readMeasurements(): SubtaskMeasurements[] {
    return this.#tasks.map(({ name, chain }) => ({ ...name, operators: chain.measurements() }));
  }

  describeWatermarks(): SubtaskWatermarks[] {
    return this.#tasks.map((task) => task.describeWatermarks());
  }

  hotKeys(): SubtaskHotKeys[] {
    return this.#tasks.flatMap(({ name, chain }) =>
      chain.operators.flatMap(({ id, keys, tally }) =>
        keys === null ? [] : [{ ...name, operatorId: id, records: tally.numRecordsIn, ...keys.read(HOT_KEYS_MAX) }],
      ),
    );
  }

  /**
   * Gives each task its turn, and the state its upkeep. {@link run} calls it; so does whoever runs the job without a thread.
   *
   * @returns whether anything was done
   */
  turn(): boolean {
    let hasWorked = false;
    if (!this.#state.isOverloaded) {
      for (const task of this.#tasks) {
        hasWorked = task.runStep(systemMonotonicClock.nowMs() + STEP_MS) || hasWorked;
      }
    }
    hasWorked = this.#state.runUpkeep(UPKEEP_MS) || hasWorked;
    if (this.#state.needsCheckpoint && !this.#hasWantedCheckpoint) {
      this.#hasWantedCheckpoint = true;
      this.#post({ kind: 'checkpoint-wanted', worker: this.#deployment.worker });
    }
    const nowMs = systemMonotonicClock.nowMs();
    this.#skips.send(nowMs);
    this.#spans.send(nowMs);
    this.#sampleMeters(nowMs);
    this.#passages.settle();
    this.#sendPrinted();
    return hasWorked;
  }

  #sampleMeters(nowMs: number): void {
    if (nowMs < this.#nextMeterSampleMs) return;
    this.#nextMeterSampleMs = nowMs + METER_SAMPLE_MS;
    for (const { chain } of this.#tasks) chain.sampleMeters(nowMs);
    this.#report.setUserMetricCount(this.#tasks.reduce((sum, { chain }) => sum + chain.metricCount, 0));
  }

  async #park(): Promise<void> {
    const { doorbell } = this.#controlBlock;
    const seen = doorbell.prepareToSleep();
    const isAnyTaskRunnable = this.#isAnyTaskRunnable();
    const dueInMs = this.#timerDueInMs();
    if (this.#controlBlock.hasMail() || this.#isStopping || dueInMs <= 0 || isAnyTaskRunnable) {
      doorbell.cancelSleep();
      return;
    }
    this.#controlBlock.setState('parked');
    this.#report.parking(systemMonotonicClock.nowMs());
    const timeoutMs = Math.min(dueInMs, this.#spans.dueInMs(systemMonotonicClock.nowMs()), PARK_MS_MAX);
    if (this.hasPromises) await doorbell.sleepAsync(seen, timeoutMs);
    else doorbell.sleepSync(seen, timeoutMs);
    this.#report.woke(systemMonotonicClock.nowMs());
    this.#controlBlock.setState('running');
  }

  #isAnyTaskRunnable(): boolean {
    if (this.#state.isOverloaded) return false;
    // Every task is asked: the question is also what makes a full ring's consumer ring once it has room.
    let isAnyRunnable = false;
    for (const task of this.#tasks) isAnyRunnable = task.isRunnable() || isAnyRunnable;
    return isAnyRunnable;
  }

  /** Asked after {@link #isAnyTaskRunnable}, which may have made room. A timer that cannot run must not keep the worker awake. */
  #timerDueInMs(): number {
    let dueInMs = Infinity;
    if (this.#state.isOverloaded) return dueInMs;
    for (const task of this.#tasks) dueInMs = Math.min(dueInMs, task.timerDueInMs());
    return dueInMs;
  }

  /** Whether something is under way that goes on only while the event loop turns. */
  get hasPromises(): boolean {
    return this.#pendingPromises > 0 || this.#checkpoints.isWriting || this.#state.hasPendingIo;
  }

  #taskSnapshot(task: Task, checkpointId: number): void {
    const id = checkpointId as CheckpointId;
    const startedAt = systemMonotonicClock.nowMs();
    const operatorStates = task.chain.snapshotOperatorStates();
    this.#state.beginSnapshot(task.name, id);
    this.#checkpoints.add(id, operatorStates, systemMonotonicClock.nowMs() - startedAt);
  }

  async #openOutcomes(): Promise<OutcomeJournal | null> {
    const { plan, state, worker } = this.#deployment;
    const asks = plan.vertices.some(({ operators }) => operators.some(({ kind }) => kind === 'async-wait'));
    if (!asks) return null;
    const sources = plan.topicSources.map(({ operatorId }) => operatorId);
    return OutcomeJournal.open({ folder: new OutcomeDirectory(join(state.segmentDir, 'outcomes')), worker, sources });
  }

  #taskHost(): TaskHost {
    const { plan, shared, attempt } = this.#deployment;
    return {
      plan,
      restored: this.#restored,
      newScope: () => new WorkerRecordScope(this.#descriptorOf(this.#deployment.worker)),
      setAside: this.#setAside,
      attempt,
      clock: this.#clocks.wall,
      graphOf: (subtask) => this.#graphOf(subtask),
      openReader: (channel) => this.#openReader(channel),
      openWriter: (channel) => this.#openWriter(channel),
      localChannel: (channel) => this.#localChannel(channel),
      alignmentBoard: new AlignmentBoard(shared.alignment),
      openCounters: (vertex, subtask) => {
        const descriptor = shared.taskCounters[vertex]?.[subtask];
        invariant(descriptor !== undefined, 'each task has counters');
        return new TaskCountersWriter(descriptor);
      },
      openKeyedState: (namespace, subtask, operatorId): KeyedStateBackend =>
        this.#state.openBackend(namespace, subtask, operatorId),
      outcomesOf: (operatorId, barrier) => this.#outcomes?.of(operatorId, barrier) ?? null,
      writeLine: (line) => {
        this.#printed += line;
      },
      worker: this.#deployment.worker,
      spans: { add: (span) => this.#spans.add(span), newSpanId: () => randomBytes(8).toString('hex') },
      mailbox: {
        wake: () => this.#controlBlock.doorbell.ring(),
        addPending: (count) => {
          this.#pendingPromises += count;
        },
      },
      taskEvents: {
        clock: this.#clocks.monotonic,
        onSnapshot: (task, checkpointId) => this.#taskSnapshot(task, checkpointId),
        onSkipped: (error) => this.#skips.add(error),
        onFatal: (culprit) => {
          this.#culprit = culprit;
        },
        onFinished: ({ name }) =>
          this.#post({ kind: 'subtask-finished', worker: this.#deployment.worker, subtask: name }),
      },
    };
  }

  #openReader(channelIndex: number): ChannelReader {
    return new ChannelReader(this.#ringOf(channelIndex), { producer: new Doorbell(this.#producerOf(channelIndex)) });
  }

  #openWriter(channelIndex: number): ChannelWriter {
    return new ChannelWriter(this.#ringOf(channelIndex), { consumer: new Doorbell(this.#consumerOf(channelIndex)) });
  }

  #localChannel(channelIndex: number): LocalChannel | null {
    const channel = this.#deployment.plan.channels[channelIndex];
    if (channel === undefined || !isWithinThread(channel)) return null;
    const local = this.#localChannels.get(channelIndex) ?? new LocalChannel(channelIndex);
    this.#localChannels.set(channelIndex, local);
    return local;
  }

  #ringOf(channelIndex: number): RingDescriptor {
    const ring = this.#deployment.shared.rings[channelIndex];
    invariant(ring !== undefined && ring !== null, 'each channel between threads has a ring');
    return ring;
  }

  #producerOf(channelIndex: number): { memory: SharedArrayBuffer; byteOffset: number } {
    const channel = this.#deployment.plan.channels[channelIndex];
    invariant(channel !== undefined, 'a ring belongs to a channel');
    return channel.kind === 'ingress' ? this.#mainDescriptor() : this.#descriptorOf(channel.producer.worker);
  }

  #consumerOf(channelIndex: number): { memory: SharedArrayBuffer; byteOffset: number } {
    const channel = this.#deployment.plan.channels[channelIndex];
    invariant(channel !== undefined, 'a ring belongs to a channel');
    return channel.kind === 'egress' ? this.#mainDescriptor() : this.#descriptorOf(channel.consumer.worker);
  }

  #descriptorOf(thread: number): { memory: SharedArrayBuffer; byteOffset: number } {
    const descriptor = this.#deployment.shared.controlBlocks[thread];
    invariant(descriptor !== undefined, 'each thread has a control block');
    return descriptor;
  }

  /** Main's control block is behind the workers'. */
  #mainDescriptor(): { memory: SharedArrayBuffer; byteOffset: number } {
    return this.#descriptorOf(this.#deployment.plan.workerCount);
  }

  #graphOf(subtask: number): StreamGraph {
    const known = this.#graphs.get(subtask);
    if (known !== undefined) return known;
    invariant(this.#job !== null, 'the job is loaded before its graph is asked for');
    const { repartitionGroup, shardCount } = this.#deployment.plan;
    const written = buildStreamGraph(this.#job.build());
    const graph = repartitionGroup === null ? written : withRepartitionTopics(written, repartitionGroup, shardCount);
    this.#graphs.set(subtask, graph);
    return graph;
  }

  #subtasks(): { vertex: number; subtask: number }[] {
    const { plan, worker } = this.#deployment;
    return plan.vertices.flatMap(({ index, parallelism }) =>
      Array.from({ length: parallelism }, (_, subtask) => ({ vertex: index, subtask })).filter(
        ({ subtask }) => subtask % plan.workerCount === worker,
      ),
    );
  }

  #sendPrinted(): void {
    if (this.#printed === '') return;
    this.#post({ kind: 'printed', worker: this.#deployment.worker, text: this.#printed });
    this.#printed = '';
  }

  #post(event: WorkerEvent): void {
    this.#deployment.eventPort.postMessage(event);
  }

  /** Tells main that this worker cannot go on. */
  reportFailure(error: unknown): void {
    this.#controlBlock.setState('failed');
    this.#sendPrinted();
    this.#post({
      kind: 'worker-failed',
      worker: this.#deployment.worker,
      cause: toWire(error),
      culprit: this.#culprit,
    });
  }
}

/**
 * Resolves when a message that was posted before this call has been handed to its port. One turn is not enough: the loop may
 * stand in the middle of polling, with that port's turn already over, and would park without having looked again.
 */
async function mailDelivered(): Promise<void> {
  await nextTurnOfEventLoop();
  await nextTurnOfEventLoop();
}

/** Lets promises, timers and messages run. Costs about three microseconds. */
function nextTurnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
