import { LATENCY_BOUNDS_MS } from '../metrics/counter-layout.js';
import { histogramSamples, type MetricFamily, type MetricSample } from '../metrics/prometheus.js';
import type { CheckpointScheduler } from './checkpoint-scheduler.js';
import type { JobObserver, TaskReading } from './job-observer.js';

/** The job, as far as it counts by itself. */
export interface MeasuredJob {
  readonly checkpoints: CheckpointScheduler;
  readonly isCheckpointOverdue: boolean;
  readonly numRestarts: number;
}

type TaskMetric = readonly [name: string, type: 'counter' | 'gauge', help: string, read: (task: TaskReading) => number];

/** Per subtask. Names are Flink's, in Prometheus form. */
const taskMetrics: readonly TaskMetric[] = [
  [
    'millrace_task_records_in_total',
    'counter',
    'Records a subtask has taken in (numRecordsIn).',
    ({ counters }) => counters.numRecordsIn,
  ],
  [
    'millrace_task_records_out_total',
    'counter',
    'Records a subtask has emitted (numRecordsOut).',
    ({ counters }) => counters.numRecordsOut,
  ],
  [
    'millrace_task_bytes_in_total',
    'counter',
    'Bytes a subtask has taken in (numBytesIn).',
    ({ counters }) => counters.numBytesIn,
  ],
  [
    'millrace_task_bytes_out_total',
    'counter',
    'Bytes a subtask has emitted (numBytesOut).',
    ({ counters }) => counters.numBytesOut,
  ],
  [
    'millrace_task_busy_time_ms_per_second',
    'gauge',
    'Time per second that a subtask works (busyTimeMsPerSecond).',
    ({ meter }) => meter.rates?.busyTimeMsPerSecond ?? 0,
  ],
  [
    'millrace_task_idle_time_ms_per_second',
    'gauge',
    'Time per second that a subtask has no input (idleTimeMsPerSecond).',
    ({ meter }) => meter.rates?.idleTimeMsPerSecond ?? 0,
  ],
  [
    'millrace_task_back_pressured_time_ms_per_second',
    'gauge',
    'Time per second that a subtask cannot emit (backPressuredTimeMsPerSecond).',
    ({ meter }) => meter.rates?.backPressuredTimeMsPerSecond ?? 0,
  ],
  [
    'millrace_task_late_records_dropped_total',
    'counter',
    'Records dropped because their window had passed (numLateRecordsDropped).',
    ({ counters }) => counters.numLateRecordsDropped,
  ],
  [
    'millrace_task_timers_fired_total',
    'counter',
    'Timers fired (numFiredTimers).',
    ({ counters }) => counters.numFiredTimers,
  ],
];

/**
 * What a running job reports: the counters of its tasks, read from shared memory also while a worker is parked or busy, the
 * fill of its rings, its checkpoints.
 *
 * Thread: main.
 */
export class JobMetrics {
  readonly #observer: JobObserver;
  readonly #job: MeasuredJob;

  constructor(options: { observer: JobObserver; job: MeasuredJob }) {
    this.#observer = options.observer;
    this.#job = options.job;
  }

  families(): MetricFamily[] {
    const readings = this.#observer.tasks();
    const tasks = taskMetrics.map(([name, type, help, read]): MetricFamily => {
      const samples = readings.map((task) => ({ labels: labelsOf(task), value: read(task) }));
      return { name, type, help, samples };
    });
    return [...tasks, ...operatorFamilies(readings), this.#ringFill(), ...this.#checkpointFamilies()];
  }

  #ringFill(): MetricFamily {
    const samples = this.#observer.channels().map(({ index, kind, producer, consumer, usedBytes, capacityBytes }) => {
      const end = consumer ?? producer;
      const labels = { channel: index, kind, vertex: end?.vertex ?? '', subtask: end?.subtask ?? 0 };
      return { labels, value: usedBytes / capacityBytes };
    });
    return { name: 'millrace_ring_fill_ratio', type: 'gauge', help: 'How full a ring is, 0 to 1.', samples };
  }

  #checkpointFamilies(): MetricFamily[] {
    const { checkpoints, isCheckpointOverdue, numRestarts } = this.#job;
    const { statistics, lastCompletedAgeMs } = checkpoints;
    const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): MetricFamily => {
      return { name, type, help, samples: [{ labels: {}, value }] };
    };
    return [
      one(
        'millrace_checkpoints_completed_total',
        'counter',
        'Checkpoints completed (numberOfCompletedCheckpoints).',
        statistics.numberOfCompletedCheckpoints,
      ),
      one(
        'millrace_checkpoints_failed_total',
        'counter',
        'Checkpoints failed (numberOfFailedCheckpoints).',
        statistics.numberOfFailedCheckpoints,
      ),
      one(
        'millrace_checkpoint_last_duration_seconds',
        'gauge',
        'Duration of the newest completed checkpoint (lastCheckpointDuration).',
        statistics.lastCheckpointDurationMs / 1000,
      ),
      one(
        'millrace_checkpoint_last_size_bytes',
        'gauge',
        'Bytes written for the newest checkpoint (lastCheckpointSize).',
        statistics.lastCheckpointSizeBytes,
      ),
      one(
        'millrace_checkpoint_last_completed_id',
        'gauge',
        'Id of the newest completed checkpoint (lastCompletedCheckpointId).',
        statistics.lastCompletedCheckpointId,
      ),
      one(
        'millrace_checkpoint_last_completed_age_seconds',
        'gauge',
        'Time since a checkpoint completed: what a crash now would replay. -1 before the first.',
        lastCompletedAgeMs === null ? -1 : lastCompletedAgeMs / 1000,
      ),
      one(
        'millrace_checkpoint_overdue',
        'gauge',
        '1 when no checkpoint has been completed for checkpointAgeMaxMs: the process is not ready then.',
        isCheckpointOverdue ? 1 : 0,
      ),
      one('millrace_job_restarts_total', 'counter', 'Restarts after a failure (numRestarts).', numRestarts),
    ];
  }
}

function labelsOf({ vertex, subtask }: TaskReading): Record<string, string | number> {
  return { vertex: vertex.id, subtask };
}

function operatorFamilies(readings: readonly TaskReading[]): MetricFamily[] {
  const samplesOf = (read: (operator: { numRecordsIn: number; numRecordsOut: number }) => number): MetricSample[] =>
    readings.flatMap((task) =>
      task.counters.operators.map((operator, index) => ({
        labels: { ...labelsOf(task), operator: task.vertex.operators[index]?.id ?? '' },
        value: read(operator),
      })),
    );
  return [
    {
      name: 'millrace_operator_records_in_total',
      type: 'counter',
      help: 'Records an operator has taken in (numRecordsIn).',
      samples: samplesOf(({ numRecordsIn }) => numRecordsIn),
    },
    {
      name: 'millrace_operator_records_out_total',
      type: 'counter',
      help: 'Records an operator has emitted (numRecordsOut).',
      samples: samplesOf(({ numRecordsOut }) => numRecordsOut),
    },
    {
      name: 'millrace_operator_latency_seconds',
      type: 'histogram',
      help: 'Time from the append of a record to its topic until an operator has it, of a sample (latency).',
      samples: latencySamples(readings),
    },
  ];
}

const LATENCY_BOUNDS_SECONDS = LATENCY_BOUNDS_MS.map((ms) => ms / 1000);

/** By operator, over all subtasks: a histogram has many lines. */
function latencySamples(readings: readonly TaskReading[]): MetricSample[] {
  const merged = new Map<string, { labels: Record<string, string>; counts: number[]; sumMs: number }>();
  for (const { vertex, counters } of readings) {
    for (const [index, { latency }] of counters.operators.entries()) {
      const operator = vertex.operators[index]?.id ?? '';
      const entry = merged.get(operator) ?? { labels: { vertex: vertex.id, operator }, counts: [], sumMs: 0 };
      merged.set(operator, entry);
      for (const [bucket, count] of latency.counts.entries())
        entry.counts[bucket] = (entry.counts[bucket] ?? 0) + count;
      entry.sumMs += latency.sumMs;
    }
  }
  return [...merged.values()].flatMap(({ labels, counts, sumMs }) =>
    histogramSamples(labels, { bounds: LATENCY_BOUNDS_SECONDS, counts, sum: sumMs / 1000 }),
  );
}
