import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const args = ['--parallelism', '2', '--checkpoint-interval-ms', '200ms'];

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function call(service: ServiceProcess, path: string, key: string | null, body: unknown = {}): Promise<Answer> {
  const headers: Record<string, string> = key === null ? {} : { 'idempotency-key': key };
  const response = await service.post(path, body, headers);
  return { status: response.status, body: await response.json() };
}

const codeOf = ({ status, body }: Answer): string => `${String(status)} ${(body as { code?: string }).code ?? ''}`;

describe('an Idempotency-Key', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    service = await ServiceProcess.start({ job: 'idempotent', args });
  });
  afterAll(() => service.dispose());

  it.each(['/near/ada', '/far/ada', '/keyless'])(
    'makes POST %s run once, and gives every repetition the same answer',
    async (path) => {
      expect(await call(service, path, 'one')).toEqual({ status: 200, body: { count: 1 } });
      expect(await call(service, path, 'two')).toEqual({ status: 200, body: { count: 2 } });
      // Behind an exchange the answer comes back through the log: until then the repetition is told that the first one runs.
      await expect.poll(() => call(service, path, 'one')).toEqual({ status: 200, body: { count: 1 } });
      await expect.poll(() => call(service, path, '"two"')).toEqual({ status: 200, body: { count: 2 } });
      expect(await call(service, path, null)).toEqual({ status: 200, body: { count: 3 } });
      expect(await call(service, path, 'three')).toEqual({ status: 200, body: { count: 4 } });
    },
  );

  it('is refused for another payload with 422', async () => {
    await call(service, '/near/ben', 'k', { n: 1 });
    expect(codeOf(await call(service, '/near/ben', 'k', { n: 2 }))).toBe('422 MILLRACE_IDEMPOTENCY_MISMATCH');
    expect(codeOf(await call(service, '/near/ben', 'k', { n: 1 }))).toBe('200 ');
  });

  it('is refused with 409 while the first request runs, and gives its answer afterwards', async () => {
    const first = call(service, '/slow/cleo', 'k');
    await expect
      .poll(async () => codeOf(await call(service, '/slow/cleo', 'k')))
      .toBe('409 MILLRACE_IDEMPOTENCY_CONFLICT');
    await call(service, '/release/cleo', null);
    expect(await first).toEqual({ status: 200, body: { count: 1 } });
    expect(await call(service, '/slow/cleo', 'k')).toEqual({ status: 200, body: { count: 1 } });
  });

  it('is asked for with 400 where a route requires it, and must be one string', async () => {
    expect(codeOf(await call(service, '/odd/dan', null))).toBe('400 MILLRACE_IDEMPOTENCY_KEY_MISSING');
    expect(codeOf(await call(service, '/near/dan', 'not a token'))).toBe('400 MILLRACE_REQUEST_INVALID');
  });

  it("repeats the job's own refusals, and the failure of a record that does not run again", async () => {
    expect(await call(service, '/odd/eve', 'refused')).toEqual({ status: 409, body: { count: 1 } });
    expect(await call(service, '/odd/eve', 'refused')).toEqual({ status: 409, body: { count: 1 } });
    const failure = await call(service, '/odd/eve', 'failed', { fail: true });
    expect(codeOf(failure)).toBe('500 MILLRACE_USER_FUNCTION_FAILED');
    expect(await call(service, '/odd/eve', 'failed', { fail: true })).toMatchObject({
      status: 500,
      body: { code: 'MILLRACE_USER_FUNCTION_FAILED' },
    });
    expect(await call(service, '/odd/eve', 'next')).toEqual({ status: 409, body: { count: 3 } });
  });
});

describe('a repetition that may wait', () => {
  it('is answered together with the first request', async () => {
    const waiting = { job: 'idempotent', args: [...args, '--idempotency-while-running', 'wait'] };
    await withService(waiting, async (service) => {
      const calls = [0, 1, 2].map(() => call(service, '/slow/ada', 'k'));
      const release = async (): Promise<boolean> => {
        await call(service, '/release/ada', null);
        return Promise.race([Promise.all(calls).then(() => true), call(service, '/near/x', null).then(() => false)]);
      };
      await expect.poll(release).toBe(true);
      expect(await Promise.all(calls)).toEqual(calls.map(() => ({ status: 200, body: { count: 1 } })));
    });
  });
});

const agent = new Agent({ keepAlive: true });

/** The status of a POST; 0 when there was no answer. Twenty thousand of them are to take as little of the machine as they can. */
function statusOf(service: ServiceProcess, path: string, key: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': 2, 'idempotency-key': key };
    const sent = request(
      new URL(path, service.url),
      { method: 'POST', agent, headers, timeout: 10_000 },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', () => resolve(0));
      },
    );
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(0));
    sent.end('{}');
  });
}

/** Sends an increment again and again, through refusals and lost connections, until it has its answer. */
async function increment(current: () => ServiceProcess, path: string, key: string): Promise<void> {
  while ((await statusOf(current(), path, key)) !== 200) await new Promise((resolve) => setImmediate(resolve));
}

describe('increments whose callers repeat them until they have an answer', () => {
  const INCREMENTS = 20_000;
  const NAMES = Array.from({ length: 20 }, (_, index) => `counter-${String(index)}`);

  it('are counted exactly once each, through five kill -9', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = { dataDir, job: 'idempotent', args };
      let service = await ServiceProcess.start(options);
      let done = 0;
      let next = 0;
      let killAt = INCREMENTS / 6;
      let restarting: Promise<void> | null = null;
      const restart = async (): Promise<void> => {
        killAt += INCREMENTS / 6;
        await service.kill();
        service = await ServiceProcess.start(options);
        restarting = null;
      };
      const caller = async (): Promise<void> => {
        while (next < INCREMENTS) {
          const index = next++;
          const path = `${index % 2 === 0 ? '/near' : '/far'}/${NAMES[index % NAMES.length] ?? ''}`;
          await increment(() => service, path, `increment-${String(index)}`);
          done++;
          if (done >= killAt && done < INCREMENTS && restarting === null) restarting = restart();
          if (restarting !== null) await restarting;
        }
      };
      try {
        await Promise.all(Array.from({ length: 64 }, caller));
        let total = 0;
        for (const [index, name] of NAMES.entries()) {
          const response = await service.fetch(`${index % 2 === 0 ? '/near' : '/far'}/${name}`);
          const { count } = (await response.json()) as { count: number };
          expect(count, name).toBe(INCREMENTS / NAMES.length);
          total += count;
        }
        expect(total).toBe(INCREMENTS);
      } finally {
        await service.dispose();
      }
    });
  }, 600_000);
});
