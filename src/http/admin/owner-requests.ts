/** Asks another instance of the group for what it owns, in the name of a caller who has asked this one. */
import { errorCodes, type ErrorCode } from '../../base/errors.js';
import { ProblemError } from '../problem.js';

/** On a request that was passed on once: it is not passed on again, so that two instances cannot send it to and fro. */
export const FORWARDED_HEADER = 'millrace-forwarded';
/** What the other one needs beyond the time that it may wait itself. */
const GRACE_MS = 2_000;

export interface OwnerRequest {
  /** Below the address of the job, with its query. */
  readonly path: string;
  /** The admin token, which is the same in all instances of a group; `null` when there is none. */
  readonly token: string | null;
  readonly timeoutMs: number;
}

/**
 * Asks one owner after the other until one has what is asked for.
 *
 * @param owners addresses of the job in other instances
 * @returns the answer's JSON
 * @throws ProblemError what the last of them said; `MILLRACE_NOT_READY` when none could be asked
 */
export async function askOwners(owners: readonly string[], request: OwnerRequest): Promise<unknown> {
  let problem = new ProblemError({
    code: 'MILLRACE_NOT_READY',
    detail: 'No instance is known to own this key at the moment: its shard moves, or its instance cannot be reached.',
    retryAfterSeconds: 1,
  });
  for (const owner of owners) {
    const answer = await ask(owner, request);
    if (answer?.isOk === true) return answer.body;
    if (answer !== null) problem = problemFrom(answer.body) ?? problem;
  }
  throw problem;
}

/** @returns `null` when nothing sensible came back */
async function ask(owner: string, request: OwnerRequest): Promise<{ isOk: boolean; body: unknown } | null> {
  const { path, token, timeoutMs } = request;
  try {
    const response = await fetch(owner + path, {
      headers: { [FORWARDED_HEADER]: '1', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs + GRACE_MS),
    });
    return { isOk: response.ok, body: await response.json() };
  } catch {
    return null;
  }
}

/** What another instance refused with, in its own words. */
function problemFrom(body: unknown): ProblemError | null {
  const { code, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return null;
  return new ProblemError({ code: code as ErrorCode, ...(typeof detail === 'string' ? { detail } : {}) });
}
