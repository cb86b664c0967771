import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';

const Add = Type.Object({ amount: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });
const Page = { type: 'object', properties: { limit: { type: 'integer', maximum: 100 } } };
const LIMIT_BYTES = 1_000;

interface ProblemDocument {
  readonly type: string;
  readonly status: number;
  readonly code: string;
  readonly instance?: string;
  readonly errors?: readonly object[];
}

async function problemOf(response: Response): Promise<ProblemDocument> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as ProblemDocument;
  expect(problem.status).toBe(response.status);
  expect(problem.type).toBe(
    `urn:millrace:error:${problem.code.replace('MILLRACE_', '').toLowerCase().replaceAll('_', '-')}`,
  );
  const id = response.headers.get('x-request-id');
  expect(problem.instance).toBe(`urn:uuid:${id}`);
  return problem;
}

describe('a request that cannot be served', () => {
  let server: GatewayUnderTest;

  beforeAll(async () => {
    server = await GatewayUnderTest.start({ bodyLimitBytes: LIMIT_BYTES, maxHeaderCount: 20, maxHeaderBytes: 4_096 }, [
      requestRoute('POST /echo'),
      requestRoute('POST /counters/:name', { bodySchema: Add }),
      requestRoute('GET /counters/:name', { querySchema: Page }),
      requestRoute('POST /small', { bodyLimitBytes: 10 }),
    ]);
  });

  afterAll(async () => {
    expect(server.log.filter(({ level }) => level === 'error')).toEqual([]);
    await server.stop();
  });

  it.each([
    ['{"a":1', { offset: 6, line: 1, column: 7 }],
    ['{"a":1,\n "ü": tru}', { offset: 15, line: 2, column: 7 }],
    ['[1,2,]', { offset: 5, line: 1, column: 6 }],
    ['{"a" 1}', { offset: 5, line: 1, column: 6 }],
    ['"a\nb"', { offset: 2, line: 1, column: 3 }],
    ['{} {}', { offset: 3, line: 1, column: 4 }],
    ['\ufeff{}', { offset: 0, line: 1, column: 1 }],
  ])('as its body %j is broken JSON is told where', async (text, place) => {
    const response = await server.post('/echo', text);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({
      status: 400,
      code: 'MILLRACE_REQUEST_INVALID',
      errors: [{ pointer: '', ...place }],
    });
  });

  it('as its body is not UTF-8 is told so', async () => {
    const response = await server.fetch('/echo', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(await problemOf(response)).toMatchObject({ status: 400, errors: [{ message: 'the body is not UTF-8' }] });
  });

  it.each([
    ['{"amount":"1"}', '/amount', 'must be integer'],
    ['{"amount":0}', '/amount', 'must be >= 1'],
    ['{}', '/amount', "must have required property 'amount'"],
    ['{"amount":1,"a/b~c":2}', '/a~1b~0c', 'must NOT have additional properties'],
    ['[]', '', 'must be object'],
  ])('as its body %s does not fit the schema is told where and why', async (text, pointer, message) => {
    const problem = await problemOf(await server.post('/counters/a', text));
    expect(problem).toMatchObject({ status: 400, code: 'MILLRACE_REQUEST_INVALID', errors: [{ pointer, message }] });
  });

  it('as it has no body where the route needs one is told so', async () => {
    const problem = await problemOf(await server.fetch('/counters/a', { method: 'POST' }));
    expect(problem).toMatchObject({ status: 400, detail: 'This route needs a body of type application/json.' });
  });

  it('as its query does not fit the schema is told where; text that reads as a number is one', async () => {
    const problem = await problemOf(await server.fetch('/counters/a?limit=1000'));
    expect(problem).toMatchObject({ status: 400, errors: [{ pointer: '/limit', message: 'must be <= 100' }] });
    const submissionCount = server.job.submissions.length;
    expect((await server.fetch('/counters/a?limit=50')).status).toBe(200);
    // What was converted for the check does not reach the job.
    expect(server.job.submissions[submissionCount]?.envelope.request.query).toEqual({ limit: '50' });
  });

  it.each([
    ['{"a":[{"__proto__":{"admin":true}}]}', '/a/0/__proto__'],
    ['{"\\u005f_proto__":1}', '/__proto__'],
    ['{"constructor":{"prototype":{}}}', '/constructor'],
  ])('as its body %s would poison a prototype is refused', async (text, pointer) => {
    const problem = await problemOf(await server.post('/echo', text));
    expect(problem).toMatchObject({ status: 400, errors: [{ pointer }] });
  });

  it('but only mentions those names in a text is served', async () => {
    const body = { constructor: 'acme', note: '__proto__ is \u00fcber' };
    expect(await (await server.post('/echo', body)).json()).toEqual(body);
  });

  it('to a path that nobody declared gets 404', async () => {
    expect(await problemOf(await server.fetch('/nowhere'))).toMatchObject({
      status: 404,
      code: 'MILLRACE_REQUEST_NOT_FOUND',
    });
  });

  it.each([
    ['POST', '/nowhere', '{', 'application/json', 404],
    ['POST', '/nowhere', 'x'.repeat(5_000), 'text/x-unknown', 404],
    ['PUT', '/echo', '{', 'application/json', 405],
  ])('with a body, by %s to %s, is told what is wrong with the path before the body is looked at', async (...sent) => {
    const [method, path, body, type, status] = sent;
    const response = await server.fetch(path, { method, body, headers: { 'content-type': type } });
    expect(await problemOf(response)).toMatchObject({ status });
  });

  it.each([
    ['DELETE', '/echo', 'POST, OPTIONS'],
    // Of which fastify says that it must have a content type.
    ['QUERY', '/echo', 'POST, OPTIONS'],
    ['PUT', '/counters/a', 'POST, GET, HEAD, OPTIONS'],
    ['POST', '/healthz', 'GET, HEAD, OPTIONS'],
    ['POST', '/jobs/%6ayz/plan', 'GET, HEAD, OPTIONS'],
  ])('with the method %s to %s gets 405 and the methods that there are', async (method, path, allow) => {
    const response = await server.fetch(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'MILLRACE_METHOD_NOT_ALLOWED' });
  });

  it.each([
    ['text/plain', {}],
    ['multipart/form-data; boundary=x', {}],
    ['application/json; charset=utf-16', {}],
    ['application/jsonp', {}],
    ['nonsense', {}],
    ['application/json', { 'content-encoding': 'gzip' }],
  ])('with the media type %s and %o gets 415 and the type that is taken', async (type, headers) => {
    const response = await server.post('/echo', '{}', { 'content-type': type, ...headers });
    expect(response.headers.get('accept')).toBe('application/json');
    expect(await problemOf(response)).toMatchObject({ status: 415, code: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED' });
  });

  it('with a body and no media type gets 415', async () => {
    const wire = server.connect().send('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}');
    expect(await wire.until(/MEDIA_TYPE_UNSUPPORTED/)).toMatch(/^HTTP\/1.1 415 /);
    wire.hangUp();
  });

  it('with a body over the limit gets 413, whether the length is announced or not, and keeps its connection', async () => {
    const big = JSON.stringify('x'.repeat(LIMIT_BYTES));
    expect(await problemOf(await server.post('/echo', big))).toMatchObject({
      status: 413,
      code: 'MILLRACE_REQUEST_TOO_LARGE',
    });

    const head = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const wire = server.connect().send(`${head}transfer-encoding: chunked\r\n\r\n3ff\r\n${big}`);
    await wire.until(/REQUEST_TOO_LARGE/);
    wire.send(`${'x'.repeat(0x3ff - big.length)}\r\n400\r\n${'y'.repeat(0x400)}\r\n0\r\n\r\n`);
    wire.send(`${head}content-length: 2\r\n\r\n[]`);
    expect(await wire.until(/\[\]$/)).toMatch(/^HTTP\/1.1 413 [^]*HTTP\/1.1 200 /);
    wire.hangUp();
  });

  it('with a body over the limit of its route gets 413 there', async () => {
    expect((await server.post('/small', '"12345678"')).status).toBe(200);
    expect((await server.post('/small', '"123456789"')).status).toBe(413);
  });

  it('that never stops sending what was refused loses its connection', async () => {
    const head =
      'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const wire = server.connect().send(head);
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent < 100; sent += 1) wire.send(chunk);
    await wire.untilClosed();
  });

  it('with too many headers gets 431', async () => {
    const headers = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-h${index}`, '1']));
    expect(await problemOf(await server.post('/echo', {}, headers))).toMatchObject({
      status: 431,
      code: 'MILLRACE_HEADERS_TOO_LARGE',
    });
  });

  it('with too long headers gets 431', async () => {
    const wire = server.connect().send(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(5_000)}\r\n\r\n`);
    const received = await wire.untilClosed();
    expect(received).toMatch(/^HTTP\/1.1 431 /);
    expect(received).toContain('MILLRACE_HEADERS_TOO_LARGE');
  });

  it.each([
    ['two lengths', 'content-length: 2\r\ncontent-length: 3\r\n'],
    ['a length and chunks', 'content-length: 2\r\ntransfer-encoding: chunked\r\n'],
    ['a length that is none', 'content-length: two\r\n'],
    ['an unknown coding before chunks', 'transfer-encoding: chunked, identity\r\n'],
    ['a bare line feed', 'x: y\nz: w\r\ncontent-length: 2\r\n bad\r\n'],
    ['a space before the colon', 'content-length : 2\r\n'],
  ])('with %s, which two servers could read differently, gets 400 and no second chance', async (_what, headers) => {
    const submissionCount = server.job.submissions.length;
    const wire = server.connect();
    wire.send(`POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}\r\n{}`);
    const received = await wire.untilClosed();
    expect(received).toMatch(/^HTTP\/1.1 400 /);
    expect(received).toContain('MILLRACE_REQUEST_INVALID');
    expect(server.job.submissions.length).toBe(submissionCount);
  });

  it('that is not HTTP at all gets 400', async () => {
    expect(await server.connect().send('hello\r\n\r\n').untilClosed()).toMatch(/^HTTP\/1.1 400 /);
  });

  it('that is not HTTP and comes behind one that waits is not answered in its place', async () => {
    server.job.answers = false;
    const count = server.job.submissions.length;
    const wire = server.connect().send('POST /echo HTTP/1.1\r\nhost: x\r\n\r\n\0garbage\r\n\r\n');
    expect(await wire.untilClosed()).toBe('');
    server.job.reply(await server.job.submitted(count + 1));
    server.job.answers = true;
    expect(await server.metric('millrace_http_requests_total{method="POST",route="/echo",status="499"}')).toBe(1);
  });

  it('that is not HTTP and comes behind an answer does not land within it', async () => {
    const echo = server.job.answer;
    server.job.answer = () => ({ body: Buffer.alloc(8 * 1024 * 1024, 0x31) });
    const wire = server.connect().send('POST /echo HTTP/1.1\r\nhost: x\r\n\r\n');
    await wire.until(/^HTTP\/1.1 200 /);
    const received = await wire.send('\0garbage\r\n\r\n').untilClosed();
    server.job.answer = echo;
    expect(received.slice(received.indexOf('\r\n\r\n') + 4).replaceAll('1', '')).toBe('');
  });

  it('without a host gets 400', async () => {
    expect(await server.connect().send('GET /healthz HTTP/1.1\r\n\r\n').untilClosed()).toMatch(/^HTTP\/1.1 400 /);
  });

  it.each(['/counters/%zz', '/counters/%c3%28'])('to the path %s gets 400', async (path) => {
    const wire = server.connect().send(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(await wire.until(/MILLRACE_REQUEST_INVALID/)).toMatch(/^HTTP\/1.1 400 /);
    wire.hangUp();
  });

  it.each(['http://[', '//', '*', '/%'])(
    'to the target %s is answered and does not disturb the server',
    async (target) => {
      const wire = server.connect().send(`GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`);
      expect(await wire.until(/^HTTP\/1.1 40[04] [^]*problem\+json/)).not.toContain('MILLRACE_INTERNAL');
      wire.hangUp();
    },
  );
});

describe('a client that is too slow', () => {
  it('with its headers, or with its body, gets 408 and is closed, while others are served', async () => {
    const server = await GatewayUnderTest.start({ headersTimeoutMs: 100, receiveTimeoutMs: 300 });
    const dripping = server.connect().send('POST /echo HTTP/1.1\r\nhost: x\r\n');
    const stalled = server.connect();
    stalled.send('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[');
    expect(await (await server.post('/echo', [1])).json()).toEqual([1]);
    for (const wire of [dripping, stalled]) {
      const received = await wire.untilClosed();
      expect(received).toMatch(/^HTTP\/1.1 408 /);
      expect(received).toContain('MILLRACE_REQUEST_TIMEOUT');
    }
    expect(server.job.submissions.length).toBe(1);
    await server.stop();
  });
});

describe('a client that does not read', () => {
  it('is cut off, and its answer freed, while others are served', async () => {
    const server = await GatewayUnderTest.start({ sendTimeoutMs: 100 });
    server.job.answer = ({ body }) => ({ body: body.length === 1 ? Buffer.alloc(64 * 1024 * 1024, 0x31) : body });
    const deaf = server.connect();
    deaf.deafen();
    deaf.send('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1');
    await server.job.submitted(1);
    expect(await (await server.post('/echo', [1])).json()).toEqual([1]);
    await vi.waitFor(async () => expect(await server.metric('millrace_http_slow_readers_total')).toBe(1), {
      timeout: 5_000,
    });
    deaf.hangUp();
    await server.stop();
  });
});

describe('a failure of the server', () => {
  it('to run the job at all is told at the door', async () => {
    const server = await GatewayUnderTest.start();
    server.job.state = 'FAILED';
    const response = await server.post('/echo', {});
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'MILLRACE_NOT_READY' });
    expect(server.job.submissions).toEqual([]);
    await server.stop();
  });

  it('tells the client its code and nothing of its inside', async () => {
    const server = await GatewayUnderTest.start();
    const secret = '/var/lib/secret';
    server.job.refusal = new Error(`cannot write ${secret}`);
    const response = await server.post('/echo', {});
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain(secret);
    expect(JSON.parse(text)).toMatchObject({ code: 'MILLRACE_INTERNAL' });
    expect(server.log.some(({ level, fields }) => level === 'error' && 'err' in fields)).toBe(true);
    await server.stop();
  });
});
