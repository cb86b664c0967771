import type { MetricReading } from '../../api/internal/measurements.js';
import type { MeasuredSubtask, SubtaskStatus, VertexStatus, WorkerStatus } from '../../main/job-admin.js';
import type { Metric } from './answers/vertices.js';
import { namesParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Metrics under Flink's names, and in the form of Flink's metrics routes. */

export type Metrics = Readonly<Record<string, number | boolean | string>>;

/** Flink writes "no watermark yet" as the least long. */
const NO_WATERMARK = '-9223372036854775808';
/** And the one that ends a stream as the greatest. */
const MAX_WATERMARK = '9223372036854775807';

export const metricsQuery = {
  type: 'object',
  properties: { get: { type: 'string', description: 'Names of metrics, with commas. Without it: which there are.' } },
};
/** The names of all metrics; or, with `get`, the values of those asked for, as text. Unknown names are left out. */
export function metricsAnswer(metrics: Metrics, query: Query): readonly Metric[] {
  const wanted = namesParameter(query, 'get');
  if (wanted === null) return Object.keys(metrics).map((id) => ({ id }));
  return wanted.filter((id) => Object.hasOwn(metrics, id)).map((id) => ({ id, value: metricText(metrics[id] ?? 0) }));
}

export function metricText(value: number | boolean | string): string {
  if (typeof value !== 'number') return String(value);
  if (value === Infinity) return MAX_WATERMARK;
  return Number.isFinite(value) ? String(value) : NO_WATERMARK;
}

/** A vertex's metrics: those of each subtask, behind its index. */
export function vertexMetrics(vertex: VertexStatus, measured: readonly MeasuredSubtask[]): Metrics {
  const metrics: Record<string, number | boolean | string> = {};
  for (const subtask of vertex.subtasks) {
    for (const [name, value] of Object.entries(subtaskMetrics(vertex, subtask, measured))) {
      metrics[`${subtask.subtask}.${name}`] = value;
    }
  }
  return metrics;
}

export function subtaskMetrics(
  vertex: VertexStatus,
  { subtask, counters, rates }: SubtaskStatus,
  measured: readonly MeasuredSubtask[],
): Metrics {
  const metrics: Record<string, number | boolean | string> = {
    numRecordsIn: counters.numRecordsIn,
    numRecordsOut: counters.numRecordsOut,
    numBytesIn: counters.numBytesIn,
    numBytesOut: counters.numBytesOut,
    numRecordsInPerSecond: rates.numRecordsInPerSecond,
    numRecordsOutPerSecond: rates.numRecordsOutPerSecond,
    numBytesInPerSecond: rates.numBytesInPerSecond,
    numBytesOutPerSecond: rates.numBytesOutPerSecond,
    idleTimeMsPerSecond: rates.idleTimeMsPerSecond,
    busyTimeMsPerSecond: rates.busyTimeMsPerSecond,
    backPressuredTimeMsPerSecond: rates.backPressuredTimeMsPerSecond,
    isBackPressured: counters.activity === 'backPressured' ? 1 : 0,
    accumulateIdleTimeMs: counters.idleMs,
    accumulateBusyTimeMs: counters.busyMs,
    accumulateBackPressuredTimeMs: counters.backPressuredMs,
    currentInputWatermark: counters.currentInputWatermark,
    currentOutputWatermark: counters.currentOutputWatermark,
    numLateRecordsDropped: counters.numLateRecordsDropped,
    numFiredTimers: counters.numFiredTimers,
  };
  for (const [index, operator] of counters.operators.entries()) {
    const name = vertex.operators[index]?.name ?? String(index);
    metrics[`${name}.numRecordsIn`] = operator.numRecordsIn;
    metrics[`${name}.numRecordsOut`] = operator.numRecordsOut;
  }
  const own = measured.find((each) => each.vertex === vertex.id && each.subtask === subtask);
  for (const { operatorId, metrics: readings } of own?.operators ?? []) {
    const name = vertex.operators.find(({ uid }) => uid === operatorId)?.name ?? operatorId;
    for (const reading of readings) Object.assign(metrics, userMetric(name, reading));
  }
  return metrics;
}

/** Flink's suffixes of a histogram's values, in the order of `histogramQuantiles`. */
const quantileSuffixes = ['_median', '_p75', '_p90', '_p95', '_p98', '_p99', '_p999'];

function userMetric(operator: string, { scope, name, value }: MetricReading): Metrics {
  const id = [operator, ...scope, name].join('.');
  switch (value.kind) {
    case 'counter':
      return { [id]: value.count };
    case 'gauge':
      return { [id]: value.value };
    case 'meter':
      return { [id]: value.rate };
    case 'histogram': {
      const { count, min, max, mean, stddev, quantiles } = value;
      const values = { _count: count, _min: min, _max: max, _mean: mean, _stddev: stddev };
      const named = [
        ...Object.entries(values),
        ...quantileSuffixes.map((suffix, index) => [suffix, quantiles[index] ?? 0] as const),
      ];
      return Object.fromEntries(named.map(([suffix, number]) => [`${id}${suffix}`, number]));
    }
  }
}

export function workerMetrics({ counters, cpuRatio, runningRatio }: WorkerStatus): Metrics {
  return {
    ...(cpuRatio === null ? {} : { 'Status.Thread.CPU.Load': cpuRatio }),
    'Status.Thread.RunningRatio': runningRatio,
    'Status.Thread.LoopTurns': counters.loopTurns,
    'Status.Thread.ParkCount': counters.parkCount,
    'Status.Thread.LongestTurnMs': counters.longestTurnMs,
    'Status.Memory.Heap.Used': counters.heapUsedBytes,
    'Status.Memory.Heap.Committed': counters.heapTotalBytes,
    'Status.Memory.Heap.Max': counters.heapLimitBytes,
    'Status.Memory.NonHeap.Used': counters.externalBytes,
    'Status.GarbageCollector.Count': counters.gcCount,
    'Status.GarbageCollector.Time': counters.gcMs,
  };
}
