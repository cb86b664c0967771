/**
 * The metrics that one operator's functions register, of one subtask. Written by plain field updates in the subtask's
 * thread, read there between two records.
 */
import type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  HistogramStatistics,
  Meter,
  MeterOptions,
  MetricGroup,
} from '../api/metrics.js';
import { histogramQuantiles } from '../api/internal/measurements.js';
import type { MetricReading, MetricValue } from '../api/internal/measurements.js';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';

/** Metrics of one operator's subtask that are shown. */
const METRICS_MAX = 200;
const WINDOW_SIZE_MAX = 10_000;
/** How often a meter takes a sample, in milliseconds. */
export const METER_INTERVAL_MS = 5_000;
const METER_SPAN_MAX_SECONDS = 3_600;

/** All metrics of one operator, its groups included. */
export class OperatorMetrics {
  readonly root: MetricGroup;
  readonly #registered: RegisteredMetric[] = [];
  readonly #meters: SampledMeter[] = [];
  readonly #clock: MonotonicClock;
  /** Not shown: too many, or of a name that is taken. */
  hiddenCount = 0;

  /** @param operatorName stands before the names of all metrics */
  constructor(operatorName: string, clock: MonotonicClock) {
    this.#clock = clock;
    this.root = new Group(this, { scope: [], logicalScope: [], variables: {}, operatorName });
  }

  /** Metrics that were registered, the hidden ones among them. */
  get count(): number {
    return this.#registered.length + this.hiddenCount;
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  register(metric: RegisteredMetric): void {
    if (this.#registered.length < METRICS_MAX) this.#registered.push(metric);
    else this.hiddenCount++;
  }

  /** Meters work also when they are not shown. */
  addMeter(meter: SampledMeter): void {
    this.#meters.push(meter);
  }

  /** Lets the meters take their samples. Called at least every {@link METER_INTERVAL_MS} while records are processed. */
  sampleMeters(nowMs: number): void {
    for (const meter of this.#meters) meter.sample(nowMs);
  }

  /** All values. Gauges that throw are left out. */
  read(): MetricReading[] {
    this.sampleMeters(this.nowMs);
    return this.#registered.flatMap(({ place, name, read }) => {
      const value = valueOrNothing(read);
      if (value === null) return [];
      const { scope, logicalScope, variables } = place;
      return [{ scope, logicalScope, variables, name, value }];
    });
  }
}

interface GroupPlace {
  readonly scope: readonly string[];
  readonly logicalScope: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly operatorName: string;
}

interface RegisteredMetric {
  readonly place: GroupPlace;
  readonly name: string;
  readonly read: () => MetricValue;
}

class Group implements MetricGroup {
  readonly #metrics: OperatorMetrics;
  readonly #place: GroupPlace;
  readonly #groups = new Map<string, Group>();
  readonly #names = new Set<string>();

  constructor(metrics: OperatorMetrics, place: GroupPlace) {
    this.#metrics = metrics;
    this.#place = place;
  }

  counter(name: string): Counter {
    const counter = new SimpleCounter();
    this.#register(name, () => ({ kind: 'counter', count: counter.count }));
    return counter;
  }

  gauge<G extends Gauge>(name: string, gauge: G): G {
    this.#register(name, () => ({ kind: 'gauge', value: gauge() }));
    return gauge;
  }

  histogram(name: string, { windowSize = 1_000 }: HistogramOptions = {}): Histogram {
    this.#requireWithin(name, { what: 'a window of', value: windowSize, least: 1, most: WINDOW_SIZE_MAX, step: 1 });
    const histogram = new WindowHistogram(windowSize);
    this.#register(name, () => histogram.read());
    return histogram;
  }

  meter(name: string, { timeSpanInSeconds = 60 }: MeterOptions = {}): Meter {
    const bounds = { least: 5, most: METER_SPAN_MAX_SECONDS, step: METER_INTERVAL_MS / 1_000 };
    this.#requireWithin(name, { what: 'a time span of', value: timeSpanInSeconds, ...bounds });
    const meter = new SampledMeter(timeSpanInSeconds, this.#metrics.nowMs);
    this.#metrics.addMeter(meter);
    this.#register(name, () => ({ kind: 'meter', count: meter.getCount(), rate: meter.getRate() }));
    return meter;
  }

  addGroup(name: string, value?: string): MetricGroup {
    const key = JSON.stringify([name, value]);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const { scope, logicalScope, variables, operatorName } = this.#place;
    const group = new Group(this.#metrics, {
      scope: [...scope, name, ...(value === undefined ? [] : [value])],
      logicalScope: [...logicalScope, name],
      variables: value === undefined ? variables : { ...variables, [name]: value },
      operatorName,
    });
    this.#groups.set(key, group);
    return group;
  }

  getMetricIdentifier(name: string): string {
    return [this.#place.operatorName, ...this.#place.scope, name].join('.');
  }

  #register(name: string, read: () => MetricValue): void {
    if (typeof name !== 'string' || name === '') {
      throw new MillraceError(
        'MILLRACE_JOB_INVALID',
        `operator "${this.#place.operatorName}" has a metric without a name`,
      );
    }
    if (this.#names.has(name)) {
      this.#metrics.hiddenCount++;
      return;
    }
    this.#names.add(name);
    this.#metrics.register({ place: this.#place, name, read });
  }

  #requireWithin(name: string, { what, value, least, most, step }: Bounds & { what: string; value: number }): void {
    if (value >= least && value <= most && value % step === 0) return;
    throw new MillraceError(
      'MILLRACE_JOB_INVALID',
      `metric "${this.getMetricIdentifier(name)}" has ${what} ${String(value)}`,
      { hint: `Choose a multiple of ${String(step)} from ${String(least)} to ${String(most)}.` },
    );
  }
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly step: number;
}

class SimpleCounter implements Counter {
  count = 0;

  inc(count = 1): void {
    this.count += count;
  }

  dec(count = 1): void {
    this.count -= count;
  }

  getCount(): number {
    return this.count;
  }
}

/** Flink's MeterView: a ring of counts, one for each interval; the rate is the newest minus the oldest. */
class SampledMeter implements Meter {
  #count = 0;
  readonly #counts: Float64Array;
  readonly #spanSeconds: number;
  #newest = 0;
  #nextAtMs: number;

  constructor(spanSeconds: number, nowMs: number) {
    this.#spanSeconds = spanSeconds;
    this.#counts = new Float64Array((spanSeconds * 1_000) / METER_INTERVAL_MS + 1);
    this.#nextAtMs = nowMs + METER_INTERVAL_MS;
  }

  markEvent(count = 1): void {
    this.#count += count;
  }

  getCount(): number {
    return this.#count;
  }

  getRate(): number {
    const { length } = this.#counts;
    const newest = this.#counts[this.#newest] ?? 0;
    const oldest = this.#counts[(this.#newest + 1) % length] ?? 0;
    return (newest - oldest) / this.#spanSeconds;
  }

  /** Intervals in which nobody came by, since nothing was processed in them, get the present count. */
  sample(nowMs: number): void {
    if (nowMs < this.#nextAtMs) return;
    const missed = Math.floor((nowMs - this.#nextAtMs) / METER_INTERVAL_MS) + 1;
    this.#nextAtMs += missed * METER_INTERVAL_MS;
    const { length } = this.#counts;
    for (let step = 0; step < Math.min(missed, length); step++) {
      this.#newest = (this.#newest + 1) % length;
      this.#counts[this.#newest] = this.#count;
    }
  }
}

/** The newest values in a ring, as Flink's DescriptiveStatisticsHistogram keeps them. */
class WindowHistogram implements Histogram {
  readonly #values: Float64Array;
  #count = 0;
  #sum = 0;

  constructor(windowSize: number) {
    this.#values = new Float64Array(windowSize);
  }

  update(value: number): void {
    this.#values[this.#count % this.#values.length] = value;
    this.#count++;
    this.#sum += value;
  }

  getCount(): number {
    return this.#count;
  }

  getStatistics(): HistogramStatistics {
    return new WindowStatistics(this.#values.slice(0, Math.min(this.#count, this.#values.length)).toSorted());
  }

  read(): MetricValue {
    const statistics = this.getStatistics();
    const { min, max, mean, stddev } = statistics;
    const quantiles = histogramQuantiles.map((quantile) => statistics.getQuantile(quantile));
    return { kind: 'histogram', count: this.#count, sum: this.#sum, min, max, mean, stddev, quantiles };
  }
}

class WindowStatistics implements HistogramStatistics {
  readonly size: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly #sorted: Float64Array;

  constructor(sorted: Float64Array) {
    const size = sorted.length;
    this.#sorted = sorted;
    this.size = size;
    this.min = sorted[0] ?? 0;
    this.max = sorted[size - 1] ?? 0;
    this.mean = size === 0 ? 0 : sorted.reduce((sum, value) => sum + value, 0) / size;
    const squares = sorted.reduce((sum, value) => sum + (value - this.mean) ** 2, 0);
    this.stddev = size < 2 ? 0 : Math.sqrt(squares / (size - 1));
  }

  /** Between two values in proportion, as commons-math does. */
  getQuantile(quantile: number): number {
    const sorted = this.#sorted;
    const position = quantile * (this.size + 1);
    const below = Math.floor(position);
    if (below < 1) return this.min;
    if (below >= this.size) return this.max;
    const lower = sorted[below - 1] ?? 0;
    return lower + (position - below) * ((sorted[below] ?? 0) - lower);
  }
}

function valueOrNothing(read: () => MetricValue): MetricValue | null {
  try {
    return read();
  } catch {
    // Flink shows nothing for such a gauge either.
    return null;
  }
}
