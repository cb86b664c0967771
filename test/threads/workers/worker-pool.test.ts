import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import { loadJobModule } from '../../../src/graph/job-module.js';
import { buildStreamGraph } from '../../../src/graph/stream-graph.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import { projectPath } from '../../helpers/project-files.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
// Worker threads run compiled files, so the pool that starts them is the compiled one.
import { allocateSharedMemory } from '../../../dist/main/shared-memory-plan.js';
import { WorkerPool } from '../../../dist/main/worker-pool.js';
import { WorkerThreads } from '../../../dist/main/worker-thread.js';

interface Crew {
  readonly pool: WorkerPool;
  /** Has the workers load the job. */
  readonly launch: () => Promise<void>;
  /** Then has them build their tasks. */
  readonly deploy: () => Promise<void>;
  readonly deaths: Error[];
  readonly events: WorkerEvent[];
}

async function crewOf(
  threads: WorkerThreads,
  job: string,
  { controlTimeoutMs, directory }: { controlTimeoutMs: number; directory: string },
): Promise<Crew> {
  const jobModule = pathToFileURL(projectPath(`test/fixtures/jobs/${job}.mjs`)).href;
  // A module that cannot be loaded here either has the plan of one that can.
  const graph = buildStreamGraph((await loadJobModule(jobModule)).build());
  const plan = createExecutionPlan(graph, { parallelism: 2, workerCount: 2, shardCount: 16 });
  const deaths: Error[] = [];
  const events: WorkerEvent[] = [];
  const pool = new WorkerPool({
    threads,
    controlTimeoutMs,
    onEvent: (event) => void events.push(event),
    onDeath: (_worker, cause) => void deaths.push(cause),
    onCancelled: () => undefined,
  });
  const state = {
    backend: 'heap',
    stateDir: `${directory}/state`,
    segmentDir: `${directory}/segments`,
    memtableBudgetBytes: 1 << 20,
  } as const;
  const shared = allocateSharedMemory(plan, 65_536);
  const launch = (): Promise<void> =>
    pool.launch([0, 1].map((worker) => ({ worker, plan, jobModule, shared, state, attempt: 0 })));
  const deploy = async (): Promise<void> => {
    await launch();
    await pool.all((commands) => commands.deploy(null, []));
  };
  return { pool, launch, deploy, deaths, events };
}

async function withThreads(
  use: (crew: (job: string, controlTimeoutMs?: number) => Promise<Crew>, threads: WorkerThreads) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const threads = new WorkerThreads();
    const pools: WorkerPool[] = [];
    try {
      await use(async (job, controlTimeoutMs = 30_000) => {
        const crew = await crewOf(threads, job, { controlTimeoutMs, directory });
        pools.push(crew.pool);
        return crew;
      }, threads);
    } finally {
      for (const pool of pools) await pool.stop();
      await threads.end();
    }
  });
}

/** Node.js 20 aborts when a thread is ended while it loads its first modules: tests that end threads have them loaded. */
async function loaded(crew: (job: string) => Promise<Crew>): Promise<void> {
  const { launch, pool } = await crew('never-answers');
  await launch();
  await pool.stop();
}

describe('the pool of workers', () => {
  it('deploys, starts and cancels; a parked worker takes each command at once', async () => {
    await withThreads(async (crew) => {
      const { pool, deploy, deaths } = await crew('never-answers');
      await deploy();
      await pool.all((commands) => commands.start());
      // Each needs a wake-up: without one, a parked worker would look around only after ten seconds.
      const startedAt = performance.now();
      for (let round = 0; round < 200; round++) {
        await pool.all((commands) => commands.notifyCheckpointAborted(0 as never));
      }
      expect(performance.now() - startedAt).toBeLessThan(9_000);
      await pool.stop();
      expect(deaths).toEqual([]);
    });
  });

  it("hands a worker's failure over with its code", async () => {
    await withThreads(async (crew) => {
      const { pool, deploy, deaths } = await crew('throws-in-open');
      await expect(deploy()).rejects.toMatchObject({ code: 'MILLRACE_USER_FUNCTION_FAILED' });
      await pool.stop();
      expect(deaths).toEqual([]);
    });
  });

  it('rejects pending commands at once when a thread dies, and says why', async () => {
    await withThreads(async (crew) => {
      const { launch, deaths } = await crew('exits-while-loading', 60_000);
      const startedAt = performance.now();
      await expect(launch()).rejects.toMatchObject({ code: 'MILLRACE_WORKER_DIED' });
      expect(performance.now() - startedAt).toBeLessThan(30_000);
      await expect.poll(() => deaths.length).toBeGreaterThan(0);
      expect(deaths[0]).toMatchObject({ code: 'MILLRACE_WORKER_DIED' });
    });
  });

  it('leaves its threads to the next one, with another in the place of each that died', async () => {
    await withThreads(async (crew) => {
      const first = await crew('never-answers');
      await first.deploy();
      await first.pool.stop();
      const dying = await crew('exits-while-loading');
      await expect(dying.launch()).rejects.toMatchObject({ code: 'MILLRACE_WORKER_DIED' });
      await dying.pool.stop();
      const last = await crew('never-answers');
      await last.deploy();
      await last.pool.all((commands) => commands.start());
      await last.pool.stop();
      expect(last.deaths).toEqual([]);
    });
  });

  it('rejects a command that a worker does not answer in time, and ends its thread when it does not let itself be cancelled', async () => {
    await withThreads(async (crew) => {
      await loaded(crew);
      const { pool, launch } = await crew('hangs-while-loading', 200);
      await expect(launch()).rejects.toMatchObject({ code: 'MILLRACE_CONTROL_TIMEOUT' });
      await pool.stop();
      const next = await crew('never-answers');
      await next.deploy();
      await next.pool.stop();
      expect(next.deaths).toEqual([]);
    });
  });
});
