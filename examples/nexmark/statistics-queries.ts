import { KeyedProcessFunction, mapState, valueState } from 'millrace';
import type { Collector, DataStream, KeyedProcessContext, MapState, RuntimeContext, ValueState } from 'millrace';
import type { Bid, Row, RowChange } from './events.js';
import { only } from './events.js';
import { Calendar, dayNumberOf } from './expressions.js';

/** Queries that keep statistics per group and emit them anew with each bid. */

/** Which of three ranges a price falls into: 1, 2 or 3. */
function rankOf(price: number): 1 | 2 | 3 {
  if (price < 10_000) return 1;
  return price < 1_000_000 ? 2 : 3;
}

/** Of bids, bidders or auctions: how many in all, and how many of each rank. */
interface Counts {
  total: number;
  rank1: number;
  rank2: number;
  rank3: number;
}

interface Statistics {
  minute: string;
  readonly bids: Counts;
  readonly bidders: Counts;
  readonly auctions: Counts;
}

function noCounts(): Counts {
  return { total: 0, rank1: 0, rank2: 0, rank3: 0 };
}

function countRank(counts: Counts, rank: 1 | 2 | 3): void {
  if (rank === 1) counts.rank1++;
  else if (rank === 2) counts.rank2++;
  else counts.rank3++;
}

type CountedBid = Pick<Bid, 'auction' | 'bidder' | 'price' | 'dateTime'>;
type ChannelBid = CountedBid & Pick<Bid, 'channel'>;

/** Counts bids, bidders and auctions, in all and by rank; distinct ones by remembering in which ranks each was seen, a bit a rank. */
class BidStatistics<K extends string | number, B extends CountedBid> extends KeyedProcessFunction<K, B, RowChange> {
  readonly #rowOf: (bid: B, statistics: Statistics) => Row;
  #statistics: ValueState<Statistics> | null = null;
  #bidders: MapState<number, number> | null = null;
  #auctions: MapState<number, number> | null = null;

  constructor(rowOf: (bid: B, statistics: Statistics) => Row) {
    super();
    this.#rowOf = rowOf;
  }

  override open(context: RuntimeContext): void {
    this.#statistics = context.getState(valueState<Statistics>('statistics'));
    this.#bidders = context.getMapState(mapState<number, number>('bidders'));
    this.#auctions = context.getMapState(mapState<number, number>('auctions'));
  }

  processElement(bid: B, context: KeyedProcessContext<K>, out: Collector<RowChange>): void {
    const statistics = this.#statistics?.value() ?? {
      minute: '',
      bids: noCounts(),
      bidders: noCounts(),
      auctions: noCounts(),
    };
    const rank = rankOf(bid.price);
    statistics.bids.total++;
    countRank(statistics.bids, rank);
    countDistinct(this.#bidders, bid.bidder, rank, statistics.bidders);
    countDistinct(this.#auctions, bid.auction, rank, statistics.auctions);
    const row = this.#rowOf(bid, statistics);
    this.#statistics?.update(statistics);
    out.collect({ key: context.getCurrentKey(), row });
  }
}

function countDistinct(seen: MapState<number, number> | null, id: number, rank: 1 | 2 | 3, counts: Counts): void {
  const before = seen?.get(id) ?? 0;
  const after = before | (1 << rank);
  if (after === before) return;
  if (before === 0) counts.total++;
  countRank(counts, rank);
  seen?.put(id, after);
}

/** Q15: statistics of each day. */
export function q15(bids: DataStream<Bid>): DataStream<RowChange> {
  const calendar = new Calendar();
  const rowOf = ({ dateTime }: CountedBid, { bids: all, bidders, auctions }: Statistics): Row => ({
    day: calendar.dayOf(dateTime),
    total_bids: all.total,
    rank1_bids: all.rank1,
    rank2_bids: all.rank2,
    rank3_bids: all.rank3,
    total_bidders: bidders.total,
    rank1_bidders: bidders.rank1,
    rank2_bidders: bidders.rank2,
    rank3_bidders: bidders.rank3,
    total_auctions: auctions.total,
    rank1_auctions: auctions.rank1,
    rank2_auctions: auctions.rank2,
    rank3_auctions: auctions.rank3,
  });
  return only(bids, ({ auction, bidder, price, dateTime }): CountedBid => ({ auction, bidder, price, dateTime }))
    .keyBy((bid) => dayNumberOf(bid.dateTime))
    .process(new BidStatistics<number, CountedBid>(rowOf))
    .uid('days');
}

/** Q16: statistics of each channel and day. */
export function q16(bids: DataStream<Bid>): DataStream<RowChange> {
  const calendar = new Calendar();
  const rowOf = ({ channel, dateTime }: ChannelBid, statistics: Statistics): Row => {
    const { bids: all, bidders, auctions } = statistics;
    const minute = calendar.minuteOf(dateTime);
    if (minute > statistics.minute) statistics.minute = minute;
    return {
      channel,
      day: calendar.dayOf(dateTime),
      minute: statistics.minute,
      total_bids: all.total,
      rank1_bids: all.rank1,
      rank2_bids: all.rank2,
      rank3_bids: all.rank3,
      total_bidders: bidders.total,
      rank1_bidders: bidders.rank1,
      rank2_bidders: bidders.rank2,
      rank3_bidders: bidders.rank3,
      total_auctions: auctions.total,
      rank1_auctions: auctions.rank1,
      rank2_auctions: auctions.rank2,
      rank3_auctions: auctions.rank3,
    };
  };
  return only(bids, ({ auction, bidder, price, channel, dateTime }): ChannelBid => ({
    auction,
    bidder,
    price,
    channel,
    dateTime,
  }))
    .keyBy((bid) => `${bid.channel} ${calendar.dayOf(bid.dateTime)}`)
    .process(new BidStatistics<string, ChannelBid>(rowOf))
    .uid('channels');
}

/** Two numbers as one key, exact up to 2^53: hashing and comparing a number costs less than a text. */
function pairOf(high: number, low: number): number {
  return high * 2 ** 26 + low;
}

interface Prices {
  readonly bids: Counts;
  least: number;
  most: number;
  sum: number;
}

type AuctionPrice = Pick<Bid, 'auction' | 'price' | 'dateTime'>;

class PriceStatistics extends KeyedProcessFunction<number, AuctionPrice, RowChange> {
  readonly #calendar = new Calendar();
  #prices: ValueState<Prices> | null = null;

  override open(context: RuntimeContext): void {
    this.#prices = context.getState(valueState<Prices>('prices'));
  }

  processElement(
    { auction, price, dateTime }: AuctionPrice,
    context: KeyedProcessContext<number>,
    out: Collector<RowChange>,
  ): void {
    const prices = this.#prices?.value() ?? { bids: noCounts(), least: price, most: price, sum: 0 };
    prices.bids.total++;
    countRank(prices.bids, rankOf(price));
    prices.least = Math.min(prices.least, price);
    prices.most = Math.max(prices.most, price);
    prices.sum += price;
    this.#prices?.update(prices);
    const { total, rank1, rank2, rank3 } = prices.bids;
    const row = {
      auction,
      day: this.#calendar.dayOf(dateTime),
      total_bids: total,
      rank1_bids: rank1,
      rank2_bids: rank2,
      rank3_bids: rank3,
      min_price: prices.least,
      max_price: prices.most,
      avg_price: Math.floor(prices.sum / total),
      sum_price: prices.sum,
    };
    out.collect({ key: context.getCurrentKey(), row });
  }
}

/** Q17: statistics of each auction and day. */
export function q17(bids: DataStream<Bid>): DataStream<RowChange> {
  return only(bids, ({ auction, price, dateTime }): AuctionPrice => ({ auction, price, dateTime }))
    .keyBy((bid) => pairOf(bid.auction, dayNumberOf(bid.dateTime)))
    .process(new PriceStatistics())
    .uid('prices');
}

class LastBid extends KeyedProcessFunction<number, Bid, RowChange> {
  #last: ValueState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#last = context.getState(valueState<number>('last'));
  }

  processElement(bid: Bid, context: KeyedProcessContext<number>, out: Collector<RowChange>): void {
    if (bid.dateTime < (this.#last?.value() ?? -Infinity)) return;
    this.#last?.update(bid.dateTime);
    out.collect({ key: context.getCurrentKey(), row: bidRow(bid) });
  }
}

function bidRow({ auction, bidder, price, channel, url, dateTime, extra }: Bid): Row {
  return { auction, bidder, price, channel, url, dateTime, extra };
}

/** Q18: the last bid of each bidder on each auction. */
export function q18(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => pairOf(bid.bidder, bid.auction))
    .process(new LastBid())
    .uid('last-bids');
}

const TOP = 10;

/** Keeps the ten highest bids of an auction in order, and emits the ranks that change. */
class HighestBids extends KeyedProcessFunction<number, Bid, RowChange> {
  #highest: ValueState<readonly Bid[]> | null = null;

  override open(context: RuntimeContext): void {
    this.#highest = context.getState(valueState<readonly Bid[]>('highest'));
  }

  processElement(bid: Bid, _context: unknown, out: Collector<RowChange>): void {
    const before = this.#highest?.value() ?? [];
    let place = before.length;
    while (place > 0 && !isAhead(before[place - 1] as Bid, bid)) place--;
    if (place >= TOP) return;
    const after = before.slice(0, TOP);
    if (after.length < TOP) after.push(bid);
    after.copyWithin(place + 1, place);
    after[place] = bid;
    this.#highest?.update(after);
    for (let index = place; index < after.length; index++) {
      const ranked = after[index] as Bid;
      out.collect({ key: `${ranked.auction} ${index + 1}`, row: rankedRow(ranked, index + 1) });
    }
  }
}

function isAhead(a: Bid, b: Bid): boolean {
  return a.price > b.price || (a.price === b.price && a.dateTime < b.dateTime);
}

function rankedRow({ auction, bidder, price, channel, url, dateTime, extra }: Bid, rank: number): Row {
  return { auction, bidder, price, channel, url, dateTime, extra, rank_number: rank };
}

/** Q19: the ten highest bids of each auction. */
export function q19(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.auction)
    .process(new HighestBids())
    .uid('highest');
}
