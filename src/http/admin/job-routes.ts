import type { FastifyInstance } from 'fastify';

import type { ExceptionEntry } from '../../main/job-admin.js';
import { ProblemError } from '../problem.js';
import { requireJob, workerId } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { exceptionsSchema, jobConfigSchema, restartSchema } from './answers/jobs.js';
import type { JobException, JobExceptions, Restart } from './answers/jobs.js';
import { metricsSchema } from './answers/vertices.js';
import { metricsAnswer, metricsQuery } from './flink-metrics.js';
import type { Metrics } from './flink-metrics.js';
import { object, oneOf, text } from './json-schemas.js';
import { invalidParameter, textParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';
import { settingText } from './worker-routes.js';

/** What Flink has directly below `/jobs/:jobId`, beside what `routes/jobs.ts` has. */

const params = ['jobId'];

export function addJobDetailRoutes(app: FastifyInstance, context: AdminContext): void {
  const { admin } = context;
  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/status',
    { schema: adminSchema({ tag: 'jobs', summary: 'Whether a job runs', answer: object({ status: text }), params }) },
    (request) => ({ status: requireJob(context, request.params).state }),
  );

  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/config',
    { schema: adminSchema({ tag: 'jobs', summary: 'Settings of a job', answer: jobConfigSchema, params }) },
    (request) => {
      const { jid, name, parallelism } = requireJob(context, request.params);
      const settings = Object.entries(admin.settings()).map(([key, value]) => [key, settingText(value)] as const);
      return {
        jid,
        name,
        'execution-config': {
          'execution-mode': 'PIPELINED',
          'job-parallelism': parallelism,
          'object-reuse-mode': true,
          'user-config': Object.fromEntries(settings),
        },
      };
    },
  );

  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/exceptions',
    { schema: adminSchema({ tag: 'jobs', summary: 'The last exceptions', answer: exceptionsSchema, params }) },
    (request): JobExceptions => {
      requireJob(context, request.params);
      const { entries, isTruncated } = admin.exceptions();
      const root = entries.find(({ kind }) => kind === 'failure');
      return {
        'root-exception': root?.stack ?? null,
        timestamp: root?.timestamp ?? null,
        'all-exceptions': [],
        truncated: isTruncated,
        exceptionHistory: { entries: entries.map(exceptionAnswer), truncated: isTruncated },
      };
    },
  );

  app.get<{ Params: JobParams; Querystring: Query }>(
    '/jobs/:jobId/metrics',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Metrics of a job',
        answer: metricsSchema,
        params,
        query: metricsQuery,
      }),
    },
    (request) => {
      requireJob(context, request.params);
      return metricsAnswer(jobMetrics(context), request.query);
    },
  );

  addRestartRoute(app, context);
  addCancelRoute(app, context);
}

function addRestartRoute(app: FastifyInstance, context: AdminContext): void {
  app.post<{ Params: JobParams }>(
    '/jobs/:jobId/restart',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Starts the job again at its newest checkpoint, in place; answered when it runs',
        answer: restartSchema,
        params,
      }),
    },
    async (request): Promise<Restart> => {
      requireJob(context, request.params);
      const { attempt, restoredId } = await context.admin.restart();
      return { attempt, checkpointId: restoredId };
    },
  );
}

function addCancelRoute(app: FastifyInstance, context: AdminContext): void {
  app.patch<{ Params: JobParams; Querystring: Query }>(
    '/jobs/:jobId',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Ends a job with a last checkpoint, and the process with it',
        status: 202,
        answer: object({}),
        params,
        query: { type: 'object', properties: { mode: { ...oneOf('cancel', 'stop'), default: 'cancel' } } },
      }),
    },
    (request, reply) => {
      const { state } = requireJob(context, request.params);
      const mode = textParameter(request.query, 'mode') ?? 'cancel';
      if (mode !== 'cancel' && mode !== 'stop') throw invalidParameter('mode', "must be 'cancel' or 'stop'");
      if (state !== 'RUNNING') throw new ProblemError({ code: 'MILLRACE_NOT_READY' });
      // The answer leaves first: draining the gateway closes what it came over.
      reply.raw.once('close', () => context.admin.cancel());
      reply.code(202).header('connection', 'close').send({});
    },
  );
}

function exceptionAnswer(entry: ExceptionEntry): JobException {
  const { operator, task } = entry.details;
  const endpoint = entry.worker === null ? null : workerId(entry.worker);
  return {
    exceptionName: entry.name,
    stacktrace: entry.stack,
    timestamp: entry.timestamp,
    taskName: nameOf(operator) ?? nameOf(task),
    endpoint,
    taskManagerId: endpoint,
    failureLabels: entry.code === null ? {} : { code: entry.code },
    concurrentExceptions: [],
    kind: entry.kind,
    code: entry.code,
    message: entry.message,
    hint: entry.hint,
    count: entry.count,
    details: entry.details,
  };
}

function nameOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function jobMetrics({ admin, control, clock }: AdminContext): Metrics {
  const { startTime } = control.describe();
  const { completedCount, failedCount, totalCount, history, recoveryPointAgeMs } = admin.checkpoints();
  const last = history.find(({ state }) => state === 'COMPLETED');
  return {
    uptime: clock.now() - startTime,
    totalNumberOfCheckpoints: totalCount,
    numberOfCompletedCheckpoints: completedCount,
    numberOfFailedCheckpoints: failedCount,
    numberOfInProgressCheckpoints: history.filter(({ state }) => state === 'IN_PROGRESS').length,
    lastCheckpointDuration: last === undefined ? -1 : (last.endedAt ?? last.triggeredAt) - last.triggeredAt,
    lastCheckpointSize: last?.sizeBytes ?? -1,
    lastCompletedCheckpointId: last?.id ?? -1,
    lastCheckpointAge: recoveryPointAgeMs ?? -1,
  };
}
