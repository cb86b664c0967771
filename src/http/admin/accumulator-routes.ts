import type { FastifyInstance } from 'fastify';

import { accumulatorText, mergeAccumulators } from '../../api/internal/merge-accumulators.js';
import type { MeasuredSubtask } from '../../main/job-admin.js';
import { requireJob, requireVertex, workerId } from './admin-context.js';
import type { AdminContext, JobParams, VertexParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { anything, dictionary, integer, list, object, text } from './json-schemas.js';

/** Accumulators of a job, of a vertex and of its subtasks, as Flink has them. */

const accumulatorsSchema = list(object({ name: text, type: text, value: text }));

const jobSchema = object({
  'job-accumulators': list(anything),
  'user-task-accumulators': accumulatorsSchema,
  'serialized-user-task-accumulators': dictionary(text),
});

const subtasksSchema = object({
  id: text,
  parallelism: integer,
  subtasks: list(object({ subtask: integer, attempt: integer, host: text, 'user-accumulators': accumulatorsSchema })),
});

export function addAccumulatorRoutes(app: FastifyInstance, context: AdminContext): void {
  const { admin } = context;

  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/accumulators',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Accumulators of a job, merged over its subtasks',
        answer: jobSchema,
        params: ['jobId'],
      }),
    },
    async (request) => {
      requireJob(context, request.params);
      return {
        'job-accumulators': [],
        'user-task-accumulators': accumulatorsOf(await admin.measurements()),
        'serialized-user-task-accumulators': {},
      };
    },
  );

  const params = ['jobId', 'vertexId'];
  app.get<{ Params: VertexParams }>(
    '/jobs/:jobId/vertices/:vertexId/accumulators',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Accumulators of a vertex, merged over its subtasks',
        answer: object({ id: text, 'user-accumulators': accumulatorsSchema }),
        params,
      }),
    },
    async (request) => {
      const { id } = requireVertex(context, request.params);
      const measured = await admin.measurements();
      return { id, 'user-accumulators': accumulatorsOf(measured.filter(({ vertex }) => vertex === id)) };
    },
  );

  app.get<{ Params: VertexParams }>(
    '/jobs/:jobId/vertices/:vertexId/subtasks/accumulators',
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Accumulators of each subtask of a vertex',
        answer: subtasksSchema,
        params,
      }),
    },
    async (request) => {
      const { id, subtasks } = requireVertex(context, request.params);
      const measured = (await admin.measurements()).filter(({ vertex }) => vertex === id);
      return {
        id,
        parallelism: subtasks.length,
        subtasks: subtasks.map(({ subtask, worker }) => ({
          subtask,
          attempt: 0,
          host: workerId(worker),
          'user-accumulators': accumulatorsOf(measured.filter((each) => each.subtask === subtask)),
        })),
      };
    },
  );
}

function accumulatorsOf(subtasks: readonly MeasuredSubtask[]): object[] {
  const readings = subtasks.flatMap(({ operators }) => operators.flatMap(({ accumulators }) => accumulators));
  return mergeAccumulators(readings).map((merged) => {
    return { name: merged.name, type: merged.type, value: accumulatorText(merged) };
  });
}
