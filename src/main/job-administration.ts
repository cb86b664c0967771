import type { Clock } from '../base/clock.js';
import { murmur2 } from '../api/internal/key-groups.js';
import type { TopicDescription, TopicPort } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type {
  BrowseRequest,
  ChannelStatus,
  CheckpointsStatus,
  EdgeStatus,
  ExceptionsStatus,
  IngestRecord,
  JobAdmin,
  MeasuredSubtask,
  OperatorHotKeys,
  RestartedAttempt,
  TopicRecordView,
  TopicStatus,
  TopicTail,
  TraceSummary,
  TraceView,
  VertexStatus,
  WorkerStatus,
} from './job-admin.js';
import type { SourceOffsets } from './job-attempt.js';
import type { JobManager } from './job-manager.js';
import type { JobObserver } from './job-observer.js';
import type { RequestTraces } from './request-traces.js';
import { namesOfStates, readKeyedState } from './state-reads.js';
import type { StateNames, StateReading, StateReadRequest } from './state-reads.js';
import { WatermarkExplainer } from './watermark-explanation.js';
import type { WatermarkExplanation } from './watermark-explanation.js';
import { hotKeysOf } from './hot-keys.js';
import { browseRecords, viewOf } from './topic-browser.js';

/** What an operator sees of a running job and does to it. Thread: main. The only implementation of {@link JobAdmin}. */
export class JobAdministration implements JobAdmin {
  readonly #manager: JobManager;
  readonly #observer: JobObserver;
  readonly #port: TopicPort;
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #cancel: () => void;
  readonly #clock: Clock;
  readonly #traces: RequestTraces;
  readonly #addressOf: (shard: number) => string | null;
  #turn = 0;

  constructor(options: {
    manager: JobManager;
    observer: JobObserver;
    port: TopicPort;
    clock: Clock;
    traces: RequestTraces;
    /** With secrets masked. */
    settings: Readonly<Record<string, unknown>>;
    /** The address of the job in the instance that runs a shard; `null` when none is known to. */
    addressOf: (shard: number) => string | null;
    /** Ends the process in order. */
    cancel: () => void;
  }) {
    this.#manager = options.manager;
    this.#observer = options.observer;
    this.#port = options.port;
    this.#settings = options.settings;
    this.#cancel = options.cancel;
    this.#clock = options.clock;
    this.#traces = options.traces;
    this.#addressOf = options.addressOf;
  }

  traces(): readonly TraceSummary[] {
    return this.#traces.list();
  }

  trace(requestId: string): TraceView | null {
    return this.#traces.find(requestId);
  }

  vertices(): readonly VertexStatus[] {
    return this.#observer.vertices();
  }

  edges(): readonly EdgeStatus[] {
    return this.#observer.edges();
  }

  channels(): readonly ChannelStatus[] {
    return this.#observer.channels();
  }

  workers(): readonly WorkerStatus[] {
    return this.#observer.workers();
  }

  measurements(): Promise<readonly MeasuredSubtask[]> {
    return this.#manager.attempt.measurements.read();
  }

  checkpoints(): CheckpointsStatus {
    const { checkpoints, checkpointHistory, restoredCheckpointId } = this.#manager;
    const { numberOfCompletedCheckpoints, numberOfFailedCheckpoints } = checkpoints.statistics;
    return {
      restoredId: restoredCheckpointId,
      totalCount: checkpointHistory.totalCount,
      completedCount: numberOfCompletedCheckpoints,
      failedCount: numberOfFailedCheckpoints,
      recoveryPointAgeMs: checkpoints.lastCompletedAgeMs,
      history: checkpointHistory.entries(),
    };
  }

  exceptions(): ExceptionsStatus {
    return this.#manager.exceptions.status();
  }

  settings(): Readonly<Record<string, unknown>> {
    return this.#settings;
  }

  namesOfStates(uid: string): Promise<StateNames> {
    const { attempt } = this.#manager;
    return namesOfStates(uid, { plan: attempt.plan, ask: (worker, query) => attempt.readState(worker, query) });
  }

  readState(request: StateReadRequest): Promise<StateReading> {
    const { attempt } = this.#manager;
    return readKeyedState(request, {
      plan: attempt.plan,
      ask: (worker, query) => attempt.readState(worker, query),
      passed: (position, vertex) => attempt.passed(position, vertex, request.timeoutMs),
      addressOf: this.#addressOf,
    });
  }

  async explainWatermarks(vertexId: string): Promise<readonly WatermarkExplanation[]> {
    const { attempt, plan } = this.#manager;
    const vertex = plan.vertices.find(({ id }) => id === vertexId);
    if (vertex === undefined) return [];
    const explainer = new WatermarkExplainer(plan, await attempt.describeWatermarks(), this.#clock.now());
    return Array.from({ length: vertex.parallelism }, (_, subtask) => explainer.explain(vertex, subtask));
  }

  async hotKeys(vertexId: string): Promise<readonly OperatorHotKeys[]> {
    const { attempt, plan } = this.#manager;
    const vertex = plan.vertices.find(({ id }) => id === vertexId);
    return vertex === undefined ? [] : hotKeysOf(vertex, await attempt.hotKeys());
  }

  async topics(): Promise<readonly TopicStatus[]> {
    const descriptions = await Promise.all(this.#port.topics().map((name) => this.#port.describe(name)));
    const positions = this.#manager.attempt.positions();
    return descriptions
      .map((description) => this.#topicStatus(description, positions))
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  async browse(request: BrowseRequest): Promise<readonly TopicRecordView[]> {
    const { beginOffsets, endOffsets } = await this.#port.describe(request.topic);
    const begin = beginOffsets[request.partition];
    if (begin === undefined) return [];
    const offset = Math.max(begin, request.offset);
    return browseRecords(this.#port, { ...request, offset }, endOffsets[request.partition] ?? 0);
  }

  append(topic: TopicStatus, record: IngestRecord, onDone: (error: Error | null) => void): void {
    const key = record.key === null ? null : Buffer.from(record.key);
    const { value, timestamp } = record;
    const partition = record.partition ?? this.#partitionOf(key, topic.partitions.length);
    this.#port.append(
      topic.name,
      { partition, key, value, headers: [], timestamp },
      { onAppended: () => onDone(null), onAppendFailed: onDone },
    );
  }

  tail(topic: string, positions: ReadonlyMap<number, number>, onReadable: () => void): TopicTail {
    const reader = this.#port.openReader(topic, { positions, visibility: 'durable', onReadable });
    return {
      poll: (recordsMax, visit) =>
        reader.poll(recordsMax, (record) => {
          visit(viewOf(record));
          return true;
        }),
      close: () => reader.close(),
    };
  }

  /** As Kafka's own producers: by the key's hash, else in turn. */
  #partitionOf(key: Uint8Array | null, partitionCount: number): number {
    if (key !== null) return (murmur2(key, 0, key.length) & 0x7fffffff) % partitionCount;
    this.#turn = (this.#turn + 1) % partitionCount;
    return this.#turn;
  }

  takeCheckpoint(): Promise<number> {
    return this.#manager.takeCheckpoint();
  }

  parallelismMax(): number {
    return this.#manager.plan.shardCount;
  }

  rescale(parallelism: number): Promise<void> {
    return this.#manager.rescale(parallelism);
  }

  async restart(): Promise<RestartedAttempt> {
    await this.#manager.restart();
    return { attempt: this.#manager.attempt.number, restoredId: this.#manager.restoredCheckpointId };
  }

  cancel(): void {
    this.#cancel();
  }

  #topicStatus(topic: TopicDescription, allPositions: SourceOffsets): TopicStatus {
    const { plan } = this.#manager;
    const source = plan.topicSources.find((candidate) => candidate.topic === topic.name);
    const positions = source === undefined ? undefined : allPositions.get(source.operatorId);
    return {
      name: topic.name,
      role: roleOf(plan, topic.name),
      sizeBytes: topic.sizeBytes,
      retentionMs: topic.retentionMs,
      retentionBytes: topic.retentionBytes,
      partitions: topic.endOffsets.map((endOffset, partition) => {
        const position = positions?.get(partition) ?? null;
        return {
          partition,
          beginOffset: topic.beginOffsets[partition] ?? 0,
          endOffset,
          position,
          lag: position === null ? null : Math.max(0, endOffset - position),
        };
      }),
    };
  }
}

function roleOf(plan: ExecutionPlan, topic: string): TopicStatus['role'] {
  const source = plan.topicSources.find((candidate) => candidate.topic === topic);
  if (source !== undefined) return source.kind === 'requests' ? 'requests' : 'source';
  if (plan.responseTopic === topic) return 'responses';
  return plan.topicSinks.some((sink) => sink.topic === topic) ? 'sink' : 'other';
}
