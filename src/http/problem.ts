import { STATUS_CODES } from 'node:http';

import { errorCodes } from '../base/errors.js';
import type { ErrorCode } from '../base/errors.js';

/**
 * Errors as a client sees them: `application/problem+json` (RFC 9457). Every text is written here or beside a call in this
 * folder, never taken from an error of another layer, so that no path, address or stack reaches a client.
 */

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** One thing wrong with a request, and where. */
export interface FieldFault {
  /** JSON pointer (RFC 6901) into the body, or into the query as an object; empty for the whole. */
  readonly pointer: string;
  readonly message: string;
  /** For a syntax fault: bytes from the body's start. */
  readonly offset?: number;
  /** For a syntax fault: from 1. */
  readonly line?: number;
  /** For a syntax fault: in UTF-16 units, from 1. */
  readonly column?: number;
}

/** What is to be told. */
export interface Problem {
  readonly code: ErrorCode;
  /** One or two sentences about this occurrence. The code's own sentence when absent. */
  readonly detail?: string;
  readonly errors?: readonly FieldFault[];
  /** Where the answer can be fetched later. */
  readonly result?: string;
  /** Seconds after which to try again. */
  readonly retryAfterSeconds?: number;
  /** Methods that the resource has. */
  readonly allow?: string;
  /** Media types that the resource takes. */
  readonly accept?: string;
  /** The connection cannot be used again. */
  readonly closes?: boolean;
}

/** Ends a handler with a problem: what is thrown as this is answered as it stands. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.code);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

interface CodeText {
  readonly title: string;
  readonly detail: string;
}

/** What a client is told about a code when nobody says it better. A code that is not here is our own affair. */
const codeTexts: Partial<Record<ErrorCode, CodeText>> = {
  MILLRACE_REQUEST_INVALID: { title: 'Request invalid', detail: 'The request is malformed.' },
  MILLRACE_UNAUTHORIZED: { title: 'Token needed', detail: 'This path needs a token: authorization: Bearer …' },
  MILLRACE_FORBIDDEN: { title: 'Forbidden', detail: 'This path is not for this caller.' },
  MILLRACE_REQUEST_NOT_FOUND: { title: 'Not found', detail: 'There is nothing at this path.' },
  MILLRACE_METHOD_NOT_ALLOWED: { title: 'Method not allowed', detail: 'This path has other methods: see Allow.' },
  MILLRACE_REQUEST_TIMEOUT: { title: 'Request timeout', detail: 'The request did not arrive in time.' },
  MILLRACE_REQUEST_TOO_LARGE: { title: 'Body too large', detail: 'The body is larger than this path takes.' },
  MILLRACE_RECORD_TOO_LARGE: { title: 'Body too large', detail: 'The body is larger than the request topic takes.' },
  MILLRACE_MEDIA_TYPE_UNSUPPORTED: {
    title: 'Media type not supported',
    detail: 'The body must be JSON in UTF-8 without content coding: content-type application/json.',
  },
  MILLRACE_HEADERS_TOO_LARGE: { title: 'Headers too large', detail: 'The request has too many or too long headers.' },
  MILLRACE_REQUEST_ABORTED: { title: 'Request aborted', detail: 'The client closed the connection.' },
  MILLRACE_RATE_LIMITED: { title: 'Too many requests', detail: 'More requests came than may come.' },
  MILLRACE_IDEMPOTENCY_KEY_MISSING: {
    title: 'Idempotency-Key missing',
    detail: 'This path takes requests with the header Idempotency-Key only.',
  },
  MILLRACE_BACKPRESSURE: { title: 'Overloaded', detail: 'Too many requests wait for their answers.' },
  MILLRACE_SHUTTING_DOWN: { title: 'Shutting down', detail: 'This instance is stopping.' },
  MILLRACE_NOT_READY: { title: 'Not ready', detail: 'The job is not running.' },
  MILLRACE_STORAGE_FULL: { title: 'Storage full', detail: 'The request could not be stored: no space is left.' },
  MILLRACE_DEADLINE_EXCEEDED: { title: 'Deadline exceeded', detail: 'The answer did not come in time.' },
  MILLRACE_USER_FUNCTION_FAILED: { title: 'Processing failed', detail: 'The job failed on this request.' },
  MILLRACE_SERIALISATION_FAILED: { title: 'Processing failed', detail: 'The job failed on this request.' },
  MILLRACE_DESERIALISATION_FAILED: { title: 'Request invalid', detail: 'The job could not decode the body.' },
};

const OWN_AFFAIR: CodeText = { title: 'Internal error', detail: 'The request failed for a reason of the server.' };

/** The status of a problem. */
export function problemStatus(problem: Problem): number {
  return errorCodes[problem.code].http;
}

/** `urn:millrace:error:request-invalid` for `MILLRACE_REQUEST_INVALID`. */
export function problemType(code: ErrorCode): string {
  return `urn:millrace:error:${code.slice('MILLRACE_'.length).toLowerCase().replaceAll('_', '-')}`;
}

/** The problem's document. `requestId` is `null` when the fault came before the request had one. */
export function problemBody(problem: Problem, requestId: string | null): string {
  const status = problemStatus(problem);
  const text = codeTexts[problem.code] ?? OWN_AFFAIR;
  return JSON.stringify({
    type: problemType(problem.code),
    title: text.title,
    status,
    detail: problem.detail ?? text.detail,
    instance: requestId === null ? undefined : `urn:uuid:${requestId}`,
    code: problem.code,
    errors: problem.errors,
    result: problem.result,
  });
}

/** The headers of a problem beside content type and length, as name and value in turn. */
export function problemHeaders(problem: Problem): string[] {
  const headers: string[] = ['cache-control', 'no-store'];
  if (problem.retryAfterSeconds !== undefined) headers.push('retry-after', String(problem.retryAfterSeconds));
  if (problem.allow !== undefined) headers.push('allow', problem.allow);
  if (problem.accept !== undefined) headers.push('accept', problem.accept);
  if (problem.closes === true) headers.push('connection', 'close');
  return headers;
}

/** A problem as a whole HTTP/1.1 response, for a connection on which no request could be parsed. */
export function problemResponse(problem: Problem): string {
  const status = problemStatus(problem);
  const body = problemBody(problem, null);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'connection: close',
    'cache-control: no-store',
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}
