import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { JobControl } from '../../main/job-control.js';
import type { SavepointControl, SavepointOperation } from '../../main/savepoint-control.js';
import { operationBegunSchema, operationProgressSchema } from '../admin/answers/savepoints.js';
import type { OperationBegun, OperationProgress } from '../admin/answers/savepoints.js';
import { problemAnswer } from '../problem-schema.js';
import { sendProblem } from '../send-problem.js';

/**
 * Savepoints, on the paths and with the field names of Flink's REST API: taking one answers at once with an id, under which the
 * caller asks how it goes.
 */

const BODY_BYTES_MAX = 64 * 1024;
const JSON_TYPE = /^application\/json\b/;

interface JobParams {
  readonly jobId: string;
}

interface TriggerParams extends JobParams {
  readonly requestId: string;
}

type Body = Readonly<Record<string, unknown>>;

const text = (description: string): object => ({ type: 'string', description });
const jobIdParam = { type: 'object', properties: { jobId: { type: 'string' } }, required: ['jobId'] };

const answers = (status: 200 | 202, schema: object): object => ({
  [status]: { description: 'Done', content: { 'application/json': { schema } } },
  '4xx': problemAnswer('The request cannot be served'),
});

const schemas = {
  trigger: {
    summary: 'Takes a savepoint',
    tags: ['savepoints'],
    params: jobIdParam,
    response: answers(202, operationBegunSchema),
    body: {
      type: 'object',
      properties: {
        'target-directory': text('A folder on the machine of the process, or s3://bucket/prefix.'),
        'cancel-job': { type: 'boolean', description: 'Whether the job ends with it.' },
      },
    },
  },
  stop: {
    summary: 'Ends the job with a savepoint',
    tags: ['savepoints'],
    params: jobIdParam,
    response: answers(202, operationBegunSchema),
    body: { type: 'object', properties: { targetDirectory: text('As for a savepoint.') } },
  },
  disposal: {
    summary: 'Deletes a savepoint',
    tags: ['savepoints'],
    response: answers(202, operationBegunSchema),
    body: {
      type: 'object',
      properties: { 'savepoint-path': text('As it was reported.') },
      required: ['savepoint-path'],
    },
  },
} as const;

/** @param app a scope whose routes only an operator may use */
export function addSavepointRoutes(app: FastifyInstance, control: JobControl, savepoints: SavepointControl): void {
  app.register((scope, _options, done) => {
    scope.addContentTypeParser(JSON_TYPE, { parseAs: 'string', bodyLimit: BODY_BYTES_MAX }, (_request, body, parsed) =>
      parsed(null, parseBody(String(body))),
    );
    const hasJob = (jobId: string, reply: FastifyReply): boolean => {
      if (control.describe().jid === jobId) return true;
      sendProblem(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND', detail: 'This process runs no job of this id.' });
      return false;
    };
    addTakingRoutes(scope, hasJob, savepoints);
    addListRoute(scope, hasJob, savepoints);
    addDisposalRoutes(scope, savepoints);
    done();
  });
}

type HasJob = (jobId: string, reply: FastifyReply) => boolean;

function addTakingRoutes(app: FastifyInstance, hasJob: HasJob, savepoints: SavepointControl): void {
  app.post<{ Params: JobParams }>('/jobs/:jobId/savepoints', { schema: schemas.trigger }, (request, reply) => {
    const body = bodyOf(request, { 'target-directory': 'string', 'cancel-job': 'boolean' }, reply);
    if (body === null || !hasJob(request.params.jobId, reply)) return reply;
    const targetDirectory = textOrNull(body['target-directory']);
    const requestId = savepoints.trigger({ targetDirectory, stopsJob: body['cancel-job'] === true });
    return sendBegun(reply, requestId);
  });

  app.post<{ Params: JobParams }>('/jobs/:jobId/stop', { schema: schemas.stop }, (request, reply) => {
    const body = bodyOf(request, { targetDirectory: 'string', drain: 'boolean' }, reply);
    if (body === null || !hasJob(request.params.jobId, reply)) return reply;
    const requestId = savepoints.trigger({ targetDirectory: textOrNull(body['targetDirectory']), stopsJob: true });
    return sendBegun(reply, requestId);
  });

  const statusSchema = {
    summary: 'How taking a savepoint goes',
    tags: ['savepoints'],
    params: {
      type: 'object',
      properties: { jobId: { type: 'string' }, requestId: { type: 'string' } },
      required: ['jobId', 'requestId'],
    },
    response: answers(200, operationProgressSchema),
  };
  app.get<{ Params: TriggerParams }>(
    '/jobs/:jobId/savepoints/:requestId',
    { schema: statusSchema },
    (request, reply) => {
      const { jobId, requestId } = request.params;
      if (!hasJob(jobId, reply)) return reply;
      return sendOperation(reply, savepoints.operation(requestId), 'savepoint');
    },
  );
}

function addListRoute(app: FastifyInstance, hasJob: HasJob, savepoints: SavepointControl): void {
  const listSchema = { summary: 'Savepoints in the default folder', tags: ['savepoints'], params: jobIdParam };
  app.get<{ Params: JobParams }>('/jobs/:jobId/savepoints', { schema: listSchema }, async (request, reply) => {
    if (!hasJob(request.params.jobId, reply)) return reply;
    const found = await savepoints.list();
    return {
      savepoints: found.map(({ location, savepointId, checkpointId, timestamp, jobName }) => ({
        location,
        id: savepointId,
        'checkpoint-id': checkpointId,
        'trigger-timestamp': timestamp,
        'job-name': jobName,
      })),
    };
  });
}

function addDisposalRoutes(app: FastifyInstance, savepoints: SavepointControl): void {
  app.post('/savepoint-disposal', { schema: schemas.disposal }, (request, reply) => {
    const body = bodyOf(request, { 'savepoint-path': 'string' }, reply);
    if (body === null) return reply;
    const path = textOrNull(body['savepoint-path']);
    if (path === null || path === '') return refuse(reply, 'The field savepoint-path is missing.');
    return sendBegun(reply, savepoints.dispose(path));
  });

  const disposalSchema = {
    summary: 'How deleting a savepoint goes',
    tags: ['savepoints'],
    params: { type: 'object', properties: { requestId: { type: 'string' } }, required: ['requestId'] },
    response: answers(200, operationProgressSchema),
  };
  app.get<{ Params: { requestId: string } }>(
    '/savepoint-disposal/:requestId',
    { schema: disposalSchema },
    (request, reply) => sendOperation(reply, savepoints.operation(request.params.requestId), 'disposal'),
  );
}

function sendBegun(reply: FastifyReply, requestId: string): FastifyReply {
  return reply.code(202).send({ 'request-id': requestId } satisfies OperationBegun);
}

function sendOperation(
  reply: FastifyReply,
  operation: SavepointOperation | undefined,
  kind: SavepointOperation['kind'],
): FastifyReply {
  if (operation?.kind !== kind) {
    const detail = 'Nothing was asked for under this id, or so long ago that it is forgotten.';
    sendProblem(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND', detail });
    return reply;
  }
  reply.header('cache-control', 'no-store');
  return reply.send({ status: { id: operation.status }, ...outcomeOf(operation) } satisfies OperationProgress);
}

function outcomeOf({ status, location, failure }: SavepointOperation): Pick<OperationProgress, 'operation'> {
  if (status === 'IN_PROGRESS') return {};
  if (failure === null) return { operation: location === null ? {} : { location } };
  // Flink's field, which its clients show. What stands here is the message: stacks are for the log.
  return { operation: { 'failure-cause': { class: failure.name, 'stack-trace': messageOf(failure) } } };
}

function messageOf(failure: Error): string {
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message;
}

/** The body as an object whose known fields have these types; `null` when it was refused. No body is an empty one. */
function bodyOf(
  request: FastifyRequest,
  types: Readonly<Record<string, 'string' | 'boolean'>>,
  reply: FastifyReply,
): Body | null {
  const body = request.body ?? {};
  if (typeof body !== 'object' || Array.isArray(body)) {
    refuse(reply, 'The body is not a JSON object.');
    return null;
  }
  for (const [name, type] of Object.entries(types)) {
    const value = (body as Body)[name];
    if (value === undefined || value === null || typeof value === type) continue;
    refuse(reply, `The field ${name} is not a ${type}.`);
    return null;
  }
  return body as Body;
}

function refuse(reply: FastifyReply, detail: string): FastifyReply {
  sendProblem(reply, { code: 'MILLRACE_REQUEST_INVALID', detail });
  return reply;
}

/** What is no JSON comes out as a text, which no route takes for its object. */
function parseBody(body: string): unknown {
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
