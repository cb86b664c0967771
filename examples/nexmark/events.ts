import type { DataStream } from 'millrace';
import type { Thousandths } from './expressions.js';

/** What happens at the auction house: the three kinds of Nexmark event. Times are milliseconds since the epoch. */

export interface Person {
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  readonly dateTime: number;
  readonly extra: string;
}

export interface Auction {
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  readonly initialBid: number;
  readonly reserve: number;
  readonly dateTime: number;
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
  readonly extra: string;
}

export interface Bid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly dateTime: number;
  readonly extra: string;
}

export type NexmarkEvent =
  | { readonly event_type: 0; readonly person: Person }
  | { readonly event_type: 1; readonly auction: Auction }
  | { readonly event_type: 2; readonly bid: Bid };

export function timeOf(event: NexmarkEvent): number {
  switch (event.event_type) {
    case 0:
      return event.person.dateTime;
    case 1:
      return event.auction.dateTime;
    case 2:
      return event.bid.dateTime;
  }
}

/** A row of a query's result: fields in the order of its SELECT. */
export type Row = Readonly<Record<string, string | number | Thousandths | null>>;

/** A change of a result: a row that is added, or that takes the place of the row with the same key. */
export interface RowChange {
  /** `null` for a row that is only ever added. */
  readonly key: string | number | null;
  readonly row: Row;
}

export function added(row: Row): RowChange {
  return { key: null, row };
}

/**
 * What a query needs of each event, made where the event is: what is keyed behind it may cross threads, and an operator of another
 * parallelism would be one more hop.
 */
export function only<T, P>(events: DataStream<T>, part: (event: T) => P): DataStream<P> {
  const parts = events.map(part);
  const parallelism = events.getParallelism();
  return parallelism === null ? parts : parts.setParallelism(parallelism);
}

/** What queries about prices need of a bid. */
export type Offer = Omit<Bid, 'channel' | 'url'>;

export function offersOf(bids: DataStream<Bid>): DataStream<Offer> {
  return only(bids, ({ auction, bidder, price, dateTime, extra }): Offer => ({
    auction,
    bidder,
    price,
    dateTime,
    extra,
  }));
}
