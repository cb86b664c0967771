import type { FastifyInstance } from 'fastify';

import { notFound, requireJob } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { traceSchema, traceSummarySchema } from './answers/requests.js';
import type { Trace, TraceSummary } from './answers/requests.js';
import { list, object } from './json-schemas.js';
import { integerParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Traces of requests: what each did, operator by operator. */

const LISTED_MAX = 200;
const LISTED_DEFAULT = 50;
const PATH = '/jobs/:jobId/traces';

interface TraceParams extends JobParams {
  readonly requestId: string;
}

export function addTraceRoutes(app: FastifyInstance, context: AdminContext): void {
  const listSchema = adminSchema({
    tag: 'requests',
    summary: 'Traces of requests, the newest first',
    answer: object({ traces: list(traceSummarySchema) }),
    params: ['jobId'],
    query: {
      type: 'object',
      properties: { limit: { type: 'integer', minimum: 0, maximum: LISTED_MAX, default: LISTED_DEFAULT } },
    },
  });
  app.get<{ Params: JobParams; Querystring: Query }>(
    PATH,
    { schema: listSchema },
    (request): { readonly traces: readonly TraceSummary[] } => {
      requireJob(context, request.params);
      const limit = integerParameter(request.query, 'limit', { least: 0, most: LISTED_MAX, byDefault: LISTED_DEFAULT });
      return { traces: context.admin.traces().slice(0, limit) };
    },
  );

  const schema = adminSchema({
    tag: 'requests',
    summary: 'A trace: each operator that the request passed, times, state read and written',
    answer: traceSchema,
    params: ['jobId', 'requestId'],
  });
  app.get<{ Params: TraceParams }>(`${PATH}/:requestId`, { schema }, (request): Trace => {
    requireJob(context, request.params);
    const trace = context.admin.trace(request.params.requestId);
    if (trace === null) throw notFound('No trace of this request is kept: it was not traced, or it was long ago.');
    return trace;
  });
}
