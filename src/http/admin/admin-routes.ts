import type { FastifyInstance } from 'fastify';

import type { AdminContext } from './admin-context.js';
import { addAccumulatorRoutes } from './accumulator-routes.js';
import { addCheckpointRoutes } from './checkpoint-routes.js';
import { addJobDetailRoutes } from './job-routes.js';
import { addLiveRoute } from './live-route.js';
import { addPendingRoutes } from './request-routes.js';
import { addRescaleRoutes } from './rescale-routes.js';
import { addStateRoutes } from './state-routes.js';
import { addTopicIngestRoute } from './topic-ingest.js';
import { addTopicRoutes } from './topic-routes.js';
import { addTopicStreamRoute } from './topic-stream.js';
import { addTraceRoutes } from './trace-routes.js';
import { addVertexRoutes } from './vertex-routes.js';
import { addWorkerRoutes } from './worker-routes.js';

/**
 * The admin API: what an operator sees of the job, and does to it. Paths and field names are those of Flink's REST API where
 * it has an equal. The scope that these routes are added to lets in only who may use them (admin-guard.ts).
 */
export function addAdminRoutes(app: FastifyInstance, context: AdminContext): void {
  addJobDetailRoutes(app, context);
  addVertexRoutes(app, context);
  addAccumulatorRoutes(app, context);
  addStateRoutes(app, context);
  addCheckpointRoutes(app, context);
  addRescaleRoutes(app, context);
  addWorkerRoutes(app, context);
  addTopicRoutes(app, context);
  addTopicStreamRoute(app, context);
  addTopicIngestRoute(app, context);
  addPendingRoutes(app, context);
  addTraceRoutes(app, context);
  addLiveRoute(app, context);
}
