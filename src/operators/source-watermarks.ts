import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { WatermarkOutput, WatermarkStrategy } from '../api/watermark-strategy.js';
import type { Clock, MonotonicClock } from '../base/clock.js';
import { createWatermarkGenerator, WatermarkEmitter } from './watermark-generators.js';
import type { PartitionGenerator, WatermarkTarget } from './watermark-generators.js';

/**
 * Timestamps and watermarks of one source subtask that reads several topic partitions.
 *
 * Each partition has a generator of its own, since records are in order within a partition only. What the source emits is
 * the least watermark of the partitions that are not idle; when all are idle, so is the source. For each record the caller
 * asks for the timestamp, emits the record, and reports it; at the job's interval it calls {@link emitPeriodic}.
 *
 * Runs on the source's thread. Pure but for the clocks: idleness is a duration, and the other one says since when.
 */
export class SourceWatermarks<T> {
  readonly #strategy: WatermarkStrategy<T>;
  readonly #clock: Clock & MonotonicClock;
  readonly #emitter: WatermarkEmitter;
  readonly #partitions = new Map<number, PartitionWatermark<T>>();

  constructor(strategy: WatermarkStrategy<T>, clock: Clock & MonotonicClock, target: WatermarkTarget) {
    this.#strategy = strategy;
    this.#clock = clock;
    this.#emitter = new WatermarkEmitter(target);
  }

  /** A partition that the source reads from now on: until it has a watermark, or is idle, it holds the others back. */
  addPartition(partition: number): void {
    if (this.#partitions.has(partition)) return;
    this.#partitions.set(
      partition,
      new PartitionWatermark(createWatermarkGenerator(this.#strategy, this.#clock), this.#clock),
    );
  }

  /** A partition that has ended or went to another instance: it holds nobody back any more. */
  removePartition(partition: number): void {
    if (this.#partitions.delete(partition)) this.#combine();
  }

  /** The event timestamp of a record; the record's own when the strategy has no assigner. */
  timestampOf(value: T, recordTimestamp: number): number {
    const { timestampAssigner } = this.#strategy;
    return timestampAssigner === null ? recordTimestamp : timestampAssigner(value, recordTimestamp);
  }

  /** To be called after the record was emitted, so that a watermark it brings follows it. */
  onRecord(partition: number, value: T, timestamp: number): void {
    let output = this.#partitions.get(partition);
    if (output === undefined) {
      this.addPartition(partition);
      output = this.#partitions.get(partition) as PartitionWatermark<T>;
    }
    const before = output.watermark;
    output.generator.onEvent(value, timestamp, output);
    // Only strategies that emit with a record change anything here; the others wait for the interval.
    if (output.watermark !== before) this.#combine();
  }

  emitPeriodic(): void {
    for (const output of this.#partitions.values()) output.update();
    this.#combine();
  }

  /** Says whether a partition is not read for now, so that it is not taken for idle. */
  setHeld(partition: number, isHeld: boolean): void {
    const output = this.#partitions.get(partition);
    if (output !== undefined) output.isHeld = isHeld;
  }

  /**
   * Hands over the watermark of each partition, as of now: `Infinity` for one that is idle. Emits nothing: what is common to
   * all is emitted at the interval.
   */
  visitPartitions(visit: (partition: number, watermark: number) => void): void {
    for (const [partition, output] of this.#partitions) {
      output.update();
      visit(partition, output.isIdle ? Infinity : output.watermark);
    }
  }

  /** Each partition, and since when its watermark stands where it does. */
  partitions(): { partition: number; watermark: number; since: number; isIdle: boolean }[] {
    return [...this.#partitions].map(([partition, { watermark, since, isIdle }]) => {
      return { partition, watermark, since, isIdle };
    });
  }

  /** The partition that holds the source's watermark back; -1 when none does. For "why does my window not fire". */
  get slowestPartition(): number {
    let slowest = -1;
    let least = Infinity;
    for (const [partition, output] of this.#partitions) {
      if (output.isIdle || (output.watermark >= least && slowest >= 0)) continue;
      slowest = partition;
      least = output.watermark;
    }
    return slowest;
  }

  #combine(): void {
    let least = Infinity;
    let isAnyActive = false;
    for (const { watermark, isIdle } of this.#partitions.values()) {
      if (isIdle) continue;
      isAnyActive = true;
      least = Math.min(least, watermark);
    }
    if (isAnyActive) this.#emitter.emitWatermark(least);
    else if (this.#partitions.size > 0) this.#emitter.markIdle();
  }
}

/** The watermark of one partition, as its generator says. */
class PartitionWatermark<T> implements WatermarkOutput {
  readonly generator: PartitionGenerator<T>;
  watermark = NO_TIMESTAMP;
  /** When the watermark last advanced. */
  since: number;
  isIdle = false;
  isHeld = false;
  readonly #clock: Clock;

  constructor(generator: PartitionGenerator<T>, clock: Clock) {
    this.generator = generator;
    this.#clock = clock;
    this.since = clock.now();
  }

  /** Asks the generator for a watermark, as of now. */
  update(): void {
    if (this.isHeld) this.generator.stayActive?.();
    else this.generator.onPeriodicEmit(this);
  }

  emitWatermark(timestamp: number): void {
    this.isIdle = false;
    if (!(timestamp > this.watermark)) return;
    this.watermark = timestamp;
    this.since = this.#clock.now();
  }

  markIdle(): void {
    this.isIdle = true;
  }

  markActive(): void {
    this.isIdle = false;
  }
}
