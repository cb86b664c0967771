import type { FastifyInstance } from 'fastify';

import { notFound, requireJob } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { dictionary, integer, list, nullable, number, object, oneOf, text } from './json-schemas.js';
import { integerParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Traces of requests: what each did, operator by operator. */

const LISTED_MAX = 200;
const LISTED_DEFAULT = 50;
const PATH = '/jobs/:jobId/traces';

interface TraceParams extends JobParams {
  readonly requestId: string;
}

const summary = {
  requestId: text,
  traceId: text,
  route: nullable(text),
  status: nullable(integer),
  startMs: number,
  durationMs: number,
  spanCount: integer,
};

const spanSchema = object({
  traceId: text,
  spanId: text,
  parentId: nullable(text),
  requestId: text,
  kind: oneOf('request', 'append', 'operator', 'reply'),
  name: text,
  startMs: number,
  durationMs: number,
  status: nullable(integer),
  error: nullable(text),
  place: nullable(object({ vertex: text, subtask: integer, worker: integer, operator: text, attempt: integer })),
  stateReads: dictionary(integer),
  stateWrites: dictionary(integer),
  emitted: integer,
});

export function addTraceRoutes(app: FastifyInstance, context: AdminContext): void {
  const listSchema = adminSchema({
    tag: 'requests',
    summary: 'Traces of requests, the newest first',
    answer: object({ traces: list(object(summary)) }),
    params: ['jobId'],
    query: {
      type: 'object',
      properties: { limit: { type: 'integer', minimum: 0, maximum: LISTED_MAX, default: LISTED_DEFAULT } },
    },
  });
  app.get<{ Params: JobParams; Querystring: Query }>(PATH, { schema: listSchema }, (request) => {
    requireJob(context, request.params);
    const limit = integerParameter(request.query, 'limit', { least: 0, most: LISTED_MAX, byDefault: LISTED_DEFAULT });
    return { traces: context.admin.traces().slice(0, limit) };
  });

  const traceSchema = adminSchema({
    tag: 'requests',
    summary: 'A trace: each operator that the request passed, times, state read and written',
    answer: object({ ...summary, droppedCount: integer, spans: list(spanSchema) }),
    params: ['jobId', 'requestId'],
  });
  app.get<{ Params: TraceParams }>(`${PATH}/:requestId`, { schema: traceSchema }, (request) => {
    requireJob(context, request.params);
    const trace = context.admin.trace(request.params.requestId);
    if (trace === null) throw notFound('No trace of this request is kept: it was not traced, or it was long ago.');
    return trace;
  });
}
