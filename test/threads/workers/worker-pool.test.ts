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

async function withPool(
  job: string,
  controlTimeoutMs: number,
  use: (
    pool: WorkerPool,
    deploy: () => Promise<void>,
    seen: { events: WorkerEvent[]; deaths: Error[] },
  ) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const jobModule = pathToFileURL(projectPath(`test/fixtures/jobs/${job}.mjs`)).href;
    const graph = buildStreamGraph((await loadJobModule(jobModule)).build());
    const plan = createExecutionPlan(graph, { parallelism: 2, workerCount: 2, shardCount: 16 });
    const shared = allocateSharedMemory(plan, 65_536);
    const seen = { events: [] as WorkerEvent[], deaths: [] as Error[] };
    const pool = new WorkerPool({
      workerCount: 2,
      controlTimeoutMs,
      onEvent: (event) => void seen.events.push(event),
      onDeath: (_worker, cause) => void seen.deaths.push(cause),
    });
    const state = {
      backend: 'heap',
      stateDir: `${directory}/state`,
      segmentDir: `${directory}/segments`,
      memtableBudgetBytes: 1 << 20,
    } as const;
    const deploy = (): Promise<void> =>
      pool.deploy([0, 1].map((worker) => ({ worker, plan, jobModule, shared, state, restored: null, attempt: 0 })));
    try {
      await use(pool, deploy, seen);
    } finally {
      await pool.close();
    }
  });
}

describe('the pool of worker threads', () => {
  it('deploys, starts and cancels; a parked worker takes each command at once', async () => {
    await withPool('never-answers', 30_000, async (pool, deploy, { deaths }) => {
      await deploy();
      await pool.all((commands) => commands.start());
      // Each needs a wake-up: without one, a parked worker would look around only after ten seconds.
      const startedAt = performance.now();
      for (let round = 0; round < 200; round++) {
        await pool.all((commands) => commands.notifyCheckpointAborted(0 as never));
      }
      expect(performance.now() - startedAt).toBeLessThan(9_000);
      expect(await pool.settle((commands) => commands.cancel())).toEqual([]);
      expect(deaths).toEqual([]);
    });
  });

  it('rejects a command that a worker does not answer in time', async () => {
    await withPool('never-answers', 1, async (_pool, deploy) => {
      await expect(deploy()).rejects.toMatchObject({ code: 'MILLRACE_CONTROL_TIMEOUT' });
    });
  });

  it("hands a worker's failure over with its code", async () => {
    await withPool('throws-in-open', 30_000, async (pool, deploy) => {
      await expect(deploy()).rejects.toMatchObject({ code: 'MILLRACE_USER_FUNCTION_FAILED' });
      expect(await pool.settle((commands) => commands.cancel())).toEqual([]);
    });
  });

  it('rejects pending commands at once when a thread dies, and says why', async () => {
    await withPool('exits-while-loading', 60_000, async (_pool, deploy, { deaths }) => {
      const startedAt = performance.now();
      await expect(deploy()).rejects.toMatchObject({ code: 'MILLRACE_WORKER_DIED' });
      expect(performance.now() - startedAt).toBeLessThan(30_000);
      await expect.poll(() => deaths.length).toBeGreaterThan(0);
      expect(deaths[0]).toMatchObject({ code: 'MILLRACE_WORKER_DIED' });
    });
  });
});
