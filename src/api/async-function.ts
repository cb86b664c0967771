import { MillraceError } from '../base/errors.js';
import type { RichFunction, RuntimeContext } from './functions.js';

/** Takes the outcome of one asynchronous request. The first outcome counts; may be called from any turn of the event loop. @public */
export interface ResultFuture<O> {
  complete(results: readonly O[]): void;
  completeExceptionally(error: unknown): void;
}

/** Starts a request per record and emits its results later. @public */
export abstract class AsyncFunction<I, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Starts the request and returns at once. A promise that is returned and rejects fails the request. */
  abstract asyncInvoke(value: I, result: ResultFuture<O>): void | Promise<void>;
  /** Called when a request has no outcome in time. Without it the job fails with `MILLRACE_USER_FUNCTION_FAILED`. */
  timeout?(value: I, result: ResultFuture<O>): void;
}

/** Whether results come in the order of their records, or as they complete (records and watermarks still do not overtake each other). @public */
export type AsyncOutputMode = 'ordered' | 'unordered';

/** When and how often a failed request is started again. @public */
export interface AsyncRetryStrategy<O> {
  /** Most attempts, the first included. */
  readonly maxAttempts: number;
  /** Wait before the attempt after `attemptCount` attempts, in milliseconds. */
  backoffMs(attemptCount: number): number;
  /** Results that count as a failure; none by default. */
  readonly retryOnResult?: (results: readonly O[]) => boolean;
  /** Errors that are worth another attempt; all by default. */
  readonly retryOnError?: (error: unknown) => boolean;
}

/** Retries after the same wait each time. @public */
export function fixedDelayRetry<O>(maxAttempts: number, delayMs: number): AsyncRetryStrategy<O> {
  requireAttempts(maxAttempts);
  return { maxAttempts, backoffMs: () => delayMs };
}

/** Retries after waits that grow by a factor, up to a limit. @public */
export function exponentialBackoffRetry<O>(
  maxAttempts: number,
  options: { readonly initialDelayMs: number; readonly maxDelayMs: number; readonly multiplier: number },
): AsyncRetryStrategy<O> {
  requireAttempts(maxAttempts);
  const { initialDelayMs, maxDelayMs, multiplier } = options;
  return {
    maxAttempts,
    backoffMs: (attemptCount) => Math.min(initialDelayMs * multiplier ** (attemptCount - 1), maxDelayMs),
  };
}

/** @public */
export interface AsyncOptions<O> {
  /** Milliseconds from the start of a request, over all attempts, until it times out; 0 for never. @defaultValue 0 */
  readonly timeoutMs?: number;
  /** Most requests under way at a time; the input waits when they are reached. @defaultValue 100 */
  readonly capacity?: number;
  /** @defaultValue no retries */
  readonly retry?: AsyncRetryStrategy<O>;
  /**
   * Whether results are written down before they leave, so that a restart uses them again where it would ask again and might
   * be told something else. Costs about a millisecond, and a write to disk that requests share. Results must then be plain data.
   * Without it a replay asks again: for a service that gives the same answer again, or where it does not matter.
   *
   * @defaultValue true
   */
  readonly durableResults?: boolean;
  /**
   * Requests started at once after a restore; each that completes lets two more start, up to the capacity. Weigh the load
   * of a restart on the service against the time to catch up.
   *
   * @defaultValue the capacity
   */
  readonly restoreCapacity?: number;
}

function requireAttempts(maxAttempts: number): void {
  if (Number.isSafeInteger(maxAttempts) && maxAttempts >= 1) return;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    `a retry strategy has ${String(maxAttempts)} attempts, but needs at least 1`,
  );
}
