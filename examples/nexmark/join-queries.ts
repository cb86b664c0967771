import { KeyedCoProcessFunction, KeyedProcessFunction, listState, valueState } from 'millrace';
import type { Collector, DataStream, ListState, RuntimeContext, ValueState } from 'millrace';
import { added, offersOf, only } from './events.js';
import type { Auction, Bid, Offer, Person, RowChange } from './events.js';

/** Queries that join streams without a bound of time. */

type Item = Pick<Auction, 'id' | 'seller'>;
type Seller = Pick<Person, 'id' | 'name' | 'city' | 'state'>;

/** Pairs each auction with its seller, whichever comes first. */
class LocalItems extends KeyedCoProcessFunction<number, Item, Seller, RowChange> {
  #auctions: ListState<number> | null = null;
  #seller: ValueState<Seller> | null = null;

  override open(context: RuntimeContext): void {
    this.#auctions = context.getListState(listState<number>('auctions'));
    this.#seller = context.getState(valueState<Seller>('seller'));
  }

  processElement1({ id }: Item, _context: unknown, out: Collector<RowChange>): void {
    this.#auctions?.add(id);
    const seller = this.#seller?.value();
    if (seller !== undefined) out.collect(localItem(seller, id));
  }

  processElement2(person: Seller, _context: unknown, out: Collector<RowChange>): void {
    this.#seller?.update(person);
    for (const id of this.#auctions?.get() ?? []) out.collect(localItem(person, id));
  }
}

function localItem({ name, city, state }: Seller, id: number): RowChange {
  return added({ name, city, state, id });
}

/** Q3: items of one category from sellers in three states. */
export function q3(persons: DataStream<Person>, auctions: DataStream<Auction>): DataStream<RowChange> {
  const sellers = persons.filter(({ state }) => state === 'OR' || state === 'ID' || state === 'CA');
  const items = auctions.filter(({ category }) => category === 10);
  return only(items, ({ id, seller }): Item => ({ id, seller }))
    .keyBy((auction) => auction.seller)
    .connect(only(sellers, ({ id, name, city, state }): Seller => ({ id, name, city, state })).keyBy(({ id }) => id))
    .process(new LocalItems())
    .uid('local-items');
}

interface Winner {
  readonly auction: Auction;
  readonly bid: Offer;
}

/** The best bid of each auction so far: the highest price, of equal ones the earliest. Emits each change of it. */
class WinningBids extends KeyedCoProcessFunction<number, Auction, Offer, Winner> {
  #auction: ValueState<Auction> | null = null;
  #early: ListState<Offer> | null = null;
  #best: ValueState<Offer> | null = null;

  override open(context: RuntimeContext): void {
    this.#auction = context.getState(valueState<Auction>('auction'));
    this.#early = context.getListState(listState<Offer>('early-bids'));
    this.#best = context.getState(valueState<Offer>('best'));
  }

  processElement1(auction: Auction, _context: unknown, out: Collector<Winner>): void {
    this.#auction?.update(auction);
    for (const bid of this.#early?.get() ?? []) this.#consider(auction, bid, out);
    this.#early?.clear();
  }

  processElement2(bid: Offer, _context: unknown, out: Collector<Winner>): void {
    const auction = this.#auction?.value();
    if (auction === undefined) this.#early?.add(bid);
    else this.#consider(auction, bid, out);
  }

  #consider(auction: Auction, bid: Offer, out: Collector<Winner>): void {
    if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return;
    const best = this.#best?.value();
    const isBetter =
      best === undefined || bid.price > best.price || (bid.price === best.price && bid.dateTime < best.dateTime);
    if (!isBetter) return;
    this.#best?.update(bid);
    out.collect({ auction, bid });
  }
}

type OpenAuction = Pick<Auction, 'id' | 'dateTime' | 'expires' | 'category'>;
type Price = Pick<Bid, 'auction' | 'price' | 'dateTime'>;

/** The final price of an auction so far, and what it was before; 0 when this is the first. */
interface PriceChange {
  readonly category: number;
  readonly price: number;
  readonly before: number;
}

/** The highest price of each auction so far. Emits each change of it. */
class FinalPrices extends KeyedCoProcessFunction<number, OpenAuction, Price, PriceChange> {
  #auction: ValueState<OpenAuction> | null = null;
  #early: ListState<Price> | null = null;
  #price: ValueState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#auction = context.getState(valueState<OpenAuction>('auction'));
    this.#early = context.getListState(listState<Price>('early-bids'));
    this.#price = context.getState(valueState<number>('price'));
  }

  processElement1(auction: OpenAuction, _context: unknown, out: Collector<PriceChange>): void {
    this.#auction?.update(auction);
    for (const bid of this.#early?.get() ?? []) this.#consider(auction, bid, out);
    this.#early?.clear();
  }

  processElement2(bid: Price, _context: unknown, out: Collector<PriceChange>): void {
    const auction = this.#auction?.value();
    if (auction === undefined) this.#early?.add(bid);
    else this.#consider(auction, bid, out);
  }

  #consider({ dateTime, expires, category }: OpenAuction, bid: Price, out: Collector<PriceChange>): void {
    if (bid.dateTime < dateTime || bid.dateTime > expires) return;
    const before = this.#price?.value() ?? 0;
    if (bid.price <= before) return;
    this.#price?.update(bid.price);
    out.collect({ category, price: bid.price, before });
  }
}

/** Averages the final prices of a category's auctions; a price that changes takes the place of the one before. */
class AveragePrice extends KeyedProcessFunction<number, PriceChange, RowChange> {
  #totals: ValueState<{ sum: number; count: number }> | null = null;

  override open(context: RuntimeContext): void {
    this.#totals = context.getState(valueState<{ sum: number; count: number }>('totals'));
  }

  processElement({ category, price, before }: PriceChange, _context: unknown, out: Collector<RowChange>): void {
    const totals = this.#totals?.value() ?? { sum: 0, count: 0 };
    totals.sum += price - before;
    if (before === 0) totals.count++;
    this.#totals?.update(totals);
    out.collect({ key: category, row: { category, avg_price: Math.floor(totals.sum / totals.count) } });
  }
}

/** Q4: the average final price of each category. */
export function q4(auctions: DataStream<Auction>, bids: DataStream<Bid>): DataStream<RowChange> {
  const open = only(auctions, ({ id, dateTime, expires, category }): OpenAuction => ({
    id,
    dateTime,
    expires,
    category,
  }));
  const prices = only(bids, ({ auction, price, dateTime }): Price => ({ auction, price, dateTime }));
  return open
    .keyBy((auction) => auction.id)
    .connect(prices.keyBy((bid) => bid.auction))
    .process(new FinalPrices())
    .uid('final-prices')
    .keyBy(({ category }) => category)
    .process(new AveragePrice())
    .uid('averages');
}

/** Q9: the winning bid of each auction. */
export function q9(auctions: DataStream<Auction>, bids: DataStream<Bid>): DataStream<RowChange> {
  const offers = offersOf(bids);
  const winners = auctions
    .keyBy((auction) => auction.id)
    .connect(offers.keyBy((bid) => bid.auction))
    .process(new WinningBids())
    .uid('winners');
  return winners.map(({ auction, bid }) => {
    const { id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra } = auction;
    return {
      key: String(id),
      row: {
        id,
        itemName,
        description,
        initialBid,
        reserve,
        dateTime,
        expires,
        seller,
        category,
        extra,
        auction: bid.auction,
        bidder: bid.bidder,
        price: bid.price,
        bid_dateTime: bid.dateTime,
        bid_extra: bid.extra,
      },
    };
  });
}

/** Pairs each bid with its auction, whichever comes first. Of auctions that are not wanted it keeps just that, and none of their bids. */
class BidsWithAuction extends KeyedCoProcessFunction<number, Bid, Auction, RowChange> {
  readonly #category: number;
  #bids: ListState<Bid> | null = null;
  #auction: ValueState<Auction | false> | null = null;

  constructor(category: number) {
    super();
    this.#category = category;
  }

  override open(context: RuntimeContext): void {
    this.#bids = context.getListState(listState<Bid>('bids'));
    this.#auction = context.getState(valueState<Auction | false>('auction'));
  }

  processElement1(bid: Bid, _context: unknown, out: Collector<RowChange>): void {
    const auction = this.#auction?.value();
    if (auction === undefined) this.#bids?.add(bid);
    else if (auction !== false) out.collect(enriched(bid, auction));
  }

  processElement2(auction: Auction, _context: unknown, out: Collector<RowChange>): void {
    const isWanted = auction.category === this.#category;
    this.#auction?.update(isWanted && auction);
    if (isWanted) for (const bid of this.#bids?.get() ?? []) out.collect(enriched(bid, auction));
    this.#bids?.clear();
  }
}

function enriched(bid: Bid, auction: Auction): RowChange {
  return added({
    auction: bid.auction,
    bidder: bid.bidder,
    price: bid.price,
    channel: bid.channel,
    url: bid.url,
    bid_dateTime: bid.dateTime,
    bid_extra: bid.extra,
    itemName: auction.itemName,
    description: auction.description,
    initialBid: auction.initialBid,
    reserve: auction.reserve,
    auction_dateTime: auction.dateTime,
    expires: auction.expires,
    seller: auction.seller,
    category: auction.category,
    auction_extra: auction.extra,
  });
}

/** Q20: bids with their auctions, of one category. */
export function q20(auctions: DataStream<Auction>, bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.auction)
    .connect(auctions.keyBy((auction) => auction.id))
    .process(new BidsWithAuction(10))
    .uid('enriched');
}
