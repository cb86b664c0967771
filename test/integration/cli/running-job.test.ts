import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runMillrace } from '../../helpers/run-program.js';
import { ServiceProcess, type ServiceOptions, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const OPTIONS: ServiceOptions = { job: 'inspected', args: ['--parallelism', '2', '--log-level', 'warn'] };

// Each starts programs one after another.
describe('commands beside a running job', { timeout: 240_000 }, () => {
  it('savepoint takes one, ends the job with one, and removes one', async () => {
    await withTemporaryDirectory(async (folder) => {
      const service = await ServiceProcess.start(OPTIONS);
      const url = ['--url', service.url];
      try {
        await service.post('/clicks/ada', { page: 7, at: 1 });
        const taken = await runMillrace(['savepoint', 'take', folder, ...url]);
        expect(taken).toMatchObject({ code: 0, stderr: 'taking a savepoint …\n' });
        const path = taken.stdout.trim();
        expect(await readdir(folder)).toEqual([path.split('/').at(-1)]);
        const second = await runMillrace(['savepoint', 'take', folder, '--json', ...url]);
        const { location } = JSON.parse(second.stdout) as { location: string };
        expect(await runMillrace(['savepoint', 'dispose', location, ...url])).toMatchObject({
          code: 0,
          stdout: `disposed of ${location}\n`,
        });
        await expect.poll(() => readdir(folder)).toEqual([path.split('/').at(-1)]);
        const refused = await runMillrace(['savepoint', 'dispose', join(folder, 'nothing'), ...url]);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain('the savepoint is not removed');

        const last = await runMillrace(['savepoint', 'stop', folder, ...url]);
        expect(last.code, last.stderr).toBe(0);
        expect(await service.ended).toEqual({ code: 0, signal: null });
        const args = [...(OPTIONS.args ?? []), '--from-savepoint', last.stdout.trim()];
        await withService({ ...OPTIONS, args }, async (restored) => {
          await restored.post('/clicks/ada', { page: 7, at: 2 });
          const state = ['state', 'get', 'clicks', 'count', 'ada', '--url', restored.url];
          expect((await runMillrace(state)).stdout).toBe('2\n');
        });
      } finally {
        await service.dispose();
      }
    });
  });

  it('rescale moves the job, and says why it cannot', async () => {
    await withService(OPTIONS, async (service) => {
      const url = ['--url', service.url];
      expect(await runMillrace(['rescale', '3', ...url])).toMatchObject({
        code: 0,
        stdout: 'the job runs at parallelism 3\n',
      });
      const json = await runMillrace(['rescale', '1', '--json', ...url]);
      expect(JSON.parse(json.stdout)).toMatchObject({ parallelism: 1 });
      const { jobs } = (await (await service.fetch('/jobs/overview')).json()) as { jobs: { jid: string }[] };
      const { plan } = (await (await service.fetch(`/jobs/${jobs[0]?.jid ?? ''}`)).json()) as {
        plan: { nodes: { parallelism: number }[] };
      };
      expect(plan.nodes.map(({ parallelism }) => parallelism)).toEqual(plan.nodes.map(() => 1));
      const tooMany = await runMillrace(['rescale', '17', ...url]);
      expect(tooMany.code).toBe(1);
      expect(tooMany.stderr).toContain('16');
      for (const nonsense of ['0', 'two', '1.5'])
        expect((await runMillrace(['rescale', nonsense, ...url])).code).toBe(2);
    });
  });

  it('state get waits for what its caller has seen', async () => {
    await withService(OPTIONS, async (service) => {
      const answer = await service.post('/clicks/ada', { page: 7, at: 1 });
      const after = ['--after', answer.headers.get('millrace-position') ?? '', '--url', service.url];
      expect((await runMillrace(['state', 'get', 'pages', 'hits', '7', ...after])).stdout).toBe('1\n');
    });
  });
});
