import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeSavepoint } from '../../helpers/ledger.js';
import { projectPath } from '../../helpers/project-files.js';
import { transactionsOfLane } from '../../helpers/risk-by-hand.js';
import { runMillrace } from '../../helpers/run-program.js';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

interface Report {
  readonly checkpointId: number | null;
  readonly recordCount: number;
  readonly requests: readonly {
    readonly id: string;
    readonly verdict: string;
    readonly replayed: { readonly status: number; readonly body: string } | null;
    readonly recorded: { readonly status: number; readonly body: string } | null;
  }[];
}

/** An answer as its caller got it. */
interface Heard {
  readonly id: string;
  readonly status: number;
  readonly body: string;
}

const fixture = (name: string): string => projectPath(`test/fixtures/jobs/${name}.mjs`);
const NO_CHECKPOINT = ['--checkpoint-interval-ms', '3600000'];

async function replayed(...args: readonly string[]): Promise<Report & { readonly code: number | null }> {
  const { code, stdout, stderr } = await runMillrace(['replay', ...args, '--json']);
  if (stdout === '') throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Report) };
}

async function heard(response: Promise<Response>): Promise<Heard> {
  const answer = await response;
  return { id: answer.headers.get('x-request-id') ?? '', status: answer.status, body: await answer.text() };
}

function sameAs(...answers: readonly Heard[]): object[] {
  return answers.map(({ id, status, body }) => {
    const answer = { status, body };
    return { id, verdict: 'same', replayed: answer, recorded: answer };
  });
}

async function newestCheckpoint(dataDir: string): Promise<number> {
  const names = await readdir(join(dataDir, 'checkpoints'));
  return Math.max(0, ...names.map((name) => Number(/^manifest-(\d+)\.ckpt$/.exec(name)?.[1] ?? 0)));
}

/** Resolves when a checkpoint is complete that began after the call. */
async function checkpointTaken(dataDir: string): Promise<void> {
  const before = await newestCheckpoint(dataDir);
  await expect.poll(() => newestCheckpoint(dataDir), { timeout: 30_000 }).toBeGreaterThan(before + 1);
}

/** Answers reach the disk some time after their callers. */
async function answersOnDisk(service: ServiceProcess, count: number): Promise<void> {
  const durable = async (): Promise<number> => {
    const { jobs } = (await (await service.fetch('/jobs/overview')).json()) as { jobs: readonly [{ name: string }] };
    const topic = await service.fetch(`/topics/${jobs[0].name}.responses`);
    const { partitions } = (await topic.json()) as { partitions: readonly { endOffset: number }[] };
    return partitions.reduce((sum, { endOffset }) => sum + endOffset, 0);
  };
  await expect.poll(durable).toBeGreaterThanOrEqual(count);
}

/** Runs a job until `use` has ended, kills it, and leaves its data folder behind. @returns what was answered */
async function answersOfKilled(
  options: { readonly job?: string; readonly args?: readonly string[]; readonly dataDir: string },
  use: (service: ServiceProcess, answers: Heard[]) => Promise<void>,
): Promise<readonly Heard[]> {
  const answers: Heard[] = [];
  const service = await ServiceProcess.start(options);
  try {
    await use(service, answers);
    await answersOnDisk(service, answers.length);
    await service.kill();
  } finally {
    await service.dispose();
  }
  return answers;
}

describe('millrace replay', () => {
  it.each(['heap', 'lmdb'])(
    'answers a request as it was answered, from the newest checkpoint before it, on %s',
    async (backend) => {
      await withTemporaryDirectory(async (dataDir) => {
        const args = ['--parallelism', '2', '--state-backend', backend, '--checkpoint-interval-ms', '500'];
        const answers = await answersOfKilled({ job: 'counters', dataDir, args }, async (service, heardOf) => {
          const add = async (amount: number): Promise<void> => {
            heardOf.push(await heard(service.post(`/counters/name-${String(amount % 3)}`, { amount })));
          };
          for (let amount = 1; amount <= 20; amount++) await add(amount);
          await checkpointTaken(dataDir);
          for (let amount = 21; amount <= 25; amount++) await add(amount);
        });
        const last = answers.at(-1) as Heard;
        const report = await replayed('--job', fixture('counters'), '--data-dir', dataDir, '--request', last.id);
        expect(report).toMatchObject({ code: 0, requests: sameAs(last) });
        expect(report.checkpointId).toBeGreaterThan(0);
        expect(report.recordCount).toBeLessThan(20);

        // All of a key begin before the first of them, where no checkpoint lies.
        const ofKey = answers.filter((_, index) => (index + 1) % 3 === 1);
        const all = await replayed('--job', fixture('counters'), '--data-dir', dataDir, '--key', 'name-1');
        expect(all).toMatchObject({ code: 0, checkpointId: null, recordCount: 25, requests: sameAs(...ofKey) });
      });
    },
  );

  it('shows what another version of the job answers', async () => {
    await withTemporaryDirectory(async (folder) => {
      const dataDir = join(folder, 'data');
      const options = { job: 'counters', dataDir, args: NO_CHECKPOINT };
      const [{ id }] = (await answersOfKilled(options, async (service, answers) => {
        answers.push(await heard(service.post('/counters/a', { amount: 2 })));
      })) as [Heard];
      const job = join(folder, 'twice.mjs');
      const source = await readFile(fixture('counters'), 'utf8');
      const changed = source
        .replace('../../../dist/index.js', projectPath('dist/index.js'))
        .replace('+ request.body.amount', '+ 2 * request.body.amount');
      await writeFile(job, changed);
      const args = ['--job', job, '--data-dir', dataDir, '--request', id];
      expect(await replayed(...args)).toMatchObject({
        code: 1,
        requests: [
          {
            verdict: 'different',
            recorded: { body: '{"name":"a","value":2}' },
            replayed: { body: '{"name":"a","value":4}' },
          },
        ],
      });
      const { code, stdout } = await runMillrace(['replay', ...args]);
      expect(code).toBe(1);
      expect(stdout).toContain(`different  POST /counters/a  ${id}  counters.requests.adds-`);
      expect(stdout).toContain('recorded  200 {"name":"a","value":2}\n  replayed  200 {"name":"a","value":4}\n');
    });
  });

  it('repeats what was decided: repetitions of a request, what a service was told, who waited for whom', async () => {
    await withTemporaryDirectory(async (folder) => {
      const checked = async (
        job: string,
        use: (service: ServiceProcess, answers: Heard[]) => Promise<void>,
      ): Promise<void> => {
        const dataDir = join(folder, job);
        const options = { job, dataDir, args: [...NO_CHECKPOINT, '--parallelism', '2'] };
        for (const answer of await answersOfKilled(options, use)) {
          const report = await replayed('--job', fixture(job), '--data-dir', dataDir, '--request', answer.id);
          expect([job, report]).toMatchObject([job, { code: 0, requests: sameAs(answer) }]);
        }
      };
      await checked('idempotent', async (service, answers) => {
        for (const key of ['one', 'one', 'two', 'one']) {
          answers.push(await heard(service.post('/far/a', {}, { 'idempotency-key': key })));
        }
        answers.push(await heard(service.post('/odd/a', { fail: true }, { 'idempotency-key': 'three' })));
      });
      await checked('quotes', async (service, answers) => {
        answers.push(await heard(service.post('/quotes/tea', {})));
        answers.push(await heard(service.fetch('/quotes/tea')));
      });
      await checked('answers-later', async (service, answers) => {
        const waiting = heard(service.fetch('/parcels/x'));
        await expect.poll(() => service.metric('millrace_pending_requests')).toBe(1);
        answers.push(await heard(service.post('/parcels/x', { value: 7 })), await waiting);
      });
    });
  });

  it('runs a request through branches of several keys as its service did', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = { dataDir, args: ['--parallelism', '2', ...NO_CHECKPOINT] };
      const answers = await answersOfKilled(options, async (service, heardOf) => {
        for (const transaction of transactionsOfLane(0, 40)) {
          heardOf.push(await heard(service.post('/transactions', transaction)));
        }
      });
      const job = projectPath('dist/examples/demo/job.js');
      for (const answer of [answers[7], answers[39]] as Heard[]) {
        const report = await replayed('--job', job, '--data-dir', dataDir, '--request', answer.id);
        expect(report).toMatchObject({ code: 0, requests: sameAs(answer) });
      }
    });
  });

  it('begins with a savepoint beside a running process, whose own state it cannot take', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await answersOfKilled({ job: 'counters', dataDir, args: NO_CHECKPOINT }, async (service) => {
        const early = await heard(service.post('/counters/a', { amount: 1 }));
        const savepoint = await takeSavepoint(service);
        const late = await heard(service.post('/counters/a', { amount: 2 }));
        await answersOnDisk(service, 2);
        const args = ['--job', fixture('counters'), '--data-dir', dataDir];
        const fromSavepoint = ['--from-savepoint', savepoint];

        const report = await replayed(...args, ...fromSavepoint, '--request', late.id);
        expect(report).toMatchObject({ code: 0, recordCount: 1, requests: sameAs(late) });

        const locked = await runMillrace(['replay', ...args, '--request', late.id]);
        expect([locked.code, locked.stdout]).toEqual([1, '']);
        expect(locked.stderr).toContain('MILLRACE_DATA_DIR_LOCKED');
        expect(locked.stderr).toContain('--from-savepoint');

        const tooLate = await runMillrace(['replay', ...args, ...fromSavepoint, '--request', early.id]);
        expect(tooLate.code).toBe(1);
        expect(tooLate.stderr).toContain('MILLRACE_OFFSET_OUT_OF_RANGE');
        expect(await heard(service.post('/counters/a', { amount: 3 }))).toMatchObject({
          body: '{"name":"a","value":6}',
        });
      });
    });
  });

  it('says what stands in its way', async () => {
    await withTemporaryDirectory(async (folder) => {
      const dataDir = join(folder, 'data');
      const args = ['--segment-bytes', '65536', '--checkpoint-interval-ms', '100'];
      const answers = await answersOfKilled({ job: 'counters', dataDir, args }, async (service, heardOf) => {
        for (let round = 0; round < 5; round++) {
          heardOf.push(await heard(service.post('/counters/a', { amount: 1, ballast: 'x'.repeat(30_000) })));
        }
        await checkpointTaken(dataDir);
      });
      const [first] = answers as [Heard];
      const topic = join(dataDir, 'log', 'topics', 'counters.requests.adds');
      const segments = (await readdir(topic)).filter((name) => name.endsWith('.log')).sort();
      expect(segments.length).toBeGreaterThan(1);
      const options = ['replay', '--job', fixture('counters'), '--data-dir', dataDir];
      // As retention does. The first request lies in the second file.
      const second = answers[2] as Heard;
      await rm(join(topic, segments[0] as string));
      const complaints: readonly (readonly [args: readonly string[], code: number, text: string])[] = [
        [[...options, '--request', first.id], 1, 'MILLRACE_REQUEST_NOT_FOUND'],
        [[...options, '--request', second.id], 1, 'MILLRACE_OFFSET_OUT_OF_RANGE'],
        [[...options, '--key', 'nobody'], 1, 'MILLRACE_REQUEST_NOT_FOUND'],
        [['replay', '--job', fixture('counters'), '--data-dir', folder, '--key', 'a'], 1, 'MILLRACE_DATA_DIR_UNUSABLE'],
        [['replay', '--job', fixture('asynchronous'), '--data-dir', dataDir, '--key', 'a'], 1, 'MILLRACE_JOB_INVALID'],
        [options, 2, 'either --request or --key is needed'],
        [[...options, '--key', 'a', '--request', 'b'], 2, 'either --request or --key is needed'],
        [['replay', '--key', 'a'], 2, '--job is needed'],
      ];
      for (const [command, code, text] of complaints) {
        const { code: actual, stdout, stderr } = await runMillrace(command);
        expect([command, actual, stdout]).toEqual([command, code, '']);
        expect(stderr).toContain(text);
      }
    });
  });
});
