import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ServiceProcess, withService } from '../../helpers/service-process.js';

/** `POST /jobs/:id/restart`: a new attempt in the running process, because somebody wants one. */

interface Restarted {
  readonly attempt: number;
  readonly checkpointId: number | null;
}

async function jobOf(service: ServiceProcess): Promise<{ id: string; status: string }> {
  const { jobs } = (await (await service.fetch('/jobs')).json()) as {
    jobs: readonly [{ id: string; status: string }];
  };
  return jobs[0];
}

async function restart(service: ServiceProcess): Promise<Response> {
  return service.fetch(`/jobs/${(await jobOf(service)).id}/restart`, { method: 'POST' });
}

async function restarted(service: ServiceProcess): Promise<Restarted> {
  const response = await restart(service);
  expect(response.status).toBe(200);
  return (await response.json()) as Restarted;
}

describe('a restart that is asked for', () => {
  it.each(['heap', 'lmdb'])('fails no request and counts each once, on %s', async (backend) => {
    const args = ['--parallelism', '2', '--state-backend', backend, '--checkpoint-interval-ms', '200'];
    await withService({ job: 'counters', args }, async (service) => {
      const end = new AbortController();
      const clients = Array.from({ length: 12 }, async (_, client) => {
        const name = `client-${String(client)}`;
        let count = 0;
        while (!end.signal.aborted) {
          const response = await service.post(`/counters/${name}`, { amount: 1 });
          count++;
          expect([response.status, await response.json()]).toEqual([200, { name, value: count }]);
        }
        return count;
      });
      try {
        for (let attempt = 1; attempt <= 3; attempt++) {
          // So that there is something to do again.
          const before = await service.metric('millrace_checkpoints_completed_total');
          await expect
            .poll(() => service.metric('millrace_checkpoints_completed_total'), { timeout: 20_000 })
            .toBeGreaterThan(before ?? 0);
          expect(await restarted(service)).toMatchObject({ attempt, checkpointId: expect.any(Number) as number });
          expect((await service.post(`/counters/after-${String(attempt)}`, { amount: 1 })).status).toBe(200);
        }
      } finally {
        end.abort();
      }
      expect(Math.min(...(await Promise.all(clients)))).toBeGreaterThan(0);
      expect((await jobOf(service)).status).toBe('RUNNING');
      // Nothing has failed.
      expect(await service.metric('millrace_job_restarts_total')).toBe(0);
      expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
    });
  });

  it('is one restart for all who ask for it at one time', async () => {
    await withService({ job: 'counters', args: ['--parallelism', '1'] }, async (service) => {
      const answers = await Promise.all([restarted(service), restarted(service), restarted(service)]);
      expect(answers.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    });
  });

  it('does not wait for the time that a failed job has to wait', async () => {
    const args = ['--parallelism', '1', '--restart-backoff-initial-ms', '1h', '--restart-backoff-max-ms', '1h'];
    await withService({ job: 'mortal-counters', args }, async (service) => {
      const waiting = service.post('/counters/one', { amount: 1, until: 0, how: 'exit' });
      await expect.poll(async () => (await jobOf(service)).status, { timeout: 20_000 }).toBe('RESTARTING');
      expect(await restarted(service)).toMatchObject({ attempt: 1 });
      expect(await (await waiting).json()).toEqual({ name: 'one', value: 1 });
      expect((await jobOf(service)).status).toBe('RUNNING');
      expect((await service.fetch('/readyz')).status).toBe(200);
    });
  });

  it('helps where a function never returns, for which no checkpoint can be taken', async () => {
    // No checkpoint finds out that the worker does not answer.
    const args = ['--parallelism', '1', '--control-timeout-ms', '10s', '--checkpoint-interval-ms', '1h'];
    await withService({ job: 'slow-operator', args }, async (service) => {
      const untilFile = join(service.dataDir, 'go-on');
      const waiting = service.post('/slow', { ms: 0, untilFile });
      await expect
        .poll(() => service.metric('millrace_task_busy_time_ms_per_second', 'subtask="0"'), { timeout: 20_000 })
        .toBeGreaterThan(900);
      expect(await restarted(service)).toMatchObject({ attempt: 1 });
      await writeFile(untilFile, '');
      expect((await waiting).status).toBe(200);
    });
  });

  it('is refused for a job that is not here', async () => {
    await withService({ job: 'counters', args: ['--parallelism', '1'] }, async (service) => {
      const response = await service.fetch('/jobs/another/restart', { method: 'POST' });
      expect([response.status, await response.json()]).toMatchObject([404, { code: 'MILLRACE_REQUEST_NOT_FOUND' }]);
    });
  });
});
