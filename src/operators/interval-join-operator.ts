import type { KeySelector } from '../api/functions.js';
import type { InternalMapState, KeyedStateBackend, Namespace } from '../api/internal/state-backend.js';
import type { ProcessJoinContext, ProcessJoinFunction } from '../api/join-functions.js';
import { mapState } from '../api/keyed-state.js';
import type { OutputTag } from '../api/process-function.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import type { OperatorContext, Output } from './operator.js';
import { InternalTimerService } from './timer-service.js';
import type { TimerTarget } from './timer-service.js';
import { TimestampedCollector } from './timestamped-collector.js';
import { TwoInputOperatorBase } from './two-input-operator-base.js';

/** `left.timestamp + lower <= right.timestamp <= left.timestamp + upper`; an exclusive bound is moved by 1 ms. */
export interface IntervalJoinOptions<L, R, Out> {
  readonly leftKey: KeySelector<L, unknown>;
  readonly rightKey: KeySelector<R, unknown>;
  /** Inclusive. */
  readonly lowerMs: number;
  /** Inclusive. */
  readonly upperMs: number;
  readonly leftLateTag: OutputTag<L> | null;
  readonly rightLateTag: OutputTag<R> | null;
  readonly fn: ProcessJoinFunction<L, R, Out>;
}

const LEFT_CLEANUP = 'left';
const RIGHT_CLEANUP = 'right';

/** One side's records of the current key, by timestamp. */
type Buffer<T> = InternalMapState<number, readonly T[]>;

/**
 * Joins two keyed streams where timestamps lie within an interval. The semantics are those of Flink's
 * `IntervalJoinOperator`: a pair comes out when its second record arrives, with the larger timestamp; a record leaves its
 * buffer at the watermark from which on no partner of it can be in time.
 */
export class IntervalJoinOperator<L, R, Out> extends TwoInputOperatorBase<L, R, Out> implements TimerTarget {
  readonly #options: IntervalJoinOptions<L, R, Out>;
  #leftBuffer: Buffer<L> | null = null;
  #rightBuffer: Buffer<R> | null = null;
  #timers: InternalTimerService | null = null;
  #collector: TimestampedCollector<Out>;
  #joinContext: PairContext | null = null;

  constructor(options: IntervalJoinOptions<L, R, Out>) {
    super();
    this.#options = options;
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    const keyedState = context.keyedState as KeyedStateBackend;
    this.#timers = new InternalTimerService(context, 'interval-join-timers', this);
    this.#leftBuffer = keyedState.mapState(mapState<number, readonly L[]>('left-buffer'));
    this.#rightBuffer = keyedState.mapState(mapState<number, readonly R[]>('right-buffer'));
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.#joinContext = new PairContext(context.output);
    this.openFunction(this.#options.fn);
  }

  processElement1(value: L, timestamp: number): void {
    const { leftKey, leftLateTag, lowerMs, upperMs } = this.#options;
    this.#requireTimestamp(timestamp);
    if (this.#isLate(timestamp)) {
      if (leftLateTag !== null) this.output.collectSide(leftLateTag, value, timestamp);
      return;
    }
    this.enterKey(leftKey, value);
    append(this.#leftBuffer as Buffer<L>, timestamp, value);
    for (const [rightTimestamp, rights] of (this.#rightBuffer as Buffer<R>).entries()) {
      if (rightTimestamp < timestamp + lowerMs || rightTimestamp > timestamp + upperMs) continue;
      for (const right of rights) this.#join(value, right, timestamp, rightTimestamp);
    }
    this.#timersOrFail().registerEventTimeTimer(LEFT_CLEANUP, timestamp + Math.max(upperMs, 0));
  }

  processElement2(value: R, timestamp: number): void {
    const { rightKey, rightLateTag, lowerMs, upperMs } = this.#options;
    this.#requireTimestamp(timestamp);
    if (this.#isLate(timestamp)) {
      if (rightLateTag !== null) this.output.collectSide(rightLateTag, value, timestamp);
      return;
    }
    this.enterKey(rightKey, value);
    append(this.#rightBuffer as Buffer<R>, timestamp, value);
    for (const [leftTimestamp, lefts] of (this.#leftBuffer as Buffer<L>).entries()) {
      if (leftTimestamp < timestamp - upperMs || leftTimestamp > timestamp - lowerMs) continue;
      for (const left of lefts) this.#join(left, value, leftTimestamp, timestamp);
    }
    this.#timersOrFail().registerEventTimeTimer(RIGHT_CLEANUP, timestamp + Math.max(-lowerMs, 0));
  }

  override processWatermark(timestamp: number): void {
    this.#timersOrFail().advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  /** A timer of cleanup: the record's timestamp is the timer's, less the way that the interval reaches ahead. */
  onTimer(timestamp: number, namespace: Namespace): void {
    const { lowerMs, upperMs } = this.#options;
    if (namespace === LEFT_CLEANUP) (this.#leftBuffer as Buffer<L>).remove(timestamp - Math.max(upperMs, 0));
    else (this.#rightBuffer as Buffer<R>).remove(timestamp - Math.max(-lowerMs, 0));
  }

  #join(left: L, right: R, leftTimestamp: number, rightTimestamp: number): void {
    const joinContext = this.#joinContext as PairContext;
    joinContext.leftTimestamp = leftTimestamp;
    joinContext.rightTimestamp = rightTimestamp;
    this.#collector.timestamp = joinContext.getTimestamp();
    try {
      this.#options.fn.processElement(left, right, joinContext, this.#collector);
    } catch (error) {
      throw this.failure(error, 'processElement');
    }
  }

  #isLate(timestamp: number): boolean {
    return timestamp < this.#timersOrFail().currentWatermark();
  }

  #requireTimestamp(timestamp: number): void {
    if (timestamp > NO_TIMESTAMP) return;
    const { taskName } = this.context.runtime.taskInfo;
    throw new MillraceError(
      'MILLRACE_TIMESTAMP_MISSING',
      `a record without a timestamp reached interval join "${taskName}"`,
      {
        details: { operator: this.context.operatorId, name: taskName },
        hint: 'Give both sources a WatermarkStrategy with timestamps.',
      },
    );
  }

  #timersOrFail(): InternalTimerService {
    return this.#timers as InternalTimerService;
  }
}

/** What the join function sees of a pair. One per operator. */
class PairContext implements ProcessJoinContext {
  leftTimestamp = NO_TIMESTAMP;
  rightTimestamp = NO_TIMESTAMP;
  readonly #output: Output<unknown>;

  constructor(output: Output<unknown>) {
    this.#output = output;
  }

  getLeftTimestamp(): number {
    return this.leftTimestamp;
  }

  getRightTimestamp(): number {
    return this.rightTimestamp;
  }

  getTimestamp(): number {
    return Math.max(this.leftTimestamp, this.rightTimestamp);
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#output.collectSide(tag, value, this.getTimestamp());
  }
}

/** The stored array is replaced, not changed: the state backend may have a snapshot of it under way. */
function append<T>(buffer: Buffer<T>, timestamp: number, value: T): void {
  const before = buffer.get(timestamp);
  buffer.put(timestamp, before === undefined ? [value] : [...before, value]);
}
