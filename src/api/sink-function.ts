import type { RichFunction } from './functions.js';

/** What a sink function may ask about the record it was given. Valid only during the call. @public */
export interface SinkContext {
  /** The record's event timestamp in milliseconds; `undefined` when it has none. */
  timestamp(): number | undefined;
  /** The time of this record as the source saw it: the same on every replay. Milliseconds since the epoch. */
  now(): number;
}

/** A {@link SinkFunction} with a life: it opens, finishes and closes. @public */
export interface RichSinkFunction<T> extends RichFunction {
  /** Called for each record. It cannot wait: what it starts and leaves unfinished is covered by no checkpoint. */
  invoke(value: T, context: SinkContext): void;
  /** After the last record of a stream that ends, before the checkpoint that covers it. Not called when a job stops or fails. */
  finish?(): void;
}

/**
 * The end of a stream in the author's own code, run in the worker. After a failure records since the last checkpoint come
 * again: make the effect repeatable.
 *
 * @public
 */
export type SinkFunction<T> = ((value: T, context: SinkContext) => void) | RichSinkFunction<T>;
