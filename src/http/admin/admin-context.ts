import type { Clock } from '../../base/clock.js';
import type { JobAdmin, SubtaskStatus, VertexStatus } from '../../main/job-admin.js';
import type { JobControl, JobDescription } from '../../main/job-control.js';
import { ProblemError } from '../problem.js';
import type { RequestsView } from '../requests-view.js';

/** What the routes of the admin API share. */
export interface AdminContext {
  readonly control: JobControl;
  readonly admin: JobAdmin;
  readonly clock: Clock;
  readonly version: string;
  readonly requests: RequestsView;
  /** What this instance shows to others of its group; `null` when there is none. */
  readonly adminToken: string | null;
}

/** A route below `/jobs/:jobId`. */
export interface JobParams {
  readonly jobId: string;
}

export interface VertexParams extends JobParams {
  readonly vertexId: string;
}

/** @throws ProblemError when the path names another job: one process runs one job. */
export function requireJob({ control }: Pick<AdminContext, 'control'>, { jobId }: JobParams): JobDescription {
  const job = control.describe();
  if (job.jid === jobId) return job;
  throw notFound('This process runs no job of this id.');
}

/** @throws ProblemError when there is no such vertex. */
export function requireVertex(context: AdminContext, params: VertexParams): VertexStatus {
  requireJob(context, params);
  const vertex = context.admin.vertices().find(({ id }) => id === params.vertexId);
  if (vertex !== undefined) return vertex;
  throw notFound('The job has no vertex of this id.');
}

/** @throws ProblemError when there is no such subtask. */
export function requireSubtask(vertex: VertexStatus, subtask: string): SubtaskStatus {
  const found = vertex.subtasks.find((candidate) => String(candidate.subtask) === subtask);
  if (found !== undefined) return found;
  throw notFound('The vertex has no subtask of this index.');
}

export function notFound(detail: string): ProblemError {
  return new ProblemError({ code: 'MILLRACE_REQUEST_NOT_FOUND', detail });
}

/** How Flink calls a task manager; Millrace's are its worker threads. */
export function workerId(worker: number): string {
  return `worker-${worker}`;
}
