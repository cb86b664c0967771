import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { systemClock, systemMonotonicClock } from '../../src/base/clock.js';
import type { CorrelationId } from '../../src/base/ids.js';
import { SeededPrng } from '../../src/base/prng.js';
import { silentLogger } from '../../src/base/log.js';
import { EmbeddedLog } from '../../src/connectors/log/embedded-log.js';
import { createExecutionPlan } from '../../src/graph/create-execution-plan.js';
import type { ExecutionPlan } from '../../src/graph/execution-plan.js';
import { loadJobModule } from '../../src/graph/job-module.js';
import { buildStreamGraph } from '../../src/graph/stream-graph.js';
import { projectPath } from './project-files.js';
import { withTemporaryDirectory } from './temporary-directory.js';
// Worker threads run compiled files, so what starts them is the compiled manager.
import { FailingRecords } from '../../dist/checkpoint/failing-records.js';
import { CheckpointStore } from '../../dist/checkpoint/checkpoint-store.js';
import { JobCheckpoints } from '../../dist/main/job-checkpoints.js';
import { JobManager, type JobManagerOptions } from '../../dist/main/job-manager.js';

/** How a request of {@link JobUnderTest} was answered. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface JobUnderTestOptions {
  /** Name of a module in `test/fixtures/jobs`. */
  readonly job: string;
  readonly parallelism: number;
  readonly stateBackend: 'heap' | 'lmdb';
  readonly settings?: Partial<JobManagerOptions['settings']>;
  /** @defaultValue without a limit */
  readonly recordFailuresMax?: number;
}

const settings: JobManagerOptions['settings'] = {
  checkpointIntervalMs: 3_600_000,
  checkpointTimeoutMs: 30_000,
  checkpointMinPauseMs: 0,
  checkpointFailuresMax: 100,
  controlTimeoutMs: 30_000,
  ringBytes: 65_536,
  checkpointAgeMaxMs: Infinity,
  restartStrategy: 'none',
  restartAttempts: 1,
  restartDelayMs: 0,
  restartFailuresMax: 1,
  restartFailureIntervalMs: 60_000,
  restartBackoffInitialMs: 1,
  restartBackoffMaxMs: 100,
  restartBackoffGrowthPercent: 50,
  restartBackoffJitterPercent: 10,
  restartBackoffResetMs: 60_000,
  restartBackoffAttempts: Infinity,
  retentionMs: Infinity,
  retentionBytes: Infinity,
};

/** A job on real worker threads over a real log, without HTTP: requests go in at the door that the gateway uses. */
export class JobUnderTest {
  readonly manager: JobManager;
  /** Causes with which the job has ended by itself. */
  readonly ends: (Error | null)[];
  readonly #planOf: (parallelism: number) => ExecutionPlan;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  #count = 0;

  private constructor(manager: JobManager, ends: (Error | null)[], planOf: (parallelism: number) => ExecutionPlan) {
    this.manager = manager;
    this.ends = ends;
    this.#planOf = planOf;
    manager.onReply(({ correlationId, status, body }) => {
      const text = Buffer.from(body).toString('utf8');
      this.#waiting.get(correlationId)?.({ status, body: text === '' ? null : JSON.parse(text) });
      this.#waiting.delete(correlationId);
    });
  }

  planOf(parallelism: number): ExecutionPlan {
    return this.#planOf(parallelism);
  }

  /** Sends a request to the job's only route. Resolves with the first answer, rejects when it cannot be stored. */
  request(body: unknown, params: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const [route] = this.manager.routes();
    if (route === undefined) throw new Error('the job has no route');
    const correlationId = `request-${String(this.#count++)}` as CorrelationId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(correlationId, resolve);
      this.manager.submit(
        {
          correlationId,
          route,
          request: { method: route.method, path: route.path, route: route.route, params, query: {}, headers: {}, body },
          body: Buffer.from(JSON.stringify(body)),
          deadline: systemClock.now() + 60_000,
          idempotency: null,
          traceparent: null,
          isTraced: false,
        },
        { onDurable: () => undefined, onRefused: reject },
      );
    });
  }

  /** Runs a job, hands it to `use`, and leaves nothing of it behind. */
  static async with(options: JobUnderTestOptions, use: (job: JobUnderTest) => Promise<void>): Promise<void> {
    await withTemporaryDirectory(async (directory) => {
      const jobModule = pathToFileURL(projectPath(`test/fixtures/jobs/${options.job}.mjs`)).href;
      const graph = buildStreamGraph((await loadJobModule(jobModule)).build());
      const planOf = (parallelism: number): ExecutionPlan =>
        createExecutionPlan(graph, { parallelism, workerCount: parallelism, shardCount: 16 });
      const { stateBackend } = options;
      const segmentDir = `${directory}/segments`;
      await mkdir(segmentDir);
      const log = await EmbeddedLog.open({ dataDir: `${directory}/log` });
      const store = await CheckpointStore.open({
        checkpointDir: `${directory}/checkpoints`,
        segmentDir,
        retainedCount: 2,
        logger: silentLogger,
      });
      const ends: (Error | null)[] = [];
      const manager = await JobManager.create({
        graph,
        plan: planOf(options.parallelism),
        planOf,
        jobModule,
        port: log,
        checkpoints: new JobCheckpoints({ store, stateBackend, clock: systemClock }),
        failingRecords: await FailingRecords.open({
          path: `${directory}/failing-records`,
          failuresMax: options.recordFailuresMax ?? Infinity,
          logger: silentLogger,
        }),
        state: { backend: stateBackend, stateDir: `${directory}/state`, segmentDir, memtableBudgetBytes: 1 << 24 },
        settings: { ...settings, ...options.settings },
        clock: systemClock,
        monotonic: systemMonotonicClock,
        prng: new SeededPrng(1),
        logger: silentLogger,
        onSpans: () => undefined,
        onEnd: (cause) => void ends.push(cause),
      });
      try {
        const job = new JobUnderTest(manager, ends, planOf);
        await manager.run();
        await use(job);
      } finally {
        await manager.stop();
        await log.close();
      }
    });
  }
}
