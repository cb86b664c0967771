import type { WireError } from '../base/errors.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import type { Culprit } from './culprit.js';
import type { RestoredJob } from './deployment.js';
import type { StateAnswer, StateQuery, SubtaskHotKeys, SubtaskMeasurements, SubtaskWatermarks } from './inspection.js';
import type { SnapshotHandle } from './snapshot-handle.js';
import type { TraceSpan } from './trace-span.js';

/**
 * The control plane between main and a worker: few, small, typed. Main calls a worker through {@link WorkerCommands} (an RPC
 * over a message port, each call with a deadline); a worker tells main what happened by posting a {@link WorkerEvent}, and
 * never waits for main.
 *
 * A command rings the worker's doorbell after it was posted, so a parked worker takes it at once.
 */

/** How far the sources have been read, by the source's uid, then by topic partition: the offset of the next record. */
export type SourcePositions = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** How a command ended. A value rather than a rejection: errors lose their code on the way through a port. */
export type CommandOutcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: WireError };

/** Commands that main gives. Every one resolves when it has been carried out. */
export interface WorkerCommands {
  /** Loads the job and checks its graph. No state is touched: another worker may still hold it. */
  prepare(): Promise<CommandOutcome<null>>;
  /**
   * Restores state, `null` for a start from nothing, and opens operators. Nothing runs yet.
   *
   * @param setAside what the job goes on without when it fails again
   */
  deploy(restored: RestoredJob | null, setAside: readonly Culprit[]): Promise<CommandOutcome<null>>;
  /** Starts the loop. */
  start(): CommandOutcome<null>;
  /** Asks the sources that run in this worker to emit the barrier. Sources fed by main get theirs through the ring. */
  triggerCheckpoint(checkpointId: CheckpointId): CommandOutcome<null>;
  /** @param positions how far the checkpoint has read the sources that main feeds */
  notifyCheckpointComplete(checkpointId: CheckpointId, positions: SourcePositions): CommandOutcome<null>;
  notifyCheckpointAborted(checkpointId: CheckpointId): CommandOutcome<null>;
  /**
   * Has the worker that owns the shard copy its base into a folder. Resolves at once, with whether it is this worker's; the
   * end comes as the event `base-copied`.
   */
  copyBase(request: BaseCopyRequest): CommandOutcome<boolean>;
  /**
   * Has the worker watch until its subtasks of a vertex have taken in what waits for them at this moment. Resolves at once; the
   * end comes as the event `passed`.
   */
  watchPassage(vertex: number, ticket: number): CommandOutcome<null>;
  /** What an operator holds of a key. Answered by a worker that is parked, and by one that is busy after its present turn. */
  readState(query: StateQuery): CommandOutcome<StateAnswer>;
  /** Where the watermarks of the worker's subtasks stand. */
  describeWatermarks(): CommandOutcome<SubtaskWatermarks[]>;
  /** The most frequent keys at each keyed operator of the worker's subtasks. */
  hotKeys(): CommandOutcome<SubtaskHotKeys[]>;
  /** What the author's functions have measured in the worker's subtasks. */
  readMeasurements(): CommandOutcome<SubtaskMeasurements[]>;
  /**
   * Stops polling inputs, closes operators and state. Nothing is flushed downstream. The answer is what the author's functions
   * have measured, in their `close` as well.
   */
  cancel(): Promise<CommandOutcome<SubtaskMeasurements[]>>;
}

/** The base of one shard, to be copied. */
export interface BaseCopyRequest {
  readonly namespace: string;
  readonly shard: ShardId;
  /** The copy goes into this folder, which is made when it is not there. */
  readonly folder: string;
}

/** Names one subtask in events and in checkpoints. */
export interface SubtaskName {
  readonly vertex: number;
  readonly subtask: number;
}

/** State of a subtask that belongs to no key, by operator uid and state name. Values are serialised. */
export interface OperatorStateSnapshot {
  readonly operatorId: string;
  readonly subtask: number;
  readonly lists: Readonly<Record<string, readonly Uint8Array[]>>;
}

/** What a worker reports, unasked. */
export type WorkerEvent =
  | {
      /** All subtasks of this worker have taken their snapshot, and it is durable. */
      readonly kind: 'checkpoint-acknowledged';
      readonly worker: number;
      readonly checkpointId: CheckpointId;
      readonly segments: readonly SnapshotHandle[];
      readonly operatorStates: readonly OperatorStateSnapshot[];
      /** Longest time that a task stood still for this snapshot, in milliseconds. */
      readonly pauseMsMax: number;
    }
  | {
      readonly kind: 'checkpoint-declined';
      readonly worker: number;
      readonly checkpointId: CheckpointId;
      readonly cause: WireError;
    }
  | {
      /** A copy of a shard's base has ended. */
      readonly kind: 'base-copied';
      readonly worker: number;
      readonly request: BaseCopyRequest;
      /** What the base held durably before the copy began; 0 when there is none, and then there is no copy either. */
      readonly checkpointId: number;
      /** Why there is no copy; `null` when there is one. */
      readonly cause: WireError | null;
    }
  /** What was asked about with {@link WorkerCommands.watchPassage}. */
  | { readonly kind: 'passed'; readonly worker: number; readonly ticket: number }
  /** Dirty state outgrew its budget: a checkpoint should come before its time. */
  | { readonly kind: 'checkpoint-wanted'; readonly worker: number }
  /** A record was dropped because its processing threw and the job says `skip`. Rate-limited by the worker. */
  | { readonly kind: 'record-skipped'; readonly worker: number; readonly count: number; readonly cause: WireError }
  /** Lines for main's standard output. The worker's own stream waits for its event loop, which it seldom turns. */
  | { readonly kind: 'printed'; readonly worker: number; readonly text: string }
  | {
      /** What traced requests did in this worker since the last report. Rate-limited by the worker. */
      readonly kind: 'spans';
      readonly worker: number;
      readonly spans: readonly TraceSpan[];
      /** Spans beyond those that a worker keeps. */
      readonly droppedCount: number;
    }
  | { readonly kind: 'subtask-finished'; readonly worker: number; readonly subtask: SubtaskName }
  | {
      /** The worker cannot go on; its loop has ended. */
      readonly kind: 'worker-failed';
      readonly worker: number;
      readonly cause: WireError;
      /** What has thrown; `null` when it is nothing that a restart does again. */
      readonly culprit: Culprit | null;
    };
