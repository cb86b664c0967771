import type { DataStream } from 'millrace';
import type { Auction, Bid, Person, RowChange } from './events.js';
import { q20, q3, q4, q9 } from './join-queries.js';
import { q0, q1, q13, q14, q2, q21, q22 } from './stateless-queries.js';
import { q15, q16, q17, q18, q19 } from './statistics-queries.js';
import { q11, q12, q12Total, q5, q7, q8 } from './window-queries.js';

/** What a query may read. */
export interface QueryInputs {
  readonly persons: DataStream<Person>;
  readonly auctions: DataStream<Auction>;
  readonly bids: DataStream<Bid>;
  /** The bounded table that Q13 looks values up in. */
  readonly sideInput: ReadonlyMap<number, string>;
}

export type Query = (inputs: QueryInputs) => DataStream<RowChange>;

/** Every query by name. */
export const queries: ReadonlyMap<string, Query> = new Map<string, Query>([
  ['q0', ({ bids }) => q0(bids)],
  ['q1', ({ bids }) => q1(bids)],
  ['q2', ({ bids }) => q2(bids)],
  ['q3', ({ persons, auctions }) => q3(persons, auctions)],
  ['q4', ({ auctions, bids }) => q4(auctions, bids)],
  ['q5', ({ bids }) => q5(bids)],
  ['q7', ({ bids }) => q7(bids)],
  ['q8', ({ persons, auctions }) => q8(persons, auctions)],
  ['q9', ({ auctions, bids }) => q9(auctions, bids)],
  ['q11', ({ bids }) => q11(bids)],
  ['q12', ({ bids }) => q12(bids)],
  ['q12_total', ({ bids }) => q12Total(bids)],
  ['q13', ({ bids, sideInput }) => q13(bids, sideInput)],
  ['q14', ({ bids }) => q14(bids)],
  ['q15', ({ bids }) => q15(bids)],
  ['q16', ({ bids }) => q16(bids)],
  ['q17', ({ bids }) => q17(bids)],
  ['q18', ({ bids }) => q18(bids)],
  ['q19', ({ bids }) => q19(bids)],
  ['q20', ({ auctions, bids }) => q20(auctions, bids)],
  ['q21', ({ bids }) => q21(bids)],
  ['q22', ({ bids }) => q22(bids)],
]);
