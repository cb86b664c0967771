import { DataStream, KeyedStream } from '../api/data-stream.js';
import type { SingleOutputStreamOperator } from '../api/data-stream.js';
import type { KeyedProcessFunction, OutputTag } from '../api/process-function.js';
import { MillraceError } from '../base/errors.js';
import { CepFunction } from './cep-function.js';
import type { CepOptions } from './cep-function.js';
import { Pattern } from './pattern.js';
import { FlatSelectAdapter, FlatTimeoutAdapter } from './pattern-functions.js';
import type {
  PatternFlatSelectFunction,
  PatternFlatTimeoutFunction,
  PatternProcessFunction,
  PatternSelectFunction,
  PatternTimeoutFunction,
} from './pattern-functions.js';

/** Complex event processing: patterns in streams. @public */
export const CEP = {
  /**
   * Looks for a pattern: in the events of each key of a keyed stream; in all events, in one subtask, of any other.
   *
   * @param comparator orders events of equal timestamps, as for `Array.sort`; without it they stay in the order of arrival.
   *
   * @example
   * CEP.pattern(logins.keyBy((login) => login.user), pattern)
   *   .select(({ failures, success }) => ({ tries: failures.length, at: success[0]?.at }))
   *   .uid('guessed');
   */
  pattern<T, Parts, Last extends keyof Parts>(
    stream: DataStream<T>,
    pattern: Pattern<T, Parts, Last>,
    comparator?: (a: T, b: T) => number,
  ): PatternStream<T, Parts> {
    if (!(stream instanceof DataStream) || !(pattern instanceof Pattern)) {
      throw new MillraceError('MILLRACE_JOB_INVALID', 'CEP.pattern() was not given a stream and a pattern', {
        hint: 'Write CEP.pattern(stream, Pattern.of<Event>().begin("first")…).',
      });
    }
    const options = { isEventTime: true, comparator: comparator ?? null, lateTag: null };
    return new PatternStream<T, Parts>(stream, pattern.checked() as unknown as Pattern<T, unknown, never>, options);
  },
} as const;

/** A stream and the pattern to look for in it. @public */
export class PatternStream<T, Parts> {
  readonly #stream: DataStream<T>;
  readonly #pattern: Pattern<T, unknown, never>;
  readonly #options: CepOptions<T>;

  /** @internal */
  constructor(stream: DataStream<T>, pattern: Pattern<T, unknown, never>, options: CepOptions<T>) {
    this.#stream = stream;
    this.#pattern = pattern;
    this.#options = options;
  }

  /** Takes the order and the time of arrival for those of the events. Watermarks then mean nothing. */
  inProcessingTime(): PatternStream<T, Parts> {
    return this.#with({ isEventTime: false });
  }

  /** Takes events by their timestamps, as far as the watermark has come. The default. */
  inEventTime(): PatternStream<T, Parts> {
    return this.#with({ isEventTime: true });
  }

  /** Where events go that the watermark has passed already; else they are dropped. */
  sideOutputLateData(tag: OutputTag<T>): PatternStream<T, Parts> {
    return this.#with({ lateTag: tag });
  }

  /**
   * Calls the function for each match, when the last event of it is there and its time has come. With
   * `processTimedOutMatch` it is also called for partial matches whose time is up.
   */
  process<O>(fn: PatternProcessFunction<Parts, O>): SingleOutputStreamOperator<O> {
    if (typeof (fn as { processMatch?: unknown } | null)?.processMatch !== 'function') {
      throw refuseFunction('process', 'an instance with the method processMatch');
    }
    const keyed = this.#stream instanceof KeyedStream ? this.#stream : this.#stream.keyBy(() => 0);
    const cep = new CepFunction<unknown, T, O>(this.#pattern, fn, this.#options);
    const results = keyed.process(cep as KeyedProcessFunction<never, T, O>);
    results.name(`CEP: ${this.#pattern.parts.map(({ name }) => name ?? '(group)').join(' → ')}`.slice(0, 200));
    return this.#stream instanceof KeyedStream ? results : results.setParallelism(1);
  }

  /** One result for each match; with a tag, one in the side output for each partial match whose time is up. */
  select<O>(select: PatternSelectFunction<Parts, O>): SingleOutputStreamOperator<O>;
  select<O, L>(
    tag: OutputTag<L>,
    timeout: PatternTimeoutFunction<Parts, L>,
    select: PatternSelectFunction<Parts, O>,
  ): SingleOutputStreamOperator<O>;
  select(...given: readonly unknown[]): unknown {
    const [select, tag, timeout] = argumentsOf<PatternSelectFunction<Parts, unknown>>('select', given);
    const flatSelect: PatternFlatSelectFunction<Parts, unknown> = (match, out) => out.collect(select(match));
    if (tag === null) return this.process(new FlatSelectAdapter(flatSelect));
    return this.process(
      new FlatTimeoutAdapter<Parts, unknown, unknown>(flatSelect, tag, (match, timeoutTimestamp, out) =>
        out.collect((timeout as PatternTimeoutFunction<Parts, unknown>)(match, timeoutTimestamp)),
      ),
    );
  }

  /** Any number of results for each match; with a tag, also for partial matches whose time is up. */
  flatSelect<O>(select: PatternFlatSelectFunction<Parts, O>): SingleOutputStreamOperator<O>;
  flatSelect<O, L>(
    tag: OutputTag<L>,
    timeout: PatternFlatTimeoutFunction<Parts, L>,
    select: PatternFlatSelectFunction<Parts, O>,
  ): SingleOutputStreamOperator<O>;
  flatSelect(...given: readonly unknown[]): unknown {
    const [select, tag, timeout] = argumentsOf<PatternFlatSelectFunction<Parts, unknown>>('flatSelect', given);
    if (tag === null) return this.process(new FlatSelectAdapter(select));
    const flatTimeout = timeout as PatternFlatTimeoutFunction<Parts, unknown>;
    return this.process(new FlatTimeoutAdapter<Parts, unknown, unknown>(select, tag, flatTimeout));
  }

  #with(change: Partial<CepOptions<T>>): PatternStream<T, Parts> {
    return new PatternStream<T, Parts>(this.#stream, this.#pattern, { ...this.#options, ...change });
  }
}

/** As Flink has it: one function, or tag, function for time-outs, and function. */
function argumentsOf<Select>(
  method: string,
  given: readonly unknown[],
): readonly [Select, OutputTag<unknown> | null, unknown] {
  const [tag, timeout, select] = given.length === 1 ? [null, null, given[0]] : given;
  const isComplete = typeof select === 'function' && (tag === null || typeof timeout === 'function');
  if (!isComplete) throw refuseFunction(method, 'a function, or a tag and two functions');
  return [select as Select, tag as OutputTag<unknown> | null, timeout];
}

function refuseFunction(method: string, wanted: string): MillraceError {
  return new MillraceError('MILLRACE_JOB_INVALID', `${method}() on a pattern is given no function`, {
    hint: `Give ${method}() ${wanted}.`,
  });
}
