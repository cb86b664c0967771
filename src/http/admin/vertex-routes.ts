import type { FastifyInstance } from 'fastify';

import type { SubtaskStatus, VertexStatus } from '../../main/job-admin.js';
import type { JobDescription } from '../../main/job-control.js';
import { requireJob, requireSubtask, requireVertex, workerId } from './admin-context.js';
import type { AdminContext, VertexParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import {
  backpressureSchema,
  hotKeysSchema,
  metricsSchema,
  subtaskSchema,
  subtaskTimesSchema,
  vertexSchema,
  watermarksSchema,
} from './answers/vertices.js';
import type {
  Backpressure,
  HotKeys,
  Subtask,
  SubtaskTimes,
  VertexDetails,
  WatermarkMetric,
} from './answers/vertices.js';
import { metricsAnswer, metricsQuery, metricText, subtaskMetrics, vertexMetrics } from './flink-metrics.js';
import type { Schema } from './json-schemas.js';
import type { Query } from './query-parameters.js';

/** `/jobs/:jobId/vertices/:vertexId` and below, as Flink has them. */

const PATH = '/jobs/:jobId/vertices/:vertexId';
const params = ['jobId', 'vertexId'];

interface SubtaskParams extends VertexParams {
  readonly subtask: string;
}

export function addVertexRoutes(app: FastifyInstance, context: AdminContext): void {
  const route = (summary: string, answer: Schema, more: { readonly query?: Schema } = {}): object => ({
    schema: adminSchema({ tag: 'jobs', summary, answer, params, ...more }),
  });

  app.get<{ Params: VertexParams }>(PATH, route('A vertex and its subtasks', vertexSchema), (request) => {
    const vertex = requireVertex(context, request.params);
    const job = requireJob(context, request.params);
    return vertexAnswer(vertex, job, context.clock.now());
  });

  app.get<{ Params: VertexParams }>(
    `${PATH}/subtasktimes`,
    route('How long subtasks have run', subtaskTimesSchema),
    (request) => subtaskTimes(requireVertex(context, request.params), context),
  );

  app.get<{ Params: VertexParams }>(
    `${PATH}/backpressure`,
    route('How idle, busy and back-pressured subtasks are', backpressureSchema),
    (request) => backpressureOf(requireVertex(context, request.params), context.clock.now()),
  );

  app.get<{ Params: VertexParams }>(
    `${PATH}/watermarks`,
    route('Input watermarks of the subtasks, and what holds them back', watermarksSchema),
    async (request): Promise<readonly WatermarkMetric[]> => {
      const { id } = requireVertex(context, request.params);
      const explanations = await context.admin.explainWatermarks(id);
      return explanations.map(({ subtask, watermark, since, heldBy, path, text: explanation }) => ({
        id: `${subtask}.currentInputWatermark`,
        value: metricText(watermark),
        subtask,
        since,
        heldBy,
        path,
        explanation,
      }));
    },
  );

  app.get<{ Params: VertexParams }>(
    `${PATH}/hot-keys`,
    route('The keys that come most often at each keyed operator, by a sample', hotKeysSchema),
    async (request): Promise<HotKeys> => {
      const { id } = requireVertex(context, request.params);
      return { operators: await context.admin.hotKeys(id) };
    },
  );

  app.get<{ Params: VertexParams; Querystring: Query }>(
    `${PATH}/metrics`,
    route('Metrics of all subtasks', metricsSchema, { query: metricsQuery }),
    async (request) => {
      const vertex = requireVertex(context, request.params);
      return metricsAnswer(vertexMetrics(vertex, await context.admin.measurements()), request.query);
    },
  );

  addSubtaskRoutes(app, context);
}

function addSubtaskRoutes(app: FastifyInstance, context: AdminContext): void {
  app.get<{ Params: SubtaskParams }>(
    `${PATH}/subtasks/:subtask`,
    {
      schema: adminSchema({ tag: 'jobs', summary: 'A subtask', answer: subtaskSchema, params: [...params, 'subtask'] }),
    },
    (request) => {
      const subtask = requireSubtask(requireVertex(context, request.params), request.params.subtask);
      return subtaskAnswer(subtask, requireJob(context, request.params), context.clock.now());
    },
  );

  app.get<{ Params: SubtaskParams; Querystring: Query }>(
    `${PATH}/subtasks/:subtask/metrics`,
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Metrics of a subtask',
        answer: metricsSchema,
        params: [...params, 'subtask'],
        query: metricsQuery,
      }),
    },
    async (request) => {
      const vertex = requireVertex(context, request.params);
      const subtask = requireSubtask(vertex, request.params.subtask);
      return metricsAnswer(subtaskMetrics(vertex, subtask, await context.admin.measurements()), request.query);
    },
  );
}

function vertexAnswer(vertex: VertexStatus, job: JobDescription, now: number): VertexDetails {
  return {
    id: vertex.id,
    name: vertex.name,
    parallelism: vertex.subtasks.length,
    maxParallelism: KEY_GROUPS,
    now,
    subtasks: vertex.subtasks.map((subtask) => subtaskAnswer(subtask, job, now)),
  };
}

/** Flink calls the number of key groups so. */
const KEY_GROUPS = 1024;

function subtaskAnswer(
  { subtask, worker, attempt, counters }: SubtaskStatus,
  job: JobDescription,
  now: number,
): Subtask {
  return {
    subtask,
    status: job.state,
    attempt,
    endpoint: workerId(worker),
    'start-time': job.startTime,
    'end-time': -1,
    duration: now - job.startTime,
    'taskmanager-id': workerId(worker),
    metrics: {
      'read-bytes': counters.numBytesIn,
      'write-bytes': counters.numBytesOut,
      'read-records': counters.numRecordsIn,
      'write-records': counters.numRecordsOut,
      'accumulated-idle-time': counters.idleMs,
      'accumulated-busy-time': counters.busyMs,
      'accumulated-backpressured-time': counters.backPressuredMs,
    },
  };
}

function subtaskTimes(vertex: VertexStatus, { control, clock }: AdminContext): SubtaskTimes {
  const { startTime } = control.describe();
  const now = clock.now();
  return {
    id: vertex.id,
    name: vertex.name,
    now,
    subtasks: vertex.subtasks.map(({ subtask, worker }) => ({
      subtask,
      endpoint: workerId(worker),
      duration: now - startTime,
      timestamps: { RUNNING: startTime },
    })),
  };
}

function backpressureOf(vertex: VertexStatus, now: number): Backpressure {
  const subtasks = vertex.subtasks.map(({ subtask, rates }) => {
    const ratio = rates.backPressuredTimeMsPerSecond / 1000;
    return {
      subtask,
      backpressureLevel: levelOf(ratio),
      ratio,
      idleRatio: rates.idleTimeMsPerSecond / 1000,
      busyRatio: rates.busyTimeMsPerSecond / 1000,
    };
  });
  const highest = Math.max(0, ...subtasks.map(({ ratio }) => ratio));
  return { status: 'ok', backpressureLevel: levelOf(highest), 'end-timestamp': now, subtasks };
}

/** Flink's bounds. */
function levelOf(ratio: number): 'ok' | 'low' | 'high' {
  if (ratio <= 0.1) return 'ok';
  return ratio <= 0.5 ? 'low' : 'high';
}
