import type { KeySelector } from './functions.js';
import type { ConnectedInputs } from './connected-streams.js';
import type { SingleOutput } from './internal/stream-types.js';
import type { ProcessJoinFunction } from './join-functions.js';
import type { OutputTag } from './process-function.js';

/** Two keyed streams to be joined where their timestamps lie within an interval, which {@link IntervalJoin.between} sets. @public */
export class IntervalJoin<A, B> {
  readonly #inputs: ConnectedInputs;
  readonly #keys: readonly [KeySelector<unknown, unknown>, KeySelector<unknown, unknown>];

  /** @internal */
  constructor(inputs: ConnectedInputs, key1: KeySelector<unknown, unknown>, key2: KeySelector<unknown, unknown>) {
    this.#inputs = inputs;
    this.#keys = [key1, key2];
  }

  /** Not without bounds: a join of all pairs would keep every record for ever. */
  process(fn: never): never {
    void fn;
    const { builder, id1 } = this.#inputs;
    throw builder.invalid(id1, 'is joined without bounds', 'Call between(lowerMs, upperMs) before process().');
  }

  /**
   * Pairs with `left.timestamp + lower <= right.timestamp <= left.timestamp + upper`, in milliseconds; may be negative. Each side
   * keeps a record as long as the watermark allows a partner for it: the wider the interval, the larger the state.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` for bounds that are no numbers, or a lower one above the upper
   */
  between(lowerMs: number, upperMs: number): IntervalJoined<A, B> {
    if (!Number.isFinite(lowerMs) || !Number.isFinite(upperMs) || lowerMs > upperMs) {
      throw this.#inputs.builder.invalid(
        this.#inputs.id1,
        `is joined between ${String(lowerMs)} and ${String(upperMs)} ms`,
        'Give between() two numbers of milliseconds, the smaller first.',
      );
    }
    return new IntervalJoined(this.#inputs, this.#keys, { lowerMs, upperMs, leftLateTag: null, rightLateTag: null });
  }
}

interface JoinSettings {
  readonly lowerMs: number;
  readonly upperMs: number;
  readonly leftLateTag: OutputTag<unknown> | null;
  readonly rightLateTag: OutputTag<unknown> | null;
}

/** An interval join with its bounds. @public */
export class IntervalJoined<A, B> {
  readonly #inputs: ConnectedInputs;
  readonly #keys: readonly [KeySelector<unknown, unknown>, KeySelector<unknown, unknown>];
  readonly #settings: JoinSettings;

  /** @internal */
  constructor(
    inputs: ConnectedInputs,
    keys: readonly [KeySelector<unknown, unknown>, KeySelector<unknown, unknown>],
    settings: JoinSettings,
  ) {
    this.#inputs = inputs;
    this.#keys = keys;
    this.#settings = settings;
  }

  /** Makes the lower bound strict: as one millisecond more. */
  lowerBoundExclusive(): IntervalJoined<A, B> {
    return this.#with({ lowerMs: this.#settings.lowerMs + 1 });
  }

  /** Makes the upper bound strict: as one millisecond less. */
  upperBoundExclusive(): IntervalJoined<A, B> {
    return this.#with({ upperMs: this.#settings.upperMs - 1 });
  }

  /** Where left records go whose timestamp is below the watermark; else they are dropped. */
  sideOutputLeftLateData(tag: OutputTag<A>): IntervalJoined<A, B> {
    return this.#with({ leftLateTag: tag });
  }

  /** Where right records go whose timestamp is below the watermark; else they are dropped. */
  sideOutputRightLateData(tag: OutputTag<B>): IntervalJoined<A, B> {
    return this.#with({ rightLateTag: tag });
  }

  /**
   * Calls the function for each pair, when its second record arrives. Results carry the larger timestamp. A record without a
   * timestamp fails with `MILLRACE_TIMESTAMP_MISSING`.
   */
  process<O>(fn: ProcessJoinFunction<A, B, O>): SingleOutput<O> {
    const { builder, id1, id2, streamAt } = this.#inputs;
    const operator = builder.addOperator([id1, id2], {
      kind: 'interval-join',
      fn: fn as unknown as ProcessJoinFunction<unknown, unknown, unknown>,
      key: this.#keys[0],
      key2: this.#keys[1],
      ...this.#settings,
    });
    return streamAt<O>(operator);
  }

  #with(change: Partial<JoinSettings>): IntervalJoined<A, B> {
    return new IntervalJoined(this.#inputs, this.#keys, { ...this.#settings, ...change });
  }
}
