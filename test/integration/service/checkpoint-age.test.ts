import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withService } from '../../helpers/service-process.js';

it('is not ready while no checkpoint can be completed for too long, says so, and is ready again', async () => {
  const args = ['--parallelism', '1', '--state-backend', 'heap', '--checkpoint-interval-ms', '100ms'];
  const limits = ['--checkpoint-timeout-ms', '500ms', '--checkpoint-age-max-ms', '1s'];
  await withService({ job: 'counters', args: [...args, ...limits] }, async (service) => {
    const readiness = async (): Promise<{ status: number; body: unknown }> => {
      const response = await service.fetch('/readyz');
      return { status: response.status, body: await response.json() };
    };
    const add = async (): Promise<unknown> => (await service.post('/counters/one', { amount: 1 })).json();
    const patient = { interval: 20, timeout: 20_000 };

    expect(await add()).toEqual({ name: 'one', value: 1 });
    const completed = (): Promise<number | undefined> => service.metric('millrace_checkpoints_completed_total');
    await expect.poll(completed, patient).toBeGreaterThan(0);
    expect(await readiness()).toEqual({ status: 200, body: { status: 'ready' } });

    // A file where the folder was: nothing can be written there, whoever runs the test.
    const folder = join(service.dataDir, 'checkpoints');
    await rename(folder, `${folder}-away`);
    await writeFile(folder, '');
    await expect.poll(readiness, patient).toEqual({
      status: 503,
      body: {
        status: 'not ready',
        reasons: [expect.stringMatching(/^no checkpoint has been completed for \d+ s$/)],
      },
    });
    // Requests are still answered: what is at stake is how much a crash would have to do again.
    expect(await add()).toEqual({ name: 'one', value: 2 });
    expect((await service.fetch('/healthz')).status).toBe(200);
    expect(await service.metric('millrace_checkpoints_failed_total')).toBeGreaterThan(0);

    await rm(folder);
    await rename(`${folder}-away`, folder);
    await expect.poll(readiness, patient).toEqual({ status: 200, body: { status: 'ready' } });
    expect(await add()).toEqual({ name: 'one', value: 3 });
    expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
  });
});
