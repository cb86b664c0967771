import type { DataStream } from 'millrace';
import { added } from './events.js';
import type { Bid, RowChange } from './events.js';
import { channelIdOf, countChar, hourOf, inEuros, splitIndex } from './expressions.js';

/** Queries that look at one bid at a time. */

/** Q0: every bid as it is. */
export function q0(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids.map(({ auction, bidder, price, dateTime, extra }) => added({ auction, bidder, price, dateTime, extra }));
}

/** Q1: prices in another currency. */
export function q1(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids.map(({ auction, bidder, price, dateTime, extra }) =>
    added({ auction, bidder, price: inEuros(price), dateTime, extra }),
  );
}

/** Q2: bids on certain auctions. */
export function q2(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids.filter(({ auction }) => auction % 123 === 0).map(({ auction, price }) => added({ auction, price }));
}

/** Q13: bids with a value looked up in a table that is bounded. */
export function q13(bids: DataStream<Bid>, sideInput: ReadonlyMap<number, string>): DataStream<RowChange> {
  return bids.flatMap<RowChange>(({ auction, bidder, price, dateTime }, out) => {
    const value = sideInput.get(auction % 10_000);
    if (value !== undefined) out.collect(added({ auction, bidder, price, dateTime, value }));
  });
}

/** Q14: a filter on a price, a time of day, and a count of letters. */
export function q14(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .filter(({ price }) => price * 908 > 1_000_000_000 && price * 908 < 50_000_000_000)
    .map(({ auction, bidder, price, dateTime, extra }) =>
      added({
        auction,
        bidder,
        price: inEuros(price),
        bidTimeType: bidTimeType(hourOf(dateTime)),
        dateTime,
        extra,
        c_counts: countChar(extra, 'c'),
      }),
    );
}

function bidTimeType(hour: number): string {
  if (hour >= 8 && hour <= 18) return 'dayTime';
  return hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime';
}

const knownChannels: ReadonlyMap<string, string> = new Map([
  ['apple', '0'],
  ['google', '1'],
  ['facebook', '2'],
  ['baidu', '3'],
]);

/** Q21: the id of a channel, from its name or from the url. */
export function q21(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids.flatMap<RowChange>(({ auction, bidder, price, channel, url }, out) => {
    const known = knownChannels.get(channel.toLowerCase());
    const inUrl = channelIdOf(url);
    if (known === undefined && inUrl === null) return;
    out.collect(added({ auction, bidder, price, channel, channel_id: known ?? inUrl }));
  });
}

/** Q22: the directories of the url. */
export function q22(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids.map(({ auction, bidder, price, channel, url }) =>
    added({
      auction,
      bidder,
      price,
      channel,
      dir1: splitIndex(url, '/', 3),
      dir2: splitIndex(url, '/', 4),
      dir3: splitIndex(url, '/', 5),
    }),
  );
}
