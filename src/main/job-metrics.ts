import type { MonotonicClock } from '../base/clock.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { TaskCountersReader, type TaskSnapshot } from '../metrics/counters.js';
import type { MetricFamily, MetricSample } from '../metrics/prometheus.js';
import { RateMeter } from '../metrics/rate-meter.js';
import type { SharedMemoryMap } from '../protocol/deployment.js';
import { RingObserver } from '../shared-memory/ring-observer.js';
import type { CheckpointScheduler } from './checkpoint-scheduler.js';

/** Rates are means over this time, in milliseconds. */
const SAMPLE_INTERVAL_MS = 1000;

interface TaskProbe {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly operatorLabels: readonly Readonly<Record<string, string | number>>[];
  readonly reader: TaskCountersReader;
  readonly meter: RateMeter;
}

type TaskMetric = readonly [
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  read: (probe: TaskProbe, now: TaskSnapshot) => number,
];

/** Per subtask. Names are Flink's, in Prometheus form. */
const taskMetrics: readonly TaskMetric[] = [
  [
    'millrace_task_records_in_total',
    'counter',
    'Records a subtask has taken in (numRecordsIn).',
    (_, now) => now.numRecordsIn,
  ],
  [
    'millrace_task_records_out_total',
    'counter',
    'Records a subtask has emitted (numRecordsOut).',
    (_, now) => now.numRecordsOut,
  ],
  ['millrace_task_bytes_in_total', 'counter', 'Bytes a subtask has taken in (numBytesIn).', (_, now) => now.numBytesIn],
  [
    'millrace_task_bytes_out_total',
    'counter',
    'Bytes a subtask has emitted (numBytesOut).',
    (_, now) => now.numBytesOut,
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
    (_, now) => now.numLateRecordsDropped,
  ],
  ['millrace_task_timers_fired_total', 'counter', 'Timers fired (numFiredTimers).', (_, now) => now.numFiredTimers],
];

/**
 * What a running job reports: the counters of its tasks, read from shared memory also while a worker is parked or busy, the
 * fill of its rings, its checkpoints.
 *
 * Thread: main.
 */
export class JobMetrics {
  readonly #plan: ExecutionPlan;
  readonly #shared: SharedMemoryMap;
  readonly #checkpoints: CheckpointScheduler;
  readonly #clock: MonotonicClock;
  readonly #probes: readonly TaskProbe[];
  #timer: NodeJS.Timeout | null = null;

  constructor(options: {
    plan: ExecutionPlan;
    shared: SharedMemoryMap;
    checkpoints: CheckpointScheduler;
    clock: MonotonicClock;
  }) {
    this.#plan = options.plan;
    this.#shared = options.shared;
    this.#checkpoints = options.checkpoints;
    this.#clock = options.clock;
    this.#probes = options.plan.vertices.flatMap((vertex) =>
      (options.shared.taskCounters[vertex.index] ?? []).map((descriptor, subtask): TaskProbe => {
        const labels = { vertex: vertex.id, subtask };
        return {
          labels,
          operatorLabels: vertex.operators.map(({ id }) => ({ ...labels, operator: id })),
          reader: new TaskCountersReader(descriptor),
          meter: new RateMeter(),
        };
      }),
    );
  }

  /** Begins to sample rates. The timer does not keep the process alive. */
  start(): void {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS).unref();
    this.#sample();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  families(): MetricFamily[] {
    const nowMs = this.#clock.nowMs();
    const readings = this.#probes.map((probe) => ({ probe, now: probe.reader.read(nowMs) }));
    const tasks = taskMetrics.map(([name, type, help, read]): MetricFamily => {
      return {
        name,
        type,
        help,
        samples: readings.map(({ probe, now }) => ({ labels: probe.labels, value: read(probe, now) })),
      };
    });
    return [...tasks, ...operatorFamilies(readings), this.#ringFill(), ...this.#checkpointFamilies()];
  }

  #sample(): void {
    const nowMs = this.#clock.nowMs();
    for (const { reader, meter } of this.#probes) meter.update(reader.read(nowMs));
  }

  #ringFill(): MetricFamily {
    const samples = this.#plan.channels.map((channel, index): MetricSample => {
      const end = channel.kind === 'egress' ? channel.producer : channel.consumer;
      const vertex = this.#plan.vertices[end.vertex]?.id ?? '';
      const descriptor = this.#shared.rings[index];
      const value = descriptor === undefined || descriptor === null ? 0 : new RingObserver(descriptor).fillRatio();
      return { labels: { channel: index, kind: channel.kind, vertex, subtask: end.subtask }, value };
    });
    return { name: 'millrace_ring_fill_ratio', type: 'gauge', help: 'How full a ring is, 0 to 1.', samples };
  }

  #checkpointFamilies(): MetricFamily[] {
    const { statistics, lastCompletedAgeMs } = this.#checkpoints;
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
    ];
  }
}

function operatorFamilies(readings: readonly { probe: TaskProbe; now: TaskSnapshot }[]): MetricFamily[] {
  const samplesOf = (read: (operator: { numRecordsIn: number; numRecordsOut: number }) => number): MetricSample[] =>
    readings.flatMap(({ probe, now }) =>
      now.operators.map((operator, index) => ({
        labels: probe.operatorLabels[index] ?? probe.labels,
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
  ];
}
