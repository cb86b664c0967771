import type { Evictor } from './evictors.js';
import type { Collector, KeySelector } from './functions.js';
import type { GraphBuilder } from './internal/graph-builder.js';
import type { SingleOutput, StreamAt } from './internal/stream-types.js';
import { untaggedAssigner, untaggedEvictor, untaggedTrigger } from './internal/tagged-records.js';
import type { TaggedRecord } from './internal/tagged-records.js';
import type { CoGroupFunction, JoinFunction } from './join-functions.js';
import type { Key } from './key.js';
import type { Trigger } from './trigger.js';
import type { WindowAssigner } from './window-assigner.js';
import { ProcessWindowFunction } from './window-function.js';
import type { ProcessWindowContext } from './window-function.js';
import { windowedStream } from './windowed-stream.js';
import type { WindowedStream } from './windowed-stream.js';
import type { Window } from './windows.js';

/** Two streams to be joined by key and window. */
export interface JoinInputs {
  readonly builder: GraphBuilder;
  readonly id1: number;
  readonly id2: number;
  readonly streamAt: StreamAt;
}

/**
 * Two streams to be joined or grouped by key and window: `where(keyOfThis).equalTo(keyOfOther).window(…).apply(…)`.
 *
 * @public
 */
export class JoinedStreams<A, B> {
  readonly #inputs: JoinInputs;

  /** @internal */
  constructor(inputs: JoinInputs) {
    this.#inputs = inputs;
  }

  /**
   * The key of this stream's records; `equalTo` takes that of the other's.
   *
   * @example
   * orders
   *   .join(payments)
   *   .where((order) => order.id)
   *   .equalTo((payment) => payment.orderId)
   *   .window(TumblingEventTimeWindows.of(60_000))
   *   .apply((order, payment) => ({ order, payment }));
   */
  where<K extends Key>(
    key: KeySelector<A, K>,
  ): {
    /** The key of the other stream's records, of the same type. */
    equalTo(other: KeySelector<B, K>): JoinedByKey<A, B>;
  } {
    return { equalTo: (other) => new JoinedByKey<A, B>(this.#inputs, key as never, other as never) };
  }
}

/** Two streams with their keys; {@link JoinedByKey.window} says which records meet. @public */
export class JoinedByKey<A, B> {
  readonly #inputs: JoinInputs;
  readonly #key1: KeySelector<unknown, unknown>;
  readonly #key2: KeySelector<unknown, unknown>;

  /** @internal */
  constructor(inputs: JoinInputs, key1: KeySelector<unknown, unknown>, key2: KeySelector<unknown, unknown>) {
    this.#inputs = inputs;
    this.#key1 = key1;
    this.#key2 = key2;
  }

  /** Not without windows: a join of all pairs would keep every record for ever. */
  apply(join: never): never {
    void join;
    const { builder, id1 } = this.#inputs;
    throw builder.invalid(id1, 'is joined without windows', 'Call window(assigner) before apply() or coGroup().');
  }

  /** The windows in which records of equal key meet. The assigner sees the values of either side. */
  window<W extends Window>(assigner: WindowAssigner<A | B, W>): JoinedInWindow<A, B> {
    const { builder, id1, id2, streamAt } = this.#inputs;
    const [key1, key2] = [this.#key1, this.#key2];
    const key = (tagged: unknown): unknown => {
      const { side, value } = tagged as TaggedRecord;
      return side === 1 ? key1(value) : key2(value);
    };
    const left = builder.addOperator([id1], { kind: 'map', fn: (value): TaggedRecord => ({ side: 1, value }) });
    const right = builder.addOperator([id2], { kind: 'map', fn: (value): TaggedRecord => ({ side: 2, value }) });
    const id = builder.addPartition(builder.addUnion([left, right]), { kind: 'hash', key, isKeyedAtSource: false });
    const input = { builder, id, key, streamAt, parallelism: null };
    const untagged = untaggedAssigner(assigner as WindowAssigner<unknown, W>);
    return new JoinedInWindow<A, B>(windowedStream<unknown, unknown, Window>(input, untagged));
  }
}

/** Two streams with their keys and windows. Late records are dropped and counted. @public */
export class JoinedInWindow<A, B> {
  readonly #windows: WindowedStream<unknown, unknown, Window>;

  /** @internal */
  constructor(windows: WindowedStream<unknown, unknown, Window>) {
    this.#windows = windows;
  }

  /** As {@link WindowedStream.trigger}; it sees the records of both sides. */
  trigger(trigger: Trigger<A | B>): JoinedInWindow<A, B> {
    return new JoinedInWindow(this.#windows.trigger(untaggedTrigger(trigger)));
  }

  /** As {@link WindowedStream.evictor}; it sees the records of both sides, in the order in which they came. */
  evictor(evictor: Evictor<A | B>): JoinedInWindow<A, B> {
    return new JoinedInWindow(this.#windows.evictor(untaggedEvictor(evictor)));
  }

  /** As {@link WindowedStream.allowedLateness}. */
  allowedLateness(allowedLatenessMs: number): JoinedInWindow<A, B> {
    return new JoinedInWindow(this.#windows.allowedLateness(allowedLatenessMs));
  }

  /** Inner join: one result per pair of a key and window, with the window's largest timestamp. Windows of one side alone give none. */
  apply<O>(join: JoinFunction<A, B, O>): SingleOutput<O> {
    return this.#windows.process<O>(
      new BothSides<A, B, O>((lefts, rights, out) => {
        for (const left of lefts) for (const right of rights) out.collect(join(left, right));
      }),
    );
  }

  /** Groups: one call per key and window with the records of both sides; either may be empty, not both. */
  coGroup<O>(fn: CoGroupFunction<A, B, O>): SingleOutput<O> {
    return this.#windows.process<O>(new BothSides<A, B, O>(fn));
  }
}

/** Parts the records of a window by their side again. */
class BothSides<A, B, O> extends ProcessWindowFunction<unknown, O, unknown> {
  readonly #fn: CoGroupFunction<A, B, O>;

  constructor(fn: CoGroupFunction<A, B, O>) {
    super();
    this.#fn = fn;
  }

  process(
    _key: unknown,
    _context: ProcessWindowContext<Window>,
    elements: readonly unknown[],
    out: Collector<O>,
  ): void {
    const lefts: A[] = [];
    const rights: B[] = [];
    for (const { side, value } of elements as readonly TaggedRecord[]) {
      if (side === 1) lefts.push(value as A);
      else rights.push(value as B);
    }
    this.#fn(lefts, rights, out);
  }
}
