/**
 * Metrics of an author's functions, under Flink's names. Values are plain fields of the subtask: nothing is sent per record,
 * and they are read when somebody looks (`/metrics`, the admin API). They start anew at each start of the job; what must
 * survive a restart is state.
 */

/** A number that goes up and down. Shown as a counter, so let it go up when Prometheus is to take rates of it. @public */
export interface Counter {
  /** Adds `count`. @defaultValue 1 */
  inc(count?: number): void;
  /** Subtracts `count`. @defaultValue 1 */
  dec(count?: number): void;
  /** What this subtask has counted since the start of the job. */
  getCount(): number;
}

/**
 * What a gauge shows: asked when somebody looks, between two records. Numbers and booleans appear in `/metrics`, text in
 * the admin API alone. A gauge that throws is left out.
 *
 * @public
 */
export type Gauge = () => number | boolean | string;

/** How often something happens. @public */
export interface Meter {
  /** Notes that it happened `count` times. @defaultValue 1 */
  markEvent(count?: number): void;
  /** Events per second, over the meter's time span; brought up to date every 5 s. */
  getRate(): number;
  /** Events since the start. */
  getCount(): number;
}

/** The distribution of the newest values. @public */
export interface Histogram {
  /** Adds a value to the window, from which the oldest falls when it is full. */
  update(value: number): void;
  /** Values since the start, those included that have left the window. */
  getCount(): number;
  /** Of the values in the window. Sorts them: not for the data path. */
  getStatistics(): HistogramStatistics;
}

/** What the values in a histogram's window look like, at the moment of asking. @public */
export interface HistogramStatistics {
  /** Values in the window. */
  readonly size: number;
  /** The least value; 0 for an empty window, as all of these. */
  readonly min: number;
  /** The greatest value. */
  readonly max: number;
  /** The arithmetic mean. */
  readonly mean: number;
  /** The standard deviation of the sample. */
  readonly stddev: number;
  /** The value below which a part of the others lies. @param quantile from 0 to 1: 0.99 gives the value that 99 % of the others do not exceed. */
  getQuantile(quantile: number): number;
}

/** How many values a histogram remembers. @public */
export interface HistogramOptions {
  /** How many of the newest values it keeps: 1 to 10 000. @defaultValue 1000 */
  readonly windowSize?: number;
}

/** Over what time a meter takes its rate. @public */
export interface MeterOptions {
  /** Over how many seconds the rate is taken: 5 to 3600, in steps of 5. @defaultValue 60 */
  readonly timeSpanInSeconds?: number;
}

/**
 * Where a function registers its metrics: `context.metrics` in `open`.
 *
 * In `/metrics` a metric is called `millrace_user_<groups>_<name>`, with the labels `vertex`, `subtask` and `operator`; in
 * the admin API `<operator>.<groups>.<name>`, as in Flink. Characters other than letters, digits and `_` become `_` in
 * `/metrics`.
 *
 * The number is bounded: 200 for each operator's subtask. A metric beyond that, and one whose name its group has already,
 * works but is not shown; `millrace_user_metrics_hidden` counts them. So put no key into a name.
 *
 * @example
 * open({ metrics }: RuntimeContext) {
 *   this.#refused = metrics.addGroup('rules').counter('refused');
 *   metrics.gauge('open', () => this.#open.size);
 * }
 *
 * @public
 */
export interface MetricGroup {
  /** A new counter. */
  counter(name: string): Counter;
  /** Registers a function that is asked when somebody looks. @returns the gauge itself */
  gauge<G extends Gauge>(name: string, gauge: G): G;
  /** A new histogram. @throws MillraceError `MILLRACE_JOB_INVALID` for a window that is out of bounds */
  histogram(name: string, options?: HistogramOptions): Histogram;
  /** A new meter. @throws MillraceError `MILLRACE_JOB_INVALID` for a time span that is out of bounds */
  meter(name: string, options?: MeterOptions): Meter;
  /**
   * A group within this one, the same for the same name. With a value, both are part of the name in the admin API, and in
   * `/metrics` the value is a label: `addGroup('source', 'web')`.
   */
  addGroup(name: string, value?: string): MetricGroup;
  /** The metric's full name in the admin API. */
  getMetricIdentifier(name: string): string;
}
