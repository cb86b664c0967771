import { describe, expect, it } from 'vitest';

import { MillraceError, errorCodes } from '../../../src/base/errors.js';
import type { ErrorCode } from '../../../src/base/errors.js';
import { isServerFault, problemOfError, problemOfParserError } from '../../../src/http/error-mapper.js';
import { problemBody, problemStatus } from '../../../src/http/problem.js';

const ID = '6f9619ff-8b86-4d11-b42d-00cf4fc964ff';
const withCode = (code: string): Error => Object.assign(new Error('at /srv/secret/app.js:1'), { code });

describe('what a client is told about an error', () => {
  it.each(Object.keys(errorCodes) as ErrorCode[])('%s: its code and status, and none of its text', (code) => {
    const error = new MillraceError(code, 'reading /srv/secret', {
      details: { path: '/srv/secret' },
      hint: '/srv/secret',
    });
    const problem = problemOfError(error, 7);
    const text = problemBody(problem, ID);
    expect(text).not.toContain('/srv/secret');
    expect(JSON.parse(text)).toMatchObject({ code, status: errorCodes[code].http, instance: `urn:uuid:${ID}` });
    // Every 503 says when to try again, and nothing else does.
    expect(problem.retryAfterSeconds).toBe(errorCodes[code].http === 503 ? 7 : undefined);
  });

  it('says no more than "internal error" of anything unknown', () => {
    for (const error of [new Error('/srv/secret'), withCode('ENOENT'), 'thrown text', null, undefined, 42]) {
      const problem = problemOfError(error, 1);
      expect(problem).toEqual({ code: 'MILLRACE_INTERNAL' });
      expect(isServerFault(problem)).toBe(true);
    }
  });

  it.each([
    ['FST_ERR_CTP_BODY_TOO_LARGE', 413],
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415],
    ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 400],
    ['FST_ERR_BAD_URL', 400],
    ['ECONNRESET', 499],
  ])('maps %s to %i, the fault of the client', (code, status) => {
    const problem = problemOfError(withCode(code), 1);
    expect(problemStatus(problem)).toBe(status);
    expect(isServerFault(problem)).toBe(false);
  });

  it.each([
    ['HPE_HEADER_OVERFLOW', 431],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 400],
  ])('maps %s of the parser to %i', (code, status) => {
    const problem = problemOfParserError(withCode(code));
    expect(problem && problemStatus(problem)).toBe(status);
  });

  it('tells nobody when the connection is gone', () => {
    expect(problemOfParserError(withCode('ECONNRESET'))).toBeNull();
  });
});
