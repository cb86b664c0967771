import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { ThreadCountersWriter } from '../metrics/counters.js';
import { osThreadId } from '../metrics/thread-cpu.js';

/** How often the heap is looked at, in milliseconds. */
const VITALS_INTERVAL_MS = 1000;

/** What an entry of type `gc` is; Node's types know only what all entries have. */
interface GcEntry {
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/**
 * What a worker thread tells about itself in shared memory: how busy it is, its heap, its garbage collector, its longest turn.
 *
 * Thread: its worker. Cost: two comparisons per turn of the loop; a look at the heap, some microseconds, once a second.
 */
export class ThreadReport {
  readonly #counters: ThreadCountersWriter;
  readonly #observer: PerformanceObserver;
  #turns = 0;
  #longestTurnMs = 0;
  #nextVitalsMs = 0;
  #gcCount = 0;
  #gcMs = 0;

  constructor(counters: ThreadCountersWriter) {
    this.#counters = counters;
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration, detail } of list.getEntries() as unknown as readonly GcEntry[]) {
        // Incremental steps are parts of a collection, not collections.
        if (detail.kind !== constants.NODE_PERFORMANCE_GC_INCREMENTAL) this.#gcCount++;
        this.#gcMs += duration;
      }
    });
  }

  /** The loop begins. */
  start(nowMs: number): void {
    this.#counters.setOsThreadId(osThreadId());
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#counters.enterRunning(nowMs);
    this.#publish(nowMs);
  }

  /** A turn of the loop has ended. */
  turned(startedAtMs: number, nowMs: number): void {
    this.#turns++;
    const turnMs = nowMs - startedAtMs;
    if (turnMs > this.#longestTurnMs) this.#longestTurnMs = turnMs;
    if (nowMs >= this.#nextVitalsMs) this.#publish(nowMs);
  }

  /** How many metrics the job's functions have registered. */
  setUserMetricCount(count: number): void {
    this.#counters.setUserMetricCount(count);
  }

  /** The thread goes to sleep. */
  parking(nowMs: number): void {
    this.#counters.enterParked(nowMs);
  }

  /** The thread is awake again. */
  woke(nowMs: number): void {
    this.#counters.enterRunning(nowMs);
  }

  /** The loop has ended. */
  stop(nowMs: number): void {
    this.#observer.disconnect();
    this.#counters.stop(nowMs);
  }

  #publish(nowMs: number): void {
    const heap = getHeapStatistics();
    this.#counters.setVitals({
      heapUsedBytes: heap.used_heap_size,
      heapTotalBytes: heap.total_heap_size,
      heapLimitBytes: heap.heap_size_limit,
      externalBytes: heap.external_memory,
      gcCount: this.#gcCount,
      gcMs: this.#gcMs,
      longestTurnMs: this.#longestTurnMs,
    });
    this.#counters.addLoopTurns(this.#turns);
    this.#turns = 0;
    this.#longestTurnMs = 0;
    this.#nextVitalsMs = nowMs + VITALS_INTERVAL_MS;
  }
}
