import {
  anything,
  type Described,
  dictionary,
  integer,
  list,
  nullable,
  number,
  object,
  objectWith,
  oneOf,
  text,
} from '../json-schemas.js';

/** What `/jobs/:jobId/vertices/:vertexId` and the routes below answer. */

export type Subtask = Described<typeof subtaskSchema>;
export const subtaskSchema = object({
  subtask: integer,
  status: text,
  attempt: integer,
  endpoint: text,
  'start-time': integer,
  'end-time': integer,
  duration: integer,
  'taskmanager-id': text,
  metrics: object({
    'read-bytes': number,
    'write-bytes': number,
    'read-records': number,
    'write-records': number,
    'accumulated-idle-time': number,
    'accumulated-busy-time': number,
    'accumulated-backpressured-time': number,
  }),
});

export type VertexDetails = Described<typeof vertexSchema>;
export const vertexSchema = object({
  id: text,
  name: text,
  parallelism: integer,
  maxParallelism: integer,
  now: integer,
  subtasks: list(subtaskSchema),
});

const levelSchema = oneOf('ok', 'low', 'high');

export type Backpressure = Described<typeof backpressureSchema>;
export const backpressureSchema = object({
  status: text,
  backpressureLevel: levelSchema,
  'end-timestamp': integer,
  subtasks: list(
    object({
      subtask: integer,
      backpressureLevel: levelSchema,
      ratio: number,
      idleRatio: number,
      busyRatio: number,
    }),
  ),
});

export type HotKeys = Described<typeof hotKeysSchema>;
export const hotKeysSchema = object({
  operators: list(
    object({
      uid: text,
      sampledCount: number,
      keys: list(object({ key: text, share: number, error: number, subtask: integer })),
    }),
  ),
});

export type SubtaskTimes = Described<typeof subtaskTimesSchema>;
export const subtaskTimesSchema = object({
  id: text,
  name: text,
  now: integer,
  subtasks: list(
    object({ subtask: integer, endpoint: text, duration: integer, timestamps: object({ RUNNING: integer }) }),
  ),
});

/** A metric by its name; with its value where that was asked for. */
export type Metric = Described<typeof metricSchema>;
const metricSchema = objectWith({ id: text }, { value: text });
export const metricsSchema = list(metricSchema);

/** Flink's fields, and why the watermark of the subtask stands where it does. */
export type WatermarkMetric = Described<typeof watermarkSchema>;
const watermarkSchema = object({
  id: text,
  value: text,
  subtask: integer,
  since: nullable(integer),
  heldBy: dictionary(anything),
  path: list(object({ vertex: text, subtask: integer, input: integer })),
  explanation: text,
});
export const watermarksSchema = list(watermarkSchema);
