import type { MonotonicClock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { ParallelismRange } from '../base/parallelism-range.js';
import { AutoscalePolicy } from './autoscale-policy.js';
import type { VertexStatus } from './job-admin.js';

/** The observer's own interval. */
const SAMPLE_INTERVAL_MS = 1000;

/** The job, as far as its size is concerned. */
export interface ScalableJob {
  readonly isRunning: boolean;
  readonly plan: { readonly parallelism: number };
  rescale(parallelism: number): Promise<void>;
}

export interface AutoscalerOptions {
  readonly job: ScalableJob;
  readonly range: ParallelismRange;
  /** The load of the most loaded worker, 0 to 1. */
  readonly load: () => number;
  readonly clock: MonotonicClock;
  readonly logger: Logger;
}

/** Moves a job to more workers and to fewer, as its policy says. Thread: main. */
export class Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #policy: AutoscalePolicy;
  #timer: NodeJS.Timeout | null = null;
  #isMoving = false;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
    this.#policy = new AutoscalePolicy(options.range);
  }

  /** Begins to look once a second. The timer does not keep the process alive. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), SAMPLE_INTERVAL_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Looks once. Resolves when nothing follows, or when the job has moved, or could not. */
  async look(): Promise<void> {
    const { job, load, clock, logger } = this.#options;
    if (this.#isMoving) return;
    // What is restarting says nothing of its load.
    if (!job.isRunning) return this.#policy.reset();
    const from = job.plan.parallelism;
    const parallelism = this.#policy.decide({ nowMs: clock.nowMs(), load: load() }, from);
    if (parallelism === null) return;
    this.#isMoving = true;
    try {
      await job.rescale(parallelism);
      logger.info({ from, parallelism }, 'the job was rescaled to its load');
    } catch (error) {
      logger.warn({ from, parallelism, err: error }, 'the job could not be rescaled to its load');
    } finally {
      this.#isMoving = false;
      this.#policy.reset();
    }
  }
}

/** The share of time that the most loaded worker has no time left: its tasks are busy, or wait for room behind them. */
export function loadOf(vertices: readonly VertexStatus[]): number {
  const byWorker = new Map<number, number>();
  for (const { subtasks } of vertices) {
    for (const { worker, rates } of subtasks) {
      const ms = rates.busyTimeMsPerSecond + rates.backPressuredTimeMsPerSecond;
      byWorker.set(worker, (byWorker.get(worker) ?? 0) + ms / 1000);
    }
  }
  return Math.min(1, Math.max(0, ...byWorker.values()));
}
