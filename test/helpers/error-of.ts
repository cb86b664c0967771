import { MillraceError } from '../../src/base/errors.js';

/** The Millrace error that a call throws. Throws when it returns, or throws something else. */
export function errorOf(call: () => unknown): MillraceError {
  try {
    call();
  } catch (error) {
    return requireOurs(error);
  }
  throw new Error('expected the call to throw, but it returned');
}

/** The Millrace error that a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<MillraceError> {
  try {
    await promise;
  } catch (error) {
    return requireOurs(error);
  }
  throw new Error('expected a rejection, but the promise was fulfilled');
}

function requireOurs(error: unknown): MillraceError {
  if (MillraceError.is(error)) return error;
  throw error;
}
