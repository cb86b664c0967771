import { describe, expect, it } from 'vitest';
import { readAtomicFile } from '../../../src/storage/atomic-file.js';
import { ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const args = ['--parallelism', '2', '--state-backend', 'heap'];
interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}
const problemOf = async (response: Response): Promise<Problem> => (await response.json()) as Problem;
interface Letter {
  readonly value: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything in the topic of dead letters. */
async function lettersOf(service: ServiceProcess): Promise<Letter[]> {
  const path = '/topics/poison-dead-letter.dlq';
  const topic = (await (await service.fetch(path)).json()) as { partitions: { endOffset: number }[] };
  const written = [...topic.partitions.entries()].filter(([, { endOffset }]) => endOffset > 0);
  const pages = await Promise.all(
    written.map(async ([partition]) => {
      const response = await service.fetch(`${path}/records?partition=${String(partition)}`);
      return ((await response.json()) as { records: Letter[] }).records;
    }),
  );
  return pages.flat();
}

/** Waits until the service has written down that a record has failed so often. */
async function counted(dataDir: string, failureCount: number): Promise<void> {
  const text = async (): Promise<string> => String(await readAtomicFile(`${dataDir}/failing-records`));
  await expect.poll(text, { timeout: 30_000 }).toContain(`"failureCount":${String(failureCount)}`);
}

describe('a record whose processing throws', () => {
  it('is answered with 500 at once, before and behind the key, and the service goes on', async () => {
    await withService({ job: 'poison-record', args }, async (service) => {
      expect(await (await service.post('/poison', { key: 'a' })).json()).toEqual({ key: 'a', count: 1 });
      for (const path of ['/poison', '/poison?in=map']) {
        const response = await service.post(path, { key: 'a', poison: true });
        expect(response.status).toBe(500);
        expect(response.headers.get('content-type')).toContain('application/problem+json');
        const problem = await problemOf(response);
        expect(problem.code).toBe('MILLRACE_USER_FUNCTION_FAILED');
        // Clients are strangers: what was thrown is for the log.
        expect(JSON.stringify(problem)).not.toContain('poison early');
      }
      expect(await (await service.post('/poison', { key: 'a' })).json()).toEqual({ key: 'a', count: 2 });
      await service.until(() => service.stderr.includes('records skipped'), 'the report of skipped records');
      expect(await service.stop()).toEqual({ code: 0, signal: null });
    });
  });

  it('is kept as a dead letter where the job wants it, with its bytes and what went wrong, and the service goes on', async () => {
    await withService({ job: 'poison-record-dead-letter', args }, async (service) => {
      for (const path of ['/poison?in=map', '/poison']) {
        const response = await service.post(path, { key: 'a', poison: true });
        expect(response.status).toBe(500);
      }
      expect(await (await service.post('/poison', { key: 'a' })).json()).toEqual({ key: 'a', count: 1 });
      const byOperator = new Map<string, Letter>();
      await expect
        .poll(
          async () => {
            for (const letter of await lettersOf(service)) {
              byOperator.set(letter.headers['millrace-error-operator'] ?? '', letter);
            }
            return [...byOperator.keys()].toSorted();
          },
          { timeout: 20_000 },
        )
        .toEqual(['fragile', 'poisoned']);
      expect(byOperator.get('fragile')).toMatchObject({
        value: { encoding: 'json', json: { key: 'a', poison: true } },
        headers: {
          'millrace-error-code': 'MILLRACE_USER_FUNCTION_FAILED',
          'millrace-error-message': expect.stringContaining('this record is poison early') as string,
          'millrace-error-topic': 'poison-dead-letter.requests.poison',
          'millrace-error-partition': expect.stringMatching(/^\d+$/) as string,
          'millrace-error-offset': expect.stringMatching(/^\d+$/) as string,
          'millrace-error-timestamp': expect.stringMatching(/^\d{13}$/) as string,
          'millrace-error-value': 'source',
        },
      });
      // Behind the key: as it came over the exchange.
      expect(byOperator.get('poisoned')?.headers).toMatchObject({
        'millrace-error-topic': 'poison-dead-letter.requests.poison',
        'millrace-error-value': 'msgpack',
      });
      expect(await service.stop()).toEqual({ code: 0, signal: null });
    });
  });

  it('ends the process, is tried again by the next, and is set aside by the one after its last failure', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = { dataDir, job: 'poison-record-retry', args: [...args, '--restart-strategy', 'none'] };
      const first = await ServiceProcess.start(options);
      expect((await first.post('/poison', { key: 'a' })).status).toBe(200);
      const waiting = first.post('/poison', { key: 'a', poison: true }).then(
        ({ status }) => status,
        () => 'no answer',
      );
      expect(await first.ended).toEqual({ code: 1, signal: null });
      expect([503, 'no answer']).toContain(await waiting);
      const { end, service: second } = await ServiceProcess.run(options);
      expect(end).toEqual({ code: 1, signal: null });
      expect(second.stderr).toContain('this record is poison');
      const third = await ServiceProcess.launch(options);
      // It may start to listen before the record has failed for the third time.
      expect(await third.ended).toEqual({ code: 1, signal: null });
      await withService(options, async (service) => {
        expect(await (await service.post('/poison', { key: 'a' })).json()).toEqual({ key: 'a', count: 2 });
        await service.until(() => service.stderr.includes('records skipped'), 'the report of skipped records');
        expect(await service.stop()).toEqual({ code: 0, signal: null });
      });
    });
  });

  it('counts on when the process is killed between two attempts', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = { dataDir, job: 'poison-record-fail', args: [...args, '--restart-backoff-initial-ms', '1h'] };
      const first = await ServiceProcess.start(options);
      expect((await first.post('/poison', { key: 'a', poison: true })).status).toBe(500);
      await counted(dataDir, 1);
      await first.kill();
      const second = await ServiceProcess.launch(options);
      await counted(dataDir, 2);
      await second.kill();
      const { end, service } = await ServiceProcess.run(options);
      expect(end).toEqual({ code: 1, signal: null });
      expect(service.stderr).toContain('MILLRACE_RECORD_POISONOUS');
      expect(service.stderr).toContain('3 times in a row');
    });
  });

  it('is answered also when the job then stops because of it, with exit code 1 and the cause', async () => {
    const service = await ServiceProcess.start({
      job: 'poison-record-fail',
      args: [...args, '--restart-strategy', 'none'],
    });
    try {
      const response = await service.post('/poison', { poison: true });
      expect(response.status).toBe(500);
      expect((await problemOf(response)).code).toBe('MILLRACE_USER_FUNCTION_FAILED');
      expect(await service.ended).toEqual({ code: 1, signal: null });
      expect(service.stderr).toContain('MILLRACE_USER_FUNCTION_FAILED');
      expect(service.stderr).toContain('this record is poison');
    } finally {
      await service.dispose();
    }
  });

  it('stops a job that has nobody to tell, also when it comes before the service has started', async () => {
    const { end, service } = await ServiceProcess.run({
      job: 'poison-collection',
      args: [...args, '--restart-strategy', 'none'],
    });
    expect(end).toEqual({ code: 1, signal: null });
    expect(service.stderr).toContain('the fifth record is poison');
    expect(service.stderr).toContain('MILLRACE_USER_FUNCTION_FAILED');
  });

  it('fails that request alone when the key function at the door throws', async () => {
    await withService({ job: 'key-throws', args }, async (service) => {
      const response = await service.post('/keyed', { key: null });
      expect(response.status).toBe(500);
      expect((await problemOf(response)).code).toBe('MILLRACE_USER_FUNCTION_FAILED');
      expect(await (await service.post('/keyed', { key: 'k' })).json()).toEqual({ key: 'k' });
    });
  });

  it('names operator and place in the value when it cannot be sent to another task', async () => {
    await withService({ job: 'unserialisable-value', args: [...args, '--log-format', 'json'] }, async (service) => {
      const response = await service.post('/unserialisable', { to: 'ring' });
      expect(response.status).toBe(500);
      expect((await problemOf(response)).code).toBe('MILLRACE_SERIALISATION_FAILED');
      await service.until(() => service.stderr.includes('records skipped'), 'the report');
      expect(service.stderr).toMatch(/operator .{1,3}Filter.{1,3} emitted a record that cannot be sent/);
      expect(service.stderr).toContain('order.lines[1].total');
      // JSON's own rule for the answer: a function is left out.
      expect(await (await service.post('/unserialisable', { to: 'caller' })).json()).toEqual({
        to: 'caller',
        order: { lines: [{ total: 1 }, {}] },
      });
    });
  });
});

describe('a request that comes while the job restarts', () => {
  it('waits for the next attempt, and is answered by it', async () => {
    const restarts = ['--restart-strategy', 'fixed-delay', '--restart-delay-ms', '5000'];
    await withService({ job: 'mortal-counters', args: [...args, ...restarts] }, async (service) => {
      expect((await service.post('/counters/a', { amount: 1, until: 0, how: 'throw' })).status).toBe(500);
      await expect.poll(async () => (await service.fetch('/readyz')).status, { timeout: 20_000 }).toBe(503);
      const waiting = await Promise.all(['a', 'b'].map((name) => service.post(`/counters/${name}`, { amount: 1 })));
      expect(waiting.map(({ status }) => status)).toEqual([200, 200]);
      // The one that failed has run again, before the other.
      expect(await waiting[0]?.json()).toEqual({ name: 'a', value: 2 });
      await expect.poll(async () => (await service.fetch('/readyz')).status, { timeout: 20_000 }).toBe(200);
      await expect.poll(() => service.metric('millrace_job_restarts_total'), { timeout: 20_000 }).toBe(1);
    });
  });

  it('gets 504 when its time is up before', async () => {
    const restarts = ['--restart-strategy', 'fixed-delay', '--restart-delay-ms', '1h'];
    await withService({ job: 'mortal-counters', args: [...args, ...restarts] }, async (service) => {
      expect((await service.post('/counters/a', { amount: 1, until: 0, how: 'throw' })).status).toBe(500);
      await expect.poll(async () => (await service.fetch('/readyz')).status, { timeout: 20_000 }).toBe(503);
      const late = await service.post('/counters/b', { amount: 1 }, { 'millrace-timeout-ms': '100' });
      expect(late.status).toBe(504);
    });
  });
});

describe('a worker thread that dies', () => {
  it.each([
    ['exits', 'exits-the-thread', '/exit', { exit: true }, /exit/],
    ['throws from a timer', 'dies-later', '/die', { how: 'timer' }, /thrown from a timer/],
    ['leaves a rejection unhandled', 'dies-later', '/die', { how: 'promise' }, /rejected by nobody/],
  ])(
    'is reported with its cause when it %s; without restarts, who waits gets 503, and the process ends with 1',
    async (...row) => {
      const [, job, path, body, cause] = row;
      // A checkpoint turns the event loop of a parked worker, which its own timers need.
      const service = await ServiceProcess.start({
        job,
        args: [...args, '--checkpoint-interval-ms', '50ms', '--restart-strategy', 'none'],
      });
      try {
        const response = await service.post(path, body);
        expect(response.status).toBe(503);
        expect(await service.ended).toEqual({ code: 1, signal: null });
        expect(service.stderr).toContain('MILLRACE_WORKER_DIED');
        expect(service.stderr).toMatch(/worker thread \d died/);
        expect(service.stderr).toMatch(cause);
      } finally {
        await service.dispose();
      }
    },
  );
});

describe('a record that runs the thread of its worker out of memory each time', () => {
  it('is given up after some attempts, while its process lives on and others lose nothing', async () => {
    const memory = { NODE_OPTIONS: '--max-old-space-size=96' };
    const options = { job: 'deadly-record', args: [...args, '--record-failures-max', '2'], env: memory };
    await withService(options, async (service) => {
      const keys = ['a', 'b', 'c', 'deadly'];
      const count = async (key: string): Promise<unknown> => (await service.post(`/deaths/${key}`, {})).json();
      for (const key of keys) expect(await count(key)).toEqual({ key, count: 1 });
      const deadly = await service.post('/deaths/deadly', { how: 'memory' });
      expect(await problemOf(deadly)).toMatchObject({ status: 500, code: 'MILLRACE_RECORD_POISONOUS' });
      for (const key of keys) expect(await count(key)).toEqual({ key, count: 2 });
      expect(service.stderr.match(/the job has failed and is restarted .*out of memory/g)).toHaveLength(2);
    });
  });
});
