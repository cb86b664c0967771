/**
 * What the admin API answers: the process's own types. They are what its schemas describe, in /openapi.json too. Types alone come
 * over here, no code.
 */
export type {
  Checkpoint,
  CheckpointConfig,
  Checkpoints,
  TakenCheckpoint,
} from '../../../src/http/admin/answers/checkpoints.js';
export type { JobException, JobExceptions, Restart } from '../../../src/http/admin/answers/jobs.js';
export type { Edge, Snapshot, Vertex } from '../../../src/http/admin/answers/live.js';
export type { Requests, Trace, TraceSpan, TraceSummary } from '../../../src/http/admin/answers/requests.js';
export type { OperationBegun, OperationProgress } from '../../../src/http/admin/answers/savepoints.js';
export type { StateNames, StateValue } from '../../../src/http/admin/answers/state.js';
export type { DecodedBytes, Topic, TopicRecord, TopicRecords } from '../../../src/http/admin/answers/topics.js';
export type { HotKeys, Subtask, VertexDetails, WatermarkMetric } from '../../../src/http/admin/answers/vertices.js';
export type { Settings, Worker } from '../../../src/http/admin/answers/workers.js';
