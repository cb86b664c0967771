import type { RichFunction } from './functions.js';

/** A list of an operator, not of a key: dealt out anew when the parallelism changes. @public */
export interface OperatorListState<T> {
  get(): readonly T[];
  add(value: T): void;
  update(values: readonly T[]): void;
  clear(): void;
}

/** @public */
export interface FunctionInitializationContext {
  /** Whether there is a snapshot that the state comes from. */
  isRestored(): boolean;
  /** A list whose values are dealt out to the subtasks at a restore. */
  getListState<T>(name: string): OperatorListState<T>;
  /** A list of which every subtask gets all values at a restore. */
  getUnionListState<T>(name: string): OperatorListState<T>;
}

/** A function that keeps state of its own beside keyed state: a position, a buffer. @public */
export interface CheckpointedFunction extends RichFunction {
  /** Called before `open`. Ask for the state here, and read what came back. */
  initializeState(context: FunctionInitializationContext): void;
  /** Called at each barrier: bring the state up to date. Its lists are stored as they are then. */
  snapshotState(): void;
  /** Everything that the checkpoint covers is committed. */
  notifyCheckpointComplete?(checkpointId: number): void;
}
