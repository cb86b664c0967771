import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { WatermarkGenerator, WatermarkOutput, WatermarkStrategy } from '../api/watermark-strategy.js';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { WatermarkStatus } from './operator.js';

/** A generator, and what a source may tell it beside. */
export interface PartitionGenerator<T> extends WatermarkGenerator<T> {
  /** No records come because the source waits for others, not because there are none: idleness begins anew after this. */
  stayActive?(): void;
}

/** Makes the generator of a strategy: one per source partition, or per assigning operator. */
export function createWatermarkGenerator<T>(
  strategy: WatermarkStrategy<T>,
  clock: MonotonicClock,
): PartitionGenerator<T> {
  const generator = createInnerGenerator(strategy);
  return strategy.idlenessMs === null ? generator : new IdlenessGenerator(generator, strategy.idlenessMs, clock);
}

function createInnerGenerator<T>(strategy: WatermarkStrategy<T>): WatermarkGenerator<T> {
  switch (strategy.kind) {
    case 'none':
      return silentGenerator;
    case 'bounded':
      return new BoundedOutOfOrdernessGenerator(strategy.maxOutOfOrdernessMs);
    case 'generator':
      if (strategy.createGenerator !== null) return strategy.createGenerator();
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a strategy of this kind has a generator');
  }
}

const silentGenerator: WatermarkGenerator<unknown> = {
  onEvent: () => undefined,
  onPeriodicEmit: () => undefined,
};

/** Trails the largest timestamp by the bound, and by 1 ms more: a record with the watermark's own timestamp may still come. */
class BoundedOutOfOrdernessGenerator implements WatermarkGenerator<unknown> {
  readonly #delayMs: number;
  #largest = NO_TIMESTAMP;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  onEvent(_value: unknown, timestamp: number): void {
    if (timestamp > this.#largest) this.#largest = timestamp;
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    output.emitWatermark(this.#largest - this.#delayMs - 1);
  }
}

/**
 * Marks the output idle when no record came for a while, as Flink's `WatermarksWithIdleness`: inactivity is noticed at
 * periodic emissions only, begins at the first without a record since the one before, and must last longer than the time-out.
 */
class IdlenessGenerator<T> implements PartitionGenerator<T> {
  readonly #inner: WatermarkGenerator<T>;
  readonly #idlenessMs: number;
  readonly #clock: MonotonicClock;
  #hasActivity = false;
  #inactiveSince: number | null = null;
  #isMarkedIdle = false;

  constructor(inner: WatermarkGenerator<T>, idlenessMs: number, clock: MonotonicClock) {
    this.#inner = inner;
    this.#idlenessMs = idlenessMs;
    this.#clock = clock;
  }

  onEvent(value: T, timestamp: number, output: WatermarkOutput): void {
    this.#inner.onEvent(value, timestamp, output);
    this.#hasActivity = true;
    this.#isMarkedIdle = false;
  }

  stayActive(): void {
    this.#hasActivity = true;
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (!this.#isIdle()) {
      this.#inner.onPeriodicEmit(output);
    } else if (!this.#isMarkedIdle) {
      this.#isMarkedIdle = true;
      output.markIdle();
    }
  }

  #isIdle(): boolean {
    if (this.#hasActivity) {
      this.#hasActivity = false;
      this.#inactiveSince = null;
      return false;
    }
    if (this.#inactiveSince === null) {
      this.#inactiveSince = this.#clock.nowMs();
      return false;
    }
    return this.#clock.nowMs() - this.#inactiveSince > this.#idlenessMs;
  }
}

/** What stands behind a {@link WatermarkEmitter}: an operator's output, or a source's. */
export interface WatermarkTarget {
  emitWatermark(timestamp: number): void;
  emitStatus(status: WatermarkStatus): void;
}

/** Lets through only watermarks that advance, and status changes that are changes. A watermark makes the output active first. */
export class WatermarkEmitter implements WatermarkOutput {
  readonly #target: WatermarkTarget;
  #current = NO_TIMESTAMP;
  #isIdle = false;

  constructor(target: WatermarkTarget) {
    this.#target = target;
  }

  get current(): number {
    return this.#current;
  }

  emitWatermark(timestamp: number): void {
    if (!(timestamp > this.#current)) return;
    this.#current = timestamp;
    this.markActive();
    this.#target.emitWatermark(timestamp);
  }

  markIdle(): void {
    if (this.#isIdle) return;
    this.#isIdle = true;
    this.#target.emitStatus('IDLE');
  }

  markActive(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#target.emitStatus('ACTIVE');
  }
}
