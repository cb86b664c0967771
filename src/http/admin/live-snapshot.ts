import type { SubtaskStatus, TopicStatus, VertexStatus } from '../../main/job-admin.js';
import type { DurationHistogram } from '../duration-histogram.js';
import type { AdminContext } from './admin-context.js';
import type { CheckpointSummary, RequestSummary, Snapshot, TopicSummary, Vertex } from './answers/live.js';
import { workerAnswer } from './worker-routes.js';

/** Requests so far, to make rates of. */
export interface RequestCount {
  readonly atMs: number;
  readonly requests: number;
  readonly errors: number;
  readonly durations: DurationHistogram | null;
}

/** Puts a snapshot together. `before` is what the snapshot before counted. */
export async function takeSnapshot(
  context: AdminContext,
  before: RequestCount | null,
): Promise<{ snapshot: Snapshot; counted: RequestCount }> {
  const { admin, control, clock } = context;
  const topics = await admin.topics();
  const job = control.describe();
  const { ready, reasons } = control.readiness();
  const counted = countRequests(context);
  const now = clock.now();
  const snapshot: Snapshot = {
    now,
    job: { jid: job.jid, name: job.name, state: job.state, startTime: job.startTime, ready, reasons },
    vertices: admin.vertices().map((vertex) => vertexSummary(vertex, now)),
    edges: admin.edges(),
    workers: admin.workers().map(workerAnswer),
    checkpoints: checkpointsSummary(context),
    requests: requestsSummary(context, counted, before),
    topics: topics.map(topicSummary),
  };
  return { snapshot, counted };
}

function vertexSummary({ id, name, operators, subtasks }: VertexStatus, now: number): Vertex {
  const mean = (read: (subtask: SubtaskStatus) => number): number =>
    subtasks.reduce((total, subtask) => total + read(subtask), 0) / Math.max(1, subtasks.length);
  const sum = (read: (subtask: SubtaskStatus) => number): number =>
    subtasks.reduce((total, subtask) => total + read(subtask), 0);
  const watermark = Math.min(...subtasks.map(({ counters }) => counters.currentOutputWatermark));
  return {
    id,
    name,
    operators,
    parallelism: subtasks.length,
    busy: mean(({ rates }) => rates.busyTimeMsPerSecond) / 1000,
    idle: mean(({ rates }) => rates.idleTimeMsPerSecond) / 1000,
    backPressured: mean(({ rates }) => rates.backPressuredTimeMsPerSecond) / 1000,
    busyMax: Math.max(0, ...subtasks.map(({ rates }) => rates.busyTimeMsPerSecond)) / 1000,
    recordsInPerSecond: sum(({ rates }) => rates.numRecordsInPerSecond),
    recordsOutPerSecond: sum(({ rates }) => rates.numRecordsOutPerSecond),
    recordsIn: sum(({ counters }) => counters.numRecordsIn),
    recordsOut: sum(({ counters }) => counters.numRecordsOut),
    skew: skewOf(subtasks.map(({ counters }) => counters.numRecordsIn)),
    watermark: Number.isFinite(watermark) ? watermark : null,
    // After the last record the watermark is the end of time, which is no lag.
    watermarkLagMs: Number.isFinite(watermark) && watermark < END_OF_TIME ? Math.max(0, now - watermark) : null,
  };
}

/** Watermarks this far ahead say that no record follows. */
const END_OF_TIME = 8.64e15;

/**
 * How unevenly records are spread, as Flink shows it: the mean deviation from the mean, relative to what it would be if one
 * subtask had them all; 0 to 1.
 */
function skewOf(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0 || counts.length < 2) return 0;
  const mean = total / counts.length;
  const deviation = counts.reduce((sum, count) => sum + Math.abs(count - mean), 0) / counts.length;
  const most = (2 * mean * (counts.length - 1)) / counts.length;
  return deviation / most;
}

function checkpointsSummary({ admin }: AdminContext): CheckpointSummary {
  const { completedCount, failedCount, recoveryPointAgeMs, history } = admin.checkpoints();
  const last = history.find(({ state }) => state === 'COMPLETED');
  return {
    completed: completedCount,
    failed: failedCount,
    recoveryPointAgeMs,
    lastId: last?.id ?? null,
    lastDurationMs: last === undefined ? null : (last.endedAt ?? last.triggeredAt) - last.triggeredAt,
    lastSizeBytes: last?.sizeBytes ?? null,
  };
}

function countRequests({ requests, clock }: AdminContext): RequestCount {
  let count = 0;
  let errors = 0;
  let durations: DurationHistogram | null = null;
  for (const route of requests.statistics().routes) {
    if (route.isOwn) continue;
    durations = durations === null ? route.durations : durations.plus(route.durations);
    for (const [status, times] of route.byStatus) {
      count += times;
      if (status >= 500) errors += times;
    }
  }
  return { atMs: clock.now(), requests: count, errors, durations };
}

function requestsSummary(
  { requests }: AdminContext,
  counted: RequestCount,
  before: RequestCount | null,
): RequestSummary {
  const { pendingCount, waitingCount, connectionCount } = requests.statistics();
  const seconds = before === null ? 0 : (counted.atMs - before.atMs) / 1000;
  const perSecond = (now: number, then: number): number => (seconds > 0 ? Math.max(0, now - then) / seconds : 0);
  const { durations } = counted;
  const recent = durations !== null && before?.durations ? durations.since(before.durations) : durations;
  return {
    pendingCount,
    waitingCount,
    connectionCount,
    total: counted.requests,
    perSecond: perSecond(counted.requests, before?.requests ?? 0),
    errorsPerSecond: perSecond(counted.errors, before?.errors ?? 0),
    p50Ms: recent?.quantileMs(0.5) ?? 0,
    p99Ms: recent?.quantileMs(0.99) ?? 0,
  };
}

function topicSummary({ name, partitions }: TopicStatus): TopicSummary {
  const lags = partitions.flatMap(({ lag }) => (lag === null ? [] : [lag]));
  return {
    name,
    lag: lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0),
    endOffset: partitions.reduce((sum, { endOffset }) => sum + endOffset, 0),
  };
}
