/**
 * What must and must not compile when streams are chained. Compiled, never run. Each line below a `@ts-expect-error` must
 * be refused: if it compiles, the directive itself is an error.
 */
import {
  KeyedProcessFunction,
  OutputTag,
  ProcessFunction,
  WatermarkStrategy,
  type Collector,
  type DataStream,
  type DataStreamSink,
  type KeyedProcessContext,
  type KeyedStream,
  type ProcessContext,
  type RichMapFunction,
  type SingleOutputStreamOperator,
  type StreamEnvironment,
} from '../../src/index.js';
import { sameType } from './expect-type.js';

interface Bid {
  readonly auction: number;
  readonly price: number;
  readonly channel?: string;
}

declare const env: StreamEnvironment;
declare const bids: SingleOutputStreamOperator<Bid>;
declare const numbers: SingleOutputStreamOperator<number>;
declare const texts: SingleOutputStreamOperator<string>;

export function valuesFlowThroughAChain(): void {
  const prices = bids.map((bid) => bid.price);
  sameType<typeof prices, SingleOutputStreamOperator<number>>(true);
  const words = texts.flatMap((text, out: Collector<string>) => {
    for (const word of text.split(' ')) out.collect(word);
  });
  sameType<typeof words, SingleOutputStreamOperator<string>>(true);
  const filtered = bids.filter((bid) => bid.price > 10);
  sameType<typeof filtered, SingleOutputStreamOperator<Bid>>(true);

  // @ts-expect-error a number has no method of a string
  bids.map((bid) => bid.price.toUpperCase());
  // @ts-expect-error there is no such field
  bids.map((bid) => bid.cost);
  // @ts-expect-error the next operator gets numbers
  bids.map((bid) => bid.price).map((text: string) => text.length);
  // @ts-expect-error a filter answers with a boolean
  bids.filter((bid) => bid.price);
  // @ts-expect-error collects what was not declared
  texts.flatMap((text, out: Collector<number>) => out.collect(text));
}

export function filtersNarrow(mixed: DataStream<string | number>): void {
  const onlyTexts = mixed.filter((value) => typeof value === 'string');
  sameType<typeof onlyTexts, SingleOutputStreamOperator<string>>(true);
  const explicit = mixed.filter((value): value is number => typeof value === 'number');
  sameType<typeof explicit, SingleOutputStreamOperator<number>>(true);
}

export function richFunctions(length: RichMapFunction<string, number>): void {
  const lengths = texts.map(length);
  sameType<typeof lengths, SingleOutputStreamOperator<number>>(true);
  // @ts-expect-error maps texts, not numbers
  numbers.map(length);
  // @ts-expect-error no method `map`
  numbers.map({ open: () => undefined });
}

export function keys(): void {
  const byAuction = bids.keyBy((bid) => bid.auction);
  sameType<typeof byAuction, KeyedStream<Bid, number>>(true);
  const composite = bids.keyBy((bid) => [bid.auction, bid.price]);
  sameType<typeof composite, KeyedStream<Bid, number[]>>(true);

  // @ts-expect-error a key that may be missing is none
  bids.keyBy((bid) => bid.channel);
  // @ts-expect-error no key at all
  bids.keyBy(() => undefined);
  // @ts-expect-error null is no key
  bids.keyBy(() => null);
  // @ts-expect-error there is no such field
  bids.keyBy((bid) => bid.bidder);
}

class Total extends KeyedProcessFunction<number, Bid, string> {
  override processElement(bid: Bid, context: KeyedProcessContext<number>, out: Collector<string>): void {
    out.collect(`${context.getCurrentKey().toFixed()} ${bid.price.toFixed()}`);
  }
}

class Double extends ProcessFunction<number, number> {
  override processElement(value: number, _context: ProcessContext, out: Collector<number>): void {
    out.collect(value * 2);
  }
}

export function processFunctions(): void {
  const totals = bids.keyBy((bid) => bid.auction).process(new Total());
  sameType<typeof totals, SingleOutputStreamOperator<string>>(true);
  const doubled = numbers.process(new Double());
  sameType<typeof doubled, SingleOutputStreamOperator<number>>(true);

  // @ts-expect-error needs a key, and the stream has none
  bids.process(new Total());
  // @ts-expect-error the key is a string, the function wants a number
  bids.keyBy((bid) => String(bid.auction)).process(new Total());
  // @ts-expect-error the records are numbers, the function wants bids
  numbers.keyBy((value) => value).process(new Total());
  // @ts-expect-error a function without a key, on a keyed stream
  numbers.keyBy((value) => value).process(new Double());
  // @ts-expect-error the records are texts
  texts.process(new Double());
  // @ts-expect-error a function without a class has no place here
  numbers.process((value: number) => value);
}

export function reduceNeedsAKey(): void {
  const sums = numbers.keyBy((value) => value % 2).reduce((sum, value) => sum + value);
  sameType<typeof sums, SingleOutputStreamOperator<number>>(true);
  // @ts-expect-error without a key there is nothing to reduce by
  numbers.reduce((sum: number, value: number) => sum + value);
  // @ts-expect-error reduces numbers to a string
  numbers.keyBy((value) => value % 2).reduce((sum, value) => `${sum.toFixed()}${value.toFixed()}`);
}

export function unionsOfOneType(mixed: DataStream<string | number>): void {
  const all = numbers.union(bids.map((bid) => bid.price));
  sameType<typeof all, DataStream<number>>(true);
  mixed.union(numbers, texts);
  numbers.union(numbers.keyBy((value) => value));

  // @ts-expect-error texts are no numbers
  numbers.union(texts);
  // @ts-expect-error some of the other stream are no numbers
  numbers.union(mixed);
  // @ts-expect-error the second of them
  numbers.union(numbers, texts);
  // @ts-expect-error a union of nothing
  numbers.union();
}

export function streamsOfASubtypeAreStreamsOfTheType(mixed: DataStream<string | number>): void {
  const accept = (stream: DataStream<string | number>): unknown => stream;
  accept(numbers);
  accept(texts.rebalance());
  accept(numbers.keyBy((value) => value));
  const acceptNumbers = (stream: DataStream<number>): unknown => stream;
  // @ts-expect-error some of them are texts
  acceptNumbers(mixed);
  // @ts-expect-error keyed by texts
  const keyed: KeyedStream<number, number> = numbers.keyBy(String);
  accept(keyed);
}

export function onlyOperatorsHaveNames(): void {
  numbers.uid('numbers').name('Numbers').setParallelism(2).startNewChain().disableChaining();
  numbers.print('label').uid('print').name('Print').setParallelism(1);
  const sink = numbers.print();
  sameType<typeof sink, DataStreamSink>(true);

  // @ts-expect-error a union is no operator
  numbers.union(numbers).uid('union');
  // @ts-expect-error a partitioning is no operator
  numbers.rebalance().setParallelism(2);
  // @ts-expect-error a keyBy is no operator
  numbers.keyBy((value) => value).uid('key');
  // @ts-expect-error nothing follows a sink
  sink.map((value: number) => value);
  // @ts-expect-error a parallelism is a number
  numbers.setParallelism('2');
}

export function sideOutputs(): void {
  const late = new OutputTag<Bid>('late');
  const lateBids = bids
    .process(
      new (class extends ProcessFunction<Bid, Bid> {
        override processElement(bid: Bid, context: ProcessContext): void {
          context.output(late, bid);
          // @ts-expect-error the tag is for bids
          context.output(late, 'late');
        }
      })(),
    )
    .getSideOutput(late);
  sameType<typeof lateBids, DataStream<Bid>>(true);
  // @ts-expect-error only an operator has side outputs
  bids.rebalance().getSideOutput(late);
}

export function answers(): void {
  bids.respond();
  bids.respond({ status: 201 });
  bids.respond({ status: (bid) => (bid.price > 0 ? 200 : 404) });
  // @ts-expect-error there is no such field
  bids.respond({ status: (bid) => bid.code });
  // @ts-expect-error a status is a number
  bids.respond({ status: '201' });
}

export function watermarkStrategies(): void {
  const byPrice = WatermarkStrategy.boundedOutOfOrderness<Bid>(100).withTimestampAssigner((bid) => bid.price);
  env.fromCollection<Bid>([], byPrice.withIdleness(1_000));
  env.fromCollection<Bid>(
    [],
    WatermarkStrategy.monotonousTimestamps().withTimestampAssigner((bid: Bid) => bid.price),
  );
  bids.assignTimestampsAndWatermarks(byPrice);
  // @ts-expect-error timestamps of bids, records of texts
  texts.assignTimestampsAndWatermarks(byPrice);
  // @ts-expect-error timestamps of bids, records of texts
  env.fromCollection(['text'], byPrice);
  // @ts-expect-error a timestamp is a number
  WatermarkStrategy.monotonousTimestamps<Bid>().withTimestampAssigner((bid) => bid.channel);
}
