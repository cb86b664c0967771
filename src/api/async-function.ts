import { MillraceError } from '../base/errors.js';
import type { RichFunction, RuntimeContext } from './functions.js';

/** Takes the outcome of one asynchronous request. The first outcome counts; may be called from any turn of the event loop. @public */
export interface ResultFuture<O> {
  /** The request has these results; an empty list drops the record. They carry the timestamp of its record. */
  complete(results: readonly O[]): void;
  /** The request has failed: it is tried again if the retry strategy says so, else the job fails as for a function that throws. */
  completeExceptionally(error: unknown): void;
}

/**
 * Starts a request per record and emits its results later. Given to {@link orderedWait} or {@link unorderedWait}.
 *
 * It runs in the worker's own thread: a request is I/O, not computation. It has no keyed state, and its records no current key.
 *
 * @example
 * class Prices extends AsyncFunction<Order, Priced> {
 *   override async asyncInvoke(order: Order, result: ResultFuture<Priced>) {
 *     result.complete([{ ...order, price: await prices.of(order.item) }]);
 *   }
 *   override timeout(order: Order, result: ResultFuture<Priced>) {
 *     result.complete([{ ...order, price: null }]);
 *   }
 * }
 *
 * @public
 */
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

/**
 * Retries after the same wait each time.
 *
 * @param maxAttempts most attempts, the first included; at least 1.
 * @param delayMs the wait before each further attempt.
 * @throws MillraceError `MILLRACE_JOB_INVALID` for less than one attempt
 *
 * @public
 */
export function fixedDelayRetry<O>(maxAttempts: number, delayMs: number): AsyncRetryStrategy<O> {
  requireAttempts(maxAttempts);
  return { maxAttempts, backoffMs: () => delayMs };
}

/**
 * Retries after waits that grow by a factor, up to a limit.
 *
 * @param maxAttempts most attempts, the first included; at least 1.
 * @param options the first wait and the longest, in milliseconds, and by what each wait is multiplied for the next.
 * @throws MillraceError `MILLRACE_JOB_INVALID` for less than one attempt
 *
 * @example
 * exponentialBackoffRetry(5, { initialDelayMs: 100, maxDelayMs: 2_000, multiplier: 2 }); // 100, 200, 400, 800 ms
 *
 * @public
 */
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

/** How many requests may be under way, how long each may take, and what happens when one fails. @public */
export interface AsyncOptions<O> {
  /** Milliseconds from the start of a request, over all attempts, until it times out; 0 for never. @defaultValue 0 */
  readonly timeoutMs?: number;
  /** Most requests under way at a time; the input waits when they are reached. @defaultValue 100 */
  readonly capacity?: number;
  /** When a failed request is started again. The time-out runs on over all attempts. @defaultValue no retries */
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
