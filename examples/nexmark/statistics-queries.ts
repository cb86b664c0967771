import { KeyedProcessFunction, mapState, valueState } from 'millrace';
import type { Collector, DataStream, KeyedProcessContext, MapState, RuntimeContext, ValueState } from 'millrace';
import type { Bid, Row, RowChange } from './events.js';
import { dayOf, minuteOf } from './expressions.js';

/** Queries that keep statistics per group and emit them anew with each bid. */

/** Which of three ranges a price falls into: 1, 2 or 3. */
function rankOf(price: number): 1 | 2 | 3 {
  if (price < 10_000) return 1;
  return price < 1_000_000 ? 2 : 3;
}

interface Counts {
  readonly minute: string;
  /** Of all, then of each rank. */
  readonly bids: readonly number[];
  readonly bidders: readonly number[];
  readonly auctions: readonly number[];
}

const noCounts: Counts = { minute: '', bids: [0, 0, 0, 0], bidders: [0, 0, 0, 0], auctions: [0, 0, 0, 0] };

/** Counts bids, bidders and auctions, in all and by rank; distinct ones by remembering those that were seen. */
class BidStatistics extends KeyedProcessFunction<string, Bid, RowChange> {
  readonly #head: (bid: Bid, minute: string) => Row;
  #counts: ValueState<Counts> | null = null;
  #seen: MapState<string, boolean> | null = null;

  /** @param head the leading fields of the row. */
  constructor(head: (bid: Bid, minute: string) => Row) {
    super();
    this.#head = head;
  }

  override open(context: RuntimeContext): void {
    this.#counts = context.getState(valueState<Counts>('counts'));
    this.#seen = context.getMapState(mapState<string, boolean>('seen'));
  }

  processElement(bid: Bid, context: KeyedProcessContext<string>, out: Collector<RowChange>): void {
    const before = this.#counts?.value() ?? noCounts;
    const rank = rankOf(bid.price);
    const minute = minuteOf(bid.dateTime);
    const counts: Counts = {
      minute: minute > before.minute ? minute : before.minute,
      bids: before.bids.map((count, i) => count + (i === 0 || i === rank ? 1 : 0)),
      bidders: before.bidders.map((count, i) => count + this.#firstSeen('b', i, rank, bid.bidder)),
      auctions: before.auctions.map((count, i) => count + this.#firstSeen('a', i, rank, bid.auction)),
    };
    this.#counts?.update(counts);
    out.collect({ key: context.getCurrentKey(), row: { ...this.#head(bid, counts.minute), ...countFields(counts) } });
  }

  /** 1 when the id is new among all (0) or in this bid's rank. */
  #firstSeen(kind: string, index: number, rank: number, id: number): number {
    if (index !== 0 && index !== rank) return 0;
    const key = `${kind}${index}:${id}`;
    if (this.#seen?.contains(key) === true) return 0;
    this.#seen?.put(key, true);
    return 1;
  }
}

function countFields({ bids, bidders, auctions }: Counts): Row {
  const fields: Record<string, number> = {};
  for (const [name, counts] of Object.entries({ bids, bidders, auctions })) {
    counts.forEach((count, i) => {
      fields[i === 0 ? `total_${name}` : `rank${i}_${name}`] = count;
    });
  }
  return fields;
}

/** Q15: statistics of each day. */
export function q15(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => dayOf(bid.dateTime))
    .process(new BidStatistics(({ dateTime }) => ({ day: dayOf(dateTime) })))
    .uid('days');
}

/** Q16: statistics of each channel and day. */
export function q16(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => `${bid.channel} ${dayOf(bid.dateTime)}`)
    .process(new BidStatistics(({ channel, dateTime }, minute) => ({ channel, day: dayOf(dateTime), minute })))
    .uid('channels');
}

interface Prices {
  readonly bids: readonly number[];
  readonly least: number;
  readonly most: number;
  readonly sum: number;
}

class PriceStatistics extends KeyedProcessFunction<string, Bid, RowChange> {
  #prices: ValueState<Prices> | null = null;

  override open(context: RuntimeContext): void {
    this.#prices = context.getState(valueState<Prices>('prices'));
  }

  processElement(bid: Bid, context: KeyedProcessContext<string>, out: Collector<RowChange>): void {
    const { auction, price, dateTime } = bid;
    const before = this.#prices?.value() ?? { bids: [0, 0, 0, 0], least: price, most: price, sum: 0 };
    const rank = rankOf(price);
    const prices: Prices = {
      bids: before.bids.map((count, i) => count + (i === 0 || i === rank ? 1 : 0)),
      least: Math.min(before.least, price),
      most: Math.max(before.most, price),
      sum: before.sum + price,
    };
    this.#prices?.update(prices);
    const [total = 0, rank1 = 0, rank2 = 0, rank3 = 0] = prices.bids;
    const row = {
      auction,
      day: dayOf(dateTime),
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
  return bids
    .keyBy((bid) => `${bid.auction} ${dayOf(bid.dateTime)}`)
    .process(new PriceStatistics())
    .uid('prices');
}

class LastBid extends KeyedProcessFunction<string, Bid, RowChange> {
  #last: ValueState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#last = context.getState(valueState<number>('last'));
  }

  processElement(bid: Bid, context: KeyedProcessContext<string>, out: Collector<RowChange>): void {
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
    .keyBy((bid) => `${bid.bidder} ${bid.auction}`)
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
    const isAhead = (other: Bid): boolean =>
      other.price > bid.price || (other.price === bid.price && other.dateTime < bid.dateTime);
    const place = before.filter(isAhead).length;
    if (place >= TOP) return;
    const after = [...before.slice(0, place), bid, ...before.slice(place)].slice(0, TOP);
    this.#highest?.update(after);
    for (const [index, ranked] of after.entries()) {
      if (index < place) continue;
      const rank = index + 1;
      out.collect({ key: `${bid.auction} ${rank}`, row: { ...bidRow(ranked), rank_number: rank } });
    }
  }
}

/** Q19: the ten highest bids of each auction. */
export function q19(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.auction)
    .process(new HighestBids())
    .uid('highest');
}
