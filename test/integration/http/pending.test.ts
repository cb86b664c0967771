import { afterEach, describe, expect, it, vi } from 'vitest';

import { MillraceError } from '../../../src/base/errors.js';
import type { GatewayConfig } from '../../../src/http/gateway-config.js';
import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';

interface ProblemDocument {
  readonly code: string;
  readonly result?: string;
}

const problemOf = async (response: Response): Promise<ProblemDocument> => (await response.json()) as ProblemDocument;

let server: GatewayUnderTest;

const start = async (config: Partial<GatewayConfig> = {}): Promise<void> => {
  server = await GatewayUnderTest.start(config);
};

afterEach(() => server.stop());

describe('at capacity', () => {
  it('requests wait in line and get a place in the order in which they came', async () => {
    await start({ pendingMax: 2, pendingWaitMs: 10_000 });
    server.job.answers = false;
    const responses: Promise<Response>[] = [];
    for (let number = 0; number < 8; number += 1) {
      responses.push(server.post('/echo', number));
      // One after the other, so that the order of arrival is known.
      const waiting = Math.max(number - 1, 0);
      await vi.waitFor(async () => expect(await server.metric('millrace_pending_waiters')).toBe(waiting), {
        interval: 2,
      });
    }
    expect(server.job.submissions.length).toBe(2);
    for (let number = 0; number < 8; number += 1) server.job.reply(await server.job.submitted(number + 1));
    expect(server.job.submissions.map(({ envelope }) => envelope.request.body)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const answers = await Promise.all(responses.map(async (response) => (await response).json()));
    expect(answers).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('a request that waited too long for a place gets 503 and is told when to try again; it never reaches the job', async () => {
    await start({ pendingMax: 1, pendingWaitMs: 50, retryAfterSeconds: 3 });
    server.job.answers = false;
    const first = server.post('/echo', 1);
    const held = await server.job.submitted(1);
    const second = await server.post('/echo', 2);
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('3');
    expect(await problemOf(second)).toMatchObject({ code: 'MILLRACE_BACKPRESSURE' });
    server.job.reply(held);
    expect((await first).status).toBe(200);
    expect(server.job.submissions.length).toBe(1);
  });

  it('a request that finds the line full gets 503 at once', async () => {
    await start({ pendingMax: 1, waitersMax: 0, pendingWaitMs: 10_000 });
    server.job.answers = false;
    const first = server.post('/echo', 1);
    const held = await server.job.submitted(1);
    expect((await server.post('/echo', 2)).status).toBe(503);
    server.job.reply(held);
    await first;
  });

  it('bytes count as well as requests', async () => {
    await start({ pendingMaxBytes: 10_000, waitersMax: 0 });
    server.job.answers = false;
    const first = server.post('/echo', 'x'.repeat(0) + JSON.stringify('x'.repeat(6_000)));
    const held = await server.job.submitted(1);
    expect((await server.post('/echo', JSON.stringify('y'.repeat(6_000)))).status).toBe(503);
    server.job.reply(held);
    await first;
  });

  it('bodies that are still being received are bounded together', async () => {
    await start({ receivingMaxBytes: 3_000 });
    const head = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n';
    const slow = server.connect().send(head + 'x'.repeat(2_000));
    await vi.waitFor(async () => expect(await server.metric('millrace_http_receiving_bytes')).toBe(2_000));
    const response = await server.post('/echo', JSON.stringify('y'.repeat(2_000)));
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    slow.hangUp();
    await vi.waitFor(async () => expect(await server.metric('millrace_http_receiving_bytes')).toBe(0));
    expect((await server.post('/echo', JSON.stringify('y'.repeat(2_000)))).status).toBe(200);
  });
});

describe('at its deadline', () => {
  it('a request gets 504 and a place where its late answer can be fetched', async () => {
    await start();
    server.job.answers = false;
    const response = await server.post('/echo', { a: 1 }, { 'millrace-timeout-ms': '50' });
    expect(response.status).toBe(504);
    const { code, result } = await problemOf(response);
    expect(code).toBe('MILLRACE_DEADLINE_EXCEEDED');
    expect(result).toBe(`/requests/${response.headers.get('x-request-id')}`);

    const running = await server.fetch(result ?? '');
    expect(running.status).toBe(202);
    expect(running.headers.get('retry-after')).toBe('1');

    server.job.reply(await server.job.submitted(1), { status: 201, contentType: 'text/plain', body: 'late' });
    const late = await server.fetch(result ?? '');
    expect(late.status).toBe(201);
    expect(late.headers.get('content-type')).toBe('text/plain');
    expect(await late.text()).toBe('late');
    // Fetching is not taking.
    expect((await server.fetch(result ?? '')).status).toBe(201);
  });

  it('a request is not answered before', async () => {
    await start();
    server.job.answers = false;
    const startedAt = performance.now();
    const response = await server.post('/echo', {}, { 'millrace-timeout-ms': '80' });
    expect(response.status).toBe(504);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(80);
  });

  it('the first reply is the one that is kept', async () => {
    await start();
    server.job.answers = false;
    const { result } = await problemOf(await server.post('/echo', {}, { 'millrace-timeout-ms': '30' }));
    const submission = await server.job.submitted(1);
    server.job.reply(submission, { body: '1' });
    server.job.reply(submission, { body: '2' });
    expect(await (await server.fetch(result ?? '')).text()).toBe('1');
    expect(await server.metric('millrace_late_replies_total{fate="kept"}')).toBe(1);
    expect(await server.metric('millrace_late_replies_total{fate="dropped"}')).toBe(1);
  });

  it('a result expires', async () => {
    await start({ resultTtlMs: 50 });
    server.job.answers = false;
    const { result } = await problemOf(await server.post('/echo', {}, { 'millrace-timeout-ms': '30' }));
    server.job.reply(await server.job.submitted(1));
    await vi.waitFor(async () => expect((await server.fetch(result ?? '')).status).toBe(404));
  });

  it('a request that was refused after its deadline is forgotten: it never ran', async () => {
    await start();
    server.job.makesDurable = false;
    const { result } = await problemOf(await server.post('/echo', {}, { 'millrace-timeout-ms': '30' }));
    const { listener } = await server.job.submitted(1);
    listener.onRefused(new Error('disk gone'));
    expect((await server.fetch(result ?? '')).status).toBe(404);
  });
});

describe('a request that prefers to respond asynchronously', () => {
  const PREFER = { prefer: 'respond-async' };

  it('gets 202 once it is durable, not before, and its answer can be fetched', async () => {
    await start();
    server.job.makesDurable = false;
    let isAnswered = false;
    const answered = server.post('/echo', { a: 1 }, PREFER).finally(() => (isAnswered = true));
    const submission = await server.job.submitted(1);
    expect((await server.fetch('/healthz')).status).toBe(200);
    expect(isAnswered).toBe(false);
    server.job.makeDurable(submission);
    const response = await answered;
    expect(response.status).toBe(202);
    expect(response.headers.get('preference-applied')).toBe('respond-async');
    const location = response.headers.get('location') ?? '';
    expect(location).toBe(`/requests/${response.headers.get('x-request-id')}`);
    expect(await server.metric('millrace_pending_requests')).toBe(0);

    expect((await server.fetch(location)).status).toBe(202);
    server.job.reply(submission);
    const result = await server.fetch(location);
    expect(result.status).toBe(200);
    expect(await result.json()).toEqual({ a: 1 });
  });

  it('and to wait a while gets its answer when that is quick, and 202 when it is not', async () => {
    await start();
    const quick = await server.post('/echo', 1, { prefer: 'respond-async, wait=10' });
    expect([quick.status, quick.headers.get('preference-applied')]).toEqual([200, null]);
    // What was answered on the connection is not kept as well.
    expect((await server.fetch(`/requests/${quick.headers.get('x-request-id')}`)).status).toBe(404);

    server.job.answers = false;
    const slow = await server.post('/echo', 2, { prefer: 'respond-async, wait=1' });
    expect([slow.status, slow.headers.get('preference-applied')]).toEqual([202, 'respond-async']);
    server.job.reply(await server.job.submitted(2));
    expect(await (await server.fetch(slow.headers.get('location') ?? '')).json()).toBe(2);
  });

  it('but is not durable when its wait is over gets 504, and its answer once all the same', async () => {
    await start({ resultsMaxBytes: 1_100 });
    server.job.makesDurable = false;
    const response = await server.post('/echo', 1, { prefer: 'respond-async, wait=1', 'millrace-timeout-ms': '50' });
    expect(response.status).toBe(504);
    const { result } = await problemOf(response);
    const submission = await server.job.submitted(1);
    server.job.makeDurable(submission);
    expect((await server.fetch(result ?? '')).status).toBe(202);
    server.job.reply(submission);
    expect((await server.fetch(result ?? '')).status).toBe(200);
    expect(await server.metric('millrace_async_results')).toBe(1);
    expect(await server.metric('millrace_async_results_bytes')).toBe(513);
  });

  it('gets 503 when no more results can be promised', async () => {
    await start({ resultsMax: 1 });
    server.job.answers = false;
    expect((await server.post('/echo', 1, PREFER)).status).toBe(202);
    const second = await server.post('/echo', 2, PREFER);
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(server.job.submissions.length).toBe(1);
  });

  it('and cannot be made durable gets its refusal, and its id stays unknown', async () => {
    await start();
    server.job.refusal = new MillraceError('MILLRACE_STORAGE_FULL', 'appending to /var/log/requests');
    const response = await server.post('/echo', 1, PREFER);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ code: 'MILLRACE_STORAGE_FULL' });
    expect((await server.fetch(`/requests/${response.headers.get('x-request-id')}`)).status).toBe(404);
  });

  it('is unknown under an id that was never given', async () => {
    await start();
    for (const id of ['00000000-0000-4000-8000-000000000000', 'x', '..%2f..%2fetc']) {
      const response = await server.fetch(`/requests/${id}`);
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: 'MILLRACE_REQUEST_NOT_FOUND' });
    }
  });
});

describe('a client that hangs up', () => {
  it('frees the place of its request at once; the request itself goes on, and its answer is kept', async () => {
    await start({ pendingMax: 1, pendingWaitMs: 10_000 });
    server.job.answers = false;
    const aborting = new AbortController();
    const abandoned = server.fetch('/echo', { method: 'POST', signal: aborting.signal });
    const first = await server.job.submitted(1);
    const next = server.post('/echo', 2);
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_waiters')).toBe(1));
    aborting.abort();
    await expect(abandoned).rejects.toThrow();
    const second = await server.job.submitted(2);
    server.job.reply(first, { body: '"for nobody"' });
    server.job.reply(second);
    expect(await (await next).json()).toBe(2);
    const kept = await server.fetch(`/requests/${first.envelope.correlationId}`);
    expect(await kept.json()).toBe('for nobody');
    expect(await server.metric('millrace_http_requests_total{method="POST",route="/echo",status="499"}')).toBe(1);
  });

  it('while its request waits for a place leaves the line', async () => {
    await start({ pendingMax: 1, pendingWaitMs: 10_000 });
    server.job.answers = false;
    const first = server.post('/echo', 1);
    const held = await server.job.submitted(1);
    const aborting = new AbortController();
    const abandoned = server.fetch('/echo', { method: 'POST', signal: aborting.signal });
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_waiters')).toBe(1));
    aborting.abort();
    await expect(abandoned).rejects.toThrow();
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_waiters')).toBe(0));
    server.job.reply(held);
    await first;
    expect(server.job.submissions.length).toBe(1);
  });

  it('with several requests on its connection ends them all', async () => {
    await start();
    server.job.answers = false;
    const wire = server.connect().send('POST /echo HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3));
    await server.job.submitted(3);
    wire.hangUp();
    await vi.waitFor(async () => expect(await server.metric('millrace_pending_requests')).toBe(0));
    for (const submission of server.job.submissions) server.job.reply(submission);
    expect(await server.metric('millrace_late_replies_total{fate="kept"}')).toBe(3);
  });

  it('in the middle of its body leaves nothing behind', async () => {
    await start();
    const wire = server.connect();
    wire.send('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[');
    await vi.waitFor(async () => expect(await server.metric('millrace_http_receiving_bytes')).toBe(1));
    wire.hangUp();
    await vi.waitFor(async () => expect(await server.metric('millrace_http_receiving_bytes')).toBe(0));
    expect(server.job.submissions).toEqual([]);
    expect(server.log.filter(({ level }) => level === 'error')).toEqual([]);
    expect(await server.metric('millrace_http_requests_total{method="POST",route="/echo",status="499"}')).toBe(1);
  });
});

describe('a reply', () => {
  it('to nobody, and one too many, do not disturb the others', async () => {
    await start();
    server.job.answers = false;
    const answered = server.post('/echo', 1);
    const submission = await server.job.submitted(1);
    server.job.reply(submission);
    server.job.reply(submission, { body: '2' });
    expect(await (await answered).json()).toBe(1);
  });

  it('that comes before its request was reported durable is an answer all the same', async () => {
    await start();
    server.job.makesDurable = false;
    const answered = server.post('/echo', 1, { prefer: 'respond-async' });
    const submission = await server.job.submitted(1);
    server.job.reply(submission);
    server.job.makeDurable(submission);
    expect((await answered).status).toBe(200);
  });
});
