import type { NodeSpec } from '../api/internal/operator-spec.js';
import { MAX_WATERMARK } from '../api/timer-service.js';
import type { TimestampAssigner, WatermarkGenerator, WatermarkStrategy } from '../api/watermark-strategy.js';
import type { Clock } from '../base/clock.js';
import type { Output } from '../operators/operator.js';
import { createWatermarkGenerator, WatermarkEmitter } from '../operators/watermark-generators.js';
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
}

/** One subtask of a source in a job driver. */
export class DriverSource {
  readonly index: number;
  readonly #output: Output<unknown>;
  readonly #assigner: TimestampAssigner<unknown> | null;
  readonly #generator: WatermarkGenerator<unknown> | null;
  readonly #emitter: WatermarkEmitter;
  readonly #values: GeneratorSource | null;

  constructor(options: DriverSourceOptions) {
    const { spec, strategy, output, clock, subtask, parallelism } = options;
    this.index = options.index;
    this.#output = output;
    this.#assigner = strategy?.timestampAssigner ?? null;
    this.#generator = strategy === null ? null : createWatermarkGenerator(strategy, clock);
    this.#emitter = new WatermarkEmitter(output);
    const isOwn = spec.kind === 'collection-source' || spec.kind === 'generator-source';
    this.#values = isOwn ? new GeneratorSource(spec, { index: subtask, parallelism }, undefined) : null;
  }

  /** The next value of a source that makes its own; `undefined` when there is none. */
  next(): unknown {
    return this.#values?.next();
  }

  emit(value: unknown, recordTimestamp: number): void {
    const timestamp = this.#assigner === null ? recordTimestamp : this.#assigner(value, recordTimestamp);
    this.#output.collect(value, timestamp);
    this.#generator?.onEvent(value, timestamp, this.#emitter);
  }

  emitPeriodic(): void {
    this.#generator?.onPeriodicEmit(this.#emitter);
  }

  end(): void {
    this.emitPeriodic();
    this.#emitter.emitWatermark(MAX_WATERMARK);
  }
}
