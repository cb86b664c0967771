/** What must and must not compile around windows, joins and connected streams. Compiled, never run. */
import {
  collection,
  CountTrigger,
  EventTimeSessionWindows,
  KeyedCoProcessFunction,
  mapState,
  orderedWait,
  OutputTag,
  ProcessWindowFunction,
  TumblingEventTimeWindows,
  type AggregateFunction,
  type AllWindowedStream,
  type BroadcastConnectedStream,
  type Collector,
  type KeyedConnectedStreams,
  type SingleOutputStreamOperator,
  type StreamEnvironment,
  type TimeWindow,
  type WindowedStream,
} from '../../src/index.js';
import { sameType } from './expect-type.js';

interface Bid {
  readonly auction: number;
  readonly price: number;
}

interface Auction {
  readonly id: number;
  readonly seller: string;
}

const mean: AggregateFunction<Bid, readonly [number, number], number> = {
  createAccumulator: () => [0, 0],
  add: (bid, [sum, count]) => [sum + bid.price, count + 1],
  getResult: ([sum, count]) => sum / count,
  merge: (a, b) => [a[0] + b[0], a[1] + b[1]],
};

class Describe extends ProcessWindowFunction<number, string, number, TimeWindow> {
  process(key: number, _context: unknown, [result]: readonly number[], out: Collector<string>): void {
    out.collect(`${key}: ${String(result)}`);
  }
}

class Pair extends KeyedCoProcessFunction<number, Bid, Auction, string> {
  processElement1(_bid: Bid, _context: unknown, out: Collector<string>): void {
    out.collect('bid');
  }
  processElement2(_auction: Auction, _context: unknown, out: Collector<string>): void {
    out.collect('auction');
  }
}

export function streams(env: StreamEnvironment): void {
  const bids = env.fromSource(collection<Bid>([]));
  const auctions = env.fromSource(collection<Auction>([]));
  const byAuction = bids.keyBy((bid) => bid.auction);
  const windowed = byAuction.window(TumblingEventTimeWindows.of(10));

  sameType<typeof windowed, WindowedStream<Bid, number, TimeWindow>>(true);
  const means = windowed.aggregate(mean);
  sameType<typeof means, SingleOutputStreamOperator<number>>(true);
  const described = windowed.trigger(CountTrigger.of(3)).aggregate(mean, new Describe());
  sameType<typeof described, SingleOutputStreamOperator<string>>(true);
  const all = bids.windowAll(EventTimeSessionWindows.withGap(5));
  sameType<typeof all, AllWindowedStream<Bid, TimeWindow>>(true);

  const byId = auctions.keyBy((auction) => auction.id);
  const auctionWindows = byId.window(TumblingEventTimeWindows.of(10));
  // @ts-expect-error the aggregate is over bids, not over auctions
  auctionWindows.aggregate(mean);
  const byText = bids.keyBy((bid) => String(bid.auction)).window(TumblingEventTimeWindows.of(10));
  // @ts-expect-error the function is for windows whose key is a number
  byText.aggregate(mean, new Describe());
  // @ts-expect-error a gap comes from a bid
  byAuction.window(EventTimeSessionWindows.withDynamicGap((auction: Auction) => auction.id));
  // @ts-expect-error late records are bids
  windowed.sideOutputLateData(new OutputTag<string>('late'));
  // @ts-expect-error a stream without a key has no windows per key
  bids.window(TumblingEventTimeWindows.of(10));

  const connected = byAuction.connect(auctions.keyBy((auction) => auction.id));
  sameType<typeof connected, KeyedConnectedStreams<number, Bid, Auction>>(true);
  const paired = connected.process(new Pair());
  sameType<typeof paired, SingleOutputStreamOperator<string>>(true);
  // @ts-expect-error the keys of both streams are of one type
  byAuction.connect(auctions.keyBy((auction) => auction.seller));
  const swapped = byId.connect(byAuction);
  // @ts-expect-error the inputs have changed places
  swapped.process(new Pair());

  const limits = mapState<string, number>('limits');
  const broadcast = byAuction.connect(auctions.broadcast(limits));
  sameType<typeof broadcast, BroadcastConnectedStream<number, Bid, Auction>>(true);

  const joined = bids
    .join(auctions)
    .where((bid) => bid.auction)
    .equalTo((auction) => auction.id)
    .window(TumblingEventTimeWindows.of(10))
    .apply((bid, auction) => `${auction.seller} ${bid.price}`);
  sameType<typeof joined, SingleOutputStreamOperator<string>>(true);
  bids
    .join(auctions)
    .where((bid) => bid.auction)
    // @ts-expect-error both sides have keys of one type
    .equalTo((auction) => auction.seller);

  const looked = orderedWait(bids, (bid) => Promise.resolve(`${bid.price}`), { timeoutMs: 10 });
  sameType<typeof looked, SingleOutputStreamOperator<string>>(true);
  // @ts-expect-error a request promises its result
  orderedWait(bids, (bid) => bid.price);
}
