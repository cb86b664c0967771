import { MAX_WATERMARK, NO_TIMESTAMP } from '../api/timer-service.js';
import type { TimestampAssigner, WatermarkGenerator, WatermarkStrategy } from '../api/watermark-strategy.js';
import { OperatorBase } from './operator-base.js';
import type { OperatorContext, StreamOperator } from './operator.js';
import { createWatermarkGenerator, WatermarkEmitter } from './watermark-generators.js';

/**
 * Gives records timestamps and makes watermarks of them, in the middle of a stream. Watermarks and statuses that come in are
 * dropped, except the one that ends the stream. As Flink's `TimestampsAndWatermarksOperator`.
 */
export class AssignTimestampsOperator<T> extends OperatorBase<T> implements StreamOperator<T, T> {
  readonly #strategy: WatermarkStrategy<T>;
  readonly #intervalMs: number;
  readonly #assigner: TimestampAssigner<T> | null;
  #generator: WatermarkGenerator<T> | null = null;
  #emitter: WatermarkEmitter | null = null;
  #since = 0;
  readonly #onInterval = (): void => this.#emitPeriodically();

  /** @param intervalMs time between periodic emissions; 0 for none. */
  constructor(strategy: WatermarkStrategy<T>, intervalMs: number) {
    super();
    this.#strategy = strategy;
    this.#intervalMs = intervalMs;
    this.#assigner = strategy.timestampAssigner;
  }

  override open(context: OperatorContext<T>): void {
    super.open(context);
    this.#generator = createWatermarkGenerator(this.#strategy, context.processingTime);
    const { output, processingTime } = context;
    this.#since = processingTime.now();
    this.#emitter = new WatermarkEmitter({
      emitWatermark: (timestamp) => {
        this.#since = processingTime.now();
        output.emitWatermark(timestamp);
      },
      emitStatus: (status) => output.emitStatus(status),
    });
    this.#scheduleNext();
  }

  processElement(value: T, timestamp: number): void {
    const generator = this.#generator as WatermarkGenerator<T>;
    let assigned = timestamp;
    if (this.#assigner !== null) {
      try {
        assigned = this.#assigner(value, timestamp);
      } catch (error) {
        throw this.failure(error, 'extractTimestamp');
      }
    }
    this.output.collect(value, Number.isNaN(assigned) ? NO_TIMESTAMP : assigned);
    try {
      generator.onEvent(value, assigned, this.#emitter as WatermarkEmitter);
    } catch (error) {
      throw this.failure(error, 'onEvent');
    }
  }

  override processWatermark(timestamp: number): void {
    if (timestamp === MAX_WATERMARK) this.#emitter?.emitWatermark(timestamp);
  }

  override processStatus(): void {
    // Idleness is decided here, by the strategy.
  }

  ownWatermark(): { watermark: number; since: number } {
    return { watermark: this.#emitter?.current ?? NO_TIMESTAMP, since: this.#since };
  }

  finish(): void {
    this.#emit();
  }

  #emitPeriodically(): void {
    this.#emit();
    this.#scheduleNext();
  }

  #emit(): void {
    try {
      this.#generator?.onPeriodicEmit(this.#emitter as WatermarkEmitter);
    } catch (error) {
      throw this.failure(error, 'onPeriodicEmit');
    }
  }

  #scheduleNext(): void {
    if (this.#intervalMs <= 0) return;
    this.context.processingTime.registerDelay(this.#intervalMs, this.#onInterval);
  }
}
