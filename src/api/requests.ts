import { MillraceError } from '../base/errors.js';
import type { Static, TSchema } from 'typebox';
import type { HttpRequest, PathParams, QueryParams } from './http-request.js';
import { requireKeyFunction } from './internal/author-checks.js';
import type { RequestRouteSpec, RequestSourceSpec } from './internal/operator-spec.js';

/**
 * Routes: how a job says which HTTP requests it takes, and what TypeScript can tell from that.
 *
 * The route string gives the type of `params`, the schemas give the types of `body` and `query`, and several routes in one
 * source give a union that `request.route` or `request.method` tells apart.
 */

/** An HTTP method that a job may take. @public */
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

declare const noSchema: unique symbol;

/** Stands in a type where there is no schema, so that any JSON goes. No value has it. @public */
export interface NoSchema {
  readonly [noSchema]: true;
}

/** Inference gives `unknown` where neither the author nor a default says anything. */
type IsSchema<Schema> = unknown extends Schema ? false : Schema extends NoSchema ? false : true;

/** Method and path, with parameters as whole segments: `POST /counters/:name`. @public */
export type RoutePattern = `${HttpMethod} /${string}`;

/** What a route promises and limits. Schemas are JSON Schema; those made by TypeBox carry their type. @public */
export interface RouteOptions<Body, Query> {
  /** Checked by the gateway: a body that differs is answered 400 with the place. GET and DELETE have no body. */
  readonly body?: Body;
  /** Of the query string, whose values are strings: an object of strings and arrays of strings. */
  readonly query?: Query & StringFieldsOnly<Query>;
  /** Of the 200 response. For the OpenAPI document only. */
  readonly response?: TSchema;
  /** One line for the OpenAPI document. */
  readonly summary?: string;
  /** How long a caller waits who sets no deadline, in milliseconds, at least 1. @defaultValue the gateway's */
  readonly timeoutMs?: number;
  /** Largest body, in bytes, at least 1. @defaultValue the gateway's */
  readonly bodyLimitBytes?: number;
  /**
   * `required` refuses requests without an `Idempotency-Key` with 400. With the key a client may repeat a request whose answer
   * it did not get: it runs once, and every repetition gets the same answer. Not for GET, which may be repeated anyway.
   *
   * @defaultValue 'optional'
   */
  readonly idempotencyKey?: 'optional' | 'required';
}

/** Options of a whole source; those of {@link RouteOptions} hold for each of its routes that does not set its own. @public */
export interface RequestsOptions<Body, Query> extends RouteOptions<Body, Query> {
  /** Request headers that the job wants to see; none by default. */
  readonly headers?: readonly string[];
}

/** The same, with the key by which requests enter: requests of equal keys are processed in order, by one subtask. @public */
export interface KeyedRequestsOptions<Body, Query, Request, K> extends RequestsOptions<Body, Query> {
  /** Called on the thread that serves HTTP, and again in the worker: quick, without side effects, from the request alone. */
  // `NoInfer`: else the compiler infers schemas from the requests that they describe, backwards through all of `Static`,
  // which takes it seconds in every project that declares a route.
  readonly key: (request: NoInfer<Request>) => K;
}

/** One route with options of its own. Made by {@link route}. @public */
export interface RouteDeclaration<Route extends string, Body, Query> {
  /** Method and path. */
  readonly route: Route;
  /** What this route promises and limits, before the source's own options. */
  readonly options: RouteOptions<unknown, unknown>;
  /** Only types. */
  readonly schemas?: { readonly body: Body; readonly query: Query };
}

/** A route as `env.requests` takes it: by itself, or with options of its own. @public */
export type RouteInput = RoutePattern | RouteDeclaration<RoutePattern, unknown, unknown>;

/**
 * A route with options of its own, for a source of several routes. What cannot be right is refused by `env.requests`.
 *
 * @example
 * env.requests([route('POST /counters/:name', { body: Add }), 'GET /counters/:name'], { key: (r) => r.params.name });
 *
 * @public
 */
export function route<const Route extends RoutePattern, const Body = NoSchema, const Query = NoSchema>(
  pattern: Route,
  options: RouteOptions<Body, Query> = {},
): RouteDeclaration<Route, Body, Query> {
  return { route: pattern, options: options as RouteOptions<unknown, unknown> };
}

/** What a schema describes; `Otherwise` where there is none. @public */
export type SchemaType<Schema, Otherwise> = IsSchema<Schema> extends true ? Static<Schema & TSchema> : Otherwise;

/** The requests of one route. @public */
export type RequestOfRoute<Route extends string, Body, Query> = Route extends `${infer Method} ${string}`
  ? HttpRequest<
      Method extends 'GET' | 'DELETE' ? undefined : SchemaType<Body, unknown>,
      RouteParams<Route>,
      SchemaType<Query, QueryParams>,
      Route,
      Method
    >
  : never;

/** The requests of a source: a union over its routes. A route's own schema wins over the source's. @public */
export type RequestOf<Input, Body, Query> =
  Input extends RouteDeclaration<infer Route, infer OwnBody, infer OwnQuery>
    ? RequestOfRoute<
        Route,
        IsSchema<OwnBody> extends true ? OwnBody : Body,
        IsSchema<OwnQuery> extends true ? OwnQuery : Query
      >
    : Input extends string
      ? RequestOfRoute<Input, Body, Query>
      : never;

/** The path parameters in a route: `'POST /counters/:name'` gives `{ name: string }`. @public */
export type RouteParams<Route extends string> = string extends Route
  ? PathParams
  : { readonly [Name in ParamNames<Route>]: string };

type ParamNames<Path extends string> = Path extends `${infer Segment}/${infer Rest}`
  ? ParamName<Segment> | ParamNames<Rest>
  : ParamName<Path>;
type ParamName<Segment extends string> = Segment extends `:${infer Name}` ? Name : never;

/** Everything in a query string is text: a schema that says otherwise would make the types lie. */
type StringFieldsOnly<Query> =
  IsSchema<Query> extends false
    ? unknown
    : Static<Query & TSchema> extends Readonly<Record<string, string | readonly string[] | undefined>>
      ? unknown
      : 'a query schema describes an object of strings and arrays of strings';

const METHODS: ReadonlySet<string> = new Set<HttpMethod>(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const PARAM_PATTERN = /^:[A-Za-z_][A-Za-z0-9_]*$/;
/** Unreserved characters of RFC 3986: what needs no decision about escaping or about the router's own syntax. */
const SEGMENT_PATTERN = /^[A-Za-z0-9._~-]+$/;
const HEADER_PATTERN = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** Checks what an author wrote and turns it into plain data. Throws `MILLRACE_JOB_INVALID`. */
export function requestSourceSpec(
  inputs: readonly RouteInput[],
  options: RequestsOptions<unknown, unknown>,
  key: ((request: never) => unknown) | null,
): RequestSourceSpec {
  if (inputs.length === 0) throw invalidRoute('a request source has no route', 'Name at least one.');
  requireKeyFunction(key, 'a request source');
  const routes = inputs.map((input) =>
    typeof input === 'string' ? routeSpec(input, options, {}) : routeSpec(input.route, options, input.options),
  );
  if (options.body !== undefined && routes.every((each) => each.bodySchema === null)) {
    throw invalidRoute('a request source has a body schema, but no route with a body', 'GET and DELETE have no body.');
  }
  return {
    kind: 'requests',
    routes,
    key: key as ((request: unknown) => unknown) | null,
    forwardHeaders: forwardHeaders(options.headers ?? []),
  };
}

function routeSpec(
  pattern: string,
  shared: RouteOptions<unknown, unknown>,
  own: RouteOptions<unknown, unknown>,
): RequestRouteSpec {
  const { method, path } = parseRoute(pattern);
  const takesBody = method !== 'GET' && method !== 'DELETE';
  if (method === 'GET' && own.idempotencyKey === 'required') {
    throw invalidRoute(`route "${pattern}" requires an Idempotency-Key`, 'A GET request may be repeated without one.');
  }
  if (!takesBody && own.body !== undefined) {
    throw invalidRoute(`route "${pattern}" has a body schema`, `A ${method} request has no body.`);
  }
  return {
    method,
    path,
    route: pattern,
    bodySchema: takesBody ? schema(own.body ?? shared.body, `the body schema of route "${pattern}"`) : null,
    querySchema: schema(own.query ?? shared.query, `the query schema of route "${pattern}"`),
    responseSchema: schema(own.response ?? shared.response, `the response schema of route "${pattern}"`),
    summary: own.summary ?? shared.summary ?? null,
    timeoutMs: positive(own.timeoutMs ?? shared.timeoutMs, `timeoutMs of route "${pattern}"`),
    bodyLimitBytes: positive(own.bodyLimitBytes ?? shared.bodyLimitBytes, `bodyLimitBytes of route "${pattern}"`),
    requiresIdempotencyKey: method !== 'GET' && (own.idempotencyKey ?? shared.idempotencyKey) === 'required',
  };
}

function parseRoute(pattern: unknown): { method: string; path: string } {
  const shown = typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
  const hint = 'Write a method, one space and a path, with parameters as whole segments: "POST /counters/:name".';
  if (typeof pattern !== 'string') throw invalidRoute(`the route ${shown} is no string`, hint);
  const space = pattern.indexOf(' ');
  const method = pattern.slice(0, Math.max(space, 0));
  const path = pattern.slice(space + 1);
  if (!METHODS.has(method)) {
    throw invalidRoute(`the route ${shown} does not begin with one of ${[...METHODS].join(', ')}`, hint);
  }
  if (!path.startsWith('/')) throw invalidRoute(`the path of route ${shown} does not begin with a slash`, hint);
  checkSegments(path, shown, hint);
  return { method, path };
}

function checkSegments(path: string, shown: string, hint: string): void {
  if (path === '/') return;
  const names = new Set<string>();
  for (const segment of path.slice(1).split('/')) {
    if (segment.startsWith(':')) {
      if (!PARAM_PATTERN.test(segment))
        throw invalidRoute(`the parameter "${segment}" of route ${shown} has no plain name`, hint);
      if (names.has(segment)) throw invalidRoute(`the route ${shown} has the parameter "${segment}" twice`, hint);
      names.add(segment);
    } else if (!SEGMENT_PATTERN.test(segment) || segment === '.' || segment === '..') {
      throw invalidRoute(`the route ${shown} has the segment "${segment}"`, hint);
    }
  }
}

function forwardHeaders(names: readonly string[]): string[] {
  const lower = names.map((name) => name.toLowerCase());
  for (const name of lower) {
    if (!HEADER_PATTERN.test(name))
      throw invalidRoute(`"${name}" is no header name`, 'Name request headers as HTTP writes them.');
  }
  return [...new Set(lower)];
}

function schema(value: unknown, what: string): object | null {
  if (value === undefined) return null;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalidRoute(`${what} is no object`, 'Give a JSON Schema, for example one made by TypeBox.');
}

function positive(value: number | undefined, what: string): number | null {
  if (value === undefined) return null;
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw invalidRoute(`${what} is ${String(value)}`, 'Give a whole number of at least 1.');
}

function invalidRoute(message: string, hint: string): MillraceError {
  return new MillraceError('MILLRACE_JOB_INVALID', message, { hint });
}
