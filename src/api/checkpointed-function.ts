import type { RichFunction } from './functions.js';

/** A list of an operator, not of a key: dealt out anew when the parallelism changes. @public */
export interface OperatorListState<T> {
  /** What was restored, and what was added since. Do not change the array. */
  get(): readonly T[];
  /** Adds a value at the end. */
  add(value: T): void;
  /** Replaces the list. */
  update(values: readonly T[]): void;
  /** Empties the list. */
  clear(): void;
}

/** Where a {@link CheckpointedFunction} gets its state, as it starts. @public */
export interface FunctionInitializationContext {
  /** Whether there is a snapshot that the state comes from. */
  isRestored(): boolean;
  /** A list whose values are dealt out to the subtasks at a restore: each value goes to one of them, in runs of equal length. */
  getListState<T>(name: string): OperatorListState<T>;
  /** A list of which every subtask gets all values of all subtasks at a restore. Store only what is this subtask's own, or it grows with each restore. */
  getUnionListState<T>(name: string): OperatorListState<T>;
}

/**
 * A function that keeps state of its own beside keyed state: a position, a buffer. Values are stored as MessagePack.
 *
 * @example
 * class Buffered implements CheckpointedFunction {
 *   #buffer: Order[] = [];
 *   #stored: OperatorListState<Order> | undefined;
 *
 *   initializeState(context: FunctionInitializationContext) {
 *     this.#stored = context.getListState<Order>('buffer');
 *     this.#buffer = [...this.#stored.get()];
 *   }
 *   snapshotState() {
 *     this.#stored?.update(this.#buffer);
 *   }
 * }
 *
 * @public
 */
export interface CheckpointedFunction extends RichFunction {
  /** Called before `open`. Ask for the state here, and read what came back. */
  initializeState(context: FunctionInitializationContext): void;
  /** Called at each barrier: bring the state up to date. Its lists are stored as they are then. */
  snapshotState(): void;
  /** Everything that the checkpoint covers is committed. */
  notifyCheckpointComplete?(checkpointId: number): void;
}
