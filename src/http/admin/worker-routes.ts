import type { FastifyInstance } from 'fastify';

import type { WorkerStatus } from '../../main/job-admin.js';
import { notFound, workerId } from './admin-context.js';
import type { AdminContext } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { metricsSchema } from './answers/vertices.js';
import { settingsSchema, workerSchema } from './answers/workers.js';
import type { Settings, Worker } from './answers/workers.js';
import { metricsAnswer, metricsQuery, workerMetrics } from './flink-metrics.js';
import { integer, list, object, text } from './json-schemas.js';
import type { Query } from './query-parameters.js';

/** Worker threads, at Flink's paths for task managers; and the process, at those for its job manager. */

interface WorkerParams {
  readonly taskManagerId: string;
}

export function addWorkerRoutes(app: FastifyInstance, { admin, version }: AdminContext): void {
  const params = ['taskManagerId'];
  app.get(
    '/taskmanagers',
    {
      schema: adminSchema({
        tag: 'workers',
        summary: 'The worker threads',
        answer: object({ taskmanagers: list(workerSchema) }),
      }),
    },
    () => ({ taskmanagers: admin.workers().map(workerAnswer) }),
  );

  app.get<{ Params: WorkerParams }>(
    '/taskmanagers/:taskManagerId',
    { schema: adminSchema({ tag: 'workers', summary: 'A worker thread', answer: workerSchema, params }) },
    (request) => workerAnswer(requireWorker(admin.workers(), request.params)),
  );

  app.get<{ Params: WorkerParams; Querystring: Query }>(
    '/taskmanagers/:taskManagerId/metrics',
    {
      schema: adminSchema({
        tag: 'workers',
        summary: 'Metrics of a worker thread',
        answer: metricsSchema,
        params,
        query: metricsQuery,
      }),
    },
    (request) => metricsAnswer(workerMetrics(requireWorker(admin.workers(), request.params)), request.query),
  );

  app.get(
    '/jobmanager/config',
    { schema: adminSchema({ tag: 'workers', summary: 'Every setting of the process', answer: settingsSchema }) },
    (): Settings => Object.entries(admin.settings()).map(([key, value]) => ({ key, value: settingText(value) })),
  );

  app.get(
    '/config',
    {
      schema: adminSchema({
        tag: 'workers',
        summary: 'What a dashboard needs to know',
        answer: object({ 'refresh-interval': integer, 'millrace-version': text, features: object({}) }),
      }),
    },
    () => ({
      'refresh-interval': 1000,
      'millrace-version': version,
      features: { 'web-submit': false, 'web-cancel': true },
    }),
  );
}

function requireWorker(workers: readonly WorkerStatus[], { taskManagerId }: WorkerParams): WorkerStatus {
  const found = workers.find(({ worker }) => workerId(worker) === taskManagerId);
  if (found === undefined) throw notFound('There is no worker of this id.');
  return found;
}

export function workerAnswer(status: WorkerStatus): Worker {
  const { worker, state, counters, cpuRatio, runningRatio, subtasks } = status;
  return {
    id: workerId(worker),
    path: `thread ${worker}`,
    slotsNumber: 1,
    freeSlots: subtasks.length === 0 ? 1 : 0,
    state,
    cpuLoad: cpuRatio,
    runningRatio,
    memory: {
      heapUsed: counters.heapUsedBytes,
      heapTotal: counters.heapTotalBytes,
      heapLimit: counters.heapLimitBytes,
      external: counters.externalBytes,
    },
    garbageCollection: { count: counters.gcCount, time: counters.gcMs },
    loop: { turns: counters.loopTurns, parks: counters.parkCount, longestTurn: counters.longestTurnMs },
    subtasks,
  };
}

/** A setting as text. */
export function settingText(value: unknown): string {
  if (value === null) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
