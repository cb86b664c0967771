import type { FastifyReply } from 'fastify';

import { PROBLEM_CONTENT_TYPE, problemBody, problemHeaders, problemStatus } from './problem.js';
import type { Problem } from './problem.js';

/** Answers with a problem document through fastify, for every route that is not a job's own. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  const headers = problemHeaders(problem);
  for (let index = 0; index < headers.length; index += 2) reply.header(headers[index] ?? '', headers[index + 1]);
  reply
    .code(problemStatus(problem))
    .header('x-request-id', reply.request.id)
    .header('content-type', PROBLEM_CONTENT_TYPE)
    // Bytes: to a text fastify would add a charset, which this media type does not have.
    .send(Buffer.from(problemBody(problem, reply.request.id)));
}
