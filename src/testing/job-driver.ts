import { keyGroupOf } from '../api/internal/key-bytes.js';
import { DEFAULT_SHARD_COUNT, shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { JobDefinition } from '../api/job.js';
import type { RequestHandle } from '../api/process-function.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import { buildStreamGraph, isSource } from '../graph/stream-graph.js';
import type { StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.js';
import { createOperator } from '../operators/operator-factory.js';
import type { RecordScope } from '../operators/operator.js';
import type { MemorySnapshot } from '../state/memory-state-store.js';
import { POSITION_STATE } from '../workers/generator-source.js';
import { RespondSinkOperator } from '../workers/egress-sinks.js';
import { WatermarkValve } from '../workers/watermark-valve.js';
import { DriverSource } from './driver-source.js';
import { HarnessSubtask, newRecordScope } from './harness-subtask.js';
import type { AnyOperator, HarnessResponse } from './harness-subtask.js';
import { JobOutput } from './job-output.js';
import type { OutputRoute } from './job-output.js';
import { ManualClock } from './manual-clock.js';
import type { MetricValue } from '../api/internal/measurements.js';
import { Measured } from './measured.js';
import { RestoredLists, serialiseLists } from './operator-lists.js';
import type { SerialisedLists } from './operator-lists.js';
import { TopicCollector } from './topic-collector.js';
import type { CollectedRecord } from './topic-collector.js';

/** How a job is run in a test. @public */
export interface JobDriverOptions {
  /** How many subtasks every operator has that does not pin its own. @defaultValue 1 */
  readonly parallelism?: number;
  /** What timers, idleness and processing-time windows go by. @defaultValue a clock that shows 0 */
  readonly clock?: ManualClock;
}

/** What a record brings with it, and where it enters. @public */
export interface SendOptions {
  /** The record's own timestamp, before the source's strategy. */
  readonly timestamp?: number;
  /** The request that the record stands for. */
  readonly request?: RequestHandle;
  /** The source's subtask. @defaultValue 0 */
  readonly subtask?: number;
  /** The topic partition that the record is from: each has a watermark of its own. @defaultValue 0 */
  readonly partition?: number;
}

/** The state of one operator or source. */
interface OperatorSnapshot {
  readonly operatorState: readonly SerialisedLists[];
  readonly keyedState: readonly MemorySnapshot[];
}

/** The state of a whole job at one moment, for {@link JobDriver.restore}. @public */
export interface JobSnapshot {
  /** By uid. */
  readonly operators: Readonly<Record<string, OperatorSnapshot>>;
}

/** What is to be different after a restore. @public */
export interface RestoreOptions {
  /** How many subtasks. @defaultValue the present number */
  readonly parallelism?: number;
  /** Another version of the job. @defaultValue the present one */
  readonly job?: JobDefinition;
}

/** The subtasks of one node, with the valves in front of each. */
interface RunningNode {
  readonly node: StreamNode;
  readonly subtasks: readonly HarnessSubtask<unknown>[];
  /** By subtask, then by input. */
  readonly valves: WatermarkValve[][];
}

/**
 * Runs a whole job in the test's own thread, at any parallelism: records go in by hand or from the job's own sources, and
 * what reaches sinks, topics and requests is kept to be looked at. No threads, no files, and time only as the test sets it.
 *
 * Each record runs through the whole job before the call returns. Operators, state, key groups and watermark combination
 * are those of production; chaining, rings and serialisation between tasks are left out.
 *
 * @example
 * const driver = new JobDriver(job, { parallelism: 2 });
 * driver.send('bids', { auction: 1, price: 5 }, { timestamp: 10 });
 * driver.endInput();
 * driver.topic('hot-items');
 *
 * @public
 */
export class JobDriver {
  /** The clock that the whole job goes by. Set it by {@link JobDriver.setProcessingTime}, so that timers fire. */
  readonly clock: ManualClock;
  /** Lines that `print()` wrote. */
  readonly lines: string[] = [];
  /** Answers to requests, in order. */
  readonly responses: HarnessResponse[] = [];
  #job: JobDefinition;
  #parallelism: number;
  readonly #scope: RecordScope = newRecordScope();
  #graph: StreamGraph;
  /** One graph per subtask index: each subtask has function instances of its own. */
  #graphs: readonly StreamGraph[] = [];
  readonly #topics = new Map<string, CollectedRecord[]>();
  #running: (RunningNode | null)[] = [];
  #sources = new Map<string, DriverSource[]>();
  /** What the present run began with. */
  #restored: JobSnapshot | null = null;
  #attempt = 0;
  #offset = 0;
  #hasEnded = false;

  /** Builds the job and opens its operators. @throws MillraceError `MILLRACE_JOB_INVALID` as `job.build()` does */
  constructor(job: JobDefinition, options: JobDriverOptions = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.#job = job;
    this.#parallelism = options.parallelism ?? 1;
    this.#graph = buildStreamGraph(job.build());
    this.#deploy();
  }

  /**
   * The state of all operators, and how far the job's own sources have come; operators are told that the checkpoint is
   * complete. Nothing is under way between two calls, so it is consistent.
   */
  snapshot(checkpointId = 1): JobSnapshot {
    const operators: Record<string, OperatorSnapshot> = {};
    for (const [id, sources] of this.#sources) {
      const positions = sources.map((source) => serialiseLists({ [POSITION_STATE]: source.snapshot() }));
      operators[id] = { operatorState: positions, keyedState: [] };
    }
    for (const running of this.#running) {
      if (running === null) continue;
      operators[running.node.id] = {
        operatorState: running.subtasks.map(({ operator }) => serialiseLists(operator.snapshotOperatorState?.() ?? {})),
        keyedState: running.subtasks.flatMap((subtask) => subtask.snapshotKeyedState() ?? []),
      };
    }
    for (const { operator } of this.#allSubtasks()) operator.notifyCheckpointComplete?.(checkpointId);
    return { operators };
  }

  /**
   * Throws what runs away, as a crash would, and goes on from a snapshot, at another parallelism or with another version of
   * the job. What was emitted is kept, watermarks start anew, the clock goes on; records sent since the snapshot are not
   * sent again by themselves.
   */
  restore(snapshot: JobSnapshot, options: RestoreOptions = {}): void {
    this.close();
    this.#job = options.job ?? this.#job;
    this.#parallelism = options.parallelism ?? this.#parallelism;
    this.#graph = buildStreamGraph(this.#job.build());
    this.#restored = snapshot;
    this.#attempt++;
    this.#hasEnded = false;
    this.#deploy();
  }

  #deploy(): void {
    this.#running = [];
    this.#sources = new Map();
    const most = Math.max(this.#parallelism, ...this.#graph.nodes.map((node) => node.parallelism ?? 1));
    this.#graphs = Array.from({ length: most }, (_, index) =>
      index === 0 ? this.#graph : buildStreamGraph(this.#job.build()),
    );
    // Built from the last to the first, since each output needs its targets.
    for (const node of this.#graph.nodes.toReversed()) this.#start(node);
    for (const running of this.#running.toReversed()) {
      for (const subtask of running?.subtasks ?? []) subtask.open();
    }
    this.#settle();
  }

  /**
   * Hands a record to a source, named by its uid. It runs through the job before this returns.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` when there is no such source
   */
  send(sourceId: string, value: unknown, options: SendOptions = {}): void {
    const source = this.#sourceOf(sourceId, options.subtask ?? 0);
    const partition = options.partition ?? 0;
    this.#enter(source.index, partition, options.request ?? null);
    source.emit(value, options.timestamp ?? NO_TIMESTAMP, partition);
    this.#settle();
  }

  /** Runs the job's own sources (collections, generators) in turn until they have ended, or have emitted this many records each. */
  runSources(maxPerSource = Infinity): void {
    const sources = [...this.#sources.values()].flat();
    for (let round = 0; round < maxPerSource; round++) {
      const active = sources.filter((source) => {
        const value = source.next();
        if (value === undefined) return false;
        this.#enter(source.index, 0, null);
        source.emit(value, NO_TIMESTAMP, 0);
        this.#settle();
        return true;
      });
      if (active.length === 0) return;
    }
  }

  /** Lets a source emit its periodic watermark, as time would. */
  emitWatermarks(): void {
    for (const source of [...this.#sources.values()].flat()) source.emitPeriodic();
    this.#settle();
  }

  /** Sets the clock, lets sources emit their watermarks, and fires the timers that are due. */
  setProcessingTime(nowMs: number): void {
    this.clock.set(nowMs);
    this.emitWatermarks();
  }

  /** Ends all inputs: the last watermark passes through, then the operators finish, from the first to the last. */
  endInput(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const source of [...this.#sources.values()].flat()) source.end();
    this.#settle();
    for (const running of this.#running) {
      for (const { operator } of running?.subtasks ?? []) operator.finish?.();
      this.#settle();
    }
  }

  /** Runs the outcomes of asynchronous requests that have come in. @returns how many requests are still under way. */
  settle(): number {
    this.#settle();
    const operators = this.#running.flatMap((running) => running?.subtasks ?? []).map(({ operator }) => operator);
    return operators.reduce((sum, operator) => sum + (operator.pendingCount?.() ?? 0), 0);
  }

  /** Closes the operators. May be called twice. */
  close(): void {
    for (const { operator } of this.#allSubtasks()) operator.close();
  }

  /** What a topic sink has written, in order. */
  topic(name: string): readonly CollectedRecord[] {
    return this.#topics.get(name) ?? [];
  }

  /** The accumulators, merged over all subtasks, since the last start: what Flink's `JobExecutionResult` gives. */
  accumulators(): Readonly<Record<string, unknown>> {
    return this.#measured().accumulators();
  }

  /** The value of a metric of an operator, by its uid; summed or gathered over its subtasks as {@link OperatorHarness.metric} does. */
  metric(uid: string, name: string): MetricValue | undefined {
    return this.#measured(uid).metric(name);
  }

  #measured(uid?: string): Measured {
    const measurements = this.#allSubtasks().map((subtask) => subtask.measurements());
    return new Measured(measurements.filter(({ operatorId }) => uid === undefined || operatorId === uid));
  }

  #start(node: StreamNode): void {
    const parallelism = this.#parallelismOf(node);
    const outputs = Array.from(
      { length: parallelism },
      (_, index) => new JobOutput(this.#routesOf(node, index, parallelism)),
    );
    if (isSource(node)) {
      const sources = outputs.map((output, subtask) => {
        const spec = this.#specOf(node, subtask);
        return new DriverSource({
          index: node.index,
          spec,
          strategy: node.watermarks,
          output,
          clock: this.clock,
          subtask,
          parallelism,
          position: this.#listsOf(node, subtask, parallelism).restored(POSITION_STATE),
        });
      });
      this.#sources.set(node.id, sources);
      this.#running[node.index] = null;
      return;
    }
    const subtasks = outputs.map((output, index) => {
      return new HarnessSubtask<unknown>(this.#createOperator(node, index), {
        index,
        parallelism,
        shardCount: DEFAULT_SHARD_COUNT,
        isKeyed: node.inEdges.some((edge) => this.#graph.edges[edge]?.partitioning?.kind === 'hash'),
        operatorId: node.id,
        name: node.name,
        jobName: this.#graph.jobName,
        attempt: this.#attempt,
        clock: this.clock,
        output,
        respond: (response) => this.responses.push(response),
        operatorState: this.#listsOf(node, index, parallelism),
        keyedState: this.#restored?.operators[node.id]?.keyedState ?? [],
        scope: this.#scope,
      });
    });
    const valves = subtasks.map((subtask) => this.#createValves(node, subtask));
    this.#running[node.index] = { node, subtasks, valves };
  }

  #listsOf(node: StreamNode, index: number, parallelism: number): RestoredLists {
    return new RestoredLists(this.#restored?.operators[node.id]?.operatorState ?? [], index, parallelism);
  }

  #allSubtasks(): readonly HarnessSubtask<unknown>[] {
    return this.#running.flatMap((running) => running?.subtasks ?? []);
  }

  #createOperator(node: StreamNode, subtask: number): AnyOperator<unknown> {
    const spec = this.#specOf(node, subtask);
    switch (spec.kind) {
      case 'requests':
      case 'topic-source':
      case 'collection-source':
      case 'generator-source':
      case 'repartition-source':
        throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a source is not an operator');
      case 'respond-sink':
        return new RespondSinkOperator(spec);
      case 'topic-sink': {
        const records = this.#topics.get(spec.topic) ?? [];
        this.#topics.set(spec.topic, records);
        return new TopicCollector(spec, records);
      }
      default:
        return createOperator(spec, { writeLine: (line) => this.lines.push(line) });
    }
  }

  #specOf(node: StreamNode, subtask: number): StreamNode['spec'] {
    return (this.#graphs[subtask]?.nodes[node.index] ?? node).spec;
  }

  #parallelismOf(node: StreamNode): number {
    if (node.parallelism !== null) return node.parallelism;
    return node.spec.kind === 'collection-source' || node.spec.kind === 'generator-source' ? 1 : this.#parallelism;
  }

  /** Where the records and watermarks of one subtask go. */
  #routesOf(node: StreamNode, subtask: number, parallelism: number): OutputRoute[] {
    return node.outEdges.map((edgeIndex) => {
      const edge = this.#graph.edges[edgeIndex] as StreamEdge;
      const target = this.#running[edge.target] as RunningNode;
      const isForward = isForwarded(edge, parallelism, target.subtasks.length);
      const channel = this.#firstChannelOf(edge) + (isForward ? 0 : subtask);
      const inputs = target.subtasks.map((each, index) => ({
        subtask: each,
        valve: target.valves[index]?.[edge.input - 1] as WatermarkValve,
      }));
      return {
        sideTag: edge.sideTag,
        input: edge.input,
        channel,
        targets: isForward ? inputs.slice(subtask, subtask + 1) : inputs,
        choose: isForward ? () => 0 : chooserOf(edge, inputs.length),
      };
    });
  }

  #createValves(node: StreamNode, subtask: HarnessSubtask<unknown>): WatermarkValve[] {
    const inputCount = 'processElement1' in subtask.operator ? 2 : 1;
    return Array.from({ length: inputCount }, (_, index) => {
      const input = index === 0 ? 1 : 2;
      const channels = this.#edgesInto(node, input).reduce((sum, edge) => sum + this.#channelCountOf(edge), 0);
      return new WatermarkValve(channels, {
        emitWatermark: (timestamp) => {
          if (inputCount === 1) subtask.oneInput().processWatermark(timestamp);
          else if (input === 1) subtask.twoInputs().processWatermark1(timestamp);
          else subtask.twoInputs().processWatermark2(timestamp);
        },
        emitStatus: (status) => {
          if (inputCount === 1) subtask.oneInput().processStatus(status);
          else if (input === 1) subtask.twoInputs().processStatus1(status);
          else subtask.twoInputs().processStatus2(status);
        },
      });
    });
  }

  #edgesInto(node: StreamNode, input: 1 | 2): StreamEdge[] {
    return node.inEdges.map((edge) => this.#graph.edges[edge] as StreamEdge).filter((edge) => edge.input === input);
  }

  #channelCountOf(edge: StreamEdge): number {
    const source = this.#parallelismOf(this.#graph.nodes[edge.source] as StreamNode);
    const target = this.#parallelismOf(this.#graph.nodes[edge.target] as StreamNode);
    return isForwarded(edge, source, target) ? 1 : source;
  }

  #firstChannelOf(edge: StreamEdge): number {
    const before = this.#edgesInto(this.#graph.nodes[edge.target] as StreamNode, edge.input).filter(
      (other) => other.index < edge.index,
    );
    return before.reduce((sum, other) => sum + this.#channelCountOf(other), 0);
  }

  #sourceOf(id: string, subtask: number): DriverSource {
    const source = this.#sources.get(id)?.[subtask];
    if (source !== undefined) return source;
    throw new MillraceError('MILLRACE_JOB_INVALID', `the job has no source "${id}" with a subtask ${String(subtask)}`, {
      details: { sources: [...this.#sources.keys()] },
    });
  }

  #enter(sourceIndex: number, partition: number, request: RequestHandle | null): void {
    this.#scope.request = request;
    this.#scope.originSource = sourceIndex;
    this.#scope.originPartition = partition;
    this.#scope.originOffset = this.#offset++;
    this.#scope.originTime = this.clock.now();
  }

  #settle(): void {
    let ran = 1;
    while (ran > 0) {
      ran = 0;
      for (const running of this.#running) for (const subtask of running?.subtasks ?? []) ran += subtask.settle();
    }
  }
}

function isForwarded(edge: StreamEdge, sourceParallelism: number, targetParallelism: number): boolean {
  const kind = edge.partitioning?.kind ?? 'forward';
  return kind === 'forward' && sourceParallelism === targetParallelism;
}

/** Which subtask a record goes to; -1 for all. */
function chooserOf(edge: StreamEdge, parallelism: number): (value: unknown) => number {
  const { partitioning } = edge;
  if (partitioning?.kind === 'broadcast') return () => -1;
  // With one consumer the key decides nothing, as in production: it is for the consumer alone to ask.
  if (partitioning?.kind === 'hash' && parallelism > 1) {
    const { key } = partitioning;
    return (value) => subtaskOfShard(shardOfKeyGroup(keyGroupOf(key(value)), DEFAULT_SHARD_COUNT), parallelism);
  }
  let turn = 0;
  return () => turn++ % parallelism;
}
