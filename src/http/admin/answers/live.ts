import { type Described, flag, integer, list, nullable, number, object, text } from '../json-schemas.js';
import { workerSchema } from './workers.js';

/** What the events of `/jobs/:jobId/live` hold: all that a dashboard redraws every second, in one document. */

export type Job = Described<typeof jobSchema>;
const jobSchema = object({
  jid: text,
  name: text,
  state: text,
  startTime: integer,
  ready: flag,
  reasons: list(text),
});

/**
 * A task. `busy`, `idle` and `backPressured` are shares of time, 0 to 1, over all subtasks, `busyMax` that of the busiest;
 * `skew` is 0 when records are spread evenly, and 1 when one subtask has them all.
 */
export type Vertex = Described<typeof vertexSchema>;
const vertexSchema = object({
  id: text,
  name: text,
  operators: list(object({ uid: text, name: text, kind: text })),
  parallelism: integer,
  busy: number,
  idle: number,
  backPressured: number,
  busyMax: number,
  recordsInPerSecond: number,
  recordsOutPerSecond: number,
  recordsIn: integer,
  recordsOut: integer,
  skew: number,
  watermark: nullable(integer),
  watermarkLagMs: nullable(integer),
});

export type Edge = Described<typeof edgeSchema>;
const edgeSchema = object({
  source: text,
  target: text,
  exchange: text,
  input: integer,
  sideTag: nullable(text),
  numRecordsPerSecond: number,
  fillRatioMax: number,
});

export type CheckpointSummary = Described<typeof checkpointsSchema>;
const checkpointsSchema = object({
  completed: integer,
  failed: integer,
  recoveryPointAgeMs: nullable(number),
  lastId: nullable(integer),
  lastDurationMs: nullable(number),
  lastSizeBytes: nullable(integer),
});

export type RequestSummary = Described<typeof requestsSchema>;
const requestsSchema = object({
  pendingCount: integer,
  waitingCount: integer,
  connectionCount: integer,
  total: integer,
  perSecond: number,
  errorsPerSecond: number,
  p50Ms: number,
  p99Ms: number,
});

export type TopicSummary = Described<typeof topicSchema>;
const topicSchema = object({ name: text, lag: nullable(integer), endOffset: integer });

export type Snapshot = Described<typeof snapshotSchema>;
export const snapshotSchema = object({
  now: integer,
  job: jobSchema,
  vertices: list(vertexSchema),
  edges: list(edgeSchema),
  workers: list(workerSchema),
  checkpoints: checkpointsSchema,
  requests: requestsSchema,
  topics: list(topicSchema),
});
