import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import type { RequestSourceSpec } from '../../../src/api/internal/operator-spec.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { defineJob } from '../../../src/api/job.js';
import { route } from '../../../src/api/requests.js';
import { refusalOf } from '../../helpers/refusal-of.js';

function transformationsOf(define: (env: StreamEnvironment) => void) {
  return defineJob('test', define).build().transformations;
}

function specOf(define: (env: StreamEnvironment) => void): RequestSourceSpec {
  const [source] = transformationsOf(define);
  if (source?.kind !== 'source' || source.spec.kind !== 'requests') throw new Error('expected a request source');
  return source.spec;
}

function refusal(define: (env: StreamEnvironment) => void): string {
  return refusalOf(() => defineJob('test', define).build());
}

const Add = Type.Object({ amount: Type.Integer() });

describe('env.requests', () => {
  it('turns a route and its options into plain data', () => {
    const spec = specOf((env) => {
      env.requests('POST /counters/:name', {
        body: Add,
        response: { type: 'object' },
        summary: 'Adds',
        timeoutMs: 500,
        bodyLimitBytes: 1_000,
        idempotencyKey: 'required',
        headers: ['X-User', 'x-user', 'Accept-Language'],
      });
    });
    expect(spec).toEqual({
      kind: 'requests',
      key: null,
      forwardHeaders: ['x-user', 'accept-language'],
      routes: [
        {
          method: 'POST',
          path: '/counters/:name',
          route: 'POST /counters/:name',
          bodySchema: Add,
          querySchema: null,
          responseSchema: { type: 'object' },
          summary: 'Adds',
          timeoutMs: 500,
          bodyLimitBytes: 1_000,
          requiresIdempotencyKey: true,
        },
      ],
    });
    expect(structuredClone(spec.routes)).toEqual(spec.routes);
  });

  it('requires an idempotency key of routes that change something, and of a GET by mistake alone', () => {
    const spec = specOf((env) => {
      env.requests(['POST /a', route('DELETE /a', { idempotencyKey: 'optional' }), 'GET /a'], {
        idempotencyKey: 'required',
      });
    });
    expect(spec.routes.map(({ method, requiresIdempotencyKey }) => [method, requiresIdempotencyKey])).toEqual([
      ['POST', true],
      ['DELETE', false],
      ['GET', false],
    ]);
    expect(() => specOf((env) => env.requests([route('GET /a', { idempotencyKey: 'required' })]))).toThrow(
      'route "GET /a" requires an Idempotency-Key',
    );
  });

  it("lets a route's own option win over the source's, and gives a body only to methods that have one", () => {
    const query = Type.Object({ unit: Type.String() });
    const spec = specOf((env) => {
      env.requests([route('POST /a', { timeoutMs: 100, query }), 'PUT /a', 'GET /a', 'DELETE /a'], {
        body: Add,
        timeoutMs: 900,
        summary: 'all',
      });
    });
    expect(
      spec.routes.map(({ method, bodySchema, querySchema, timeoutMs, summary }) => [
        method,
        bodySchema,
        querySchema,
        timeoutMs,
        summary,
      ]),
    ).toEqual([
      ['POST', Add, query, 100, 'all'],
      ['PUT', Add, null, 900, 'all'],
      ['GET', null, null, 900, 'all'],
      ['DELETE', null, null, 900, 'all'],
    ]);
  });

  it('is keyed at the door when it has a key, so that what follows needs no shuffle', () => {
    const [source, partition] = transformationsOf((env) => {
      env.requests('POST /counters/:name', { key: (request) => request.params.name });
    });
    expect(source).toMatchObject({ kind: 'source' });
    expect(partition).toMatchObject({
      kind: 'partition',
      input: 0,
      partitioning: { kind: 'hash', isKeyedAtSource: true },
    });
  });

  it('sets uid, name, parallelism and chaining of a keyed source on the source itself', () => {
    const [source] = transformationsOf((env) => {
      env
        .requests('GET /a/:b', { key: (request) => request.params.b })
        .uid('a')
        .name('A')
        .setParallelism(2)
        .disableChaining();
    });
    expect(source).toMatchObject({ attributes: { uid: 'a', name: 'A', parallelism: 2, chaining: 'never' } });
  });

  it.each([
    ['/a', 'does not begin with one of GET, POST, PUT, PATCH, DELETE'],
    ['get /a', 'does not begin with one of'],
    ['HEAD /a', 'does not begin with one of'],
    ['GET', 'does not begin with one of'],
    ['GET a', 'does not begin with a slash'],
    ['GET  /a', 'does not begin with a slash'],
    ['GET /a/', 'has the segment ""'],
    ['GET //a', 'has the segment ""'],
    ['GET /a?b=1', 'has the segment "a?b=1"'],
    ['GET /a/*', 'has the segment "*"'],
    ['GET /a/../b', 'has the segment ".."'],
    ['GET /a b', 'has the segment "a b"'],
    ['GET /%61', 'has the segment "%61"'],
    ['GET /:', 'the parameter ":"'],
    ['GET /:a-b', 'the parameter ":a-b"'],
    ['GET /:a(\\d+)', 'the parameter ":a(\\d+)"'],
    ['GET /:a/:a', 'has the parameter ":a" twice'],
  ])('refuses the route %j', (pattern, reason) => {
    expect(refusal((env) => void env.requests(pattern as 'GET /'))).toContain(reason);
  });

  it.each(['GET /', 'POST /a', 'PATCH /a.b/c-d/e_f/~g', 'DELETE /v1/:id/parts/:part_2'] as const)(
    'takes the route %j',
    (pattern) => {
      expect(specOf((env) => void env.requests(pattern)).routes[0]?.route).toBe(pattern);
    },
  );

  it('refuses a route that is there already, in the same source or another, whatever its parameters are called', () => {
    expect(refusal((env) => void env.requests(['GET /a', 'GET /a']))).toBe(
      'job "test" declares the route "GET /a" twice',
    );
    expect(
      refusal((env) => {
        env.requests('GET /a/:x/b');
        env.requests('GET /a/:y/b');
      }),
    ).toBe('job "test" declares the route "GET /a/:y/b" twice, as "GET /a/:x/b" and as "GET /a/:y/b"');
    expect(
      transformationsOf((env) => {
        env.requests(['GET /a/:x', 'POST /a/:x', 'GET /a/x']);
      }),
    ).toHaveLength(1);
  });

  it('refuses options that cannot be meant', () => {
    expect(refusal((env) => void env.requests([] as never))).toBe('a request source has no route');
    expect(refusal((env) => void env.requests('GET /a', { body: Add }))).toContain(
      'has a body schema, but no route with a body',
    );
    expect(refusal((env) => void env.requests([route('GET /a', { body: Add })]))).toBe(
      'route "GET /a" has a body schema',
    );
    expect(refusal((env) => void env.requests('POST /a', { body: 'object' as never }))).toBe(
      'the body schema of route "POST /a" is no object',
    );
    expect(refusal((env) => void env.requests('POST /a', { query: [] as never }))).toContain(
      'the query schema of route',
    );
    expect(refusal((env) => void env.requests('POST /a', { headers: ['x user'] }))).toBe('"x user" is no header name');
    expect(refusal((env) => void env.requests('POST /a', { key: 'name' as never }))).toBe(
      'the key of a request source is no function',
    );
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(refusal((env) => void env.requests('POST /a', { timeoutMs: value }))).toContain(
        'timeoutMs of route "POST /a" is',
      );
      expect(refusal((env) => void env.requests('POST /a', { bodyLimitBytes: value }))).toContain(
        'bodyLimitBytes of route',
      );
    }
  });
});
