/** What must and must not compile around HTTP routes. Compiled, never run. */
import { Type } from 'typebox';
import {
  KeyedProcessFunction,
  route,
  type HttpRequest,
  type KeyedStreamSource,
  type RouteParams,
  type SingleOutputStreamOperator,
  type StreamEnvironment,
} from '../../src/index.js';
import { sameType, type RecordOf } from './expect-type.js';

declare const env: StreamEnvironment;
const Add = Type.Object({ amount: Type.Integer() });
const Rename = Type.Object({ to: Type.String() });

export function parametersComeFromTheRoute(): void {
  sameType<RouteParams<'POST /counters/:name'>, { readonly name: string }>(true);
  sameType<RouteParams<'GET /a/:first/b/:second'>, { readonly first: string; readonly second: string }>(true);
  sameType<keyof RouteParams<'GET /plain'>, never>(true);
  sameType<RouteParams<string>, Readonly<Record<string, string>>>(true);

  env.requests('GET /users/:id').map((request) => {
    sameType<typeof request.params.id, string>(true);
    // @ts-expect-error the route has no such parameter
    return request.params.name;
  });
  // @ts-expect-error the route has no such parameter
  env.requests('GET /users/:id', { key: (request) => request.params.name });
}

export function bodiesComeFromTheSchema(): void {
  env.requests('POST /counters/:name', { body: Add }).map((request) => {
    sameType<typeof request.body, { amount: number }>(true);
    sameType<typeof request.method, 'POST'>(true);
    sameType<typeof request.route, 'POST /counters/:name'>(true);
    // @ts-expect-error the schema has no such field
    return request.body.total;
  });
  env
    .requests('POST /plain', {
      body: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] },
    })
    .map((request) => {
      sameType<typeof request.body.amount, number>(true);
      // @ts-expect-error the schema has no such field
      return request.body.total;
    });
  env.requests('POST /anything').map((request) => {
    sameType<typeof request.body, unknown>(true);
    // @ts-expect-error nothing is known of the body
    return request.body.amount;
  });
  env.requests('GET /nothing').map((request) => {
    sameType<typeof request.body, undefined>(true);
  });
}

export function aKeyMakesAKeyedStream(): void {
  const byName = env.requests('POST /counters/:name', { key: (request) => request.params.name, body: Add });
  sameType<
    typeof byName,
    KeyedStreamSource<
      HttpRequest<{ amount: number }, { readonly name: string }, HttpRequest['query'], 'POST /counters/:name', 'POST'>,
      string
    >
  >(true);
  byName.uid('counters').name('Counters').setParallelism(2);
  const byAmount = env.requests('POST /counters/:name', { key: (request) => request.body.amount, body: Add });
  byAmount.process(
    new (class extends KeyedProcessFunction<number, HttpRequest<{ amount: number }>, void> {
      override processElement(): void {}
    })(),
  );
  byName.process(
    // @ts-expect-error the key is a string
    new (class extends KeyedProcessFunction<number, HttpRequest<{ amount: number }>, void> {
      override processElement(): void {}
    })(),
  );

  const unkeyed = env.requests('POST /event');
  sameType<typeof unkeyed extends SingleOutputStreamOperator<unknown> ? true : false, true>(true);
  // @ts-expect-error not keyed: nothing to reduce by
  unkeyed.reduce((_, request) => request);
  // @ts-expect-error a key that may be missing is none
  env.requests('POST /event', { key: (request) => request.headers['x-user'] });
}

export function severalRoutesAreAUnion(): void {
  const counters = env.requests(
    [
      route('POST /counters/:name', { body: Add }),
      route('PUT /counters/:name', { body: Rename }),
      'GET /counters/:name',
    ],
    { key: (request) => request.params.name },
  );
  sameType<RecordOf<typeof counters>['method'], 'POST' | 'PUT' | 'GET'>(true);
  counters.map((request) => {
    if (request.method === 'POST') return request.body.amount;
    if (request.route === 'PUT /counters/:name') return request.body.to;
    sameType<typeof request.body, undefined>(true);
    return request.params.name;
  });
  // @ts-expect-error only some of the routes have an amount
  counters.map((request) => request.body.amount);
  env.requests([route('POST /a/:x', {}), 'GET /a/:x'], {
    body: Add,
    key: (request) => (request.method === 'POST' ? request.body.amount : request.params.x),
  });
  const query = Type.Object({ unit: Type.String() });
  env.requests([route('POST /b/:x', { query }), 'DELETE /b/:x'], { body: Add, headers: ['x-user'] }).map((request) => {
    if (request.method === 'DELETE') return undefined;
    sameType<typeof request.query, { unit: string }>(true);
    return request.body.amount;
  });
  // @ts-expect-error no route at all
  env.requests([]);
}

export function queriesAreText(): void {
  const query = Type.Object({ unit: Type.String(), tag: Type.Optional(Type.Array(Type.String())) });
  env.requests('GET /delays', { query }).map((request) => {
    sameType<typeof request.query, { unit: string; tag?: string[] }>(true);
  });
  env.requests('GET /delays').map((request) => {
    sameType<(typeof request.query)[string], string | readonly string[]>(true);
    return request.query['unit'];
  });
  // @ts-expect-error nothing turns the text of a query into a number
  env.requests('GET /delays', { query: Type.Object({ limit: Type.Number() }) });
}

export function routesAreMethodAndPath(): void {
  // @ts-expect-error no method
  env.requests('/counters');
  // @ts-expect-error no such method
  env.requests('FETCH /counters');
  // @ts-expect-error the path begins with a slash
  env.requests('GET counters');
  // @ts-expect-error misspelt option
  env.requests('GET /counters', { timeout: 100 });
  // @ts-expect-error a time-out is a number
  env.requests('GET /counters', { timeoutMs: '1 s' });
  // @ts-expect-error misspelt option
  route('GET /counters', { sumary: 'Reads' });
}
