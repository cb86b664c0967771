import type { Collector, RichFunction, RuntimeContext } from './functions.js';
import type { OutputTag } from './process-function.js';

/** Makes one result of a pair of a window join. @public */
export type JoinFunction<A, B, O> = (left: A, right: B) => O;

/** What an interval join knows of a pair. Valid only during the call. @public */
export interface ProcessJoinContext {
  /** The left record's timestamp, in milliseconds. */
  getLeftTimestamp(): number;
  /** The right record's timestamp, in milliseconds. */
  getRightTimestamp(): number;
  /** The larger of both, which the results carry. */
  getTimestamp(): number;
  /** Emits to a side output, with the larger timestamp. */
  output<T>(tag: OutputTag<T>, value: T): void;
}

/** A function over the pairs of an interval join. @public */
export abstract class ProcessJoinFunction<A, B, O> implements RichFunction {
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each pair, when its second record arrives. */
  abstract processElement(left: A, right: B, context: ProcessJoinContext, out: Collector<O>): void;
}

/** A function over both sides' records of one key and window; either may be empty. @public */
export type CoGroupFunction<A, B, O> = (left: readonly A[], right: readonly B[], out: Collector<O>) => void;
