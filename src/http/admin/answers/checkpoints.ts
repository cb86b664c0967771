import {
  type Described,
  flag,
  integer,
  list,
  nullable,
  number,
  object,
  objectWith,
  oneOf,
  text,
} from '../json-schemas.js';

/** What `/jobs/:jobId/checkpoints` and the routes below answer. */

export type Statistics = Described<typeof statisticsSchema>;
const statisticsSchema = object({ min: number, max: number, avg: number, p50: number, p90: number, p99: number });

export type Checkpoint = Described<typeof checkpointSchema>;
export const checkpointSchema = objectWith(
  {
    id: integer,
    status: oneOf('IN_PROGRESS', 'COMPLETED', 'FAILED'),
    is_savepoint: flag,
    checkpoint_type: oneOf('CHECKPOINT', 'SAVEPOINT'),
    trigger_timestamp: integer,
    latest_ack_timestamp: integer,
    checkpointed_size: integer,
    full_size: integer,
    end_to_end_duration: integer,
    num_acknowledged_subtasks: integer,
    num_subtasks: integer,
    trigger_reason: oneOf('interval', 'early', 'forced'),
    workers: list(
      object({ 'taskmanager-id': text, ack_timestamp: integer, checkpointed_size: integer, pause: number }),
    ),
  },
  { failure_timestamp: nullable(integer), failure_message: text },
);

export type Checkpoints = Described<typeof checkpointsSchema>;
export const checkpointsSchema = object({
  counts: object({ restored: integer, total: integer, in_progress: integer, completed: integer, failed: integer }),
  summary: object({ checkpointed_size: statisticsSchema, end_to_end_duration: statisticsSchema }),
  latest: object({
    completed: nullable(checkpointSchema),
    failed: nullable(checkpointSchema),
    restored: nullable(object({ id: integer })),
  }),
  recovery_point_age: nullable(number),
  history: list(checkpointSchema),
});

export type CheckpointConfig = Described<typeof checkpointConfigSchema>;
export const checkpointConfigSchema = object({
  mode: text,
  interval: integer,
  timeout: integer,
  min_pause: integer,
  max_concurrent: integer,
  externalization: object({ enabled: flag, delete_on_cancellation: flag }),
  state_backend: text,
  checkpoint_storage: text,
  unaligned_checkpoints: flag,
  tolerable_failed_checkpoints: nullable(integer),
  retained: integer,
});

export type TakenCheckpoint = Described<typeof takenCheckpointSchema>;
export const takenCheckpointSchema = object({ checkpointId: integer });
