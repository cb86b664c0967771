import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectPath } from '../../helpers/project-files.js';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** A job that counts by name, and says which version of it answers. */
const jobText = (version: string): string => `
import { defineJob, KeyedProcessFunction, valueState } from ${JSON.stringify(projectPath('dist/index.js'))};

class Count extends KeyedProcessFunction {
  #count;

  open(context) {
    this.#count = context.getState(valueState('count'));
  }

  processElement(_request, _context, out) {
    const count = (this.#count.value() ?? 0) + 1;
    this.#count.update(count);
    out.collect({ version: ${JSON.stringify(version)}, count });
  }
}

export default defineJob('developed', (env) => {
  const key = (request) => request.params.name;
  env.requests('POST /counters/:name', { key }).uid('requests').process(new Count()).uid('count').respond();
});
`;

it('millrace dev runs a job anew when its files change, with the state that it had', { timeout: 240_000 }, async () => {
  await withTemporaryDirectory(async (folder) => {
    const watched = join(folder, 'src');
    const job = join(watched, 'job.mjs');
    await mkdir(watched);
    await writeFile(job, jobText('one'));
    const broken = join(watched, 'broken');
    const command = ['dev', '--job', job, '--watch', watched, '--build', `test ! -e ${broken}`, '--'];
    const dev = await ServiceProcess.launch({ command, args: ['--log-level', 'warn'] });
    const addresses = (): string[] => [...dev.stdout.matchAll(/^listens\s+(\S+)$/gm)].map(([, url = '']) => url);
    const started = async (count: number): Promise<string> => {
      await dev.until(() => addresses().length === count, `start ${count}`);
      return addresses()[count - 1] ?? '';
    };
    const add = async (url: string): Promise<unknown> =>
      (
        await fetch(`${url}/counters/ada`, {
          method: 'POST',
          body: '{}',
          headers: { 'content-type': 'application/json' },
        })
      ).json();
    try {
      expect(await add(await started(1))).toEqual({ version: 'one', count: 1 });
      await writeFile(job, jobText('two'));
      const second = await started(2);
      expect(await add(second)).toEqual({ version: 'two', count: 2 });

      await writeFile(broken, '');
      await dev.until(() => dev.stderr.includes('the build failed; the job runs on as it was'), 'the failure');
      expect(await add(second)).toEqual({ version: 'two', count: 3 });
      await rm(broken);
      expect(await add(await started(3))).toEqual({ version: 'two', count: 4 });

      await writeFile(job, 'throw new Error("half a thought");\n');
      await dev.until(() => dev.stderr.includes('the job ended with exit code 1; waiting for a change'), 'its end');
      await writeFile(job, jobText('three'));
      const last = await started(4);
      expect(await add(last)).toEqual({ version: 'three', count: 5 });

      expect(await dev.stop('SIGINT')).toEqual({ code: 0, signal: null });
      await expect(fetch(last)).rejects.toThrow('fetch failed');
    } finally {
      // In order, so that the job goes with it.
      if (!dev.hasEnded) await dev.stop();
      await dev.dispose();
    }
  });
});
