/** What must and must not compile around sources, sinks and state. Compiled, never run. */
import {
  collection,
  defineJob,
  functionSink,
  generator,
  jsonSerde,
  KeyedProcessFunction,
  stringSerde,
  struct,
  topic,
  topicSink,
  valueState,
  WatermarkStrategy,
  type Collector,
  type HttpRequest,
  type JobDefinition,
  type KeyedProcessContext,
  type KeyedStreamSource,
  type RuntimeContext,
  type SinkFunction,
  type SingleOutputStreamOperator,
  type StreamEnvironment,
  type ValueState,
} from '../../src/index.js';
import { sameType } from './expect-type.js';

interface Bid {
  readonly auction: number;
  readonly time: number;
}

declare const env: StreamEnvironment;
declare const bids: SingleOutputStreamOperator<Bid>;

export function structs(): void {
  const order = struct('order', { id: 'int32', customer: 'text', data: 'bytes', note: 'text?', extra: 'json?' });
  type Order = ReturnType<typeof order.deserialise>;
  sameType<Order['id'], number>(true);
  sameType<Order['customer'], string>(true);
  sameType<Order['data'], Uint8Array>(true);
  sameType<Order['note'], string | undefined>(true);
  sameType<Order['extra'], unknown>(true);
  order.serialise({ id: 1, customer: 'ada', data: new Uint8Array() });
  // @ts-expect-error a field is missing
  order.serialise({ id: 1, customer: 'ada' });
  // @ts-expect-error no such kind
  struct('order', { id: 'int64' });
  const orders = env.fromSource(topic('orders', order.lazily()), WatermarkStrategy.noWatermarks());
  orders.map(({ note }) => note ?? '');
}

export function jobs(): void {
  const job = defineJob('typed', (environment) => {
    sameType<typeof environment, StreamEnvironment>(true);
  });
  sameType<typeof job, JobDefinition>(true);
  // @ts-expect-error no such answer to an error
  defineJob('typed', () => undefined, { onError: 'ignore' });
  // @ts-expect-error a job is built by a function
  defineJob('typed', env);
}

export function sourcesGiveTheirType(): void {
  const fromTopic = env.fromSource(topic('bids', jsonSerde<Bid>()));
  sameType<typeof fromTopic, SingleOutputStreamOperator<Bid>>(true);
  const keyed = env.fromSource(topic('bids', jsonSerde<Bid>(), { key: (bid) => bid.auction }));
  sameType<typeof keyed, KeyedStreamSource<Bid, number>>(true);
  const values = env.fromCollection([1, 2, 3]);
  sameType<typeof values, SingleOutputStreamOperator<number>>(true);
  const generated = env.fromGenerator((index) => (index < 10 ? `${index.toFixed()}` : undefined));
  sameType<typeof generated, SingleOutputStreamOperator<string>>(true);
  env.fromSource(topic('bids', jsonSerde<Bid>()), WatermarkStrategy.boundedOutOfOrderness(2_000), 'bids');
  env.fromSource(
    generator((index) => ({ auction: index, time: index })),
    WatermarkStrategy.monotonousTimestamps<Bid>().withTimestampAssigner((bid) => bid.time),
  );

  env.fromSource(collection<Bid>([]), undefined, 'bids').map((bid) => bid.time);

  const byTime = WatermarkStrategy.monotonousTimestamps<Bid>().withTimestampAssigner((bid) => bid.time);
  env
    .fromSource(
      generator((index) => ({ auction: index, time: index })),
      byTime,
    )
    .map((bid) => bid.time);
  env
    .fromSource(
      generator((index) => ({ auction: index })),
      WatermarkStrategy.boundedOutOfOrderness(5),
    )
    .map((bid) => bid.auction);
  const indices = generator((index) => index);
  // @ts-expect-error the strategy is for bids
  env.fromSource(indices, byTime);

  // @ts-expect-error there is no such field
  topic('bids', jsonSerde<Bid>(), { key: (bid) => bid.bidder });
  // @ts-expect-error begins at the one end or the other
  topic('bids', jsonSerde<Bid>(), { startFrom: 'middle' });
  // @ts-expect-error the serde says texts
  env.fromSource(topic('texts', stringSerde())).map((bid: Bid) => bid.auction);
  // @ts-expect-error an index is a number
  generator((index: string) => index);
  // @ts-expect-error not a collection
  env.fromCollection(5);
}

export function sinksTakeTheirType(writeBid: SinkFunction<Bid>): void {
  bids.sinkTo(topicSink('bids', jsonSerde()));
  bids.sinkTo(topicSink('bids', jsonSerde<Bid>(), { key: (bid) => bid.auction, guarantee: 'at-least-once' }));
  bids.sinkTo(functionSink(writeBid));
  bids.sinkTo(
    functionSink((bid, context) => {
      sameType<typeof bid, Bid>(true);
      context.now();
    }),
  );
  bids.sinkTo(functionSink({ invoke: (bid) => bid.auction }));

  // @ts-expect-error writes texts
  bids.sinkTo(topicSink('bids', stringSerde()));
  // @ts-expect-error takes bids, not their auctions
  bids.map((bid) => bid.auction).sinkTo(functionSink(writeBid));
  // @ts-expect-error there is no such field
  bids.sinkTo(topicSink('bids', jsonSerde<Bid>(), { key: (bid) => bid.bidder }));
  // @ts-expect-error no such guarantee
  bids.sinkTo(topicSink('bids', jsonSerde<Bid>(), { guarantee: 'sometimes' }));
  // @ts-expect-error a bare function is no sink
  bids.sinkTo(writeBid);
}

/** The counter of the README: state, key and answer are of one type each. */
export class Count extends KeyedProcessFunction<string, HttpRequest<{ amount: number }>, { value: number }> {
  #value: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#value = context.getState(valueState<number>('value'));
    // @ts-expect-error the state holds texts
    this.#value = context.getState(valueState<string>('text'));
  }

  override processElement(
    request: HttpRequest<{ amount: number }>,
    context: KeyedProcessContext<string>,
    out: Collector<{ value: number }>,
  ): void {
    sameType<ReturnType<typeof context.getCurrentKey>, string>(true);
    const value = (this.#value?.value() ?? 0) + request.body.amount;
    this.#value?.update(value);
    // @ts-expect-error the state holds numbers
    this.#value?.update('1');
    // @ts-expect-error the answer is an object
    out.collect(value);
    out.collect({ value });
  }
}
