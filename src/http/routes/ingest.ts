import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';

import type { Clock } from '../../base/clock.js';
import { MillraceError } from '../../base/errors.js';
import type {
  IdempotencyOptions,
  KeyableRequest,
  RequestRoute,
  RequestTrace,
  RequestTracing,
} from '../../main/job-control.js';
import type { AdminGuard } from '../admin/admin-guard.js';
import { BodyReader } from '../body-reader.js';
import type { BodyCallback, ReceiveBudget } from '../body-reader.js';
import { Connection } from '../connection-tracker.js';
import type { CorrelationIds } from '../correlation-ids.js';
import type { DirectRoute, Params, Query } from '../direct-routes.js';
import { isServerFault, problemOfCode, problemOfError } from '../error-mapper.js';
import type { GatewayConfig } from '../gateway-config.js';
import { HttpExchange } from '../http-exchange.js';
import type { ExchangeContext } from '../http-exchange.js';
import type { RouteMetrics } from '../http-metrics.js';
import { IDEMPOTENCY_KEY_HEADER, IDEMPOTENCY_KEY_LENGTH_MAX, parseIdempotencyKey } from '../idempotency-key-header.js';
import { parseJsonBody } from '../json-body.js';
import { KeyLimiter } from '../key-limiter.js';
import { parsePrefer } from '../prefer-header.js';
import type { FieldFault, Problem } from '../problem.js';
import { writeProblem } from '../reply-writer.js';
import type { SchemaCheck } from '../schema-check.js';

/**
 * The routes that a job declared with `env.requests(...)`: reads a request, checks it at the door, and starts its exchange.
 * This is the hot path of the gateway: no hook and no promise per request, and one closure where there is a body.
 */

/** The caller's own limit on the time that its request may take, in milliseconds. */
export const TIMEOUT_HEADER = 'millrace-timeout-ms';
/** Asks for a trace of this request: `1`, or the admin token. Of a caller who may not ask it means nothing. */
export const TRACE_REQUEST_HEADER = 'millrace-trace';

/** A media type that is JSON: RFC 6839's suffix included. A charset other than UTF-8 is none of JSON's. */
const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json(?:$|\s*;)/i;
/** What nearly every client sends: nothing about it needs a second look. */
const PLAIN_JSON_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/json; charset=utf-8']);
const FOREIGN_CHARSET = /;\s*charset\s*=(?!\s*"?(?:utf-?8|us-ascii)\b)/i;
const TIMEOUT = /^[1-9][0-9]{0,9}$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;
const TRACEPARENT_LENGTH_MAX = 256;
const NO_BYTES = Buffer.alloc(0);
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** What the routes of one gateway share. */
export interface IngestContext extends ExchangeContext {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly budget: ReceiveBudget;
  readonly ids: CorrelationIds;
  readonly tracing: RequestTracing;
  readonly guard: AdminGuard;
}

/** One route, compiled. */
export interface IngestRoute {
  readonly route: RequestRoute;
  readonly metrics: RouteMetrics;
  readonly checkBody: SchemaCheck | null;
  readonly checkQuery: SchemaCheck | null;
  /** Answers for what goes wrong before the handler, and counts it. */
  readonly onError: (error: unknown, reply: FastifyReply, metrics: RouteMetrics) => void;
}

/**
 * Adds one route in a scope of its own, because its body limit is part of its content-type parser.
 *
 * @returns the same route for who serves it beneath fastify
 */
export async function addIngestRoute(
  app: FastifyInstance,
  context: IngestContext,
  compiled: IngestRoute,
): Promise<DirectRoute> {
  const { route } = compiled;
  const handler = new IngestHandler(context, compiled);
  // Async, so that a path that cannot be added rejects here instead of throwing in the middle of fastify's start.
  await app.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) => compiled.onError(error, reply, compiled.metrics));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(JSON_TYPE, (_request, payload, parsed) => handler.readBody(payload, parsed));
    scope.route({
      method: route.method,
      url: route.path,
      handler: ({ id, raw, params, query, body }, { raw: response }) =>
        handler.handle({
          id,
          message: raw,
          response,
          params: params as Params,
          query: query as Query,
          bytes: (body as Buffer | undefined) ?? NO_BYTES,
        }),
    });
  });
  return handler;
}

/** @throws MillraceError `MILLRACE_JOB_INVALID` for a route whose largest body could never be taken */
export function checkBodyLimit({ route, bodyLimitBytes }: RequestRoute, config: GatewayConfig): void {
  const { pendingMaxBytes, receivingMaxBytes } = config;
  const mostBytes = Math.min(pendingMaxBytes, receivingMaxBytes);
  if (bodyLimitBytes === null || bodyLimitBytes <= mostBytes) return;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    `adding route '${route}' with a body limit of ${bodyLimitBytes} bytes`,
    {
      details: { route, bodyLimitBytes, pendingMaxBytes, receivingMaxBytes },
      hint: `A body of more than ${mostBytes} bytes could never be taken: raise pendingMaxBytes and receivingMaxBytes.`,
    },
  );
}

/** A request that came whole. */
interface ReceivedRequest {
  readonly id: string;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: Params;
  readonly query: Query;
  readonly bytes: Buffer;
}

class IngestHandler implements DirectRoute {
  readonly #context: IngestContext;
  readonly #compiled: IngestRoute;
  readonly #bodyLimitBytes: number;
  readonly #timeoutMs: number;
  readonly #limiter: KeyLimiter | null;

  constructor(context: IngestContext, compiled: IngestRoute) {
    const { rateLimitKeyMax: max, rateLimitWindowMs: windowMs } = context.config;
    const isLimited = compiled.route.key !== null && Number.isFinite(max);
    this.#limiter = isLimited ? new KeyLimiter({ max, windowMs, monotonic: context.monotonic }) : null;
    this.#context = context;
    this.#compiled = compiled;
    this.#bodyLimitBytes = compiled.route.bodyLimitBytes ?? context.config.bodyLimitBytes;
    this.#timeoutMs = compiled.route.timeoutMs ?? context.config.requestTimeoutMs;
  }

  /** Content-type parser: bytes in, bytes out. They are parsed by the handler, which can say what is wrong with them. */
  readBody(payload: IncomingMessage, parsed: BodyCallback): void {
    new BodyReader(payload, this.#bodyLimitBytes, this.#context.budget, parsed).start();
  }

  take(message: IncomingMessage, response: ServerResponse, params: Params, query: Query): boolean {
    const hasBody = message.method !== 'GET';
    if (hasBody && !PLAIN_JSON_TYPES.has(message.headers['content-type'] ?? '')) return false;
    const id = this.#context.ids.next();
    if (!hasBody) {
      this.#handleDirect({ id, message, response, params, query, bytes: NO_BYTES });
      return true;
    }
    this.readBody(message, (error, bytes) => {
      if (error === null) this.#handleDirect({ id, message, response, params, query, bytes: bytes ?? NO_BYTES });
      else this.#fail(error, id, response);
    });
    return true;
  }

  handle(received: ReceivedRequest): void {
    const startedAtMs = this.#context.monotonic.nowMs();
    const problem = this.#open(received, startedAtMs);
    if (problem === null) return;
    const options = { requestId: received.id, closes: this.#context.isDraining, position: null };
    const status = writeProblem(received.response, problem, options);
    this.#compiled.metrics.observe(status, this.#context.monotonic.nowMs() - startedAtMs);
  }

  #handleDirect(received: ReceivedRequest): void {
    try {
      this.handle(received);
    } catch (error) {
      this.#fail(error, received.id, received.response);
    }
  }

  /** There was no whole request, or it met a fault of ours. */
  #fail(error: unknown, requestId: string, response: ServerResponse): void {
    const { logger, retryAfterSeconds, isDraining } = this.#context;
    const problem = problemOfError(error, retryAfterSeconds);
    if (isServerFault(problem)) logger.error({ err: error, requestId }, 'answering a request failed');
    this.#compiled.metrics.count(writeProblem(response, problem, { requestId, closes: isDraining, position: null }));
  }

  /** Checks the request and starts its exchange. @returns what is wrong with it, or `null` when it is on its way. */
  #open(received: ReceivedRequest, startedAtMs: number): Problem | null {
    const { config, control, isDraining } = this.#context;
    if (isDraining) return problemOfCode('MILLRACE_SHUTTING_DOWN', config.retryAfterSeconds);
    if (!control.takesRequests) return problemOfCode('MILLRACE_NOT_READY', config.retryAfterSeconds);
    const { message, bytes, query } = received;
    const { headers } = message;
    if (message.rawHeaders.length > 2 * config.maxHeaderCount) return { code: 'MILLRACE_HEADERS_TOO_LARGE' };
    const unreadable = codingProblem(headers);
    if (unreadable !== null) return unreadable;

    const timeout = headers[TIMEOUT_HEADER];
    if (timeout !== undefined && !(typeof timeout === 'string' && TIMEOUT.test(timeout))) return timeoutProblem();

    const idempotencyKey = this.#idempotencyKey(headers);
    if (idempotencyKey !== null && typeof idempotencyKey !== 'string') return idempotencyKey;

    const body = parseJsonBody(bytes);
    if (body.fault !== null) return bodyProblem([body.fault], true);
    const faults = this.#compiled.checkBody === null ? null : this.#compiled.checkBody(body.value);
    if (faults !== null) return bytes.length === 0 ? missingBodyProblem() : bodyProblem(faults, false);
    const queryFaults = this.#compiled.checkQuery === null ? null : this.#compiled.checkQuery(query);
    if (queryFaults !== null) return queryProblem(queryFaults);

    const request = this.#keyable(received, body.value);
    const waitMs = this.#limiter === null ? 0 : this.#limit(this.#limiter, request);
    if (waitMs > 0) return keyLimitProblem(waitMs);

    this.#start(received, { startedAtMs, request, idempotencyKey });
    return null;
  }

  /** @returns the milliseconds until the request's key may come again; 0 when it may pass */
  #limit(limiter: KeyLimiter, request: KeyableRequest): number {
    try {
      return limiter.take(this.#compiled.route.key?.(request));
    } catch {
      // Without a key the request fails when it is submitted, and its caller is told why there.
      return 0;
    }
  }

  /** @returns the client's key, `null` when there is none, or what is wrong with it */
  #idempotencyKey(headers: Headers): string | Problem | null {
    const { method, requiresIdempotencyKey } = this.#compiled.route;
    const header = headers[IDEMPOTENCY_KEY_HEADER];
    if (header === undefined) return requiresIdempotencyKey ? { code: 'MILLRACE_IDEMPOTENCY_KEY_MISSING' } : null;
    // Reading changes nothing: it may be repeated without being remembered.
    return method === 'GET' ? null : (parseIdempotencyKey(header) ?? idempotencyKeyProblem());
  }

  #start(received: ReceivedRequest, checked: CheckedParts): void {
    const { config, clock } = this.#context;
    const { startedAtMs, request, idempotencyKey } = checked;
    const { id, message, response, bytes } = received;
    const { headers } = message;
    const preferences = parsePrefer(headers.prefer as string | undefined);
    // Who fetches the answer later is in no hurry, unless it says so.
    const usualMs = preferences.respondAsync ? config.requestTimeoutMaxMs : this.#timeoutMs;
    const asked = headers[TIMEOUT_HEADER];
    const timeoutMs = asked === undefined ? usualMs : Math.min(Number(asked), config.requestTimeoutMaxMs);
    const traceparent = traceparentOf(headers.traceparent);
    const exchange = new HttpExchange(
      this.#context,
      {
        id,
        route: this.#compiled.route,
        metrics: this.#compiled.metrics,
        request,
        body: bytes,
        idempotency: idempotencyKey === null ? null : this.#idempotency(idempotencyKey),
        traceparent,
        trace: this.#trace(received, traceparent),
        deadline: clock.now() + timeoutMs,
        startedAtMs,
        waitMs: preferences.waitMs > 0 ? Math.min(preferences.waitMs, timeoutMs) : timeoutMs,
        timeoutMs,
        preferences,
      },
      response,
      Connection.of(message.socket),
    );
    exchange.start();
  }

  /** @returns `null` for a request that is not traced: most are not, and nothing is drawn or made for them */
  #trace({ id, message }: ReceivedRequest, traceparent: string | null): RequestTrace | null {
    const { tracing, guard } = this.#context;
    const asked = message.headers[TRACE_REQUEST_HEADER];
    if (tracing.sample === 0 && asked === undefined) return null;
    const isForced = typeof asked === 'string' && guard.allows(message, asked);
    return tracing.begin(id, this.#compiled.route, { traceparent, isForced });
  }

  #idempotency(key: string): IdempotencyOptions {
    const { idempotencyTtlMs: ttlMs, idempotencyWhileRunning: whileRunning } = this.#context.config;
    return { key, ttlMs, whileRunning };
  }

  #keyable({ message, params, query }: ReceivedRequest, body: unknown): KeyableRequest {
    const { route } = this.#compiled;
    const url = message.url ?? '';
    const queryStart = url.indexOf('?');
    return {
      // A HEAD request runs as the GET that the job declared.
      method: route.method,
      path: queryStart < 0 ? url : url.slice(0, queryStart),
      route: route.route,
      params,
      query,
      headers: route.forwardHeaders.length === 0 ? NO_HEADERS : pickHeaders(message.headers, route.forwardHeaders),
      body,
    };
  }
}

/** What was found by the checks that a request has passed. */
interface CheckedParts {
  readonly startedAtMs: number;
  readonly request: KeyableRequest;
  readonly idempotencyKey: string | null;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Nothing is decompressed and nothing transcoded: the job gets the bytes as they came. */
function codingProblem(headers: Headers): Problem | null {
  const coding = headers['content-encoding'];
  const contentType = headers['content-type'];
  const isCoded = coding !== undefined && coding !== 'identity';
  const isForeign =
    typeof contentType === 'string' && contentType !== 'application/json' && FOREIGN_CHARSET.test(contentType);
  return isCoded || isForeign ? { code: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED', accept: 'application/json' } : null;
}

function pickHeaders(headers: Headers, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) picked[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return picked;
}

function traceparentOf(header: string | readonly string[] | undefined): string | null {
  if (typeof header !== 'string' || header.length > TRACEPARENT_LENGTH_MAX) return null;
  return TRACEPARENT.test(header) ? header : null;
}

function timeoutProblem(): Problem {
  return {
    code: 'MILLRACE_REQUEST_INVALID',
    detail: `The header ${TIMEOUT_HEADER} must be a whole number of milliseconds from 1.`,
  };
}

function idempotencyKeyProblem(): Problem {
  return {
    code: 'MILLRACE_REQUEST_INVALID',
    detail: `The header Idempotency-Key must be one string of 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters.`,
  };
}

function bodyProblem(errors: readonly FieldFault[], isSyntax: boolean): Problem {
  const detail = isSyntax ? 'The body is not valid JSON.' : 'The body does not fit the schema of this route.';
  return { code: 'MILLRACE_REQUEST_INVALID', detail, errors };
}

function missingBodyProblem(): Problem {
  return { code: 'MILLRACE_REQUEST_INVALID', detail: 'This route needs a body of type application/json.' };
}

function queryProblem(errors: readonly FieldFault[]): Problem {
  return { code: 'MILLRACE_REQUEST_INVALID', detail: 'The query does not fit the schema of this route.', errors };
}

function keyLimitProblem(waitMs: number): Problem {
  return {
    code: 'MILLRACE_RATE_LIMITED',
    detail: "There are more requests for this request's key than this route takes.",
    retryAfterSeconds: Math.ceil(waitMs / 1000),
  };
}
