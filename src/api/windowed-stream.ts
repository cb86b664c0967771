import type { Evictor } from './evictors.js';
import type { KeySelector } from './functions.js';
import type { WindowAggregationSpec, WindowSpec } from './internal/event-time-specs.js';
import type { GraphBuilder } from './internal/graph-builder.js';
import type { SingleOutput, StreamAt } from './internal/stream-types.js';
import type { AggregateFunction, ReduceFunction } from './keyed-state.js';
import type { OutputTag } from './process-function.js';
import type { Trigger } from './trigger.js';
import { MergingWindowAssigner } from './window-assigner.js';
import type { WindowAssigner } from './window-assigner.js';
import type { ProcessAllWindowFunction, ProcessWindowFunction } from './window-function.js';
import type { Window } from './windows.js';

/** Where a windowed stream begins, and how streams go on after it. */
export interface WindowedInput {
  readonly builder: GraphBuilder;
  /** The keyed transformation. */
  readonly id: number;
  readonly key: KeySelector<unknown, unknown>;
  readonly streamAt: StreamAt;
  /** 1 for windows over a whole stream. */
  readonly parallelism: number | null;
}

/** What a windowed stream has been told so far. */
interface WindowSettings {
  readonly trigger: Trigger<unknown> | null;
  readonly evictor: Evictor<unknown> | null;
  readonly allowedLatenessMs: number;
  readonly lateTag: OutputTag<unknown> | null;
}

const noSettings: WindowSettings = { trigger: null, evictor: null, allowedLatenessMs: 0, lateTag: null };

/** Puts the spec of a window operator together and refuses what cannot work. */
class WindowBuilder {
  readonly #input: WindowedInput;
  readonly #assigner: WindowAssigner<unknown, Window>;
  readonly #settings: WindowSettings;

  constructor(input: WindowedInput, assigner: WindowAssigner<unknown, Window>, settings: WindowSettings) {
    this.#input = input;
    this.#assigner = assigner;
    this.#settings = settings;
  }

  with(change: Partial<WindowSettings>): WindowBuilder {
    const { allowedLatenessMs } = change;
    if (allowedLatenessMs !== undefined && !(allowedLatenessMs >= 0)) {
      throw this.#input.builder.invalid(
        this.#input.id,
        `is followed by windows with a lateness of ${String(allowedLatenessMs)} ms`,
        'Give allowedLateness a number of milliseconds from 0.',
      );
    }
    return new WindowBuilder(this.#input, this.#assigner, { ...this.#settings, ...change });
  }

  build<O>(aggregation: WindowAggregationSpec, fn: unknown): SingleOutput<O> {
    const { builder, id, key, streamAt, parallelism } = this.#input;
    const trigger = this.#settings.trigger ?? this.#assigner.defaultTrigger();
    if (this.#assigner instanceof MergingWindowAssigner && !trigger.canMerge()) {
      throw builder.invalid(id, 'is followed by windows that merge and a trigger that cannot', 'Use another trigger.');
    }
    const spec: WindowSpec = {
      kind: 'window',
      key,
      assigner: this.#assigner,
      trigger,
      evictor: this.#settings.evictor,
      allowedLatenessMs: this.#settings.allowedLatenessMs,
      lateTag: this.#settings.lateTag,
      aggregation,
      fn: fn as WindowSpec['fn'],
    };
    const operator = builder.addOperator([id], spec);
    if (parallelism !== null) builder.setParallelism(operator, parallelism);
    return streamAt<O>(operator);
  }
}

/** What windows of a keyed stream and of a whole stream share. Each setting gives a new stream; nothing runs. */
abstract class WindowedStreamBase<T, W extends Window> {
  /** Only a type. */
  declare protected readonly recordType: T;
  protected readonly windows: WindowBuilder;

  /** @internal */
  constructor(windows: WindowBuilder) {
    this.windows = windows;
  }

  protected abstract copy(windows: WindowBuilder): this;

  /** Replaces the trigger that the windows come with. */
  trigger(trigger: Trigger<T, W>): this {
    return this.copy(this.windows.with({ trigger: trigger }));
  }

  /** Takes records out when a window fires. The window then keeps all its records: `reduce` and `aggregate` run over them at each firing. */
  evictor(evictor: Evictor<T, W>): this {
    return this.copy(this.windows.with({ evictor: evictor }));
  }

  /**
   * Keeps windows this long after their end, and fires them again for records that come in that time. Of event-time windows only.
   *
   * @param allowedLatenessMs milliseconds of event time, at least 0.
   * @throws MillraceError `MILLRACE_JOB_INVALID` for any other
   */
  allowedLateness(allowedLatenessMs: number): this {
    return this.copy(this.windows.with({ allowedLatenessMs }));
  }

  /** Where records go that are too late for all their windows; else they are dropped and counted. */
  sideOutputLateData(tag: OutputTag<T>): this {
    return this.copy(this.windows.with({ lateTag: tag }));
  }
}

/** The records of each key, in windows. Made by `keyedStream.window(assigner)`. Each setting gives a new stream. @public */
export class WindowedStream<T, K, W extends Window> extends WindowedStreamBase<T, W> {
  /** Only a type. */
  declare protected readonly keyType: K;

  protected copy(windows: WindowBuilder): this {
    return new WindowedStream<T, K, W>(windows) as this;
  }

  /** Reduces as records come: one value per window, whatever the number of records. With a function, which is given that one value. */
  reduce(reduce: ReduceFunction<T>): SingleOutput<T>;
  reduce<O>(reduce: ReduceFunction<T>, fn: ProcessWindowFunction<T, O, K, W>): SingleOutput<O>;
  reduce<O>(reduce: ReduceFunction<T>, fn?: ProcessWindowFunction<T, O, K, W>): SingleOutput<O> {
    return this.windows.build<O>({ kind: 'reduce', reduce: reduce as ReduceFunction<unknown> }, fn ?? null);
  }

  /** Aggregates as records come: one accumulator per window, whatever the number of records. With a function, which is given the one result. */
  aggregate<A, R>(aggregate: AggregateFunction<T, A, R>): SingleOutput<R>;
  aggregate<A, R, O>(aggregate: AggregateFunction<T, A, R>, fn: ProcessWindowFunction<R, O, K, W>): SingleOutput<O>;
  aggregate<A, R, O>(aggregate: AggregateFunction<T, A, R>, fn?: ProcessWindowFunction<R, O, K, W>): SingleOutput<O> {
    const erased = aggregate as unknown as AggregateFunction<unknown, unknown, unknown>;
    return this.windows.build<O>({ kind: 'aggregate', aggregate: erased }, fn ?? null);
  }

  /** Keeps all records of a window and gives them to the function when it fires. */
  process<O>(fn: ProcessWindowFunction<T, O, K, W>): SingleOutput<O> {
    return this.windows.build<O>(null, fn);
  }
}

/** All records of a stream, in windows. Made by `stream.windowAll(assigner)`. Runs in one subtask. @public */
export class AllWindowedStream<T, W extends Window> extends WindowedStreamBase<T, W> {
  protected copy(windows: WindowBuilder): this {
    return new AllWindowedStream<T, W>(windows) as this;
  }

  /** As {@link WindowedStream.reduce}. */
  reduce(reduce: ReduceFunction<T>): SingleOutput<T>;
  reduce<O>(reduce: ReduceFunction<T>, fn: ProcessAllWindowFunction<T, O, W>): SingleOutput<O>;
  reduce<O>(reduce: ReduceFunction<T>, fn?: ProcessAllWindowFunction<T, O, W>): SingleOutput<O> {
    return this.windows.build<O>({ kind: 'reduce', reduce: reduce as ReduceFunction<unknown> }, fn ?? null);
  }

  /** As {@link WindowedStream.aggregate}. */
  aggregate<A, R>(aggregate: AggregateFunction<T, A, R>): SingleOutput<R>;
  aggregate<A, R, O>(aggregate: AggregateFunction<T, A, R>, fn: ProcessAllWindowFunction<R, O, W>): SingleOutput<O>;
  aggregate<A, R, O>(aggregate: AggregateFunction<T, A, R>, fn?: ProcessAllWindowFunction<R, O, W>): SingleOutput<O> {
    const erased = aggregate as unknown as AggregateFunction<unknown, unknown, unknown>;
    return this.windows.build<O>({ kind: 'aggregate', aggregate: erased }, fn ?? null);
  }

  /** As {@link WindowedStream.process}. */
  process<O>(fn: ProcessAllWindowFunction<T, O, W>): SingleOutput<O> {
    return this.windows.build<O>(null, fn);
  }
}

/** Windows of a keyed stream. */
export function windowedStream<T, K, W extends Window>(
  input: WindowedInput,
  assigner: WindowAssigner<T, W>,
): WindowedStream<T, K, W> {
  return new WindowedStream(new WindowBuilder(input, assigner, noSettings));
}

/** Windows of a whole stream. */
export function allWindowedStream<T, W extends Window>(
  input: WindowedInput,
  assigner: WindowAssigner<T, W>,
): AllWindowedStream<T, W> {
  return new AllWindowedStream(new WindowBuilder(input, assigner, noSettings));
}
