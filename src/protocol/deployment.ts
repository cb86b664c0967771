import type { MessagePort } from 'node:worker_threads';
import type { DoorbellDescriptor, RingDescriptor } from '../shared-memory/shared-region.js';
import type { AlignmentBoardDescriptor } from '../shared-memory/alignment-board.js';
import type { RestoredState } from './snapshot-handle.js';

/**
 * What main gives a worker thread at its start: everything it needs to build its part of the job, as plain data. Functions
 * never cross: the worker imports the job module itself.
 */

/** Where shared memory lies; the same for every worker. */
export interface SharedMemoryMap {
  /** Control block of each worker, by worker; main's is the last. */
  readonly controlBlocks: readonly DoorbellDescriptor[];
  /** By the plan's channel index; `null` for a channel within a thread. */
  readonly rings: readonly (RingDescriptor | null)[];
  /** By the plan's vertex index and subtask. */
  readonly taskCounters: readonly (readonly CountersDescriptor[])[];
  /** By worker. */
  readonly threadCounters: readonly DoorbellDescriptor[];
  /** Where sources that wait for each other show their watermarks. */
  readonly alignment: AlignmentBoardDescriptor;
}

/** Where the counters of one task lie. */
export interface CountersDescriptor {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly operatorCount: number;
}

export interface StateSettings {
  readonly backend: 'heap' | 'lmdb';
  readonly stateDir: string;
  readonly segmentDir: string;
  /** Per worker, over all its stores. */
  readonly memtableBudgetBytes: number;
}

/** Operator state as lists of serialised entries, dealt out to this worker's subtasks. */
export interface RestoredOperatorState {
  readonly operatorId: string;
  readonly subtask: number;
  /** The entries that fell to this subtask. */
  readonly lists: Readonly<Record<string, readonly Uint8Array[]>>;
  /** The entries of all subtasks, for state that each holds as a whole. */
  readonly union: Readonly<Record<string, readonly Uint8Array[]>>;
}

export interface RestoredJob {
  readonly checkpointId: number;
  /** By state namespace. */
  readonly keyed: Readonly<Record<string, RestoredState>>;
  readonly operators: readonly RestoredOperatorState[];
}

/** `Plan` is the graph layer's `ExecutionPlan`: this layer lies below it. */
export interface WorkerDeployment<Plan> {
  readonly worker: number;
  readonly plan: Plan;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly shared: SharedMemoryMap;
  readonly state: StateSettings;
  /** 0 at the first start, one more at each restart. */
  readonly attempt: number;
  /** Commands come in here. */
  readonly commandPort: MessagePort;
  /** Events go out here. */
  readonly eventPort: MessagePort;
}
