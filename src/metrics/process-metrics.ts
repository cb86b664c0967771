/**
 * The process itself in the Prometheus text format: processor, memory, open files, and of the main thread its heap, its garbage
 * collector and the delay of its event loop. Names are those that `prom-client` has made usual, so that dashboards for Node.js fit.
 *
 * Counting costs a callback per collection and a timer of 20 ms; everything else is read when somebody asks.
 *
 * Thread: main.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { histogramSamples, type MetricFamily } from './prometheus.js';

const DELAY_RESOLUTION_MS = 20;

/** Upper bounds in seconds; from the last on it is +Inf. */
const GC_BUCKETS: readonly number[] = [0.001, 0.01, 0.1, 1, 2, 5];
const gcKinds: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** What an entry of type `gc` is; Node's types know only what all entries have. */
interface GcEntry {
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/** Collections of one kind. */
interface GcTimes {
  /** By bucket, the last for those over all bounds. */
  readonly counts: number[];
  seconds: number;
}

export class ProcessMetrics {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #collections = new Map<string, GcTimes>();
  readonly #observer: PerformanceObserver;
  readonly #openFilesMax = openFilesMax();
  #lagSeconds = 0;

  /** Begins to count. */
  constructor() {
    this.#delay.enable();
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration, detail } of list.getEntries() as unknown as readonly GcEntry[]) {
        this.#collected(gcKinds.get(detail.kind) ?? 'other', duration / 1000);
      }
    });
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    this.#delay.disable();
    this.#observer.disconnect();
  }

  families(): MetricFamily[] {
    return [...cpuFamilies(), ...this.#fileFamilies(), ...memoryFamilies(), ...this.#loopFamilies(), this.#gcFamily()];
  }

  #collected(kind: string, seconds: number): void {
    const times = this.#collections.get(kind) ?? { counts: GC_BUCKETS.map(() => 0).concat(0), seconds: 0 };
    this.#collections.set(kind, times);
    const over = GC_BUCKETS.findIndex((bound) => seconds <= bound);
    const bucket = over < 0 ? GC_BUCKETS.length : over;
    times.counts[bucket] = (times.counts[bucket] ?? 0) + 1;
    times.seconds += seconds;
  }

  #gcFamily(): MetricFamily {
    const samples = [...this.#collections].flatMap(([kind, { counts, seconds }]) =>
      histogramSamples({ kind }, { bounds: GC_BUCKETS, counts, sum: seconds }),
    );
    const help = 'Garbage collection of the main thread, by kind: major, minor, incremental or weakcb.';
    return { name: 'nodejs_gc_duration_seconds', type: 'histogram', help, samples };
  }

  /** The delays since the last time somebody asked. */
  #loopFamilies(): MetricFamily[] {
    const delay = this.#delay;
    const askedAtMs = performance.now();
    setImmediate(() => {
      this.#lagSeconds = (performance.now() - askedAtMs) / 1000;
    });
    const of = (name: string, nanoseconds: number): MetricFamily =>
      gauge(`nodejs_eventloop_lag_${name}_seconds`, `Event-loop delay: ${name}.`, nanoseconds / 1e9);
    const families = [
      gauge('nodejs_eventloop_lag_seconds', 'Event-loop delay when it was last asked for.', this.#lagSeconds),
      of('min', delay.min),
      of('max', delay.max),
      of('mean', delay.mean),
      of('p50', delay.percentile(50)),
      of('p99', delay.percentile(99)),
    ];
    delay.reset();
    return families;
  }

  #fileFamilies(): MetricFamily[] {
    const open = openFiles();
    return [
      ...(open === null ? [] : [gauge('process_open_fds', 'Open file descriptors.', open)]),
      ...(this.#openFilesMax === null
        ? []
        : [gauge('process_max_fds', 'File descriptors that may be open.', this.#openFilesMax)]),
      resourceFamily(),
    ];
  }
}

function cpuFamilies(): MetricFamily[] {
  const { user, system } = process.cpuUsage();
  return [
    counter('process_cpu_user_seconds_total', 'Processor time in user mode, all threads.', user / 1e6),
    counter('process_cpu_system_seconds_total', 'Processor time in the system, all threads.', system / 1e6),
    counter('process_cpu_seconds_total', 'Processor time, all threads.', (user + system) / 1e6),
    gauge('process_start_time_seconds', 'Start of the process since the epoch.', performance.timeOrigin / 1000),
    { ...gauge('nodejs_version_info', 'Version of Node.js.', 1), samples: [{ labels: versionLabels, value: 1 }] },
  ];
}

const [major = '', minor = '', patch = ''] = process.versions.node.split('.');
const versionLabels = { version: process.version, major, minor, patch };

function memoryFamilies(): MetricFamily[] {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const spaces = getHeapSpaceStatistics();
  const ofSpaces = (what: string, read: (space: (typeof spaces)[number]) => number): MetricFamily => ({
    name: `nodejs_heap_space_size_${what}_bytes`,
    type: 'gauge',
    help: `Heap of the main thread by space: ${what}.`,
    samples: spaces.map((space) => ({
      labels: { space: space.space_name.replace('_space', '') },
      value: read(space),
    })),
  });
  return [
    gauge('process_resident_memory_bytes', 'Resident memory.', rss),
    gauge('nodejs_heap_size_total_bytes', 'Heap of the main thread, as allocated.', heapTotal),
    gauge('nodejs_heap_size_used_bytes', 'Heap of the main thread, as used.', heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory of objects outside of the heap.', external),
    gauge('nodejs_array_buffers_bytes', 'Of it, buffers.', arrayBuffers),
    ofSpaces('total', ({ space_size: size }) => size),
    ofSpaces('used', ({ space_used_size: size }) => size),
    ofSpaces('available', ({ space_available_size: size }) => size),
  ];
}

function resourceFamily(): MetricFamily {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
  const samples = [...counts].map(([type, value]) => ({ labels: { type }, value }));
  const help = 'What keeps the event loop alive, by type.';
  return { name: 'nodejs_active_resources', type: 'gauge', help, samples };
}

/** `null` where the system does not say. */
function openFiles(): number | null {
  try {
    // But for the one that this needs.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return null;
  }
}

function openFilesMax(): number | null {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return line === undefined ? null : line === 'unlimited' ? Infinity : Number(line);
  } catch {
    return null;
  }
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ labels: {}, value }] };
}
