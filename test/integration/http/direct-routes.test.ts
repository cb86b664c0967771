import { afterEach, describe, expect, it } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';

let server: GatewayUnderTest | null = null;

afterEach(async () => {
  await server?.stop();
  server = null;
});

describe('a route of the job', () => {
  it("gives way to one of the gateway's own that is more to the point", async () => {
    server = await GatewayUnderTest.start({}, [requestRoute('GET /:name'), requestRoute('GET /requests/:a/:b')]);
    server.job.answer = ({ request }) => ({ body: JSON.stringify(request.params) });
    expect(await (await server.fetch('/healthz')).json()).toEqual({ status: 'alive' });
    expect(await (await server.fetch('/something')).json()).toEqual({ name: 'something' });
    expect((await server.fetch('/requests/0000')).status).toBe(404);
    expect(await (await server.fetch('/requests/x/y')).json()).toEqual({ a: 'x', b: 'y' });
  });

  it('takes its path and query as fastify does', async () => {
    server = await GatewayUnderTest.start({}, [requestRoute('GET /items/:name'), requestRoute('POST /items/:name')]);
    server.job.answer = ({ request: { params, query, path } }) => ({ body: JSON.stringify({ params, query, path }) });
    const expected = { params: { name: 'ä/b' }, query: { a: ['1', '2'], b: ' ' }, path: '/items/%C3%A4%2Fb' };
    const url = '/items/%C3%A4%2Fb?a=1&a=2&b=%20';
    expect(await (await server.fetch(url)).json()).toEqual(expected);
    expect(await (await server.post(url, {})).json()).toEqual(expected);
    // Not in the form that nearly everybody uses: fastify's way.
    const headers = { 'content-type': 'Application/JSON;charset="UTF-8"' };
    expect(await (await server.post(url, {}, headers)).json()).toEqual(expected);
    expect((await server.fetch('/items/%zz')).status).toBe(400);
    expect((await server.fetch('/items')).status).toBe(404);
  });

  it('shows each request to a hook of the author, and counts each once', async () => {
    const seen: string[] = [];
    server = await GatewayUnderTest.start({}, undefined, {
      plugin: (app) => {
        app.addHook('onRequest', (request, _reply, done) => {
          seen.push(request.url);
          done();
        });
      },
    });
    await server.post('/echo', {});
    expect(seen).toEqual(['/echo']);
    const count = 'millrace_http_requests_total{method="POST",route="/echo",status="200"}';
    expect(await server.metric(count)).toBe(1);
  });

  it('whose handling throws answers 500, and goes on', async () => {
    let isBroken = true;
    server = await GatewayUnderTest.start({}, [
      requestRoute('POST /echo', {
        bodySchema: { type: 'object' },
      }),
    ]);
    const { job } = server;
    Object.defineProperty(job, 'takesRequests', {
      get: () => {
        if (isBroken) throw new Error('broken');
        return true;
      },
    });
    expect((await server.post('/echo', {})).status).toBe(500);
    isBroken = false;
    expect((await server.post('/echo', {})).status).toBe(200);
  });
});
