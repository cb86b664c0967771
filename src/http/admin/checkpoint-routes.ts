import type { FastifyInstance } from 'fastify';

import type { CheckpointEntry, CheckpointsStatus } from '../../main/job-admin.js';
import { notFound, requireJob, workerId } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import {
  checkpointConfigSchema,
  checkpointSchema,
  checkpointsSchema,
  takenCheckpointSchema,
} from './answers/checkpoints.js';
import type { Checkpoint, Checkpoints, Statistics, TakenCheckpoint } from './answers/checkpoints.js';

/** `/jobs/:jobId/checkpoints` and below, as Flink has them. */

const PATH = '/jobs/:jobId/checkpoints';
const params = ['jobId'];

interface CheckpointParams extends JobParams {
  readonly checkpointId: string;
}

export function addCheckpointRoutes(app: FastifyInstance, context: AdminContext): void {
  app.get<{ Params: JobParams }>(
    PATH,
    { schema: adminSchema({ tag: 'jobs', summary: 'Checkpoints', answer: checkpointsSchema, params }) },
    (request) => {
      requireJob(context, request.params);
      return checkpointsAnswer(context.admin.checkpoints());
    },
  );

  app.get<{ Params: JobParams }>(
    `${PATH}/config`,
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'How checkpoints are taken',
        answer: checkpointConfigSchema,
        params,
      }),
    },
    (request) => {
      requireJob(context, request.params);
      return configAnswer(context.admin.settings());
    },
  );

  app.get<{ Params: CheckpointParams }>(
    `${PATH}/details/:checkpointId`,
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'A checkpoint',
        answer: checkpointSchema,
        params: ['jobId', 'checkpointId'],
      }),
    },
    (request) => {
      requireJob(context, request.params);
      const { history } = context.admin.checkpoints();
      const found = history.find(({ id }) => String(id) === request.params.checkpointId);
      if (found === undefined) throw notFound('No checkpoint of this id is remembered.');
      return checkpointAnswer(found);
    },
  );

  app.post<{ Params: JobParams }>(
    PATH,
    {
      schema: adminSchema({
        tag: 'jobs',
        summary: 'Takes a checkpoint now, and answers when it is complete',
        answer: takenCheckpointSchema,
        params,
      }),
    },
    async (request): Promise<TakenCheckpoint> => {
      requireJob(context, request.params);
      return { checkpointId: await context.admin.takeCheckpoint() };
    },
  );
}

function checkpointsAnswer(status: CheckpointsStatus): Checkpoints {
  const { history } = status;
  const completed = history.filter(({ state }) => state === 'COMPLETED');
  const answerOf = (entry: CheckpointEntry | undefined): Checkpoint | null =>
    entry === undefined ? null : checkpointAnswer(entry);
  return {
    counts: {
      restored: status.restoredId === null ? 0 : 1,
      total: status.totalCount,
      in_progress: history.filter(({ state }) => state === 'IN_PROGRESS').length,
      completed: status.completedCount,
      failed: status.failedCount,
    },
    summary: {
      checkpointed_size: statisticsOf(completed.map(({ sizeBytes }) => sizeBytes)),
      end_to_end_duration: statisticsOf(completed.map(durationOf)),
    },
    latest: {
      completed: answerOf(completed[0]),
      failed: answerOf(history.find(({ state }) => state === 'FAILED')),
      restored: status.restoredId === null ? null : { id: status.restoredId },
    },
    recovery_point_age: status.recoveryPointAgeMs,
    history: history.map(checkpointAnswer),
  };
}

function checkpointAnswer(entry: CheckpointEntry): Checkpoint {
  return {
    id: entry.id,
    status: entry.state,
    is_savepoint: entry.isSavepoint,
    checkpoint_type: entry.isSavepoint ? 'SAVEPOINT' : 'CHECKPOINT',
    trigger_timestamp: entry.triggeredAt,
    latest_ack_timestamp: entry.latestAckAt ?? -1,
    checkpointed_size: entry.sizeBytes,
    full_size: entry.fullSizeBytes,
    end_to_end_duration: durationOf(entry),
    num_acknowledged_subtasks: entry.acknowledgedCount,
    num_subtasks: entry.participantCount,
    trigger_reason: entry.reason,
    ...(entry.failure === null ? {} : { failure_timestamp: entry.endedAt, failure_message: entry.failure }),
    workers: entry.workers.map(({ worker, acknowledgedAt, sizeBytes, pauseMs }) => ({
      'taskmanager-id': workerId(worker),
      ack_timestamp: acknowledgedAt,
      checkpointed_size: sizeBytes,
      pause: pauseMs,
    })),
  };
}

function durationOf({ triggeredAt, endedAt, latestAckAt }: CheckpointEntry): number {
  return Math.max(0, (endedAt ?? latestAckAt ?? triggeredAt) - triggeredAt);
}

function statisticsOf(values: readonly number[]): Statistics {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (quantile: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0;
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    avg: sorted.length === 0 ? 0 : sum / sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
  };
}

function configAnswer(settings: Readonly<Record<string, unknown>>): object {
  const tolerable = settings.checkpointFailuresMax;
  return {
    mode: 'exactly_once',
    interval: settings.checkpointIntervalMs,
    timeout: settings.checkpointTimeoutMs,
    min_pause: settings.checkpointMinPauseMs,
    max_concurrent: 1,
    externalization: { enabled: true, delete_on_cancellation: false },
    state_backend: settings.stateBackend,
    checkpoint_storage: settings.dataDir,
    unaligned_checkpoints: false,
    tolerable_failed_checkpoints: tolerable === Infinity ? null : tolerable,
    retained: settings.checkpointsRetained,
  };
}
