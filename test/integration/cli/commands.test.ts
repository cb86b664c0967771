import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../helpers/project-files.js';
import { withService } from '../../helpers/service-process.js';
import { runMillrace, runProgram } from '../../helpers/run-program.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const demo = projectPath('dist/examples/demo/job.js');

describe('the command line', () => {
  it('lists commands and settings with --help, and says more about each', async () => {
    const { code, stdout } = await runMillrace(['--help']);
    expect(code).toBe(0);
    for (const word of ['run', 'dev', 'init', 'graph', 'savepoint', 'rescale', 'completion', '--parallelism']) {
      expect(stdout).toContain(word);
    }
    expect((await runMillrace(['graph', '--help'])).stdout).toContain('--format <text|mermaid|json>');
    expect((await runMillrace(['help', 'rescale'])).stdout).toContain('Usage: millrace rescale');
  });

  it('refuses a command that does not exist, and proposes the one that was meant', async () => {
    const { code, stderr } = await runMillrace(['grpah']);
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean graph?');
  });

  it('takes a forgotten --job for what it is', async () => {
    const { code, stderr } = await runMillrace(['./job.js']);
    expect(code).toBe(2);
    expect(stderr).toContain('--job ./job.js');
  });

  it('refuses an unknown option with exit code 2', async () => {
    const { code, stderr } = await runMillrace(['rescale', '2', '--ulr', 'x']);
    expect(code).toBe(2);
    expect(stderr).toContain('--ulr');
  });

  it('says that nothing answers, where nothing answers', async () => {
    const { code, stderr } = await runMillrace(['rescale', '2', '--url', 'http://127.0.0.1:9']);
    expect(code).toBe(1);
    expect(stderr).toContain('nothing answers at http://127.0.0.1:9');
  });
});

describe('millrace graph', () => {
  it('draws a job as text, Mermaid and JSON', async () => {
    const text = await runMillrace(['graph', demo, '--parallelism', '2']);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('POST /counters/:name');
    expect((await runMillrace(['graph', demo, '--format', 'mermaid'])).stdout).toMatch(/^flowchart LR\n/);
    const { stdout } = await runMillrace(['graph', demo, '--format', 'json', '--parallelism', '2']);
    const plan = JSON.parse(stdout) as { type: string; nodes: { parallelism: number }[] };
    expect(plan.type).toBe('STREAMING');
    expect(plan.nodes.every(({ parallelism }) => parallelism >= 1)).toBe(true);
  });

  it('says why a module is no job', async () => {
    await withTemporaryDirectory(async (folder) => {
      await writeFile(join(folder, 'job.mjs'), 'export default 1;\n');
      const { code, stderr } = await runMillrace(['graph', join(folder, 'job.mjs')]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/MILLRACE_JOB_(INVALID|LOAD_FAILED)/);
    });
  });
});

describe('millrace completion', () => {
  it('gives a script that completes commands and their options', async () => {
    const { stdout } = await runMillrace(['completion', 'bash']);
    expect((await runMillrace(['completion', 'zsh'])).stdout).toBe(
      `autoload -U +X bashcompinit && bashcompinit\n${stdout}`,
    );
    // zsh runs the same functions, and has no such command.
    expect(stdout).not.toContain('mapfile');
    const ask = (words: string[]): string =>
      `${stdout}\nCOMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _millrace; printf '%s\\n' "\${COMPREPLY[@]}"`;
    expect((await runProgram('bash', ['-c', ask(['millrace', 'gr'])])).stdout).toBe('graph\n');
    expect((await runProgram('bash', ['-c', ask(['millrace', 'run', '--paral'])])).stdout).toBe('--parallelism\n');
  });
});

describe('millrace init', () => {
  it('refuses a folder that holds something', async () => {
    await withTemporaryDirectory(async (folder) => {
      await mkdir(join(folder, 'used', 'src'), { recursive: true });
      const { code, stderr } = await runMillrace(['init', 'used'], folder);
      expect(code).toBe(2);
      expect(stderr).toContain('is not empty');
    });
  });
});

describe('millrace top', () => {
  it('shows a running job, as text and as JSON', async () => {
    await withService({}, async (service) => {
      const once = ['top', '--once', '--interval', '100', '--url', service.url];
      const text = await runMillrace(once);
      expect(text.code, text.stderr).toBe(0);
      expect(text.stdout).toMatch(/^demo {2}RUNNING\n/);
      const frame = JSON.parse((await runMillrace([...once, '--json'])).stdout) as { tasks: { name: string }[] };
      expect(frame.tasks.map(({ name }) => name).join()).toContain('/counters/:name');
    });
  });
});

// Ten programs are started, one after another.
describe('millrace topics and state', { timeout: 300_000 }, () => {
  it('list, describe and read what a running job has, as text and as JSON', async () => {
    await withService({ job: 'inspected' }, async (service) => {
      const url = ['--url', service.url];
      for (let index = 0; index < 3; index++) await service.post('/clicks/ada', { page: 7, at: index });
      const listed = JSON.parse((await runMillrace(['topics', 'list', '--json', ...url])).stdout) as {
        name: string;
        role: string;
        partitions: { partition: number; endOffset: number }[];
      }[];
      const requests = listed.find(({ role }) => role === 'requests');
      const topic = requests?.name ?? '';
      expect((await runMillrace(['topics', 'list', ...url])).stdout).toContain(`${topic}  requests  partitions 16`);
      expect((await runMillrace(['topics', 'describe', topic, ...url])).stdout).toMatch(/ to 3 /);

      const read = async (...more: string[]): Promise<{ offset: number; value: unknown }[]> => {
        const { code, stdout, stderr } = await runMillrace(['topics', 'read', topic, '--json', ...more, ...url]);
        expect(code, stderr).toBe(0);
        return stdout
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as { offset: number; value: unknown });
      };
      const partition = String(requests?.partitions.find(({ endOffset }) => endOffset === 3)?.partition);
      expect((await read()).map(({ value }) => value)).toEqual([0, 1, 2].map((at) => ({ page: 7, at })));
      expect((await read('--max', '1')).map(({ offset }) => offset)).toEqual([2]);
      const fromTheFirst = await read('--from', 'earliest', '--max', '2', '--partition', partition);
      expect(fromTheFirst.map(({ offset }) => offset)).toEqual([0, 1]);
      expect((await read('--from', '2')).map(({ offset }) => offset)).toEqual([2]);
      expect((await runMillrace(['topics', 'read', 'nothing', ...url])).code).toBe(1);
      expect((await runMillrace(['topics', 'read', topic, '--partition', '99', ...url])).code).toBe(2);

      expect((await runMillrace(['state', 'get', 'clicks', 'count', 'ada', ...url])).stdout).toBe('3\n');
      const whole = JSON.parse(
        (await runMillrace(['state', 'get', 'clicks', 'count', 'ada', '--json', ...url])).stdout,
      ) as unknown;
      expect(whole).toEqual({ uid: 'clicks', name: 'count', key: 'ada', value: 3 });
      expect((await runMillrace(['state', 'get', 'clicks', 'count', 'nobody', ...url])).code).toBe(1);
      expect((await runMillrace(['state', 'get', 'clicks'])).code).toBe(2);
    });
  });
});
