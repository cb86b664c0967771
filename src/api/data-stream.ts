import {
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedStreams,
  KeyedConnectedStreams,
} from './connected-streams.js';
import type { ConnectedInputs } from './connected-streams.js';
import type { FilterFunction, FlatMapFunction, KeySelector, MapFunction } from './functions.js';
import type { AsyncWaitSpec } from './internal/event-time-specs.js';
import type { GraphBuilder } from './internal/graph-builder.js';
import type { OperatorSpec } from './internal/operator-spec.js';
import type { Partitioning } from './internal/transformation.js';
import { IntervalJoin } from './interval-join.js';
import { JoinedStreams } from './joined-streams.js';
import type { Key } from './key.js';
import type { MapStateDescriptor, ReduceFunction } from './keyed-state.js';
import type { KeyedProcessFunction, OutputTag, ProcessFunction } from './process-function.js';
import { ScatteredStream } from './scatter-gather.js';
import type { Sink } from './sink.js';
import { CountEvictor } from './evictors.js';
import { CountTrigger, PurgingTrigger } from './triggers.js';
import type { WatermarkStrategy } from './watermark-strategy.js';
import type { WindowAssigner } from './window-assigner.js';
import { GlobalWindows } from './window-assigners.js';
import { allWindowedStream, windowedStream } from './windowed-stream.js';
import type { AllWindowedStream, WindowedStream } from './windowed-stream.js';
import type { GlobalWindow, Window } from './windows.js';

declare module './internal/stream-types.js' {
  interface StreamTypes<O> {
    readonly single: SingleOutputStreamOperator<O>;
  }
}

/** Milliseconds between the periodic watermarks of `assignTimestampsAndWatermarks`. */
const WATERMARK_INTERVAL_MS = 200;

/**
 * The streams of a job: what an author chains together. Every method adds a transformation to the job's builder and
 * returns the stream after it; nothing runs.
 *
 * The classes are in one file because each makes the others: a stream is keyed, and a keyed stream gives streams.
 *
 * ```text
 *   DataStream ──────────────── any stream
 *     ├─ SingleOutputStreamOperator   the output of an operator or a source, which can be named and tuned
 *     └─ KeyedStream                  dealt out by key
 *          └─ KeyedStreamSource       keyed at the door: a source that can be named and tuned
 *   DataStreamSink ──────────── the end of a stream
 * ```
 *
 * Values lose their types when they enter a spec (`erase`): here, where the compiler has checked them, and nowhere else.
 */

/** How `respond()` answers. @public */
export interface RespondOptions<T> {
  /** The HTTP status, or a function of the answer. @defaultValue 200 */
  readonly status?: number | ((value: T) => number);
}

/** Records of one type, in order within each subtask. @public */
export class DataStream<out T> {
  /** Only a type: a stream of one type is no stream of another. */
  declare protected readonly recordType: T;
  protected readonly builder: GraphBuilder;
  /** The transformation whose output this is. */
  protected readonly id: number;

  /** @internal Streams come from a {@link StreamEnvironment} and from other streams. */
  constructor(builder: GraphBuilder, id: number) {
    this.builder = builder;
    this.id = id;
  }

  /** How many subtasks the operator that emits this stream is pinned to; `null` where the job's parallelism decides. */
  getParallelism(): number | null {
    return this.builder.parallelismOf(this.id);
  }

  /**
   * One record for each, with its timestamp.
   *
   * @example
   * payments.map((payment) => payment.amount);
   */
  map<O>(fn: MapFunction<T, O>): SingleOutputStreamOperator<O> {
    this.requireFunction(fn, 'map', 'map');
    return this.transform<O>({ kind: 'map', fn: erase(fn) });
  }

  /** Keeps the records for which the function is true. A type guard narrows the stream. */
  filter<S extends T>(fn: (value: T) => value is S): SingleOutputStreamOperator<S>;
  filter(fn: FilterFunction<T>): SingleOutputStreamOperator<T>;
  filter(fn: FilterFunction<T>): SingleOutputStreamOperator<T> {
    this.requireFunction(fn, 'filter', 'filter');
    return this.transform<T>({ kind: 'filter', fn: erase(fn) });
  }

  /**
   * Any number of records for each.
   *
   * @example
   * lines.flatMap((line, out: Collector<string>) => line.split(' ').forEach((word) => out.collect(word)));
   */
  flatMap<O>(fn: FlatMapFunction<T, O>): SingleOutputStreamOperator<O> {
    this.requireFunction(fn, 'flatMap', 'flatMap');
    return this.transform<O>({ kind: 'flat-map', fn: erase(fn) });
  }

  /** A function with side outputs, request handles and the record's time. With state and timers it is on a keyed stream: {@link KeyedStream.process}. */
  process<O>(fn: ProcessFunction<T, O>): SingleOutputStreamOperator<O> {
    this.requireFunction(fn, 'process', 'processElement');
    return this.transform<O>({ kind: 'process', fn: erase(fn) });
  }

  /**
   * Deals records out by key: all records of a key reach one subtask, those of one producer in order.
   *
   * @param key depends on the value alone. A record without a key (`undefined`, `null`) fails with `MILLRACE_STATE_NO_KEY`.
   */
  keyBy<K extends Key>(key: KeySelector<T, K>): KeyedStream<T, K> {
    if (typeof key !== 'function') {
      throw this.builder.invalid(
        this.id,
        'is keyed by something that is no function',
        'Give keyBy a function from a record to its key.',
      );
    }
    const selector = erase<KeySelector<unknown, unknown>>(key);
    return new KeyedStream<T, K>(
      this.builder,
      this.repartition({ kind: 'hash', key: selector, isKeyedAtSource: false }),
      selector,
    );
  }

  /** This stream and others of its type as one. No order holds between them; the watermark is the least of theirs. */
  union(...others: readonly [DataStream<T>, ...DataStream<T>[]]): DataStream<T> {
    const streams: readonly DataStream<T>[] = others;
    if (streams.length === 0)
      throw this.builder.invalid(this.id, 'is united with nothing', 'Give union another stream.');
    for (const other of streams) this.#requireSameJob(other, 'is united with');
    return new DataStream<T>(this.builder, this.builder.addUnion([this.id, ...streams.map((other) => other.id)]));
  }

  /** Deals records out to the subtasks of the next operator in turn. */
  rebalance(): DataStream<T> {
    return new DataStream<T>(this.builder, this.repartition({ kind: 'rebalance' }));
  }

  /** Gives each record to every subtask of the next operator; with states, for `connect` on a keyed stream. */
  broadcast(): DataStream<T>;
  broadcast(
    ...states: readonly [MapStateDescriptor<unknown, unknown>, ...MapStateDescriptor<unknown, unknown>[]]
  ): BroadcastStream<T>;
  broadcast(...states: readonly MapStateDescriptor<unknown, unknown>[]): DataStream<T> | BroadcastStream<T> {
    const id = this.repartition({ kind: 'broadcast' });
    return states.length === 0 ? new DataStream<T>(this.builder, id) : new BroadcastStream<T>(id, erase(states));
  }

  /**
   * Gives records timestamps and makes watermarks of them, instead of those that come in, which are dropped but for the one that
   * ends the stream. Every 200 ms. A strategy given to the source is better where it can be: it sees each topic partition by itself.
   */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): SingleOutputStreamOperator<T> {
    return this.transform<T>({
      kind: 'assign-timestamps',
      strategy: erase(strategy),
      intervalMs: WATERMARK_INTERVAL_MS,
    });
  }

  /** This stream and one of another type, for functions that see both. */
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B> {
    return new ConnectedStreams<T, B>(this.meet(other.id));
  }

  /** Joins by key and window: `join(other).where(key).equalTo(key).window(assigner).apply(pair)`, or `.coGroup(lists)`. */
  join<B>(other: DataStream<B>): JoinedStreams<T, B> {
    return new JoinedStreams<T, B>(this.meet(other.id));
  }

  /**
   * Gives each request to several branches, whose results {@link ScatteredStream.gather} joins by request into one answer.
   *
   * @param branches by name: from this stream to one of what the branch finds.
   *
   * @example
   * requests
   *   .scatter({
   *     card: (stream) => stream.keyBy((r) => r.body.card).process(new CardSpending()),
   *     device: (stream) => stream.keyBy((r) => r.body.device).process(new DeviceCards()),
   *   })
   *   .gather({ combine: (request, { card, device }) => score(request.body, card, device) })
   *   .respond();
   */
  scatter<Partials>(branches: {
    readonly [Name in keyof Partials]: (stream: this) => DataStream<Partials[Name]>;
  }): ScatteredStream<T, Partials> {
    const { builder, id1: id, streamAt } = this.meet(this.id);
    const ends = Object.entries<(stream: this) => DataStream<unknown>>(branches).map(([name, branch]) => {
      const end = branch(this);
      this.#requireSameJob(end, `is scattered to a branch "${name}" that ends in`);
      return { name, id: end.id };
    });
    return new ScatteredStream<T, Partials>({ builder, id, streamAt, branches: ends });
  }

  /** All records in windows, in one subtask: no parallelism. */
  windowAll<W extends Window>(assigner: WindowAssigner<T, W>): AllWindowedStream<T, W> {
    const key = (): number => 0;
    const id = this.repartition({ kind: 'hash', key, isKeyedAtSource: false });
    return allWindowedStream<T, W>({ ...this.meet(id), id, key, parallelism: 1 }, assigner);
  }

  /** @internal Use `orderedWait` and `unorderedWait`. */
  asyncWait<O>(spec: AsyncWaitSpec): SingleOutputStreamOperator<O> {
    return this.transform<O>(spec);
  }

  /** Keeps records in the subtask of the same index. The next operator must have the same parallelism, or the job is refused. */
  forward(): DataStream<T> {
    return new DataStream<T>(this.builder, this.repartition({ kind: 'forward' }));
  }

  /** Ends the stream in a sink. */
  sinkTo(sink: Sink<T>): DataStreamSink {
    return this.#end(sink.spec);
  }

  /** Writes each record as a line to standard output, after `label:subtask>`. For a look, not for much data. */
  print(label?: string): DataStreamSink {
    return this.#end({ kind: 'print-sink', label: label ?? null });
  }

  /**
   * Answers the request that each record came from with the record as JSON. The first answer to a request wins. A record
   * that came from no request is dropped and counted.
   */
  respond(options: RespondOptions<T> = {}): DataStreamSink {
    const status = options.status ?? 200;
    if (typeof status !== 'function' && !(Number.isInteger(status) && status >= 200 && status <= 599)) {
      throw this.builder.invalid(
        this.id,
        `is answered with the status ${String(status)}`,
        'A status is a whole number from 200 to 599.',
      );
    }
    return this.#end({ kind: 'respond-sink', status: erase(status) });
  }

  protected meet(id2: number): ConnectedInputs {
    const { builder, id } = this;
    return { builder, id1: id, id2, streamAt: <O>(at: number) => new SingleOutputStreamOperator<O>(builder, at) };
  }

  protected transform<O>(spec: OperatorSpec): SingleOutputStreamOperator<O> {
    return new SingleOutputStreamOperator<O>(this.builder, this.builder.addOperator([this.id], spec));
  }

  protected repartition(partitioning: Partitioning): number {
    return this.builder.addPartition(this.id, partitioning);
  }

  /** A plain function, or an object with this method. */
  protected requireFunction(fn: unknown, operator: string, method: string): void {
    if (typeof fn === 'function' && method !== 'processElement') return;
    if (typeof fn === 'object' && fn !== null && typeof (fn as Record<string, unknown>)[method] === 'function') return;
    const hint = `Give ${operator} ${method === 'processElement' ? 'an instance' : 'a function, or an object'} with the method ${method}.`;
    throw this.builder.invalid(this.id, `is followed by ${operator}() without a function`, hint);
  }

  #requireSameJob(other: DataStream<unknown>, how: string): void {
    if (!(other instanceof DataStream))
      throw this.builder.invalid(this.id, `${how} something that is no stream`, 'Give it a stream of this env.');
    if (other.builder === this.builder) return;
    throw this.builder.invalid(this.id, `${how} a stream of another job`, 'Use only streams of this env.');
  }

  #end(spec: OperatorSpec): DataStreamSink {
    return new DataStreamSink(this.builder, this.builder.addOperator([this.id], spec));
  }
}

/** The output of an operator or a source. What is set here concerns that operator alone. @public */
export class SingleOutputStreamOperator<out T> extends DataStream<T> {
  /**
   * Names the operator's state for good: 1 to 100 letters, digits, dots, dashes and underscores, unique in the job. A
   * stateful operator without one gets a uid from its place, and loses its state when that place changes.
   */
  uid(uid: string): this {
    this.builder.setUid(this.id, uid);
    return this;
  }

  /** What people and metrics see, up to 200 characters. Changing it loses nothing. @defaultValue a word for the operator, such as `Map` */
  name(name: string): this {
    this.builder.setName(this.id, name);
    return this;
  }

  /** How many subtasks; at least 1. Pins it: the job's parallelism no longer changes this operator. */
  setParallelism(parallelism: number): this {
    this.builder.setParallelism(this.id, parallelism);
    return this;
  }

  /** Does not run in the task of its input: what it takes then goes through a channel. What follows may still run in its task. */
  startNewChain(): this {
    this.builder.setChaining(this.id, 'head');
    return this;
  }

  /** Runs in a task of its own. */
  disableChaining(): this {
    this.builder.setChaining(this.id, 'never');
    return this;
  }

  /** What the operator emits under this tag by `context.output(tag, value)`, or as late data. */
  getSideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    return new DataStream<S>(this.builder, this.builder.addSideOutput(this.id, tag.id));
  }
}

/** A stream dealt out by key, so that what follows may keep state per key. @public */
export class KeyedStream<out T, out K> extends DataStream<T> {
  /** Only a type. */
  declare protected readonly keyType: K;
  readonly #key: KeySelector<unknown, unknown>;

  /** @internal */
  constructor(builder: GraphBuilder, id: number, key: KeySelector<unknown, unknown>) {
    super(builder, id);
    this.#key = key;
  }

  /**
   * A function over the records of one key at a time, with keyed state and timers.
   *
   * @example
   * visits.keyBy((visit) => visit.page).process(new CountFunction()).uid('count');
   */
  override process<O>(fn: KeyedProcessFunction<K, T, O>): SingleOutputStreamOperator<O>;
  /** A function without a key has no place here; put it before `keyBy`. */
  override process(fn: never): never;
  override process<O>(fn: KeyedProcessFunction<K, T, O>): SingleOutputStreamOperator<O> {
    this.requireFunction(fn, 'process', 'processElement');
    return this.transform<O>({ kind: 'keyed-process', fn: erase(fn), key: this.#key });
  }

  /**
   * Emits, for each record, all records of its key so far reduced into one; the first as it is. The state grows with the keys
   * and is never cleared: for a stream without end use a window, or a process function with a time to live.
   */
  reduce(fn: ReduceFunction<T>): SingleOutputStreamOperator<T> {
    this.requireFunction(fn, 'reduce', 'reduce');
    return this.transform<T>({ kind: 'reduce', reduce: erase(fn), key: this.#key });
  }

  /**
   * The records of each key in windows.
   *
   * @example
   * bids
   *   .keyBy((bid) => bid.auction)
   *   .window(TumblingEventTimeWindows.of(10_000))
   *   .aggregate(new Count());
   */
  window<W extends Window>(assigner: WindowAssigner<T, W>): WindowedStream<T, K, W> {
    return windowedStream<T, K, W>({ ...this.meet(this.id), id: this.id, key: this.#key, parallelism: null }, assigner);
  }

  /** Every `size` records of a key; with `slide`, the last `size` at every `slide` records. Fewer records than that never fire. */
  countWindow(size: number, slide?: number): WindowedStream<T, K, GlobalWindow> {
    const windows = this.window<GlobalWindow>(GlobalWindows.create());
    if (slide === undefined) return windows.trigger(PurgingTrigger.of(CountTrigger.of(size)));
    return windows.evictor(CountEvictor.of(size)).trigger(CountTrigger.of(slide));
  }

  /**
   * Joins with another keyed stream where timestamps lie within an interval.
   *
   * @example
   * clicks.intervalJoin(views).between(-5_000, 0).process(new ClickedView());
   */
  intervalJoin<B>(other: KeyedStream<B, K>): IntervalJoin<T, B> {
    return new IntervalJoin<T, B>(this.meet(other.id), this.#key, other.#key);
  }

  /** A keyed stream of another type, with which functions share state; or a broadcast stream. */
  override connect<B>(other: KeyedStream<B, K>): KeyedConnectedStreams<K, T, B>;
  override connect<B>(other: BroadcastStream<B>): BroadcastConnectedStream<K, T, B>;
  override connect<B>(
    other: KeyedStream<B, K> | BroadcastStream<B>,
  ): KeyedConnectedStreams<K, T, B> | BroadcastConnectedStream<K, T, B> {
    if (other instanceof BroadcastStream) {
      return new BroadcastConnectedStream<K, T, B>(this.meet(other.transformation), this.#key, other.states);
    }
    return new KeyedConnectedStreams<K, T, B>(this.meet(other.id), this.#key, other.#key);
  }
}

/** A source whose records enter by key, so that nothing needs to be shuffled. @public */
export class KeyedStreamSource<out T, out K> extends KeyedStream<T, K> {
  readonly #source: SingleOutputStreamOperator<T>;

  /** @internal */
  constructor(builder: GraphBuilder, sourceId: number, key: KeySelector<unknown, unknown>) {
    super(builder, builder.addPartition(sourceId, { kind: 'hash', key, isKeyedAtSource: true }), key);
    this.#source = new SingleOutputStreamOperator<T>(builder, sourceId);
  }

  /** Names the source's topic and position for good. As {@link SingleOutputStreamOperator.uid}. */
  uid(uid: string): this {
    this.#source.uid(uid);
    return this;
  }

  /** As {@link SingleOutputStreamOperator.name}. */
  name(name: string): this {
    this.#source.name(name);
    return this;
  }

  /** How many subtasks; at least 1. An operator of another parallelism is reached by a shuffle. */
  setParallelism(parallelism: number): this {
    this.#source.setParallelism(parallelism);
    return this;
  }

  /** Runs in a task of its own. */
  disableChaining(): this {
    this.#source.disableChaining();
    return this;
  }
}

/** The end of a stream: what it ends in can be named and tuned. @public */
export class DataStreamSink {
  readonly #builder: GraphBuilder;
  readonly #id: number;

  /** @internal */
  constructor(builder: GraphBuilder, id: number) {
    this.#builder = builder;
    this.#id = id;
  }

  /** As {@link SingleOutputStreamOperator.uid}. */
  uid(uid: string): this {
    this.#builder.setUid(this.#id, uid);
    return this;
  }

  /** As {@link SingleOutputStreamOperator.name}. */
  name(name: string): this {
    this.#builder.setName(this.#id, name);
    return this;
  }

  /** How many subtasks; at least 1. */
  setParallelism(parallelism: number): this {
    this.#builder.setParallelism(this.#id, parallelism);
    return this;
  }

  /** Does not run in the task of its input. */
  startNewChain(): this {
    this.#builder.setChaining(this.#id, 'head');
    return this;
  }

  /** Runs in a task of its own. */
  disableChaining(): this {
    this.#builder.setChaining(this.#id, 'never');
    return this;
  }
}

/** Forgets the type of a function's values. */
function erase<Erased>(fn: unknown): Erased {
  return fn as Erased;
}
