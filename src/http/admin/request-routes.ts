import type { FastifyInstance } from 'fastify';

import type { RequestsView } from '../requests-view.js';
import type { AdminContext } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { requestsSchema } from './answers/requests.js';
import type { Requests } from './answers/requests.js';
import { integerParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Requests that wait for their answers, and how long answers take. */

const LISTED_MAX = 1000;
const LISTED_DEFAULT = 100;

export function addPendingRoutes(app: FastifyInstance, { requests }: AdminContext): void {
  app.get<{ Querystring: Query }>(
    '/requests',
    {
      schema: adminSchema({
        tag: 'requests',
        summary: 'Requests that wait for their answers, the oldest first, and latencies by route',
        answer: requestsSchema,
        query: {
          type: 'object',
          properties: { limit: { type: 'integer', minimum: 0, maximum: LISTED_MAX, default: LISTED_DEFAULT } },
        },
      }),
    },
    (request): Requests => {
      const limit = integerParameter(request.query, 'limit', { least: 0, most: LISTED_MAX, byDefault: LISTED_DEFAULT });
      return { ...requestStatistics(requests), pending: requests.pending(limit) };
    },
  );
}

function requestStatistics(requests: RequestsView): Omit<Requests, 'pending'> {
  const { routes, ...levels } = requests.statistics();
  return {
    ...levels,
    routes: routes.map(({ method, route, isOwn, byStatus, durations }) => ({
      method,
      route,
      isOwn,
      count: durations.count,
      byStatus: Object.fromEntries(byStatus),
      latencyMs: {
        p50: durations.quantileMs(0.5),
        p90: durations.quantileMs(0.9),
        p99: durations.quantileMs(0.99),
        p999: durations.quantileMs(0.999),
        mean: durations.meanMs,
      },
    })),
  };
}
