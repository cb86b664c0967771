/** What the admin API answers, as far as the UI shows it. docs/http-api.md and /openapi.json say more. */

export interface Snapshot {
  readonly now: number;
  readonly job: JobHead;
  readonly vertices: readonly Vertex[];
  readonly edges: readonly Edge[];
  readonly workers: readonly Worker[];
  readonly checkpoints: CheckpointSummary;
  readonly requests: RequestSummary;
  readonly topics: readonly { readonly name: string; readonly lag: number | null; readonly endOffset: number }[];
}

export interface JobHead {
  readonly jid: string;
  readonly name: string;
  readonly state: string;
  readonly startTime: number;
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface Vertex {
  readonly id: string;
  readonly name: string;
  readonly operators: readonly Operator[];
  readonly parallelism: number;
  /** Shares of time, 0 to 1, over all subtasks; `busyMax` is that of the busiest. */
  readonly busy: number;
  readonly idle: number;
  readonly backPressured: number;
  readonly busyMax: number;
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** 0: even; 1: one subtask has everything. */
  readonly skew: number;
  readonly watermark: number | null;
  readonly watermarkLagMs: number | null;
}

export interface Operator {
  readonly uid: string;
  readonly name: string;
  readonly kind: string;
}

export interface Edge {
  readonly source: string;
  readonly target: string;
  readonly exchange: string;
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  readonly numRecordsPerSecond: number;
  readonly fillRatioMax: number;
}

export interface Worker {
  readonly id: string;
  readonly state: string;
  readonly cpuLoad: number | null;
  readonly runningRatio: number;
  readonly memory: {
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly heapLimit: number;
    readonly external: number;
  };
  readonly garbageCollection: { readonly count: number; readonly time: number };
  readonly loop: { readonly turns: number; readonly parks: number; readonly longestTurn: number };
  readonly subtasks: readonly { readonly vertex: string; readonly subtask: number }[];
}

export interface CheckpointSummary {
  readonly completed: number;
  readonly failed: number;
  readonly recoveryPointAgeMs: number | null;
  readonly lastId: number | null;
  readonly lastDurationMs: number | null;
  readonly lastSizeBytes: number | null;
}

export interface RequestSummary {
  readonly pendingCount: number;
  readonly waitingCount: number;
  readonly connectionCount: number;
  readonly total: number;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Subtask {
  readonly subtask: number;
  readonly status: string;
  readonly 'taskmanager-id': string;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface VertexDetails {
  readonly id: string;
  readonly name: string;
  readonly now: number;
  readonly subtasks: readonly Subtask[];
}

export interface Backpressure {
  readonly backpressureLevel: string;
  readonly subtasks: readonly {
    readonly subtask: number;
    readonly ratio: number;
    readonly idleRatio: number;
    readonly busyRatio: number;
  }[];
}

/** A subtask's watermark, and what holds it back. */
export interface WatermarkMetric extends Metric {
  readonly subtask: number;
  readonly since: number | null;
  readonly explanation: string;
}

export interface Metric {
  readonly id: string;
  readonly value: string;
}

export interface Checkpoint {
  readonly id: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly is_savepoint: boolean;
  readonly trigger_timestamp: number;
  readonly latest_ack_timestamp: number;
  readonly checkpointed_size: number;
  readonly full_size: number;
  readonly end_to_end_duration: number;
  readonly num_acknowledged_subtasks: number;
  readonly num_subtasks: number;
  readonly trigger_reason: string;
  readonly failure_message?: string;
  readonly workers: readonly {
    readonly 'taskmanager-id': string;
    readonly ack_timestamp: number;
    readonly checkpointed_size: number;
    readonly pause: number;
  }[];
}

export interface Quantiles {
  readonly min: number;
  readonly max: number;
  readonly avg: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface Checkpoints {
  readonly counts: Readonly<Record<'restored' | 'total' | 'in_progress' | 'completed' | 'failed', number>>;
  readonly summary: { readonly checkpointed_size: Quantiles; readonly end_to_end_duration: Quantiles };
  readonly recovery_point_age: number | null;
  readonly history: readonly Checkpoint[];
}

export interface TopicPartition {
  readonly partition: number;
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly position: number | null;
  readonly lag: number | null;
}

export interface Topic {
  readonly name: string;
  readonly role: string;
  readonly sizeBytes: number;
  readonly retentionMs: number | null;
  readonly retentionBytes: number | null;
  readonly recordCount: number;
  readonly lag: number | null;
  readonly partitions: readonly TopicPartition[];
}

export type DecodedBytes =
  | { readonly encoding: 'none' }
  | { readonly encoding: 'json'; readonly json: unknown }
  | { readonly encoding: 'text'; readonly text: string }
  | { readonly encoding: 'base64'; readonly base64: string };

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: DecodedBytes;
  readonly value: DecodedBytes;
  readonly valueBytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Requests {
  readonly pendingCount: number;
  readonly pendingBytes: number;
  readonly waitingCount: number;
  readonly resultCount: number;
  readonly connectionCount: number;
  readonly routes: readonly {
    readonly method: string;
    readonly route: string;
    /** The gateway's own, not the job's. */
    readonly isOwn: boolean;
    readonly count: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly latencyMs: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999' | 'mean', number>>;
  }[];
  readonly pending: readonly {
    readonly id: string;
    readonly route: string;
    readonly stage: string;
    readonly ageMs: number;
    readonly remainingMs: number;
    readonly bytes: number;
  }[];
}

export interface ExceptionEntry {
  readonly exceptionName: string;
  readonly stacktrace: string;
  readonly timestamp: number;
  readonly taskName: string | null;
  readonly taskManagerId: string | null;
  readonly kind: 'failure' | 'skipped';
  readonly code: string | null;
  readonly message: string;
  readonly hint: string | null;
  readonly count: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Exceptions {
  readonly exceptionHistory: { readonly entries: readonly ExceptionEntry[]; readonly truncated: boolean };
}

export interface TraceSummary {
  readonly requestId: string;
  readonly traceId: string;
  readonly route: string | null;
  readonly status: number | null;
  readonly startMs: number;
  readonly durationMs: number;
  readonly spanCount: number;
}

export interface Trace extends TraceSummary {
  readonly droppedCount: number;
  /** By start. */
  readonly spans: readonly TraceSpan[];
}

export interface TraceSpan {
  readonly spanId: string;
  readonly parentId: string | null;
  readonly kind: 'request' | 'append' | 'operator' | 'reply';
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: string | null;
  readonly place: { readonly operator: string; readonly subtask: number; readonly worker: number } | null;
  readonly stateReads: Readonly<Record<string, number>>;
  readonly stateWrites: Readonly<Record<string, number>>;
  readonly emitted: number;
}

export interface HotKeys {
  readonly operators: readonly {
    readonly uid: string;
    readonly sampledCount: number;
    readonly keys: readonly { readonly key: string; readonly share: number; readonly subtask: number }[];
  }[];
}
