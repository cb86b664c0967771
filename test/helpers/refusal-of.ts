import { MillraceError, type ErrorCode } from '../../src/base/errors.js';

/** The message with which a call is refused. Throws when it is not, or refused with another code. */
export function refusalOf(call: () => unknown, code: ErrorCode = 'MILLRACE_JOB_INVALID'): string {
  try {
    call();
  } catch (error) {
    if (MillraceError.is(error, code)) return error.message;
    throw error;
  }
  throw new Error(`expected a refusal with ${code}, but the call returned`);
}
