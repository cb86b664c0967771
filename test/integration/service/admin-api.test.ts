import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess } from '../../helpers/service-process.js';

/** The admin API against a running process: what it says is true, and has the form that the OpenAPI document promises. */

type Json = Record<string, unknown>;

interface Operation {
  readonly responses: Readonly<Record<string, { content: Readonly<Record<string, { schema: object }>> }>>;
}

describe('the admin API', () => {
  let service: ServiceProcess;
  let jid: string;
  let requestId: string;
  let savepointId: string;
  let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;

  const json = async <T = Json>(path: string): Promise<T> => (await service.fetch(path)).json() as Promise<T>;

  beforeAll(async () => {
    service = await ServiceProcess.start({ args: ['--checkpoint-interval-ms', '200', '--parallelism', '2'] });
    [{ id: jid }] = (await json<{ jobs: [{ id: string }] }>('/jobs')).jobs;
    ({ paths } = await json<{ paths: typeof paths }>('/openapi.json'));
    for (let count = 0; count < 20; count++) {
      const headers = { 'millrace-trace': '1' };
      const answer = await service.post(`/counters/name-${String(count % 5)}`, { amount: 1 }, headers);
      requestId = answer.headers.get('x-request-id') ?? '';
    }
    await service.fetch(`/jobs/${jid}/checkpoints`, { method: 'POST' });
    const begun = (await (await service.post(`/jobs/${jid}/savepoints`, {})).json()) as { 'request-id': string };
    savepointId = begun['request-id'];
  });

  afterAll(() => service.dispose());

  it('answers every path for reading as the OpenAPI document says', async () => {
    const values: Record<string, string> = {
      jobId: jid,
      vertexId: 'counter-requests',
      subtask: '1',
      taskManagerId: 'worker-1',
      topic: 'demo.responses',
      checkpointId: '1',
      uid: 'count',
      name: 'value',
      key: 'name-1',
    };
    await expect
      .poll(async () => (await service.fetch(`/jobs/${jid}/traces/${requestId}`)).status, { timeout: 30_000 })
      .toBe(200);
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    const checked: string[] = [];
    for (const [path, { get }] of Object.entries(paths)) {
      const content = get?.responses['200']?.content?.['application/json'];
      if (content === undefined || !/^\/(jobs|taskmanagers|topics|requests$|config|jobmanager)/.test(path)) continue;
      values['requestId'] = path.includes('/savepoints/') ? savepointId : requestId;
      const url = path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => values[name] ?? name);
      const response = await service.fetch(url);
      expect([url, response.status]).toEqual([url, 200]);
      ajv.validate(content.schema, await response.json());
      expect([url, ajv.errors]).toEqual([url, null]);
      checked.push(path);
    }
    expect(checked.length).toBeGreaterThan(15);
  });

  it('counts records where they are, by vertex and subtask', async () => {
    const vertex = await json<{ subtasks: { metrics: Json }[] }>(`/jobs/${jid}/vertices/counter-requests`);
    const read = vertex.subtasks.reduce((sum, { metrics }) => sum + Number(metrics['read-records']), 0);
    expect(read).toBe(20);
    const metrics = await json<{ id: string; value: string }[]>(
      `/jobs/${jid}/vertices/counter-requests/metrics?get=0.numRecordsIn,1.numRecordsIn,no.such`,
    );
    expect(metrics.map(({ id }) => id)).toEqual(['0.numRecordsIn', '1.numRecordsIn']);
    expect(metrics.reduce((sum, { value }) => sum + Number(value), 0)).toBe(20);
  });

  it('takes a checkpoint when asked, and remembers it', async () => {
    const taken = await (await service.fetch(`/jobs/${jid}/checkpoints`, { method: 'POST' })).json();
    const { checkpointId } = taken as { checkpointId: number };
    const details = await json(`/jobs/${jid}/checkpoints/details/${String(checkpointId)}`);
    expect(details).toMatchObject({
      id: checkpointId,
      status: 'COMPLETED',
      is_savepoint: false,
      trigger_reason: 'forced',
    });
    const { counts, recovery_point_age: age } = await json<{ counts: Json; recovery_point_age: number }>(
      `/jobs/${jid}/checkpoints`,
    );
    expect(counts).toMatchObject({ failed: 0, restored: 0 });
    expect(age).toBeGreaterThanOrEqual(0);
  });

  it('shows topics with lag, and their records decoded', async () => {
    const topic = await json<{ recordCount: number; lag: number; partitions: { endOffset: number }[] }>(
      '/topics/demo.requests.counter-requests',
    );
    expect(topic).toMatchObject({ recordCount: 20, lag: 0, role: 'requests' });
    const partition = topic.partitions.findIndex(({ endOffset }) => endOffset > 0);
    const { records } = await json<{ records: { offset: number; value: Json }[] }>(
      `/topics/demo.requests.counter-requests/records?partition=${String(partition)}&offset=0&limit=3`,
    );
    expect(records[0]).toMatchObject({ offset: 0, value: { encoding: 'json', json: { amount: 1 } } });
    const newest = await json<{ endOffset: number; records: { offset: number }[] }>(
      '/topics/demo.responses/records?limit=2',
    );
    expect(newest.records.map(({ offset }) => offset)).toEqual([newest.endOffset - 2, newest.endOffset - 1]);
  });

  it('tells how long answers take, by route', async () => {
    const { routes } = await json<{ routes: { route: string; count: number; latencyMs: { p99: number } }[] }>(
      '/requests',
    );
    const counters = routes.find(({ route }) => route === '/counters/:name');
    expect(counters?.count).toBe(20);
    expect(counters?.latencyMs.p99).toBeGreaterThan(0);
  });

  it('sees the worker threads, their heap and their garbage collector', async () => {
    const look = async () =>
      (await json<{ taskmanagers: { id: string; memory: Json; loop: Json }[] }>('/taskmanagers')).taskmanagers;
    expect((await look()).map(({ id }) => id)).toEqual(['worker-0', 'worker-1']);
    // A worker says how it is once a second, when its loop turns: checkpoints make it turn.
    const turns = async () => Math.min(...(await look()).map(({ loop }) => Number(loop['turns'])));
    await expect.poll(turns, { timeout: 20_000 }).toBeGreaterThan(0);
    for (const { memory } of await look()) expect(Number(memory['heapUsed'])).toBeGreaterThan(1_000_000);
  });

  it('sends snapshots of everything that moves', async () => {
    const response = await service.fetch(`/jobs/${jid}/live`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes('\n\n')) break;
    }
    const data = /^event: snapshot\ndata: (.*)$/m.exec(text)?.[1] ?? '';
    const snapshot: unknown = JSON.parse(data);
    expect(snapshot).toMatchObject({ job: { jid, state: 'RUNNING' }, requests: { total: 20 } });
    const content = paths['/jobs/{jobId}/live']?.['get']?.responses['200']?.content['text/event-stream'];
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.validate(content?.schema ?? false, snapshot);
    expect(ajv.errors).toBeNull();
  });

  it.each([
    ['/jobs/no-such/checkpoints', 404],
    ['/jobs/JOB/vertices/no-such', 404],
    ['/jobs/JOB/vertices/events/subtasks/9', 404],
    ['/jobs/JOB/checkpoints/details/none', 404],
    ['/topics/no-such', 404],
    ['/taskmanagers/worker-9', 404],
    ['/topics/demo.responses/records?partition=1', 400],
    ['/topics/demo.responses/records?limit=0', 400],
    ['/topics/demo.responses/records?offset=many', 400],
    ['/topics/demo.responses/records?limit=1&limit=2', 400],
    ['/requests?limit=-1', 400],
  ])('says what is wrong with %s', async (path, status) => {
    const response = await service.fetch(path.replace('JOB', jid));
    expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
  });

  it('ends the process in order when the job is cancelled', async () => {
    expect((await service.fetch(`/jobs/${jid}?mode=drop`, { method: 'PATCH' })).status).toBe(400);
    expect((await service.fetch(`/jobs/${jid}?mode=cancel`, { method: 'PATCH' })).status).toBe(202);
    expect(await service.ended).toEqual({ code: 0, signal: null });
  });
});

describe('exceptions', () => {
  it('are remembered with their record, their operator and their stack', async () => {
    const service = await ServiceProcess.start({ job: 'poison-record-skip' });
    try {
      const [{ id }] = ((await (await service.fetch('/jobs')).json()) as { jobs: [{ id: string }] }).jobs;
      await service.post('/poison', { poison: true });
      const entries = async (): Promise<Json[]> => {
        const response = await service.fetch(`/jobs/${id}/exceptions`);
        return ((await response.json()) as { exceptionHistory: { entries: Json[] } }).exceptionHistory.entries;
      };
      // The caller has its answer before main hears of the failure.
      await expect.poll(async () => (await entries()).length, { timeout: 20_000 }).toBe(1);
      const [entry] = await entries();
      expect(entry).toMatchObject({ kind: 'skipped', code: 'MILLRACE_USER_FUNCTION_FAILED' });
      expect(String(entry?.['stacktrace'])).toContain('caused by: ');
    } finally {
      await service.dispose();
    }
  });
});
