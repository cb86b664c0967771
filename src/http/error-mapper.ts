import { errorCodes, MillraceError } from '../base/errors.js';
import type { ErrorCode } from '../base/errors.js';
import { ProblemError } from './problem.js';
import type { Problem } from './problem.js';

/**
 * What a client is told about an error that was thrown or passed on: by fastify, by the HTTP parser of the runtime, or by the
 * job behind the gateway. Only the code survives; the text comes from problem.ts.
 */

/** fastify's own codes that are the client's doing. Any other is ours. */
const fastifyProblems: Readonly<Record<string, Problem>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED', accept: 'application/json' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'MILLRACE_REQUEST_TOO_LARGE' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'MILLRACE_REQUEST_INVALID',
    detail: 'The body is not as long as content-length says.',
  },
  FST_ERR_BAD_URL: { code: 'MILLRACE_REQUEST_INVALID', detail: 'The path is not a valid URL path.' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'MILLRACE_REQUEST_INVALID', detail: 'A part of the path is too long.' },
};

/** Codes of the runtime's HTTP parser. Every other is a malformed request. */
const parserProblems: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: { code: 'MILLRACE_HEADERS_TOO_LARGE' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { code: 'MILLRACE_REQUEST_TOO_LARGE' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'MILLRACE_REQUEST_TIMEOUT' },
};

const MALFORMED: Problem = { code: 'MILLRACE_REQUEST_INVALID', detail: 'The request is not valid HTTP/1.1.' };
const INTERNAL: Problem = { code: 'MILLRACE_INTERNAL' };

/** An error that fastify raised, or that a handler threw. */
export function problemOfError(error: unknown, retryAfterSeconds: number): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (MillraceError.is(error)) return problemOfCode(error.code, retryAfterSeconds);
  const code = codeOf(error);
  if (code === 'ECONNRESET') return { code: 'MILLRACE_REQUEST_ABORTED' };
  return fastifyProblems[code] ?? INTERNAL;
}

/** A code, with what every answer of its status carries. */
export function problemOfCode(code: ErrorCode, retryAfterSeconds: number): Problem {
  return errorCodes[code].http === 503 ? { code, retryAfterSeconds } : { code };
}

/** An error of the runtime's HTTP parser; `null` when the connection is gone and nobody can be told. */
export function problemOfParserError(error: Error): Problem | null {
  const code = codeOf(error);
  if (code === 'ECONNRESET' || code === 'EPIPE') return null;
  return parserProblems[code] ?? MALFORMED;
}

/** Whether an error is worth a line in the log: ours, or the job's; a client's is not. */
export function isServerFault(problem: Problem): boolean {
  return errorCodes[problem.code].http >= 500 && errorCodes[problem.code].recovery !== 'retry';
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
