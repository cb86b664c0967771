import { describe, expect, it, vi } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';

const REQUEST = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1';

function connectionCount(server: GatewayUnderTest): number | undefined {
  const family = server.gateway.metricFamilies().find(({ name }) => name === 'millrace_http_connections');
  return family?.samples[0]?.value;
}

describe('a gateway that drains', () => {
  it('answers what is pending, turns away what is new, says that it is not ready, and then is gone', async () => {
    const server = await GatewayUnderTest.start();
    server.job.answers = false;
    const pending = server.post('/echo', 'null');
    const submission = await server.job.submitted(1);
    let isDrained = false;
    const drained = server.gateway.drain(10_000).finally(() => (isDrained = true));

    const turnedAway = await server.post('/echo', 2);
    expect(turnedAway.status).toBe(503);
    expect(turnedAway.headers.get('retry-after')).toBe('1');
    expect(turnedAway.headers.get('connection')).toBe('close');
    expect(await turnedAway.json()).toMatchObject({ code: 'MILLRACE_SHUTTING_DOWN' });
    const ready = await server.fetch('/readyz');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ status: 'not ready', reasons: ['the gateway is shutting down'] });
    expect((await server.fetch('/healthz')).status).toBe(200);
    expect(isDrained).toBe(false);

    server.job.reply(submission);
    const answered = await pending;
    expect(answered.status).toBe(200);
    expect(answered.headers.get('connection')).toBe('close');
    expect(await drained).toBe(0);
    expect(server.job.submissions.length).toBe(1);
    await expect(server.fetch('/healthz')).rejects.toThrow();
  });

  it('cuts off what is still pending at its limit, with 503 and the place of its later answer', async () => {
    const server = await GatewayUnderTest.start();
    server.job.answers = false;
    const pending = server.post('/echo', 1);
    await server.job.submitted(1);
    const drained = server.gateway.drain(50);
    const response = await pending;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: 'MILLRACE_SHUTTING_DOWN',
      result: `/requests/${response.headers.get('x-request-id')}`,
    });
    expect(await drained).toBe(1);
  });

  it('does not make those wait who wait for a place: they get 503 at once', async () => {
    const server = await GatewayUnderTest.start({ pendingMax: 1, pendingWaitMs: 10_000 });
    server.job.answers = false;
    const pending = server.post('/echo', 1);
    const submission = await server.job.submitted(1);
    const waiting = server.post('/echo', 2);
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_waiters')).toBe(1));
    const drained = server.gateway.drain(10_000);
    const turnedAway = await waiting;
    expect(turnedAway.status).toBe(503);
    expect(await turnedAway.json(), 'it never reached the job').not.toHaveProperty('result');
    server.job.reply(submission);
    expect((await pending).status).toBe(200);
    await drained;
    expect(server.job.submissions.length).toBe(1);
  });

  it('closes connections that are idle, that never sent anything, or whose client does not read', async () => {
    const server = await GatewayUnderTest.start();
    server.job.answer = () => ({ body: Buffer.alloc(64 * 1024 * 1024, 0x31) });
    const idle = server.connect().send('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await idle.until(/alive/);
    const silent = server.connect();
    const deaf = server.connect();
    deaf.deafen();
    deaf.send(REQUEST);
    await server.job.submitted(1);
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_requests')).toBe(0));
    const drained = server.gateway.drain(5_000);
    // Only the one that does not read gets a moment more.
    await vi.waitFor(() => expect(connectionCount(server)).toBe(1), { interval: 2 });
    await Promise.all([idle.untilClosed(), silent.untilClosed()]);
    await drained;
    await vi.waitFor(() => expect(connectionCount(server)).toBe(0));
    await expect(server.fetch('/healthz')).rejects.toThrow();
    deaf.hangUp();
  });

  it('lets an answer that is being sent be read to its end', async () => {
    const server = await GatewayUnderTest.start();
    server.job.answer = () => ({ body: Buffer.alloc(32 * 1024 * 1024, 0x31) });
    const response = await server.post('/echo', 1);
    const drained = server.gateway.drain(5_000);
    expect((await response.arrayBuffer()).byteLength).toBe(32 * 1024 * 1024);
    await drained;
  });

  it('may be told twice, and closed after it', async () => {
    const server = await GatewayUnderTest.start();
    server.job.answers = false;
    const pending = server.post('/echo', 1);
    const submission = await server.job.submitted(1);
    const both = [server.gateway.drain(10_000), server.gateway.drain(10_000)];
    server.job.reply(submission);
    expect(await Promise.all(both)).toEqual([0, 0]);
    await pending;
    await server.gateway.close();
    // A reply that comes when all is over disturbs nobody.
    server.job.reply(submission);
  });
});

describe('a gateway that closes', () => {
  it('answers what is pending with 503 first, and does not claim that what was submitted did not happen', async () => {
    const server = await GatewayUnderTest.start();
    server.job.makesDurable = false;
    const pending = server.post('/echo', 1);
    await server.job.submitted(1);
    await Promise.all([server.gateway.close(), server.gateway.close()]);
    const response = await pending;
    expect(response.status).toBe(503);
    expect(await response.json()).toHaveProperty('result');
  });
});
