import { AsyncFunction } from './async-function.js';
import type { AsyncOptions, AsyncOutputMode, ResultFuture } from './async-function.js';
import type { DataStream, SingleOutputStreamOperator } from './data-stream.js';

/** An {@link AsyncFunction}, or a plain function that promises one result. A promise that rejects fails the request. @public */
export type AsyncRequest<I, O> = AsyncFunction<I, O> | ((value: I) => Promise<O>);

/**
 * Emits the results of asynchronous requests in the order of their records. A slow request holds up the results behind it.
 *
 * Records whose results have not been emitted are part of every checkpoint: after a restore their requests start anew, so
 * a request may run more than once.
 *
 * @example
 * orderedWait(orders, (order) => prices.fetch(order.item), { timeoutMs: 1_000, capacity: 50 });
 *
 * @public
 */
export function orderedWait<I, O>(
  stream: DataStream<I>,
  request: AsyncRequest<I, O>,
  options: AsyncOptions<O> = {},
): SingleOutputStreamOperator<O> {
  return wait(stream, request, 'ordered', options);
}

/**
 * Emits the results of asynchronous requests as they complete; records and watermarks do not overtake each other. As
 * {@link orderedWait} otherwise, and faster where requests take different times.
 *
 * @public
 */
export function unorderedWait<I, O>(
  stream: DataStream<I>,
  request: AsyncRequest<I, O>,
  options: AsyncOptions<O> = {},
): SingleOutputStreamOperator<O> {
  return wait(stream, request, 'unordered', options);
}

function wait<I, O>(
  stream: DataStream<I>,
  request: AsyncRequest<I, O>,
  mode: AsyncOutputMode,
  options: AsyncOptions<O>,
): SingleOutputStreamOperator<O> {
  const fn = typeof request === 'function' ? new PromiseFunction(request) : request;
  return stream.asyncWait<O>({
    kind: 'async-wait',
    fn: fn,
    mode,
    options: options as AsyncOptions<unknown>,
  });
}

/** One result per promise. */
class PromiseFunction<I, O> extends AsyncFunction<I, O> {
  readonly #request: (value: I) => Promise<O>;

  constructor(request: (value: I) => Promise<O>) {
    super();
    this.#request = request;
  }

  override async asyncInvoke(value: I, result: ResultFuture<O>): Promise<void> {
    result.complete([await this.#request(value)]);
  }
}
