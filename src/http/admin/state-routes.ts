import type { FastifyInstance } from 'fastify';

import { parseTopicPosition, type TopicPosition } from '../../base/topic-position.js';
import { ProblemError } from '../problem.js';
import { requireJob, notFound } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { type StateNames, stateNamesSchema, stateSchema, type StateValue } from './answers/state.js';
import { objectWith, text } from './json-schemas.js';
import { askOwners, FORWARDED_HEADER } from './owner-requests.js';

interface StateParams extends JobParams {
  readonly uid: string;
  readonly name: string;
  readonly key: string;
}

interface StateQuery {
  readonly after?: string | readonly string[];
  readonly 'timeout-ms'?: string | readonly string[];
}

const NAMES_PATH = '/jobs/:jobId/state/:uid';
const PATH = '/jobs/:jobId/state/:uid/:name/:key';
const TIMEOUT = /^[1-9]\d{0,5}$/;
/** Of a read that waits and says no limit. */
const TIMEOUT_MS = 30_000;

/**
 * Keyed state, read where it is owned: the value of one key as the operator itself would see it now, or, `after` the
 * `millrace-position` of an answer, not before it has seen that request. Of several instances any may be asked.
 */
export function addStateRoutes(app: FastifyInstance, context: AdminContext): void {
  const namesSchema = adminSchema({
    tag: 'jobs',
    summary: 'The names of the states of an operator',
    answer: stateNamesSchema,
    params: ['jobId', 'uid'],
  });
  app.get<{ Params: Pick<StateParams, 'jobId' | 'uid'> }>(
    NAMES_PATH,
    { schema: namesSchema },
    async (request): Promise<StateNames> => {
      requireJob(context, request.params);
      const { uid } = request.params;
      const found = await context.admin.namesOfStates(uid);
      if (found.kind === 'names') return { uid, states: found.names };
      throw unknownOperator(uid, found.known);
    },
  );

  const params = ['jobId', 'uid', 'name', 'key'];
  const summary =
    "The state of one key of an operator, from the key's owner; `after` a request whose millrace-position is given";
  const query = objectWith({}, { after: text, 'timeout-ms': text });
  const schema = adminSchema({ tag: 'jobs', summary, answer: stateSchema, params, query });
  app.get<{ Params: StateParams; Querystring: StateQuery }>(PATH, { schema }, async (request): Promise<StateValue> => {
    requireJob(context, request.params);
    const { uid, name, key } = request.params;
    const after = positionOf(request.query.after);
    const timeoutMs = timeoutOf(request.query['timeout-ms']);
    const reading = await context.admin.readState({ uid, state: name, key, after, timeoutMs });
    switch (reading.kind) {
      case 'value':
        return { uid, name, key, value: JSON.parse(reading.json) as unknown };
      case 'no-value':
        throw notFound(`State "${name}" of operator "${uid}" holds nothing for this key.`);
      case 'unknown-state':
        throw notFound(`Operator "${uid}" has no state "${name}". It has: ${listed(reading.known)}.`);
      case 'unknown-operator':
        throw unknownOperator(uid, reading.known);
      case 'foreign-position':
        throw invalid(
          `Nothing of the topic partition of "after" comes to operator "${uid}" in the instance that owns the key.`,
        );
      case 'too-late':
        throw new ProblemError({
          code: 'MILLRACE_DEADLINE_EXCEEDED',
          detail: `Operator "${uid}" has not seen the request of "after" within ${String(timeoutMs)} ms.`,
        });
      case 'elsewhere': {
        const isForwarded = request.headers[FORWARDED_HEADER] !== undefined;
        const { owners } = reading;
        const path = `/state/${[uid, name, key].map(encodeURIComponent).join('/')}${queryOf(request.query)}`;
        const wish = { path, token: context.adminToken, timeoutMs };
        return (await askOwners(isForwarded ? [] : owners, wish)) as StateValue;
      }
    }
  });
}

/** @throws ProblemError for what is no position */
function positionOf(after: StateQuery['after']): TopicPosition | null {
  if (after === undefined) return null;
  const position = typeof after === 'string' ? parseTopicPosition(after) : null;
  if (position === null) throw invalid('"after" must be the millrace-position of an answer: topic:partition:offset.');
  return position;
}

/** @throws ProblemError for what is no time */
function timeoutOf(timeout: StateQuery['timeout-ms']): number {
  if (timeout === undefined) return TIMEOUT_MS;
  if (typeof timeout !== 'string' || !TIMEOUT.test(timeout)) {
    throw invalid('"timeout-ms" must be a whole number of milliseconds from 1 to 999999.');
  }
  return Number(timeout);
}

function queryOf({ after, 'timeout-ms': timeout }: StateQuery): string {
  const query = new URLSearchParams();
  if (typeof after === 'string') query.set('after', after);
  if (typeof timeout === 'string') query.set('timeout-ms', timeout);
  return query.size === 0 ? '' : `?${query.toString()}`;
}

function invalid(detail: string): ProblemError {
  return new ProblemError({ code: 'MILLRACE_REQUEST_INVALID', detail });
}

function unknownOperator(uid: string, known: readonly string[]): ProblemError {
  return notFound(`No operator with the uid "${uid}" keeps state. Those that do: ${listed(known)}.`);
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `"${name}"`).join(', ');
}
