import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';

/** The number of workers of a running process, changed over HTTP. */

interface Problem {
  readonly code: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}

interface Job {
  readonly jid: string;
  readonly parallelism: number;
  readonly vertices: readonly { readonly id: string; readonly parallelism: number }[];
}

async function jobIdOf(service: ServiceProcess): Promise<string> {
  const { jobs } = (await (await service.fetch('/jobs')).json()) as { jobs: readonly [{ id: string }] };
  return jobs[0].id;
}

function send(service: ServiceProcess, method: string, path: string, body: unknown): Promise<Response> {
  return service.fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function rescale(service: ServiceProcess, jid: string, parallelism: unknown): Promise<Response> {
  return send(service, 'PATCH', `/jobs/${jid}/parallelism`, { parallelism });
}

describe('the parallelism of a running job', () => {
  let service: ServiceProcess;
  let jid: string;

  const job = async (): Promise<Job> => (await service.fetch(`/jobs/${jid}`)).json() as Promise<Job>;
  const refusal = async (response: Response): Promise<Problem & { status: number }> => {
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    return { ...((await response.json()) as Problem), status: response.status };
  };

  beforeAll(async () => {
    const args = ['--parallelism', '1', '--shard-count', '4', '--state-backend', 'heap'];
    service = await ServiceProcess.start({ job: 'counters', args });
    jid = await jobIdOf(service);
  });

  afterAll(() => service.dispose());

  it('changes under requests that are all answered, each once', async () => {
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
      for (const [index, parallelism] of [3, 1, 2].entries()) {
        const response = await rescale(service, jid, parallelism);
        expect([response.status, await response.json()]).toEqual([200, { parallelism }]);
        const { vertices } = await job();
        expect(vertices.map((vertex) => vertex.parallelism)).toEqual(vertices.map(() => parallelism));
        const path = `/jobs/${jid}/vertices/${vertices[0]?.id ?? ''}/subtasks/0`;
        expect(await (await service.fetch(path)).json()).toMatchObject({ attempt: index + 1 });
        // The new workers answer.
        expect((await service.post(`/counters/after-${String(parallelism)}`, { amount: 1 })).status).toBe(200);
      }
    } finally {
      end.abort();
    }
    const counts = await Promise.all(clients);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(await service.metric('millrace_job_restarts_total')).toBe(0);
  });

  it.each([
    ['nothing', 0],
    ['less than nothing', -1],
    ['more than there are shards', 5],
    ['half a worker', 1.5],
    ['a text', '2'],
    ['no value', null],
  ])('is not %s', async (_what, parallelism) => {
    const before = await job();
    expect(await refusal(await rescale(service, jid, parallelism))).toMatchObject({
      status: 400,
      code: 'MILLRACE_REQUEST_INVALID',
      errors: [{ pointer: '/parallelism', message: 'must be an integer from 1 to 4, the number of shards' }],
    });
    expect((await job()).vertices).toEqual(before.vertices);
  });

  it('is that of a job which exists, and is sent as JSON', async () => {
    expect(await refusal(await rescale(service, 'another', 2))).toMatchObject({ status: 404 });
    for (const body of ['{', '[]', '7', '{}']) {
      const response = await send(service, 'PATCH', `/jobs/${jid}/parallelism`, body);
      expect([body, await refusal(response)]).toMatchObject([body, { status: 400, code: 'MILLRACE_REQUEST_INVALID' }]);
    }
    const text = await service.fetch(`/jobs/${jid}/parallelism`, {
      method: 'PATCH',
      headers: { 'content-type': 'text/plain' },
      body: '{"parallelism": 2}',
    });
    expect(await refusal(text)).toMatchObject({ status: 415 });
  });

  it("follows Flink's resource requirements: the largest upper bound of all vertices", async () => {
    const path = `/jobs/${jid}/resource-requirements`;
    const bounds = async (): Promise<unknown> => (await service.fetch(path)).json();
    const [first] = (await job()).vertices;
    const requirements = (upperBound: unknown): unknown => ({
      [first?.id ?? '']: { parallelism: { lowerBound: 1, upperBound } },
    });
    const response = await send(service, 'PUT', path, requirements(3));
    expect([response.status, await response.json()]).toEqual([200, {}]);
    expect(await bounds()).toMatchObject(requirements(3) as object);
    expect((await job()).vertices[0]?.parallelism).toBe(3);
    for (const body of [{}, requirements(0), requirements(5), requirements('3'), { [first?.id ?? '']: 3 }]) {
      const refused = await refusal(await send(service, 'PUT', path, body));
      expect([body, refused]).toMatchObject([body, { status: 400, code: 'MILLRACE_REQUEST_INVALID' }]);
    }
    expect((await job()).vertices[0]?.parallelism).toBe(3);
  });
});

describe.each(['heap', 'lmdb'] as const)('a service with many keys on %s', (backend) => {
  const KEYS = 20_000;
  const PER_REQUEST = 10_000;
  const options = {
    job: 'bulk-counters',
    args: ['--parallelism', '1', '--state-backend', backend, '--checkpoint-interval-ms', '1h'],
  };

  const load = async (service: ServiceProcess): Promise<void> => {
    for (let from = 0; from < KEYS; from += PER_REQUEST) {
      expect((await service.post('/load', { from, count: PER_REQUEST })).status).toBe(200);
    }
  };

  /** Starts again over the same data, and finds what was loaded. */
  const expectLoaded = async (dataDir: string): Promise<void> => {
    await withService({ ...options, dataDir }, async (next) => {
      for (const name of ['key-0', `key-${String(KEYS / 2)}`, `key-${String(KEYS - 1)}`]) {
        expect(await (await next.post(`/counters/${name}`, { amount: 0 })).json()).toEqual({ name, value: 1 });
      }
    });
  };

  it('ends with 0 when it is asked to right after its workers have become more', async () => {
    const service = await ServiceProcess.start(options);
    try {
      await load(service);
      const jid = await jobIdOf(service);
      expect((await rescale(service, jid, 2)).status).toBe(200);
      expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
      expect(service.stderr).not.toContain('last checkpoint failed');
      await expectLoaded(service.dataDir);
    } finally {
      await service.dispose();
    }
  });

  it('ends with 0 when it is asked to while its workers become more', async () => {
    const service = await ServiceProcess.start(options);
    try {
      await load(service);
      const rescaled = rescale(service, await jobIdOf(service), 2).then(
        ({ status }) => status,
        () => 'connection closed',
      );
      // The first thing to be seen of it: the checkpoint ahead of the handover.
      const taken = 'millrace_checkpoints_completed_total';
      await expect.poll(() => service.metric(taken), { interval: 5, timeout: 20_000 }).toBeGreaterThan(0);
      expect(await service.stop(), service.stderr).toEqual({ code: 0, signal: null });
      expect([200, 503, 'connection closed']).toContain(await rescaled);
      await expectLoaded(service.dataDir);
    } finally {
      await service.dispose();
    }
  });
});
