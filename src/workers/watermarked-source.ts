import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { WatermarkStrategy } from '../api/watermark-strategy.js';
import type { Output, RecordScope, WatermarkStatus } from '../operators/operator.js';
import type { AlignedPartition } from '../graph/source-alignment.js';
import { SourceWatermarks } from '../operators/source-watermarks.js';
import type { SourceWatermarkStatus } from '../protocol/inspection.js';
import type { AlignmentBoard } from '../shared-memory/alignment-board.js';
import { AlignedSource } from './aligned-source.js';
import type { ChainTarget } from './operator-chain.js';
import type { TaskTimerService } from './task-timer-service.js';

/** How often a source's generators are asked for a watermark, in milliseconds: Flink's default automatic interval. */
const WATERMARK_INTERVAL_MS = 200;

/** Where the event time of a source stands. */
export interface SourceEventTime {
  /** What was emitted last. */
  readonly current: number;
  describe(): Pick<SourceWatermarkStatus, 'partitions' | 'slowestPartition'>;
  /** Whether a source in this worker is too far ahead of its group to go on. Absent: never. */
  isHeld?(): boolean;
  /** Shows the sources of its group how far this one has come: once per step. */
  publishAlignment?(): void;
}

/** The source at the head of a task. */
export interface TaskSource {
  readonly operatorId: string;
  /** `null` when it has none to give. */
  readonly watermarks: SourceEventTime | null;
  /** Whether this process runs no shards: a source in this worker then gives nothing. */
  readonly isStandby: boolean;
}

/**
 * The output of a source with a watermark strategy: gives records their timestamps, and emits the watermark that the
 * source's partitions have in common, at an interval or with a record, as the strategy says.
 *
 * A source that runs in the worker has one partition, number 0.
 */
export class WatermarkedSource implements ChainTarget, SourceEventTime {
  readonly #output: Output<unknown>;
  readonly #scope: RecordScope;
  readonly #timers: TaskTimerService;
  readonly #watermarks: SourceWatermarks<unknown>;
  readonly #aligned: AlignedSource | null;
  /** What was emitted last. */
  current = NO_TIMESTAMP;

  constructor(options: {
    strategy: WatermarkStrategy<unknown>;
    output: Output<unknown>;
    scope: RecordScope;
    timers: TaskTimerService;
    partitions: readonly number[];
    /** Empty for a source that waits for nobody. */
    alignedPartitions: readonly AlignedPartition[];
    board: AlignmentBoard;
  }) {
    this.#output = options.output;
    this.#scope = options.scope;
    this.#timers = options.timers;
    const { output } = options;
    this.#watermarks = new SourceWatermarks(options.strategy, options.timers, {
      emitWatermark: (timestamp) => {
        this.current = timestamp;
        output.emitWatermark(timestamp);
      },
      emitStatus: (status) => output.emitStatus(status),
    });
    // All of them from the start: one that has sent nothing yet holds the others back.
    for (const partition of options.partitions) this.#watermarks.addPartition(partition);
    const { alignedPartitions, board, timers } = options;
    this.#aligned =
      alignedPartitions.length === 0
        ? null
        : new AlignedSource({ board, partitions: alignedPartitions, watermarks: this.#watermarks, timers });
    this.#setTimer();
  }

  isHeld(): boolean {
    return this.#aligned !== null && this.#aligned.isHeld();
  }

  publishAlignment(): void {
    this.#aligned?.publish();
  }

  collect(value: unknown, recordTimestamp: number): void {
    const timestamp = this.#watermarks.timestampOf(value, recordTimestamp);
    this.#output.collect(value, timestamp);
    this.#watermarks.onRecord(Math.max(this.#scope.originPartition, 0), value, timestamp);
  }

  /** The end of the source: its generators have their last word first. */
  emitWatermark(timestamp: number): void {
    this.#watermarks.emitPeriodic();
    this.#aligned?.end();
    this.current = timestamp;
    this.#output.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#output.emitStatus(status);
  }

  /** Where each partition stands, and which one holds the source back. */
  describe(): Pick<SourceWatermarkStatus, 'partitions' | 'slowestPartition'> {
    const { slowestPartition } = this.#watermarks;
    return { partitions: this.#watermarks.partitions(), slowestPartition };
  }

  #setTimer(): void {
    this.#timers.registerDelay(WATERMARK_INTERVAL_MS, () => {
      this.#watermarks.emitPeriodic();
      this.#setTimer();
    });
  }
}
