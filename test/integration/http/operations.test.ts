import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';

const JOB_ID = '0123456789abcdef0123456789abcdef';

describe('the routes for operators', () => {
  let server: GatewayUnderTest;

  beforeEach(async () => {
    server = await GatewayUnderTest.start({}, [requestRoute('POST /echo'), requestRoute('GET /items/:id')]);
  });

  afterEach(() => server.stop());

  const json = async (path: string): Promise<unknown> => (await server.fetch(path)).json();

  it('say that the process is alive even while the job is not ready, and why it is not', async () => {
    expect((await server.fetch('/readyz')).status).toBe(200);
    server.job.state = 'FAILED';
    const health = await server.fetch('/healthz');
    expect([health.status, await health.json()]).toEqual([200, { status: 'alive' }]);
    const ready = await server.fetch('/readyz');
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'not ready', reasons: ['the job is FAILED'] }]);
    expect(ready.headers.get('cache-control')).toBe('no-store');
  });

  it('describe the job in the words of Flink', async () => {
    expect(await json('/jobs')).toEqual({ jobs: [{ id: JOB_ID, status: 'RUNNING' }] });
    expect(await json('/jobs/overview')).toMatchObject({
      jobs: [{ jid: JOB_ID, name: 'loopback', state: 'RUNNING', 'start-time': 1_000, tasks: { total: 3, running: 3 } }],
    });
    expect(await json(`/jobs/${JOB_ID}`)).toMatchObject({
      jid: JOB_ID,
      state: 'RUNNING',
      vertices: [
        { id: 'source', parallelism: 1, status: 'RUNNING' },
        { id: 'count', parallelism: 2, operators: [{ uid: 'count' }] },
      ],
      'status-counts': { total: 3, running: 3 },
    });
    const plan = {
      jid: JOB_ID,
      nodes: [
        { id: 'source', inputs: [] },
        { id: 'count', description: 'count -> respond', inputs: [{ num: 0, id: 'source', ship_strategy: 'HASH' }] },
      ],
    };
    expect(await json(`/jobs/${JOB_ID}/plan`)).toMatchObject({ plan });
    expect(await json('/overview')).toMatchObject({ 'slots-total': 2, 'jobs-running': 1, 'jobs-failed': 0 });
    server.job.state = 'FAILED';
    expect(await json('/overview')).toMatchObject({ 'slots-available': 2, 'jobs-running': 0, 'jobs-failed': 1 });
  });

  it.each(['/jobs/unknown', '/jobs/unknown/plan'])('know no job at %s', async (path) => {
    const response = await server.fetch(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'MILLRACE_REQUEST_NOT_FOUND' });
  });

  it('count requests by route, method and status, whatever is in the path', async () => {
    for (const id of ['a', 'b', 'c']) await server.fetch(`/items/${id}`);
    for (const path of ['/x', '/y', '/z']) await server.fetch(path);
    await server.post('/echo', '{');
    await server.post('/echo', '{}', { 'content-type': 'text/plain' });
    const lines = (await (await server.fetch('/metrics')).text()).split('\n');
    const requests = lines.filter((line) => line.startsWith('millrace_http_requests_total'));
    expect(requests).toEqual([
      'millrace_http_requests_total{method="*",route="unmatched",status="404"} 3',
      'millrace_http_requests_total{method="POST",route="/echo",status="400"} 1',
      'millrace_http_requests_total{method="POST",route="/echo",status="415"} 1',
      'millrace_http_requests_total{method="GET",route="/items/:id",status="200"} 3',
    ]);
    const count = 'millrace_http_request_duration_seconds_count{method="GET",route="/items/:id"} 3';
    expect(lines).toContain(count);
    const ofItems = lines.filter((line) => line.includes('_bucket{method="GET",route="/items/:id"'));
    const values = ofItems.map((line) => Number(line.slice(line.lastIndexOf(' '))));
    expect(
      values.toSorted((a, b) => a - b),
      'buckets are cumulative',
    ).toEqual(values);
    expect(ofItems.at(-1)).toContain('le="+Inf"} 3');
  });

  it('give metrics in the text format', async () => {
    const response = await server.fetch('/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    for (const line of text.split('\n')) {
      expect(line).toMatch(/^(?:|# (?:HELP|TYPE) .+|[a-z_][a-z0-9_]*(?:\{.*\})? (?:[-+0-9.e]+|Nan|[+-]Inf))$/i);
    }
    expect(text).toContain('millrace_http_connections 1');
  });
});
