import type { FastifyInstance } from 'fastify';

import type { AsyncResults } from '../async-results.js';
import { sendProblem } from '../send-problem.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface RequestParams {
  readonly id: string;
}

/**
 * `GET /requests/:id`: the answer of a request that nobody waits for on a connection. Gives the stored status, media type and
 * body; 202 while the request runs; 404 when the id is unknown or its result has expired.
 */
export function addRequestsRoute(app: FastifyInstance, results: AsyncResults, retryAfterSeconds: number): void {
  const schema = {
    summary: 'The answer of an asynchronous or late request',
    tags: ['requests'],
    params: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] },
  };
  app.get<{ Params: RequestParams }>('/requests/:id', { schema }, (request, reply) => {
    const { id } = request.params;
    const found = UUID.test(id) ? results.find(id) : undefined;
    if (found === undefined) {
      sendProblem(reply, {
        code: 'MILLRACE_REQUEST_NOT_FOUND',
        detail: 'No request of this id is known: it never was, or its result has expired.',
      });
      return;
    }
    reply.header('cache-control', 'no-store');
    if (found.result === null) {
      reply.code(202).header('retry-after', String(retryAfterSeconds));
      reply.send({ id, status: 'running', result: `/requests/${id}` });
      return;
    }
    const { status, contentType, body } = found.result;
    reply.code(status).header('content-type', contentType).send(body);
  });
}
