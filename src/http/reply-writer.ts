import type { ServerResponse } from 'node:http';

import type { Reply } from '../main/job-control.js';
import { PROBLEM_CONTENT_TYPE, problemBody, problemHeaders, problemStatus } from './problem.js';
import type { Problem } from './problem.js';

/**
 * Writes answers to a response of the runtime, beneath fastify: no hook, serialiser or header table is needed for bytes that
 * are finished. One call writes head and body together.
 *
 * Nothing here throws: an answer that cannot be written, because the client is gone or the job gave it an impossible header,
 * must not disturb the delivery of the next one.
 */

/** A body up to this size goes out as one string with the head, in one system call; a larger one is not worth the copy. */
const INLINE_BYTES_MAX = 16 * 1024;
const OCTET_STREAM = 'application/octet-stream';
/** A media type as a header may carry it: printable ASCII. */
const CONTENT_TYPE = /^[\u0020-\u007e]{1,256}$/;

/** What an answer carries beside the reply itself. */
export interface AnswerOptions {
  readonly requestId: string;
  /** The connection is not to be used again. */
  readonly closes: boolean;
  /** Where the request lies in its topic: whoever reads state can wait for it. `null` of one that was not stored. */
  readonly position: string | null;
}

/** On an answer: {@link AnswerOptions.position}. */
export const POSITION_HEADER = 'millrace-position';

/**
 * Writes a reply. Copies the body before it returns.
 *
 * @returns the status that was written: 500 for a reply whose status is none.
 */
export function writeReply(response: ServerResponse, reply: Reply, options: AnswerOptions): number {
  const isStatus = Number.isInteger(reply.status) && reply.status >= 200 && reply.status <= 599;
  if (!isStatus) return writeProblem(response, { code: 'MILLRACE_INTERNAL' }, options);
  const contentType = CONTENT_TYPE.test(reply.contentType) ? reply.contentType : OCTET_STREAM;
  writeBytes(response, reply.status, ['content-type', contentType], reply.body, options);
  return reply.status;
}

/** Writes a problem document. @returns its status. */
export function writeProblem(response: ServerResponse, problem: Problem, options: AnswerOptions): number {
  const status = problemStatus(problem);
  const headers = problemHeaders(problem);
  headers.push('content-type', PROBLEM_CONTENT_TYPE);
  writeBytes(response, status, headers, Buffer.from(problemBody(problem, options.requestId)), options);
  return status;
}

/** Writes an answer. `headers` holds names and values in turn, and is written into. */
export function writeBytes(
  response: ServerResponse,
  status: number,
  headers: string[],
  body: Uint8Array,
  options: AnswerOptions,
): void {
  if (response.headersSent || response.destroyed) return;
  headers.push('x-request-id', options.requestId);
  if (options.position !== null) headers.push(POSITION_HEADER, options.position);
  if (options.closes && !headers.includes('connection')) headers.push('connection', 'close');
  if (status === 204 || status === 304) {
    response.writeHead(status, headers).end();
    return;
  }
  headers.push('content-length', String(body.byteLength));
  response.writeHead(status, headers);
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // Latin-1 maps each byte to one character and back, whatever the bytes mean. A string lets the runtime join it to the
  // head; bytes would be a second write.
  if (bytes.length <= INLINE_BYTES_MAX) endInOneWrite(response, bytes.toString('latin1'));
  else response.end(Buffer.from(bytes));
}

/** `end` with a body writes the body, and then nothing more: two pieces, which the runtime gathers at some cost. */
function endInOneWrite(response: ServerResponse, body: string): void {
  const { socket } = response;
  // There is none while an earlier answer on the connection is still being written.
  if (socket === null || body === '') {
    response.end(body, 'latin1');
    return;
  }
  socket.cork();
  response.write(body, 'latin1');
  socket.uncork();
  response.end();
}
