/**
 * What stands before the routes of a job when it is asked for: origins of pages, a token, a rate. None of it by default, and
 * then no hook runs for a request.
 *
 * Thread: main.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.js';
import { POSITION_HEADER } from './reply-writer.js';
import { BearerToken } from './bearer-token.js';

export interface FrontDoorConfig {
  /** What callers of the job's routes must show; `null` lets everybody in. */
  readonly dataToken: string | null;
  /** Origins whose pages may call the job's routes. Empty: none, and no CORS header is sent. */
  readonly corsOrigins: readonly string[];
  /** Requests of one client address per window; `Infinity`: no limit. */
  readonly rateLimitMax: number;
  readonly rateLimitWindowMs: number;
}

/** Whether anything of it was asked for. */
export function hasFrontDoor({ corsOrigins, dataToken, rateLimitMax }: FrontDoorConfig): boolean {
  return corsOrigins.length > 0 || dataToken !== null || Number.isFinite(rateLimitMax);
}

/** Guards every route that is added to `scope` after this. */
export async function addFrontDoor(scope: FastifyInstance, config: FrontDoorConfig): Promise<void> {
  const { corsOrigins, dataToken, rateLimitMax } = config;
  // The order counts: a browser asks without a token whether it may ask with one.
  if (corsOrigins.length > 0) await addCors(scope, corsOrigins);
  if (Number.isFinite(rateLimitMax)) await addRateLimit(scope, config);
  if (dataToken !== null) addTokenCheck(scope, dataToken);
  if (corsOrigins.length > 0 || Number.isFinite(rateLimitMax)) scope.addHook('preHandler', passHeadersOn);
}

async function addCors(scope: FastifyInstance, origins: readonly string[]): Promise<void> {
  const { default: cors } = await import('@fastify/cors');
  await scope.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    exposedHeaders: ['location', 'retry-after', 'x-request-id', POSITION_HEADER],
  });
}

async function addRateLimit(
  scope: FastifyInstance,
  { rateLimitMax, rateLimitWindowMs }: FrontDoorConfig,
): Promise<void> {
  const { default: rateLimit } = await import('@fastify/rate-limit');
  await scope.register(rateLimit, {
    max: rateLimitMax,
    timeWindow: rateLimitWindowMs,
    errorResponseBuilder: (_request, { ttl }) =>
      new ProblemError({ code: 'MILLRACE_RATE_LIMITED', retryAfterSeconds: Math.ceil(ttl / 1000) }),
  });
}

function addTokenCheck(scope: FastifyInstance, token: string): void {
  const expected = new BearerToken(token);
  scope.addHook('onRequest', (request: FastifyRequest, _reply, done) => {
    if (expected.isIn(request.headers.authorization)) return done();
    done(
      new ProblemError({ code: 'MILLRACE_UNAUTHORIZED', detail: 'This route needs a token: authorization: Bearer …' }),
    );
  });
}

/** Answers of a job are written beneath fastify, so what a plugin has set must be set there. */
function passHeadersOn(_request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
  done();
}
