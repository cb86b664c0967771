import { describe, expect, it } from 'vitest';
import { type ServiceProcess, withService } from '../../helpers/service-process.js';

const argsOf = (backend: string): string[] => ['--state-backend', backend, '--parallelism', '2', '--log-level', 'warn'];

async function read(service: ServiceProcess, path: string): Promise<{ status: number; body: unknown }> {
  const response = await service.fetch(path);
  return { status: response.status, body: await response.json() };
}

async function jobPath(service: ServiceProcess): Promise<string> {
  const { body } = await read(service, '/jobs');
  return `/jobs/${(body as { jobs: { id: string }[] }).jobs[0]?.id ?? ''}`;
}

function offsetOf(position: string): number {
  return Number(position.split(':')[2]);
}

interface WatermarkAnswer {
  readonly id: string;
  readonly value: string;
  readonly heldBy: { readonly kind: string; readonly source?: string; readonly topic?: string };
  readonly path: readonly { readonly subtask: number }[];
  readonly explanation: string;
}

async function watermarksOf(service: ServiceProcess, job: string, uid: string): Promise<readonly WatermarkAnswer[]> {
  const { body } = await read(service, job);
  const { vertices } = body as { vertices: { id: string; operators: { uid: string }[] }[] };
  const vertex = vertices.find(({ operators }) => operators.some((operator) => operator.uid === uid));
  const { status, body: answer } = await read(service, `${job}/vertices/${vertex?.id ?? ''}/watermarks`);
  expect(status).toBe(200);
  return answer as readonly WatermarkAnswer[];
}

describe.each(['heap', 'lmdb'])('a running job with the state backend %s', (backend) => {
  it('shows the state of any key, from whichever worker owns it', async () => {
    await withService({ job: 'inspected', args: argsOf(backend) }, async (service) => {
      const job = await jobPath(service);
      const users = Array.from({ length: 12 }, (_, index) => `user-${String(index)}`);
      for (const [index, user] of users.entries()) {
        for (let click = 0; click <= index; click++) {
          expect((await service.post(`/clicks/${user}`, { page: 7, at: index })).status).toBe(200);
        }
      }
      for (const [index, user] of users.entries()) {
        const { body } = await read(service, `${job}/state/clicks/count/${user}`);
        expect(body).toEqual({ uid: 'clicks', name: 'count', key: user, value: index + 1 });
      }
      expect((await read(service, `${job}/state/clicks/pages/user-3`)).body).toMatchObject({ value: [[7, { at: 3 }]] });
      // A key that is a number; 78 clicks in all.
      await expect
        .poll(async () => (await read(service, `${job}/state/pages/hits/7`)).body, { timeout: 20_000 })
        .toMatchObject({ value: 78 });
      // Of so few records each is looked at, on either side of the exchange between workers.
      const metrics = await (await service.fetch('/metrics')).text();
      for (const uid of ['clicks', 'pages']) {
        expect(metrics).toMatch(new RegExp(`millrace_operator_latency_seconds_count{[^}]*operator="${uid}"} 78\n`));
      }
    });
  });

  it('lets a caller read what its own request has changed, also behind an exchange between workers', async () => {
    await withService({ job: 'inspected', args: argsOf(backend) }, async (service) => {
      const job = await jobPath(service);
      // Some of them are in another worker than the page. A hit takes its time, and so large a record is a frame of its own.
      const pad = 'x'.repeat(20_000);
      for (const [round, user] of ['ada', 'ben', 'cem', 'dan', 'eve'].entries()) {
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, at) => service.post(`/clicks/${user}`, { page: -1, at, pad })),
        );
        const positions = answers.map((answer) => answer.headers.get('millrace-position') ?? '');
        const newest = positions.toSorted((a, b) => offsetOf(a) - offsetOf(b)).at(-1) ?? '';
        expect(newest).toMatch(/^inspected\.requests\.[\w-]+:\d+:\d+$/);
        const hits = await read(service, `${job}/state/pages/hits/-1?after=${newest}`);
        expect(hits).toMatchObject({ status: 200, body: { value: 8 * (round + 1) } });
      }
    });
  });

  it('waits no longer for a request than it is told, and for none that cannot come', async () => {
    await withService({ job: 'inspected', args: argsOf(backend) }, async (service) => {
      const job = await jobPath(service);
      const answer = await service.post('/clicks/ada', { page: 7, at: 1 });
      const [topic = '', partition = ''] = (answer.headers.get('millrace-position') ?? '').split(':');
      const after = async (position: string): Promise<{ status: number; body: unknown }> =>
        read(service, `${job}/state/clicks/count/ada?after=${position}&timeout-ms=50`);
      expect(await after(`${topic}:${partition}:1000`)).toMatchObject({
        status: 504,
        body: { code: 'MILLRACE_DEADLINE_EXCEEDED' },
      });
      expect(await after(`${topic}:9999:0`)).toMatchObject({ status: 400, body: { code: 'MILLRACE_REQUEST_INVALID' } });
      expect(await after('anything:0:0')).toMatchObject({ status: 400 });
      expect(await after('nonsense')).toMatchObject({ status: 400 });
      expect(await after(`${topic}:${partition}:0`)).toMatchObject({ status: 200, body: { value: 1 } });
    });
  });

  it('says what is unknown, and that a key has no state', async () => {
    await withService({ job: 'inspected', args: argsOf(backend) }, async (service) => {
      const job = await jobPath(service);
      expect((await read(service, `${job}/state/clicks`)).body).toEqual({ uid: 'clicks', states: ['count', 'pages'] });
      expect((await read(service, `${job}/state/nobody`)).status).toBe(404);
      const unknownUid = await read(service, `${job}/state/nobody/count/ada`);
      expect(unknownUid.status).toBe(404);
      expect(JSON.stringify(unknownUid.body)).toContain('No operator with the uid \\"nobody\\" keeps state');
      const unknownName = await read(service, `${job}/state/clicks/nothing/ada`);
      expect(unknownName.status).toBe(404);
      expect(JSON.stringify(unknownName.body)).toContain('It has: \\"count\\", \\"pages\\"');
      expect((await read(service, `${job}/state/clicks/count/ada`)).status).toBe(404);
    });
  });
});

describe('why a window does not fire', () => {
  it('is told by the topic partition that has sent nothing, by a missing strategy, and by the operator that makes watermarks', async () => {
    const args = ['--state-backend', 'heap', '--parallelism', '1', '--log-level', 'warn'];
    await withService({ job: 'inspected', args }, async (service) => {
      const job = await jobPath(service);
      const [before] = await watermarksOf(service, job, 'windows');
      expect(before?.explanation).toContain('has had no record with a timestamp yet');
      expect((await service.post('/clicks/ada', { page: 1, at: 5_000 })).status).toBe(200);
      const holder = async (): Promise<string | undefined> =>
        (await watermarksOf(service, job, 'windows'))[0]?.heldBy.kind;
      await expect.poll(holder, { timeout: 20_000 }).toBe('source-partition');
      const [first] = await watermarksOf(service, job, 'windows');
      expect(first).toMatchObject({
        id: '0.currentInputWatermark',
        value: '-9223372036854775808',
        heldBy: { kind: 'source-partition', source: 'orders', topic: 'orders' },
      });
      expect(first?.path).toHaveLength(1);
      expect(first?.explanation).toMatch(/^topic partition orders-\d+ of source "orders" has sent no record/);
      const [requests] = await watermarksOf(service, job, 'clicks');
      expect(requests?.heldBy).toEqual({ kind: 'source-without-strategy', source: 'requests' });
      expect(requests?.explanation).toContain('no WatermarkStrategy');
    });
  });
});
