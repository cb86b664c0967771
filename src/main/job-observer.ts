/**
 * Looks at a running job from outside: counters of tasks and threads, fill of rings, all read from shared memory, also while
 * a worker is parked or stuck. Nobody is asked, nobody waits.
 *
 * A job that is started again has other shared memory, and perhaps another plan: both are looked up at each sample.
 *
 * Thread: main.
 */
import type { MonotonicClock } from '../base/clock.js';
import type { ExecutionPlan, PlanChannel, PlanEdge, PlanVertex, SubtaskRef } from '../graph/execution-plan.js';
import { TaskCountersReader, type TaskSnapshot, ThreadCountersReader } from '../metrics/counters.js';
import { RateMeter } from '../metrics/rate-meter.js';
import { threadCpuMs } from '../metrics/thread-cpu.js';
import type { SharedMemoryMap } from '../protocol/deployment.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import { RingObserver } from '../shared-memory/ring-observer.js';
import type {
  ChannelStatus,
  EdgeStatus,
  SubtaskAddress,
  SubtaskStatus,
  VertexStatus,
  WorkerStatus,
} from './job-admin.js';

/** Rates are means over this time, in milliseconds. */
const SAMPLE_INTERVAL_MS = 1000;

/** What runs now. */
export interface RunningJob {
  readonly plan: ExecutionPlan;
  readonly shared: SharedMemoryMap;
  /** Which attempt of the process it is, from 0. */
  readonly attempt: number;
}

interface TaskProbe {
  readonly vertex: PlanVertex;
  readonly subtask: number;
  readonly reader: TaskCountersReader;
  readonly meter: RateMeter;
}

interface ThreadProbe {
  readonly worker: number;
  readonly block: ControlBlock;
  readonly reader: ThreadCountersReader;
  readonly load: LoadMeter;
}

/** One task as it is now. */
export interface TaskReading {
  readonly vertex: PlanVertex;
  readonly subtask: number;
  readonly counters: TaskSnapshot;
  readonly meter: RateMeter;
}

export class JobObserver {
  readonly #running: () => RunningJob;
  readonly #clock: MonotonicClock;
  #probed: RunningJob | null = null;
  /** By vertex, then by subtask. */
  #tasks: readonly (readonly TaskProbe[])[] = [];
  #threads: readonly ThreadProbe[] = [];
  #rings: readonly (RingObserver | null)[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(running: () => RunningJob, clock: MonotonicClock) {
    this.#running = running;
    this.#clock = clock;
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

  /** The plan that the readings belong to. */
  get plan(): ExecutionPlan {
    return this.#look().plan;
  }

  tasks(): TaskReading[] {
    this.#look();
    const nowMs = this.#clock.nowMs();
    return this.#tasks.flatMap((probes) => probes.map((probe) => readingOf(probe, nowMs)));
  }

  vertices(): VertexStatus[] {
    const running = this.#look();
    const nowMs = this.#clock.nowMs();
    return running.plan.vertices.map(({ index, id, name, operators }) => ({
      id,
      name,
      operators: operators.map((operator) => ({ uid: operator.id, name: operator.name, kind: operator.kind })),
      subtasks: (this.#tasks[index] ?? []).map((probe) => subtaskStatus(readingOf(probe, nowMs), running)),
    }));
  }

  edges(): EdgeStatus[] {
    const { plan } = this.#look();
    const fill = new Map<number, number>();
    for (const channel of plan.channels) {
      if (channel.kind !== 'exchange') continue;
      const ratio = this.#rings[channel.index]?.fillRatio() ?? 0;
      fill.set(channel.edge, Math.max(ratio, fill.get(channel.edge) ?? 0));
    }
    return plan.edges.map((edge) => ({
      source: vertexId(plan, edge.sourceVertex),
      target: vertexId(plan, edge.targetVertex),
      exchange: edge.exchange,
      input: edge.input,
      sideTag: edge.sideTag,
      numRecordsPerSecond: this.#edgeRate(plan, edge),
      fillRatioMax: fill.get(edge.index) ?? 0,
    }));
  }

  channels(): ChannelStatus[] {
    const { plan } = this.#look();
    return plan.channels.flatMap((channel): ChannelStatus[] => {
      const ring = this.#rings[channel.index];
      // A channel within a thread has none.
      if (ring === undefined || ring === null) return [];
      return [
        {
          index: channel.index,
          kind: channel.kind,
          ...endsOf(plan, channel),
          capacityBytes: ring.capacityBytes,
          usedBytes: ring.usedBytes(),
          isProducerBlocked: ring.isProducerBlocked(),
        },
      ];
    });
  }

  workers(): WorkerStatus[] {
    const { plan } = this.#look();
    const nowMs = this.#clock.nowMs();
    return this.#threads.map(({ worker, block, reader, load }) => ({
      worker,
      state: block.state,
      counters: reader.read(nowMs),
      cpuRatio: load.cpuRatio,
      runningRatio: load.runningRatio,
      subtasks: plan.vertices.flatMap(({ id, parallelism }) =>
        Array.from({ length: parallelism }, (_, subtask) => ({ vertex: id, subtask })).filter(
          ({ subtask }) => subtask % plan.workerCount === worker,
        ),
      ),
    }));
  }

  /** Whether the job's functions have registered metrics, for which their workers have to be asked. */
  hasUserMetrics(): boolean {
    return this.workers().some(({ counters }) => counters.userMetricCount > 0);
  }

  #sample(): void {
    this.#look();
    const nowMs = this.#clock.nowMs();
    for (const { reader, meter } of this.#tasks.flat()) meter.update(reader.read(nowMs));
    for (const { reader, load } of this.#threads) {
      const { osThreadId, runningMs, parkedMs } = reader.read(nowMs);
      load.update({ cpuMs: threadCpuMs(osThreadId), runningMs, parkedMs, nowMs });
    }
  }

  #look(): RunningJob {
    const running = this.#running();
    if (this.#probed === null || this.#probed.shared !== running.shared) this.#probe(running);
    return running;
  }

  #probe(running: RunningJob): void {
    const { plan, shared } = running;
    this.#probed = running;
    this.#tasks = plan.vertices.map((vertex) =>
      (shared.taskCounters[vertex.index] ?? []).map((descriptor, subtask): TaskProbe => {
        return { vertex, subtask, reader: new TaskCountersReader(descriptor), meter: new RateMeter() };
      }),
    );
    this.#threads = shared.threadCounters.flatMap((descriptor, worker): ThreadProbe[] => {
      const block = shared.controlBlocks[worker];
      if (block === undefined) return [];
      const reader = new ThreadCountersReader(descriptor);
      return [{ worker, block: new ControlBlock(block), reader, load: new LoadMeter() }];
    });
    this.#rings = shared.rings.map((descriptor) => (descriptor === null ? null : new RingObserver(descriptor)));
  }

  /** One edge alone brings all that its target takes in. Of several, each brings what the operator behind it emits. */
  #edgeRate(plan: ExecutionPlan, edge: PlanEdge): number {
    const isAlone = plan.vertices[edge.targetVertex]?.inputEdges.length === 1;
    const end = isAlone ? edge.targetVertex : edge.sourceVertex;
    let sum = 0;
    for (const { meter } of this.#tasks[end] ?? []) {
      if (meter.rates === null) continue;
      sum += isAlone
        ? meter.rates.numRecordsInPerSecond
        : (meter.rates.operators[edge.sourceOperator]?.numRecordsOutPerSecond ?? 0);
    }
    return sum;
  }
}

interface LoadReading {
  readonly cpuMs: number | null;
  readonly runningMs: number;
  readonly parkedMs: number;
  readonly nowMs: number;
}

/** How much of a processor, and of its time, a thread uses. */
class LoadMeter {
  cpuRatio: number | null = null;
  runningRatio = 0;
  #last: LoadReading | null = null;

  update(reading: LoadReading): void {
    const last = this.#last;
    this.#last = reading;
    if (last === null) return;
    const elapsedMs = reading.nowMs - last.nowMs;
    const countedMs = reading.runningMs + reading.parkedMs - last.runningMs - last.parkedMs;
    if (elapsedMs > 0 && reading.cpuMs !== null && last.cpuMs !== null) {
      this.cpuRatio = Math.min(1, Math.max(0, (reading.cpuMs - last.cpuMs) / elapsedMs));
    }
    if (countedMs > 0) this.runningRatio = (reading.runningMs - last.runningMs) / countedMs;
  }
}

function readingOf({ vertex, subtask, reader, meter }: TaskProbe, nowMs: number): TaskReading {
  return { vertex, subtask, counters: reader.read(nowMs), meter };
}

function subtaskStatus({ subtask, counters, meter }: TaskReading, { plan, attempt }: RunningJob): SubtaskStatus {
  const worker = subtask % plan.workerCount;
  return { subtask, worker, attempt, counters, rates: meter.rates ?? meter.update(counters) };
}

function endsOf(
  plan: ExecutionPlan,
  channel: PlanChannel,
): { producer: SubtaskAddress | null; consumer: SubtaskAddress | null } {
  const address = ({ vertex, subtask }: SubtaskRef): SubtaskAddress => ({ vertex: vertexId(plan, vertex), subtask });
  return {
    producer: channel.kind === 'ingress' ? null : address(channel.producer),
    consumer: channel.kind === 'egress' ? null : address(channel.consumer),
  };
}

function vertexId(plan: ExecutionPlan, index: number): string {
  return plan.vertices[index]?.id ?? '';
}
