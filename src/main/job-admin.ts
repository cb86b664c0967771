import type { TaskSnapshot, ThreadSnapshot } from '../metrics/counters.js';
import type { TaskRates } from '../metrics/rate-meter.js';
import type { TraceSpan } from '../protocol/trace-span.js';
import type { MeasuredSubtask } from './attempt-measurements.js';
import type { StateNames, StateReading, StateReadRequest } from './state-reads.js';
import type { WatermarkExplanation } from './watermark-explanation.js';

export type { MeasuredSubtask, StateReading, StateReadRequest, TraceSpan, WatermarkExplanation };

/**
 * The door through which `http/` looks into a running job and acts on it: what an operator sees and does. Beside
 * `job-control.ts`, which is what a request needs. Plain data; nothing here is asked on a request's way.
 *
 * Every list is bounded where it is kept.
 */

/** One subtask now, and what it did per second since the sample before. */
export interface SubtaskStatus {
  readonly subtask: number;
  readonly worker: number;
  /** Which run of the job it belongs to: 0 at the start of the process, one more after each restart or rescaling. */
  readonly attempt: number;
  readonly counters: TaskSnapshot;
  readonly rates: TaskRates;
}

export interface VertexStatus {
  readonly id: string;
  readonly name: string;
  readonly operators: readonly { readonly uid: string; readonly name: string; readonly kind: string }[];
  readonly subtasks: readonly SubtaskStatus[];
}

/** A stream between two vertices. */
export interface EdgeStatus {
  readonly source: string;
  readonly target: string;
  readonly exchange: string;
  /** Which input of the target. */
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  /** Records that arrive over it. Of several edges into one vertex: what the operator behind each emits. */
  readonly numRecordsPerSecond: number;
  /** Of its fullest ring, 0 to 1. */
  readonly fillRatioMax: number;
}

/** One ring. `null` stands for the main thread. */
export interface ChannelStatus {
  readonly index: number;
  readonly kind: 'ingress' | 'exchange' | 'egress';
  readonly producer: SubtaskAddress | null;
  readonly consumer: SubtaskAddress | null;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly isProducerBlocked: boolean;
}

export interface SubtaskAddress {
  /** The vertex's id. */
  readonly vertex: string;
  readonly subtask: number;
}

export interface WorkerStatus {
  readonly worker: number;
  readonly state: string;
  readonly counters: ThreadSnapshot;
  /** Share of one processor since the sample before, 0 to 1; `null` where the system does not say. */
  readonly cpuRatio: number | null;
  /** Share of time that the loop ran since the sample before, 0 to 1. */
  readonly runningRatio: number;
  readonly subtasks: readonly SubtaskAddress[];
}

export type CheckpointState = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

export interface CheckpointEntry {
  readonly id: number;
  readonly state: CheckpointState;
  /** Why it was taken: its time had come, state outgrew its budget, or somebody asked. */
  readonly reason: 'interval' | 'early' | 'forced';
  /** Whether a savepoint was made of it. */
  readonly isSavepoint: boolean;
  readonly triggeredAt: number;
  /** When the last participant acknowledged; `null` before the first. */
  readonly latestAckAt: number | null;
  /** When it was complete, or failed; `null` while in progress. */
  readonly endedAt: number | null;
  /** Bytes that were written for it. */
  readonly sizeBytes: number;
  /** Bytes of the segment files that a restore reads; what has gone into the bases is not counted. */
  readonly fullSizeBytes: number;
  readonly acknowledgedCount: number;
  readonly participantCount: number;
  readonly failure: string | null;
  readonly workers: readonly WorkerCheckpoint[];
}

/** A worker's part of a checkpoint. */
export interface WorkerCheckpoint {
  readonly worker: number;
  readonly acknowledgedAt: number;
  readonly sizeBytes: number;
  /** Longest time that one of its tasks stood still. */
  readonly pauseMs: number;
}

export interface CheckpointsStatus {
  readonly restoredId: number | null;
  readonly totalCount: number;
  readonly completedCount: number;
  readonly failedCount: number;
  /** Milliseconds since the newest complete one: what a crash now would replay. `null` before the first. */
  readonly recoveryPointAgeMs: number | null;
  /** Newest first. */
  readonly history: readonly CheckpointEntry[];
}

export interface ExceptionEntry {
  readonly timestamp: number;
  /** `failure` ended the job or restarted it; `skipped` cost a record and nothing else. */
  readonly kind: 'failure' | 'skipped';
  readonly name: string;
  readonly code: string | null;
  readonly message: string;
  readonly stack: string;
  /** Where it happened: operator, subtask, key, topic, partition, offset, as far as they are known. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | null;
  readonly worker: number | null;
  /** Records that were skipped for the like of it within one report. */
  readonly count: number;
}

export interface ExceptionsStatus {
  /** Newest first. */
  readonly entries: readonly ExceptionEntry[];
  /** Whether older ones were dropped. */
  readonly isTruncated: boolean;
}

export interface TopicStatus {
  readonly name: string;
  readonly role: 'requests' | 'responses' | 'source' | 'sink' | 'other';
  readonly sizeBytes: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly partitions: readonly TopicPartitionStatus[];
}

export interface TopicPartitionStatus {
  readonly partition: number;
  readonly beginOffset: number;
  readonly endOffset: number;
  /** The next record that the job will read; `null` for a topic that it does not read. */
  readonly position: number | null;
  /** Records behind that position; `null` likewise. */
  readonly lag: number | null;
}

/** Bytes of a record, in a form that people can read. */
export type DecodedBytes =
  | { readonly encoding: 'none' }
  | { readonly encoding: 'json'; readonly json: unknown }
  | { readonly encoding: 'text'; readonly text: string }
  | { readonly encoding: 'base64'; readonly base64: string };

export interface TopicRecordView {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: DecodedBytes;
  readonly value: DecodedBytes;
  readonly valueBytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BrowseRequest {
  readonly topic: string;
  readonly partition: number;
  /** First offset; one that is no longer stored gives the first that is. */
  readonly offset: number;
  readonly limit: number;
}

/** A record that comes over HTTP. */
export interface IngestRecord {
  /** `null` spreads records over all partitions in turn; a key's partition is the one that Kafka's producers take. */
  readonly key: string | null;
  /** Chosen by the caller; `null` to follow the key. */
  readonly partition: number | null;
  readonly value: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** A cursor over all partitions of a topic. */
export interface TopicTail {
  /** Hands over up to so many records that are ready. `onReadable` is called when there are more after it returned 0. */
  poll(recordsMax: number, visit: (record: TopicRecordView) => void): number;
  close(): void;
}

/** What runs after a restart. */
export interface RestartedAttempt {
  /** Which run of the job it is: 0 at the start of the process, one more after each restart or rescaling. */
  readonly attempt: number;
  /** What it began with; `null` when there was no checkpoint yet. */
  readonly restoredId: number | null;
}

/** The keys that come most often at one operator of a vertex. */
export interface OperatorHotKeys {
  /** The operator's uid. */
  readonly uid: string;
  /** Records that were looked at, later ones counting more. */
  readonly sampledCount: number;
  /** Most frequent first. */
  readonly keys: readonly HotKey[];
}

export interface HotKey {
  /** Text as it is, numbers in digits, anything else in JSON. */
  readonly key: string;
  /** Of the operator's records, 0 to 1, by the sample. */
  readonly share: number;
  /** By how much the share may be too large. */
  readonly error: number;
  readonly subtask: number;
}

/** A trace of a request, without its spans. */
export interface TraceSummary {
  readonly requestId: string;
  readonly traceId: string;
  /** As the job wrote it; `null` while the request is not answered, and of one that came in elsewhere. */
  readonly route: string | null;
  readonly status: number | null;
  /** Milliseconds since the epoch, with a fraction. */
  readonly startMs: number;
  /** Until the answer; before that, what is known so far. */
  readonly durationMs: number;
  readonly spanCount: number;
}

export interface TraceView extends TraceSummary {
  /** By start. */
  readonly spans: readonly TraceSpan[];
  /** Spans beyond those that are kept of one trace. */
  readonly droppedCount: number;
}

export interface JobAdmin {
  /** Traces of requests, the newest first. */
  traces(): readonly TraceSummary[];
  /** `null` when there is none of this request, or no more. */
  trace(requestId: string): TraceView | null;
  /** Appends a record. `onDone` is called once: when it is durable, or with why it was refused. */
  append(topic: TopicStatus, record: IngestRecord, onDone: (error: Error | null) => void): void;
  /** Reads a topic from these offsets on, by partition. */
  tail(topic: string, positions: ReadonlyMap<number, number>, onReadable: () => void): TopicTail;
  vertices(): readonly VertexStatus[];
  edges(): readonly EdgeStatus[];
  channels(): readonly ChannelStatus[];
  workers(): readonly WorkerStatus[];
  /** What the job's functions have measured, by subtask. */
  measurements(): Promise<readonly MeasuredSubtask[]>;
  checkpoints(): CheckpointsStatus;
  exceptions(): ExceptionsStatus;
  /** Every setting under its key; secrets are masked. */
  settings(): Readonly<Record<string, unknown>>;
  /** What the states of an operator are called. */
  namesOfStates(uid: string): Promise<StateNames>;
  /** The state of one key, from the worker that owns it, or where to ask for it. */
  readState(request: StateReadRequest): Promise<StateReading>;
  /** Why event time stands where it does, for each subtask of a vertex. Empty for an unknown vertex. */
  explainWatermarks(vertexId: string): Promise<readonly WatermarkExplanation[]>;
  /** The most frequent keys at each keyed operator of a vertex. Empty for an unknown vertex. */
  hotKeys(vertexId: string): Promise<readonly OperatorHotKeys[]>;
  topics(): Promise<readonly TopicStatus[]>;
  /** @throws MillraceError `MILLRACE_TOPIC_NOT_FOUND` */
  browse(request: BrowseRequest): Promise<readonly TopicRecordView[]>;
  /** Takes a checkpoint now. @returns its id, once it is complete */
  takeCheckpoint(): Promise<number>;
  /** Largest parallelism that the job can have: its number of shards. */
  parallelismMax(): number;
  /**
   * Moves the job to another number of workers. Resolves when they run.
   *
   * @param parallelism an integer from 1 to {@link parallelismMax}
   * @throws MillraceError why the job goes on as it was
   */
  rescale(parallelism: number): Promise<void>;
  /**
   * Puts a new attempt in the place of the present one, whatever that is doing; requests wait meanwhile. Resolves when it runs.
   *
   * @throws MillraceError `MILLRACE_NOT_READY` when the job is ending; or why the new attempt has failed
   */
  restart(): Promise<RestartedAttempt>;
  /** Ends the job with a last checkpoint, and the process with it. Returns at once. */
  cancel(): void;
}
