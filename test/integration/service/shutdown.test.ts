import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const args = ['--parallelism', '2', '--state-backend', 'heap'];

describe('a service that is asked to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'answers what is under way, takes nothing new, and ends with 0 after %s',
    async (signal) => {
      await withTemporaryDirectory(async (directory) => {
        const untilFile = join(directory, 'go-on');
        const service = await ServiceProcess.start({ job: 'slow-operator', args });
        try {
          const answers = Array.from({ length: 40 }, (_, index) =>
            service.post('/slow', { ms: 0, untilFile, key: `k${String(index % 4)}` }).then(async (response) => {
              await response.arrayBuffer();
              return response.status;
            }),
          );
          while ((await service.metric('millrace_pending_requests')) !== answers.length);
          const stopped = service.stop(signal);
          await service.until(() => service.stderr.includes('shutting down'), 'the shutdown begins');
          await writeFile(untilFile, '');
          expect(await stopped, service.stderr).toEqual({ code: 0, signal: null });
          expect(await Promise.all(answers)).toEqual(answers.map(() => 200));
        } finally {
          await service.dispose();
        }
      });
    },
  );

  it('loses no increment of clients that are in the middle of their requests', async () => {
    const options = { args: [...args, '--checkpoint-interval-ms', '1h'] };
    const service = await ServiceProcess.start(options);
    try {
      let acknowledged = 0;
      let sent = 0;
      const addUntilRefused = async (): Promise<void> => {
        for (;;) {
          sent++;
          try {
            const response = await service.post('/counters/all', { amount: 1 });
            await response.arrayBuffer();
            if (response.status !== 200) return;
            acknowledged++;
            if (acknowledged === 100) service.signal('SIGTERM');
          } catch {
            return;
          }
        }
      };
      await Promise.all(Array.from({ length: 16 }, addUntilRefused));
      expect(await service.ended, service.stderr).toEqual({ code: 0, signal: null });
      expect(service.stderr).not.toContain('last checkpoint failed');
      await withService({ ...options, dataDir: service.dataDir }, async (next) => {
        const { value } = (await (await next.fetch('/counters/all')).json()) as { value: number };
        expect(value).toBeGreaterThanOrEqual(acknowledged);
        expect(value).toBeLessThanOrEqual(sent);
      });
    } finally {
      await service.dispose();
    }
  });

  it('ends within its limit also when an operator never returns, and says that it took too long', async () => {
    const limits = ['--shutdown-timeout-ms', '1s'];
    const service = await ServiceProcess.start({ job: 'slow-operator', args: [...args, ...limits] });
    try {
      const answer = service.post('/slow', { ms: 600_000 }).then(
        (response) => response.status,
        () => 'connection closed',
      );
      await service.post('/slow', { ms: 0, key: 'another' });
      expect(await service.stop()).toEqual({ code: 1, signal: null });
      expect(service.stderr).toMatch(/shutting down took too long.*closing=the job/);
      expect([503, 504, 'connection closed']).toContain(await answer);
    } finally {
      await service.dispose();
    }
  });
});

describe('counters', () => {
  it('are readable while the worker that writes them is busy in user code', async () => {
    await withTemporaryDirectory(async (directory) => {
      const untilFile = join(directory, 'go-on');
      await withService(
        { job: 'slow-operator', args: ['--parallelism', '1', '--state-backend', 'heap'] },
        async (service) => {
          for (let index = 0; index < 3; index++) await (await service.post('/slow', { ms: 0 })).arrayBuffer();
          const slow = service.post('/slow', { ms: 0, untilFile });
          // A second of work is what the rate needs: until then it may show the time before.
          for (let busy = 0; busy < 900;) {
            busy = (await service.metric('millrace_task_busy_time_ms_per_second')) ?? 0;
            expect(await service.metric('millrace_task_records_in_total')).toBeGreaterThanOrEqual(3);
          }
          await writeFile(untilFile, '');
          expect((await slow).status).toBe(200);
        },
      );
    });
  });
});
