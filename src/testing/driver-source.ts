import type { NodeSpec } from '../api/internal/operator-spec.js';
import { MAX_WATERMARK } from '../api/timer-service.js';
import type { WatermarkStrategy } from '../api/watermark-strategy.js';
import type { Clock } from '../base/clock.js';
import type { Output } from '../operators/operator.js';
import { SourceWatermarks } from '../operators/source-watermarks.js';
import { GeneratorSource } from '../workers/generator-source.js';

export interface DriverSourceOptions {
  /** Of the node in the graph. */
  readonly index: number;
  readonly spec: NodeSpec;
  readonly strategy: WatermarkStrategy<unknown> | null;
  readonly output: Output<unknown>;
  readonly clock: Clock;
  readonly subtask: number;
  readonly parallelism: number;
  /** Where a source that makes its own values goes on; `undefined` for a start from nothing. */
  readonly position: readonly unknown[] | undefined;
}

/** One subtask of a source in a job driver. */
export class DriverSource {
  readonly index: number;
  readonly #output: Output<unknown>;
  readonly #watermarks: SourceWatermarks<unknown> | null;
  readonly #values: GeneratorSource | null;

  constructor(options: DriverSourceOptions) {
    const { spec, strategy, output, clock, subtask, parallelism, position } = options;
    this.index = options.index;
    this.#output = output;
    // A test has one clock.
    const clocks = { now: () => clock.now(), nowMs: () => clock.now() };
    this.#watermarks = strategy === null ? null : new SourceWatermarks(strategy, clocks, output);
    const isOwn = spec.kind === 'collection-source' || spec.kind === 'generator-source';
    this.#values = isOwn ? new GeneratorSource(spec, { index: subtask, parallelism }, position) : null;
  }

  /** The next value of a source that makes its own; `undefined` when there is none. */
  next(): unknown {
    return this.#values?.next();
  }

  snapshot(): readonly unknown[] {
    return this.#values?.snapshot() ?? [];
  }

  emit(value: unknown, recordTimestamp: number, partition: number): void {
    const watermarks = this.#watermarks;
    if (watermarks === null) {
      this.#output.collect(value, recordTimestamp);
      return;
    }
    watermarks.addPartition(partition);
    const timestamp = watermarks.timestampOf(value, recordTimestamp);
    this.#output.collect(value, timestamp);
    watermarks.onRecord(partition, value, timestamp);
  }

  emitPeriodic(): void {
    this.#watermarks?.emitPeriodic();
  }

  end(): void {
    this.emitPeriodic();
    this.#output.emitWatermark(MAX_WATERMARK);
  }
}
