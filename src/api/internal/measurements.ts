import type { AccumulatorType } from '../accumulators.js';

/** What an author's functions have measured, as plain data: on its way from a worker to whoever looks. */

/** What a metric shows: a count, what a gauge answered, a rate with its count, a distribution. @public */
export type MetricValue =
  | { readonly kind: 'counter'; readonly count: number }
  | { readonly kind: 'gauge'; readonly value: number | boolean | string }
  | { readonly kind: 'meter'; readonly count: number; readonly rate: number }
  | ({ readonly kind: 'histogram' } & HistogramValues);

/** The distribution that a histogram shows: count and sum are of all values, the rest of those in the window. @public */
export interface HistogramValues {
  /** Values since the start. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** The least value in the window; 0 for an empty one, as all of these. */
  readonly min: number;
  /** The greatest value in the window. */
  readonly max: number;
  /** The arithmetic mean of the window. */
  readonly mean: number;
  /** The standard deviation of the window. */
  readonly stddev: number;
  /** Of the window: 50, 75, 90, 95, 98, 99 and 99.9 %. */
  readonly quantiles: readonly number[];
}

/** Those that Flink reports. */
export const histogramQuantiles = [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.999] as const;

export interface MetricReading {
  /** Names of the groups, values of groups included, outermost first. */
  readonly scope: readonly string[];
  /** The same without the values, which are in {@link variables}. */
  readonly logicalScope: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly name: string;
  readonly value: MetricValue;
}

/** One operator of one subtask. */
export interface OperatorMeasurements {
  readonly operatorId: string;
  readonly metrics: readonly MetricReading[];
  /** Metrics that are not shown, since there are too many, or another has their name. */
  readonly hiddenCount: number;
  readonly accumulators: readonly AccumulatorReading[];
}

/** An accumulator of one subtask. `content` is what its class takes to merge it. */
export interface AccumulatorReading {
  readonly name: string;
  readonly type: AccumulatorType;
  readonly content: unknown;
}
