import type { FastifyInstance, FastifyRequest } from 'fastify';

import { ProblemError } from '../problem.js';
import { requireJob } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { dictionary, integer, object } from './json-schemas.js';

/**
 * The number of workers of the running job. `PATCH …/parallelism` is the plain way; `…/resource-requirements` is Flink's,
 * which gives bounds for each vertex: Millrace's vertices share their workers, so the largest upper bound counts.
 */

const BODY_BYTES_MAX = 64 * 1024;

const params = ['jobId'];
const parallelismSchema = object({ parallelism: integer });
const requirementsSchema = dictionary(object({ parallelism: object({ lowerBound: integer, upperBound: integer }) }));

export function addRescaleRoutes(app: FastifyInstance, context: AdminContext): void {
  const { admin } = context;
  void app.register(async (scope) => {
    scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_BYTES_MAX }, parseJson);

    scope.patch<{ Params: JobParams }>(
      '/jobs/:jobId/parallelism',
      {
        schema: adminSchema({
          tag: 'jobs',
          summary: 'Move the job to another number of workers, in place; answered when they run',
          answer: parallelismSchema,
          params,
          body: parallelismSchema,
        }),
      },
      async (request) => {
        requireJob(context, request.params);
        const parallelism = checked(memberOf(request.body, 'parallelism'), '/parallelism', admin.parallelismMax());
        await admin.rescale(parallelism);
        return { parallelism };
      },
    );

    scope.put<{ Params: JobParams }>(
      '/jobs/:jobId/resource-requirements',
      {
        schema: adminSchema({
          tag: 'jobs',
          summary: "The same in Flink's terms: the largest upper bound of all vertices counts",
          answer: object({}),
          params,
          body: requirementsSchema,
        }),
      },
      async (request) => {
        requireJob(context, request.params);
        await admin.rescale(largestUpperBound(request, admin.parallelismMax()));
        return {};
      },
    );
  });

  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/resource-requirements',
    { schema: adminSchema({ tag: 'jobs', summary: 'Bounds of the parallelism', answer: requirementsSchema, params }) },
    (request) => {
      const { parallelism } = requireJob(context, request.params);
      const bounds = { parallelism: { lowerBound: 1, upperBound: parallelism } };
      return Object.fromEntries(admin.vertices().map(({ id }) => [id, bounds]));
    },
  );
}

function parseJson(
  _request: FastifyRequest,
  text: string | Buffer,
  done: (error: Error | null, body?: unknown) => void,
): void {
  try {
    done(null, JSON.parse(String(text)));
  } catch {
    done(refused('', 'must be JSON'));
  }
}

function largestUpperBound({ body }: FastifyRequest, most: number): number {
  const entries = typeof body === 'object' && body !== null ? Object.entries(body as Record<string, unknown>) : [];
  if (entries.length === 0) throw refused('', 'must name at least one vertex');
  return Math.max(
    ...entries.map(([vertex, requirement]) => {
      const bound = memberOf(memberOf(requirement, 'parallelism'), 'upperBound');
      return checked(bound, `/${vertex}/parallelism/upperBound`, most);
    }),
  );
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function checked(value: unknown, pointer: string, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw refused(pointer, `must be an integer from 1 to ${most}, the number of shards`);
}

function refused(pointer: string, message: string): ProblemError {
  return new ProblemError({
    code: 'MILLRACE_REQUEST_INVALID',
    detail: 'The body is not valid.',
    errors: [{ pointer, message }],
  });
}
