import type { AlignedPartition } from '../graph/source-alignment.js';
import type { SourceWatermarks } from '../operators/source-watermarks.js';
import type { AlignmentBoard } from '../shared-memory/alignment-board.js';
import type { TaskTimerService } from './task-timer-service.js';

/**
 * One subtask of a source that waits for others of its group: shows them how far its partitions have come, and tells a source
 * that runs in this worker when to wait. Partitions of topics are held by main, which reads them.
 *
 * Cost: a store per partition and step, and a look at the group's slots.
 */
export class AlignedSource {
  readonly #board: AlignmentBoard;
  readonly #partitions: ReadonlyMap<number, AlignedPartition>;
  readonly #watermarks: SourceWatermarks<unknown>;
  readonly #timers: TaskTimerService;
  #hasEnded = false;
  #willLookAgain = false;
  readonly #show = (partition: number, watermark: number): void => {
    const aligned = this.#partitions.get(partition);
    if (aligned === undefined) return;
    this.#board.write(aligned.slot, watermark);
    this.#watermarks.setHeld(partition, this.#isPartitionHeld(aligned));
  };

  constructor(options: {
    board: AlignmentBoard;
    partitions: readonly AlignedPartition[];
    watermarks: SourceWatermarks<unknown>;
    timers: TaskTimerService;
  }) {
    this.#board = options.board;
    this.#partitions = new Map(options.partitions.map((aligned) => [aligned.partition, aligned]));
    this.#watermarks = options.watermarks;
    this.#timers = options.timers;
  }

  /** Shows the others how far this one has come. */
  publish(): void {
    if (!this.#hasEnded) this.#watermarks.visitPartitions(this.#show);
  }

  /** No record follows: nobody waits for this one any more. */
  end(): void {
    this.#hasEnded = true;
    for (const { slot } of this.#partitions.values()) this.#board.write(slot, Infinity);
  }

  /** Whether a source in this worker, which has one partition, has to wait. It looks again at the update interval. */
  isHeld(): boolean {
    const only = this.#partitions.get(0);
    if (only === undefined || this.#hasEnded) return false;
    this.publish();
    if (!this.#isPartitionHeld(only)) return false;
    this.#lookAgainIn(only.alignment.updateIntervalMs);
    return true;
  }

  #isPartitionHeld({ slot, group, alignment }: AlignedPartition): boolean {
    return this.#board.isHeld(slot, group, alignment.maxDriftMs);
  }

  #lookAgainIn(intervalMs: number): void {
    if (this.#willLookAgain) return;
    this.#willLookAgain = true;
    this.#timers.registerDelay(intervalMs, () => {
      this.#willLookAgain = false;
    });
  }
}
