import type { FastifyInstance, FastifyReply } from 'fastify';

import type { Clock } from '../../base/clock.js';
import type { JobControl, JobDescription, JobStatus, VertexDescription } from '../../main/job-control.js';
import { sendProblem } from '../send-problem.js';

/**
 * The job as Flink's REST API shows it: same paths, same field names, those of Flink's that Millrace has no value for left
 * out. One process runs one job.
 */

interface JobParams {
  readonly jobId: string;
}

const jobSchema = (summary: string): object => ({
  summary,
  tags: ['jobs'],
  params: { type: 'object', properties: { jobId: { type: 'string' } }, required: ['jobId'] },
});

export function addJobRoutes(app: FastifyInstance, control: JobControl, clock: Clock): void {
  app.get('/overview', { schema: { summary: 'The process at a glance', tags: ['jobs'] } }, () =>
    overviewOf(control.describe()),
  );

  app.get('/jobs', { schema: { summary: 'The jobs of this process', tags: ['jobs'] } }, () => {
    const { jid, state } = control.describe();
    return { jobs: [{ id: jid, status: state }] };
  });

  app.get('/jobs/overview', { schema: { summary: 'The jobs of this process, with times', tags: ['jobs'] } }, () => {
    const job = control.describe();
    return { jobs: [{ ...headOf(job, clock.now()), tasks: taskCounts(job) }] };
  });

  app.get<{ Params: JobParams }>('/jobs/:jobId', { schema: jobSchema('A job and its vertices') }, (request, reply) => {
    const job = findJob(control, request.params.jobId, reply);
    if (job === undefined) return reply;
    return detailsOf(job, clock.now());
  });

  app.get<{ Params: JobParams }>('/jobs/:jobId/plan', { schema: jobSchema("A job's graph") }, (request, reply) => {
    const job = findJob(control, request.params.jobId, reply);
    if (job === undefined) return reply;
    return { plan: planOf(job) };
  });
}

function findJob(control: JobControl, jobId: string, reply: FastifyReply): JobDescription | undefined {
  const job = control.describe();
  if (job.jid === jobId) return job;
  sendProblem(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND', detail: 'This process runs no job of this id.' });
  return undefined;
}

function overviewOf(job: JobDescription): object {
  const isOver = isTerminal(job.state);
  return {
    // Flink's task managers are processes; here each worker thread is one.
    taskmanagers: job.parallelism,
    'slots-total': job.parallelism,
    'slots-available': isOver ? job.parallelism : 0,
    'jobs-running': isOver ? 0 : 1,
    'jobs-finished': job.state === 'FINISHED' ? 1 : 0,
    'jobs-cancelled': job.state === 'CANCELED' ? 1 : 0,
    'jobs-failed': job.state === 'FAILED' ? 1 : 0,
  };
}

function headOf(job: JobDescription, now: number): object {
  return { jid: job.jid, name: job.name, state: job.state, 'start-time': job.startTime, duration: now - job.startTime };
}

function detailsOf(job: JobDescription, now: number): object {
  return {
    ...headOf(job, now),
    now,
    parallelism: job.parallelism,
    vertices: job.plan.nodes.map((vertex) => vertexOf(vertex, job.state)),
    'status-counts': taskCounts(job),
    plan: planOf(job),
  };
}

function vertexOf(vertex: VertexDescription, status: JobStatus): object {
  return { id: vertex.id, name: vertex.name, parallelism: vertex.parallelism, status, operators: vertex.operators };
}

/** Subtasks by status. All subtasks of a job share its status: a job runs as a whole or not at all. */
function taskCounts(job: JobDescription): Record<string, number> {
  const total = job.plan.nodes.reduce((sum, vertex) => sum + vertex.parallelism, 0);
  return { total, [job.state.toLowerCase()]: total };
}

function planOf(job: JobDescription): object {
  return {
    jid: job.jid,
    name: job.name,
    type: 'STREAMING',
    nodes: job.plan.nodes.map((vertex) => ({
      id: vertex.id,
      parallelism: vertex.parallelism,
      operator: '',
      operator_strategy: '',
      description: vertex.name,
      inputs: vertex.inputs.map((input, num) => ({ num, id: input.id, ship_strategy: input.ship_strategy })),
    })),
  };
}

function isTerminal(state: JobStatus): boolean {
  return state === 'FINISHED' || state === 'CANCELED' || state === 'FAILED';
}
