import { afterEach, describe, expect, it, vi } from 'vitest';

import type { RequestRoute } from '../../../src/main/job-control.js';
import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('a request to a route of the job', () => {
  let server: GatewayUnderTest;

  afterEach(() => server.stop());

  const start = async (...routes: RequestRoute[]): Promise<void> => {
    server = await GatewayUnderTest.start({}, routes.length === 0 ? [requestRoute('POST /echo')] : routes);
  };

  it('is answered with the status, media type and bytes of its reply, under the id that the job saw', async () => {
    await start();
    server.job.answer = () => ({ status: 418, contentType: 'text/plain; charset=utf-8', body: 'grün' });
    const response = await server.post('/echo', { a: 1 });
    expect(response.status).toBe(418);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('content-length')).toBe('5');
    expect(await response.text()).toBe('grün');
    expect(response.headers.get('x-request-id')).toMatch(UUID);
    expect(response.headers.get('x-request-id')).toBe(server.job.submissions[0]?.envelope.correlationId);
  });

  it('reaches the job with everything that it may look at, and with its body byte for byte', async () => {
    await start(requestRoute('POST /shops/:shop/items/:item', { forwardHeaders: ['x-user', 'x-missing'] }));
    const text = '{ "price" : 1.50,\n "name": "h\\u00e4" }';
    const before = Date.now();
    await server.post('/shops/a%2Fb/items/7?tag=x&tag=y&sort=up', text, { 'x-user': 'ann', 'x-other': 'no' });
    const { envelope } = await server.job.submitted(1);
    expect(envelope.request).toEqual({
      method: 'POST',
      path: '/shops/a%2Fb/items/7',
      route: 'POST /shops/:shop/items/:item',
      params: { shop: 'a/b', item: '7' },
      query: { tag: ['x', 'y'], sort: 'up' },
      headers: { 'x-user': 'ann' },
      body: { price: 1.5, name: 'hä' },
    });
    expect(Buffer.from(envelope.body).toString()).toBe(text);
    expect(envelope.deadline).toBeGreaterThanOrEqual(before + 30_000);
    expect(envelope.deadline).toBeLessThanOrEqual(Date.now() + 30_000);
  });

  it('passes a trace context on when it is one, and nothing when it is not', async () => {
    await start();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await server.post('/echo', {}, { traceparent });
    await server.post('/echo', {}, { traceparent: 'trust me' });
    expect(server.job.submissions.map(({ envelope }) => envelope.traceparent)).toEqual([traceparent, null]);
  });

  it('takes its deadline from the client, then from the route, then from the gateway', async () => {
    await start(requestRoute('POST /echo'), requestRoute('POST /quick', { timeoutMs: 5_000 }));
    const now = Date.now();
    await server.post('/echo', {});
    await server.post('/quick', {});
    await server.post('/quick', {}, { 'millrace-timeout-ms': '9000' });
    await server.post('/quick', {}, { 'millrace-timeout-ms': '999999999' });
    const timeouts = server.job.submissions.map(({ envelope }) => Math.round((envelope.deadline - now) / 1_000));
    expect(timeouts).toEqual([30, 5, 9, 300]);
  });

  it.each(['0', '-1', '1.5', 'soon', '99999999999'])('is refused with the timeout %j', async (timeout) => {
    await start();
    const response = await server.post('/echo', {}, { 'millrace-timeout-ms': timeout });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining('millrace-timeout-ms') as unknown });
  });

  it('may have no body, with or without a content type', async () => {
    await start(requestRoute('POST /echo'), requestRoute('GET /echo'), requestRoute('DELETE /echo'));
    await server.fetch('/echo', { method: 'POST' });
    await server.fetch('/echo', { method: 'POST', headers: { 'content-type': 'application/json' } });
    await server.fetch('/echo');
    await server.fetch('/echo', { method: 'DELETE' });
    expect(server.job.submissions.map(({ envelope }) => envelope.request.body)).toEqual(Array(4).fill(undefined));
    expect(server.job.submissions.map(({ envelope }) => envelope.body.length)).toEqual([0, 0, 0, 0]);
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/ld+json'])(
    'may call its body %s',
    async (type) => {
      await start();
      const response = await server.post('/echo', { a: 1 }, { 'content-type': type });
      expect(await response.json()).toEqual({ a: 1 });
    },
  );

  it('may come in pieces and without a length', async () => {
    await start();
    const wire = server.connect();
    wire.send('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
    wire.send('2\r\n{"\r\n').send('5\r\na":1}\r\n0\r\n\r\n');
    expect(await wire.until(/\{"a":1\}$/)).toMatch(/^HTTP\/1.1 200 OK/);
    wire.hangUp();
  });

  it('is answered in order when several are sent ahead on one connection, whatever order they finish in', async () => {
    await start();
    server.job.answers = false;
    const request = (n: number): string =>
      `POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n${n}`;
    const wire = server.connect().send(request(1) + request(2) + request(3));
    await server.job.submitted(3);
    for (const submission of server.job.submissions.toReversed()) server.job.reply(submission);
    const received = await wire.until(/\r\n\r\n3$/);
    expect(received.match(/(?<=\r\n\r\n)\d/g)).toEqual(['1', '2', '3']);
    wire.hangUp();
  });

  it('carries an answer of any bytes unchanged', async () => {
    await start();
    const body = Uint8Array.from({ length: 4_096 }, (_, index) => index % 256);
    server.job.answer = () => ({ contentType: 'application/octet-stream', body });
    expect(new Uint8Array(await (await server.post('/echo', {})).arrayBuffer())).toEqual(body);
  });

  it('carries a large answer whole, though its memory was only lent', async () => {
    await start();
    const body = 'ab'.repeat(300_000);
    server.job.answer = () => ({ body: JSON.stringify(body) });
    expect(await (await server.post('/echo', {})).json()).toBe(body);
  });

  it('has no body in its answer where the status allows none', async () => {
    await start();
    server.job.answer = () => ({ status: 204, body: '{"left":"over"}' });
    const response = await server.post('/echo', {});
    expect(response.status).toBe(204);
    expect(response.headers.has('content-length')).toBe(false);
    // The connection is still in step.
    server.job.answer = () => ({ body: '"next"' });
    expect(await (await server.post('/echo', {})).json()).toBe('next');
  });

  it.each([
    ['a status that is none', { status: 42, body: 'x' }, 500, 'application/problem+json'],
    [
      'a media type that would split the header',
      { contentType: 'a/b\r\nx: y', body: 'x' },
      200,
      'application/octet-stream',
    ],
  ])('survives %s from the job', async (_what, answer, status, contentType) => {
    await start();
    server.job.answer = () => answer;
    const response = await server.post('/echo', {});
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe(contentType);
  });

  it('that asks for the head only runs as the GET, and gets the length but no body', async () => {
    await start(requestRoute('GET /counters/:name'));
    server.job.answer = () => ({ body: '{"value":7}' });
    const response = await server.fetch('/counters/a', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('11');
    expect(await response.text()).toBe('');
    expect(server.job.submissions[0]?.envelope.request.method).toBe('GET');
  });

  it('that asks for the options is told the methods, and does not reach the job', async () => {
    await start(requestRoute('GET /counters/:name'), requestRoute('POST /counters/:name'));
    const response = await server.fetch('/counters/a', { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(response.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS');
    expect(server.job.submissions).toEqual([]);
  });

  it('may have a very long key in its path', async () => {
    await start(requestRoute('GET /counters/:name'));
    const name = 'k'.repeat(4_000);
    await server.fetch(`/counters/${name}`);
    expect(server.job.submissions[0]?.envelope.request.params).toEqual({ name });
  });
});

describe('the log', () => {
  it('has a line per request when that is wanted, with the route and not with what the client wrote', async () => {
    const server = await GatewayUnderTest.start({ logRequests: true }, [requestRoute('GET /people/:name')]);
    const response = await server.fetch('/people/ann?token=secret');
    await server.fetch('/readyz');
    await vi.waitFor(() => expect(server.log.length).toBe(2));
    expect(server.log[0]).toEqual({
      level: 'debug',
      text: 'request answered',
      fields: {
        requestId: response.headers.get('x-request-id'),
        method: 'GET',
        route: '/people/:name',
        status: 200,
        durationMs: expect.any(Number) as unknown,
      },
    });
    expect(server.log[1]).toMatchObject({ fields: { route: '/readyz' } });
    expect(JSON.stringify(server.log)).not.toMatch(/ann|secret/);
    await server.stop();
  });

  it('is silent about requests otherwise', async () => {
    const server = await GatewayUnderTest.start();
    await server.post('/echo', {});
    await server.post('/echo', '{');
    await server.fetch('/nowhere');
    await server.stop();
    expect(server.log).toEqual([]);
  });
});

describe('a gateway that is built', () => {
  it('takes a body as large as all pending ones together', async () => {
    const server = await GatewayUnderTest.start({ bodyLimitBytes: 2_000, pendingMaxBytes: 2_000 });
    expect((await server.post('/echo', JSON.stringify('x'.repeat(1_998)))).status).toBe(200);
    await server.stop();
  });

  it('may be closed without ever having listened', async () => {
    const server = await GatewayUnderTest.build();
    await server.gateway.close();
    await server.gateway.close();
  });

  it.each([
    ['a body schema that is none', requestRoute('POST /a', { bodySchema: { type: 'nonsense' } })],
    ['a path of its own', requestRoute('GET /healthz')],
    ['a body limit that could never be used', requestRoute('POST /a', { bodyLimitBytes: 1e12 })],
  ])('refuses %s, naming the route', async (_what, route) => {
    const building = GatewayUnderTest.start({}, [route]);
    await expect(building).rejects.toMatchObject({ code: 'MILLRACE_JOB_INVALID' });
    await expect(building).rejects.toThrow(route.route);
  });

  it('says which address is taken', async () => {
    const first = await GatewayUnderTest.start();
    const port = Number(new URL(first.url).port);
    await expect(GatewayUnderTest.start({ port })).rejects.toMatchObject({
      code: 'MILLRACE_ADDRESS_IN_USE',
      details: { host: '127.0.0.1', port },
    });
    await first.stop();
  });
});
