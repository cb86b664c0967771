import type { Collector, RichFunction, RuntimeContext } from '../api/functions.js';
import type { OutputTag } from '../api/process-function.js';
import type { Match } from './pattern.js';

/** What a function over matches may ask and do. Valid only during the call. @public */
export interface PatternContext {
  /** Of a match: the timestamp of its last event. Of one whose time is up: when it was up. Milliseconds. */
  timestamp(): number;
  /** The clock, in milliseconds since the epoch. */
  currentProcessingTime(): number;
  /** Emits to a side output. */
  output<S>(tag: OutputTag<S>, value: S): void;
}

/** Turns matches into results. Given to {@link PatternStream.process}. @public */
export abstract class PatternProcessFunction<Parts, O> implements RichFunction {
  /** Only a type: keeps a function off a pattern that has not all the parts that it needs. */
  declare readonly takes?: (parts: Parts) => void;
  open?(context: RuntimeContext): void;
  close?(): void;
  /** Called for each match, when its last event is there and its time has come. Results carry that event's timestamp. */
  abstract processMatch(match: Match<Parts>, context: PatternContext, out: Collector<O>): void;
}

/**
 * For a {@link PatternProcessFunction} that also wants partial matches whose time (`within`) is up. Parts that took nothing
 * have an empty list. What it has to say goes to a side output.
 *
 * @public
 */
export interface TimedOutPartialMatchHandler<Parts> {
  /** Called for each partial match whose time is up; `context.timestamp()` says when it was. */
  processTimedOutMatch(match: Match<Parts>, context: PatternContext): void;
}

/** One result of a match. @public */
export type PatternSelectFunction<Parts, O> = (match: Match<Parts>) => O;
/** Any number of results of a match. @public */
export type PatternFlatSelectFunction<Parts, O> = (match: Match<Parts>, out: Collector<O>) => void;
/** One result of a partial match, and when its time was up. @public */
export type PatternTimeoutFunction<Parts, O> = (match: Match<Parts>, timeoutTimestamp: number) => O;
/** Any number of results of a partial match whose time is up. @public */
export type PatternFlatTimeoutFunction<Parts, O> = (
  match: Match<Parts>,
  timeoutTimestamp: number,
  out: Collector<O>,
) => void;

/** The results of `flatSelect`, and, with a tag, those of partial matches whose time is up. */
export class FlatSelectAdapter<Parts, O> extends PatternProcessFunction<Parts, O> {
  readonly #select: PatternFlatSelectFunction<Parts, O>;

  constructor(select: PatternFlatSelectFunction<Parts, O>) {
    super();
    this.#select = select;
  }

  override processMatch(match: Match<Parts>, _context: PatternContext, out: Collector<O>): void {
    this.#select(match, out);
  }
}

/** The same with a side output for partial matches whose time is up. */
export class FlatTimeoutAdapter<Parts, O, L>
  extends FlatSelectAdapter<Parts, O>
  implements TimedOutPartialMatchHandler<Parts>
{
  readonly #tag: OutputTag<L>;
  readonly #timeout: PatternFlatTimeoutFunction<Parts, L>;

  constructor(
    select: PatternFlatSelectFunction<Parts, O>,
    tag: OutputTag<L>,
    timeout: PatternFlatTimeoutFunction<Parts, L>,
  ) {
    super(select);
    this.#tag = tag;
    this.#timeout = timeout;
  }

  processTimedOutMatch(match: Match<Parts>, context: PatternContext): void {
    this.#timeout(match, context.timestamp(), { collect: (value) => context.output(this.#tag, value) });
  }
}
