import type { KeyedBroadcastProcessFunction } from './broadcast-functions.js';
import type { CoFlatMapFunction, CoMapFunction, CoProcessFunction, KeyedCoProcessFunction } from './co-functions.js';
import type { KeySelector } from './functions.js';
import type { GraphBuilder } from './internal/graph-builder.js';
import type { OperatorSpec } from './internal/operator-spec.js';
import type { SingleOutput, StreamAt } from './internal/stream-types.js';
import type { Key } from './key.js';
import type { MapStateDescriptor } from './keyed-state.js';

/** Where two streams meet, and how streams go on after them. */
export interface ConnectedInputs {
  readonly builder: GraphBuilder;
  readonly id1: number;
  readonly id2: number;
  readonly streamAt: StreamAt;
}

/** Two streams of different types, for functions that see both. Made by `stream.connect(other)`. @public */
export class ConnectedStreams<A, B> {
  /** Only a type. */
  declare protected readonly recordTypes: readonly [A, B];
  protected readonly inputs: ConnectedInputs;

  /** @internal */
  constructor(inputs: ConnectedInputs) {
    this.inputs = inputs;
  }

  /** Deals both streams out by keys of one type, so that records of equal key meet in one subtask. */
  keyBy<K extends Key>(key1: KeySelector<A, K>, key2: KeySelector<B, K>): KeyedConnectedStreams<K, A, B> {
    const { builder, id1, id2, streamAt } = this.inputs;
    const keys = [key1, key2] as readonly unknown[] as [KeySelector<unknown, unknown>, KeySelector<unknown, unknown>];
    const inputs = {
      builder,
      streamAt,
      id1: builder.addPartition(id1, { kind: 'hash', key: keys[0], isKeyedAtSource: false }),
      id2: builder.addPartition(id2, { kind: 'hash', key: keys[1], isKeyedAtSource: false }),
    };
    return new KeyedConnectedStreams<K, A, B>(inputs, keys[0], keys[1]);
  }

  /** One result per record of either stream. */
  map<O>(fn: CoMapFunction<A, B, O>): SingleOutput<O> {
    return this.transform<O>({ kind: 'co-map', fn: fn });
  }

  /** Any number of results per record of either stream. */
  flatMap<O>(fn: CoFlatMapFunction<A, B, O>): SingleOutput<O> {
    return this.transform<O>({
      kind: 'co-flat-map',
      fn: fn as unknown as CoFlatMapFunction<unknown, unknown, unknown>,
    });
  }

  /** A function over both streams, with side outputs. */
  process<O>(fn: CoProcessFunction<A, B, O>): SingleOutput<O> {
    return this.transform<O>({ kind: 'co-process', fn: fn as unknown as CoProcessFunction<unknown, unknown, unknown> });
  }

  protected transform<O>(spec: OperatorSpec): SingleOutput<O> {
    const { builder, id1, id2, streamAt } = this.inputs;
    return streamAt<O>(builder.addOperator([id1, id2], spec));
  }
}

/** Two keyed streams: functions share the state and timers of a key. @public */
export class KeyedConnectedStreams<K, A, B> extends ConnectedStreams<A, B> {
  /** Only a type. */
  declare protected readonly keyType: K;
  readonly #key1: KeySelector<unknown, unknown>;
  readonly #key2: KeySelector<unknown, unknown>;

  /** @internal */
  constructor(inputs: ConnectedInputs, key1: KeySelector<unknown, unknown>, key2: KeySelector<unknown, unknown>) {
    super(inputs);
    this.#key1 = key1;
    this.#key2 = key2;
  }

  /** A function over both streams, with the state and timers of a key. */
  override process<O>(fn: KeyedCoProcessFunction<K, A, B, O>): SingleOutput<O>;
  /** A function without a key has no place here; put it before `keyBy`. */
  override process(fn: never): never;
  override process<O>(fn: KeyedCoProcessFunction<K, A, B, O>): SingleOutput<O> {
    return this.transform<O>({
      kind: 'keyed-co-process',
      fn: fn as unknown as KeyedCoProcessFunction<unknown, unknown, unknown, unknown>,
      key: this.#key1,
      key2: this.#key2,
    });
  }
}

/** A stream that every subtask sees whole, with the states that it fills. Made by `stream.broadcast(state, …)`, for `connect` on a keyed stream. @public */
export class BroadcastStream<T> {
  /** Only a type. */
  declare protected readonly recordType: T;
  readonly #id: number;
  readonly #states: readonly MapStateDescriptor<unknown, unknown>[];

  /** @internal */
  constructor(id: number, states: readonly MapStateDescriptor<unknown, unknown>[]) {
    this.#id = id;
    this.#states = states;
  }

  /** @internal */
  get transformation(): number {
    return this.#id;
  }

  /** @internal */
  get states(): readonly MapStateDescriptor<unknown, unknown>[] {
    return this.#states;
  }
}

/** A keyed stream and a broadcast one. Made by `keyedStream.connect(broadcastStream)`. @public */
export class BroadcastConnectedStream<K, A, B> {
  /** Only a type. */
  declare protected readonly types: readonly [K, A, B];
  readonly #inputs: ConnectedInputs;
  readonly #key: KeySelector<unknown, unknown>;
  readonly #states: readonly MapStateDescriptor<unknown, unknown>[];

  /** @internal */
  constructor(
    inputs: ConnectedInputs,
    key: KeySelector<unknown, unknown>,
    states: readonly MapStateDescriptor<unknown, unknown>[],
  ) {
    this.#inputs = inputs;
    this.#key = key;
    this.#states = states;
  }

  /** A function that reads broadcast state for each keyed record, and changes it for each broadcast one. */
  process<O>(fn: KeyedBroadcastProcessFunction<K, A, B, O>): SingleOutput<O> {
    const { builder, id1, id2, streamAt } = this.#inputs;
    const operator = builder.addOperator([id1, id2], {
      kind: 'keyed-broadcast',
      fn: fn as unknown as KeyedBroadcastProcessFunction<unknown, unknown, unknown, unknown>,
      key: this.#key,
      states: this.#states,
    });
    return streamAt<O>(operator);
  }
}
