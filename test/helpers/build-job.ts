import type { StreamEnvironment } from '../../src/api/environment.js';
import { defineJob, type JobOptions } from '../../src/api/job.js';
import { createExecutionPlan } from '../../src/graph/create-execution-plan.js';
import type { ExecutionPlan, PlanOptions } from '../../src/graph/execution-plan.js';
import { buildStreamGraph, type StreamGraph } from '../../src/graph/stream-graph.js';

type Define = (env: StreamEnvironment) => void;

/** The stream graph of a job named "test". */
export function graphOf(define: Define, options?: JobOptions): StreamGraph {
  return buildStreamGraph(defineJob('test', define, options).build());
}

/** Its plan: parallelism 2 on 2 workers with 16 shards unless told otherwise. */
export function planOf(define: Define, options: Partial<PlanOptions> = {}): ExecutionPlan {
  return createExecutionPlan(graphOf(define), { parallelism: 2, workerCount: 2, shardCount: 16, ...options });
}
