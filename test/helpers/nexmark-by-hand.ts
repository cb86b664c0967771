import type { Auction, Bid, NexmarkEvent, Person, Row } from '../../examples/nexmark/events.js';

/** Nexmark results by plain computation over the whole input at once: no streams, no state, no operators. */

interface Timed {
  readonly event: NexmarkEvent;
  /** Before the event. */
  readonly watermark: number;
}

function timed(events: readonly NexmarkEvent[]): Timed[] {
  let latest = -Infinity;
  return events.map((event) => {
    const watermark = latest - 2_000;
    latest = Math.max(latest, timeOf(event));
    return { event, watermark };
  });
}

function timeOf(event: NexmarkEvent): number {
  if (event.event_type === 0) return event.person.dateTime;
  return event.event_type === 1 ? event.auction.dateTime : event.bid.dateTime;
}

function bidsOf(events: readonly NexmarkEvent[]): Bid[] {
  return events.flatMap((event) => (event.event_type === 2 ? [event.bid] : []));
}

function auctionsOf(events: readonly NexmarkEvent[]): Auction[] {
  return events.flatMap((event) => (event.event_type === 1 ? [event.auction] : []));
}

function groupBy<T>(values: readonly T[], key: (value: T) => string | number): T[][] {
  const groups = new Map<string | number, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group === undefined) groups.set(key(value), [value]);
    else group.push(value);
  }
  return [...groups.values()];
}

function lines(rows: readonly Row[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

function q8(events: readonly NexmarkEvent[]): Row[] {
  const size = 10_000;
  const startOf = (time: number): number => time - (time % size);
  const inTime = timed(events).filter(({ event, watermark }) => watermark < startOf(timeOf(event)) + size - 1);
  const sellers = new Set<string>();
  const people = new Map<string, Person>();
  for (const { event } of inTime) {
    if (event.event_type === 1) sellers.add(`${event.auction.seller} ${startOf(event.auction.dateTime)}`);
    if (event.event_type === 0) people.set(`${event.person.id} ${startOf(event.person.dateTime)}`, event.person);
  }
  return [...people]
    .filter(([key]) => sellers.has(key))
    .map(([, { id, name, dateTime }]) => ({ id, name, starttime: startOf(dateTime) }));
}

function winningBids(events: readonly NexmarkEvent[]): [Auction, Bid][] {
  const byAuction = new Map(groupBy(bidsOf(events), (bid) => bid.auction).map((bids) => [bids[0]?.auction, bids]));
  return auctionsOf(events).flatMap((auction): [Auction, Bid][] => {
    const valid = (byAuction.get(auction.id) ?? []).filter(
      (bid) => bid.dateTime >= auction.dateTime && bid.dateTime <= auction.expires,
    );
    const [best] = valid.sort((a, b) => b.price - a.price || a.dateTime - b.dateTime);
    return best === undefined ? [] : [[auction, best]];
  });
}

function q9(events: readonly NexmarkEvent[]): Row[] {
  return winningBids(events).map(([auction, bid]) => ({
    id: auction.id,
    itemName: auction.itemName,
    description: auction.description,
    initialBid: auction.initialBid,
    reserve: auction.reserve,
    dateTime: auction.dateTime,
    expires: auction.expires,
    seller: auction.seller,
    category: auction.category,
    extra: auction.extra,
    auction: bid.auction,
    bidder: bid.bidder,
    price: bid.price,
    bid_dateTime: bid.dateTime,
    bid_extra: bid.extra,
  }));
}

function q11(events: readonly NexmarkEvent[]): Row[] {
  interface Session {
    readonly bidder: number;
    readonly start: number;
    readonly end: number;
    readonly count: number;
  }
  const gap = 10_000;
  const fired: Session[] = [];
  let open: Session[] = [];
  for (const { event, watermark } of timed(events)) {
    fired.push(...open.filter(({ end }) => end - 1 <= watermark));
    open = open.filter(({ end }) => end - 1 > watermark);
    if (event.event_type !== 2) continue;
    const { bidder, dateTime } = event.bid;
    const touching = open.filter((s) => s.bidder === bidder && s.start <= dateTime + gap && s.end >= dateTime);
    const merged: Session = {
      bidder,
      start: Math.min(dateTime, ...touching.map(({ start }) => start)),
      end: Math.max(dateTime + gap, ...touching.map(({ end }) => end)),
      count: touching.reduce((sum, { count }) => sum + count, 1),
    };
    if (merged.end - 1 <= watermark) continue;
    open = [...open.filter((session) => !touching.includes(session)), merged];
  }
  return [...fired, ...open].map(({ bidder, count, start, end }) => ({
    bidder,
    bid_count: count,
    starttime: start,
    endtime: end,
  }));
}

/** Of all, then of each range of prices. */
function ranks(bids: readonly Bid[]): Bid[][] {
  return [
    [...bids],
    bids.filter(({ price }) => price < 10_000),
    bids.filter(({ price }) => price >= 10_000 && price < 1_000_000),
    bids.filter(({ price }) => price >= 1_000_000),
  ];
}

function rankFields(bids: readonly Bid[], name: string, count: (bids: readonly Bid[]) => number): Row {
  return Object.fromEntries(
    ranks(bids).map((ranked, i) => [i === 0 ? `total_${name}` : `rank${i}_${name}`, count(ranked)]),
  );
}

function statistics(bids: readonly Bid[]): Row {
  return {
    ...rankFields(bids, 'bids', (ranked) => ranked.length),
    ...rankFields(bids, 'bidders', (ranked) => new Set(ranked.map(({ bidder }) => bidder)).size),
    ...rankFields(bids, 'auctions', (ranked) => new Set(ranked.map(({ auction }) => auction)).size),
  };
}

function first(bids: readonly Bid[]): Bid {
  return bids[0] as Bid;
}

function q15(events: readonly NexmarkEvent[]): Row[] {
  const groups = groupBy(bidsOf(events), (bid) => day(bid.dateTime));
  return groups.map((bids) => Object.assign({ day: day(first(bids).dateTime) }, statistics(bids)));
}

function q16(events: readonly NexmarkEvent[]): Row[] {
  return groupBy(bidsOf(events), (bid) => `${bid.channel}|${day(bid.dateTime)}`).map((bids) => {
    const latest = Math.max(...bids.map(({ dateTime }) => dateTime));
    const head = {
      channel: first(bids).channel,
      day: day(latest),
      minute: new Date(latest).toISOString().slice(11, 16),
    };
    return Object.assign(head, statistics(bids));
  });
}

function q17(events: readonly NexmarkEvent[]): Row[] {
  return groupBy(bidsOf(events), (bid) => `${bid.auction}|${day(bid.dateTime)}`).map((bids) => {
    const prices = bids.map(({ price }) => price);
    const sum = prices.reduce((a, b) => a + b, 0);
    const head = { auction: first(bids).auction, day: day(first(bids).dateTime) };
    return Object.assign(
      head,
      rankFields(bids, 'bids', (ranked) => ranked.length),
      {
        min_price: Math.min(...prices),
        max_price: Math.max(...prices),
        avg_price: Math.trunc(sum / prices.length),
        sum_price: sum,
      },
    );
  });
}

function bidRow({ auction, bidder, price, channel, url, dateTime, extra }: Bid): Row {
  return { auction, bidder, price, channel, url, dateTime, extra };
}

function q18(events: readonly NexmarkEvent[]): Row[] {
  const groups = groupBy(bidsOf(events), (bid) => `${bid.bidder}|${bid.auction}`);
  return groups.map((bids) => bidRow(first(bids.sort((a, b) => b.dateTime - a.dateTime))));
}

function q19(events: readonly NexmarkEvent[]): Row[] {
  return groupBy(bidsOf(events), (bid) => bid.auction).flatMap((bids) =>
    bids
      .sort((a, b) => b.price - a.price || a.dateTime - b.dateTime)
      .slice(0, 10)
      .map((bid, index) => Object.assign(bidRow(bid), { rank_number: index + 1 })),
  );
}

function q20(events: readonly NexmarkEvent[]): Row[] {
  const auctions = new Map(auctionsOf(events).map((auction) => [auction.id, auction]));
  return bidsOf(events).flatMap((bid) => {
    const auction = auctions.get(bid.auction);
    if (auction?.category !== 10) return [];
    const { dateTime, extra, ...bidFields } = bid;
    return [
      {
        auction: bidFields.auction,
        bidder: bidFields.bidder,
        price: bidFields.price,
        channel: bidFields.channel,
        url: bidFields.url,
        bid_dateTime: dateTime,
        bid_extra: extra,
        itemName: auction.itemName,
        description: auction.description,
        initialBid: auction.initialBid,
        reserve: auction.reserve,
        auction_dateTime: auction.dateTime,
        expires: auction.expires,
        seller: auction.seller,
        category: auction.category,
        auction_extra: auction.extra,
      },
    ];
  });
}

function q22(events: readonly NexmarkEvent[]): Row[] {
  return bidsOf(events).map(({ auction, bidder, price, channel, url }) => {
    const [, , , dir1 = null, dir2 = null, dir3 = null] = url.split('/');
    return { auction, bidder, price, channel, dir1, dir2, dir3 };
  });
}

/** The lines of a query's result, sorted, by query. */
export const nexmarkByHand: Readonly<Record<string, (events: readonly NexmarkEvent[]) => string[]>> = {
  q8: (events) => lines(q8(events)),
  q9: (events) => lines(q9(events)),
  q11: (events) => lines(q11(events)),
  q15: (events) => lines(q15(events)),
  q16: (events) => lines(q16(events)),
  q17: (events) => lines(q17(events)),
  q18: (events) => lines(q18(events)),
  q19: (events) => lines(q19(events)),
  q20: (events) => lines(q20(events)),
  q22: (events) => lines(q22(events)),
};
