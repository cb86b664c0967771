import { MillraceError } from '../base/errors.js';

/** Where a {@link WatermarkGenerator} emits to. @public */
export interface WatermarkOutput {
  /** Emits a watermark; one that is not larger than the last is ignored. Makes the output active. */
  emitWatermark(timestamp: number): void;
  /** No records are expected for now: others need not wait. */
  markIdle(): void;
  /** Records are expected again. */
  markActive(): void;
}

/**
 * Makes watermarks of records and of time passing. One instance per input; it may keep fields, which no checkpoint holds.
 *
 * @example
 * class LastOfDay implements WatermarkGenerator<Trade> {
 *   onEvent(trade: Trade, timestamp: number, output: WatermarkOutput) {
 *     if (trade.isLastOfDay) output.emitWatermark(timestamp);
 *   }
 *   onPeriodicEmit() {}
 * }
 *
 * @public
 */
export interface WatermarkGenerator<T> {
  /** Called after each record was emitted. */
  onEvent(value: T, timestamp: number, output: WatermarkOutput): void;
  /** Called at the job's automatic watermark interval, and at the end of input. */
  onPeriodicEmit(output: WatermarkOutput): void;
}

/** Gives a record its event timestamp. `recordTimestamp` is the source's own, `-Infinity` when it has none. @public */
export type TimestampAssigner<T> = (value: T, recordTimestamp: number) => number;

/** How far a source may run ahead of others. Set by {@link WatermarkStrategy.withWatermarkAlignment}. @public */
export interface WatermarkAlignment {
  /** Sources of one group wait for each other. */
  readonly group: string;
  /** By how much a source may be ahead of the slowest, in milliseconds of event time. */
  readonly maxDriftMs: number;
  /** How often a source that waits looks whether it may go on, in milliseconds. */
  readonly updateIntervalMs: number;
}

/**
 * How a source's watermarks come about, as in Flink. Immutable: each `with…` gives a new strategy.
 *
 * @example
 * WatermarkStrategy.boundedOutOfOrderness<Bid>(2_000).withTimestampAssigner((bid) => bid.time);
 *
 * @public
 */
export class WatermarkStrategy<T> {
  /**
   * `none` emits no watermark before the end of input. `bounded` trails the largest timestamp seen. `generator` is the
   * author's own.
   */
  readonly kind: 'none' | 'bounded' | 'generator';
  /** Milliseconds that a record may come after a later one and still be in time. */
  readonly maxOutOfOrdernessMs: number;
  /** `null` keeps the source's own timestamps. */
  readonly timestampAssigner: TimestampAssigner<T> | null;
  /** Milliseconds without a record after which an input no longer holds the watermark back; `null` for never. */
  readonly idlenessMs: number | null;
  /** Makes the author's generator, one per input; `null` for the other kinds. */
  readonly createGenerator: (() => WatermarkGenerator<T>) | null;
  /** Inputs of one group wait for each other when they are too far ahead; `null` for no alignment. */
  readonly alignment: WatermarkAlignment | null;

  private constructor(
    kind: 'none' | 'bounded' | 'generator',
    maxOutOfOrdernessMs: number,
    timestampAssigner: TimestampAssigner<T> | null,
    idlenessMs: number | null,
    createGenerator: (() => WatermarkGenerator<T>) | null,
    alignment: WatermarkAlignment | null,
  ) {
    this.kind = kind;
    this.createGenerator = createGenerator;
    this.alignment = alignment;
    this.maxOutOfOrdernessMs = maxOutOfOrdernessMs;
    this.timestampAssigner = timestampAssigner;
    this.idlenessMs = idlenessMs;
  }

  /** No event time: for pipelines that use none. The watermark that ends the stream comes all the same. */
  static noWatermarks<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>('none', 0, null, null, null, null);
  }

  /** Timestamps never go back within one input. A record that does is late. */
  static monotonousTimestamps<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>('bounded', 0, null, null, null, null);
  }

  /**
   * Records come at most this much later, in event time, than the latest one before them. The watermark is the largest
   * timestamp so far, less the bound, less 1 ms.
   *
   * @param maxOutOfOrdernessMs milliseconds, at least 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  static boundedOutOfOrderness<T>(maxOutOfOrdernessMs: number): WatermarkStrategy<T> {
    requireDuration(maxOutOfOrdernessMs, 0, 'the bound of out-of-orderness');
    return new WatermarkStrategy<T>('bounded', maxOutOfOrdernessMs, null, null, null, null);
  }

  /** A generator of the author's own: called once per input. */
  static forGenerator<T>(createGenerator: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>('generator', 0, null, null, createGenerator, null);
  }

  /** Records that carry watermarks: `undefined` or `null` for a record that carries none. */
  static punctuated<T>(watermarkOf: (value: T, timestamp: number) => number | null | undefined): WatermarkStrategy<T> {
    return WatermarkStrategy.forGenerator<T>(() => ({
      onEvent: (value, timestamp, output) => {
        const watermark = watermarkOf(value, timestamp);
        if (watermark !== null && watermark !== undefined) output.emitWatermark(watermark);
      },
      onPeriodicEmit: () => undefined,
    }));
  }

  /** The assigner says what the records are: `monotonousTimestamps().withTimestampAssigner((bid: Bid) => bid.time)`. */
  withTimestampAssigner<U extends T>(timestampAssigner: TimestampAssigner<U>): WatermarkStrategy<U> {
    return this.#with({ timestampAssigner });
  }

  /**
   * An input without records for this long is idle: the others' watermarks go on without it.
   *
   * @param idlenessMs milliseconds of the clock, at least 1.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  withIdleness(idlenessMs: number): WatermarkStrategy<T> {
    requireDuration(idlenessMs, 1, 'the idle time-out');
    return this.#with({ idlenessMs });
  }

  /**
   * Sources of one group do not run further than this ahead of the slowest of them, in event time: what a join would have to
   * keep while it waits for the other side. Each partition of a topic waits by itself, as each split does in Flink.
   *
   * A source reads some records more before it notices: those that lie in the channel to its worker, or the 64 that one in a
   * worker makes at a time. One that has no watermark yet holds the others back; one that is idle or has ended does not, so
   * give sources that may be silent an idle time-out. Instances that share a Kafka group align their own part each.
   *
   * Of a source alone: `assignTimestampsAndWatermarks` cannot hold anybody back, of which the start of the job warns.
   *
   * @param group the sources of the job that wait for each other
   * @param maxDriftMs milliseconds of event time, at least 0
   * @param updateIntervalMs how often a source that waits looks whether it may go on, at least 1. @defaultValue 1000
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a strategy without watermarks: nobody could wait for it
   */
  withWatermarkAlignment(group: string, maxDriftMs: number, updateIntervalMs = 1_000): WatermarkStrategy<T> {
    requireDuration(maxDriftMs, 0, 'the drift of watermark alignment');
    requireDuration(updateIntervalMs, 1, 'the update interval of watermark alignment');
    if (this.kind === 'none') {
      throw new MillraceError(
        'MILLRACE_JOB_INVALID',
        `a source without watermarks is to be aligned in group "${group}"`,
        {
          hint: 'Choose a strategy that makes watermarks, such as boundedOutOfOrderness.',
        },
      );
    }
    return this.#with({ alignment: { group, maxDriftMs, updateIntervalMs } });
  }

  #with<U extends T>(
    change: Partial<Pick<WatermarkStrategy<U>, 'timestampAssigner' | 'idlenessMs' | 'alignment'>>,
  ): WatermarkStrategy<U> {
    return new WatermarkStrategy<U>(
      this.kind,
      this.maxOutOfOrdernessMs,
      change.timestampAssigner ?? this.timestampAssigner,
      change.idlenessMs ?? this.idlenessMs,
      this.createGenerator,
      change.alignment ?? this.alignment,
    );
  }
}

function requireDuration(value: number, least: number, what: string): void {
  if (Number.isFinite(value) && value >= least) return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `${what} is ${String(value)} ms, but must be at least ${least} ms`);
}
