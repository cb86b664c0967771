import { MillraceError } from '../base/errors.js';

/** Gives a record its event timestamp. `recordTimestamp` is the source's own, `-Infinity` when it has none. @public */
export type TimestampAssigner<T> = (value: T, recordTimestamp: number) => number;

/**
 * How a source's watermarks come about, as in Flink. Immutable: each `with…` gives a new strategy.
 *
 * @example
 * WatermarkStrategy.boundedOutOfOrderness<Bid>(2_000).withTimestampAssigner((bid) => bid.time);
 *
 * @public
 */
export class WatermarkStrategy<T> {
  /** `none` emits no watermark before the end of input. `bounded` trails the largest timestamp seen. */
  readonly kind: 'none' | 'bounded';
  /** Milliseconds that a record may come after a later one and still be in time. */
  readonly maxOutOfOrdernessMs: number;
  /** `null` keeps the source's own timestamps. */
  readonly timestampAssigner: TimestampAssigner<T> | null;
  /** Milliseconds without a record after which an input no longer holds the watermark back; `null` for never. */
  readonly idlenessMs: number | null;

  private constructor(
    kind: 'none' | 'bounded',
    maxOutOfOrdernessMs: number,
    timestampAssigner: TimestampAssigner<T> | null,
    idlenessMs: number | null,
  ) {
    this.kind = kind;
    this.maxOutOfOrdernessMs = maxOutOfOrdernessMs;
    this.timestampAssigner = timestampAssigner;
    this.idlenessMs = idlenessMs;
  }

  /** No event time: for pipelines that use none. */
  static noWatermarks<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>('none', 0, null, null);
  }

  /** Timestamps never go back within one input. */
  static monotonousTimestamps<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>('bounded', 0, null, null);
  }

  /** Records come at most this much later, in event time, than the latest one before them. */
  static boundedOutOfOrderness<T>(maxOutOfOrdernessMs: number): WatermarkStrategy<T> {
    requireDuration(maxOutOfOrdernessMs, 0, 'the bound of out-of-orderness');
    return new WatermarkStrategy<T>('bounded', maxOutOfOrdernessMs, null, null);
  }

  withTimestampAssigner(timestampAssigner: TimestampAssigner<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>(this.kind, this.maxOutOfOrdernessMs, timestampAssigner, this.idlenessMs);
  }

  /** An input without records for this long is idle: the others' watermarks go on without it. */
  withIdleness(idlenessMs: number): WatermarkStrategy<T> {
    requireDuration(idlenessMs, 1, 'the idle time-out');
    return new WatermarkStrategy<T>(this.kind, this.maxOutOfOrdernessMs, this.timestampAssigner, idlenessMs);
  }
}

function requireDuration(value: number, least: number, what: string): void {
  if (Number.isFinite(value) && value >= least) return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `${what} is ${String(value)} ms, but must be at least ${least} ms`);
}
