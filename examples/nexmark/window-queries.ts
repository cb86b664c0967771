import {
  EventTimeSessionWindows,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  listState,
  ProcessWindowFunction,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  valueState,
} from 'millrace';
import type {
  AggregateFunction,
  Collector,
  DataStream,
  KeyedProcessContext,
  ListState,
  OnTimerContext,
  ProcessWindowContext,
  RuntimeContext,
  TimeWindow,
  ValueState,
} from 'millrace';
import { added } from './events.js';
import type { Auction, Bid, Person, RowChange } from './events.js';

/** Queries over windows. */

const count: AggregateFunction<Bid, number, number> = {
  createAccumulator: () => 0,
  add: (_bid, total) => total + 1,
  getResult: (total) => total,
  merge: (a, b) => a + b,
  isCommutative: true,
};

interface WindowCount {
  readonly key: number;
  readonly num: number;
  readonly start: number;
  readonly end: number;
}

class WithWindow extends ProcessWindowFunction<number, WindowCount, number, TimeWindow> {
  process(
    key: number,
    context: ProcessWindowContext<TimeWindow>,
    [num = 0]: readonly number[],
    out: Collector<WindowCount>,
  ): void {
    const { start, end } = context.window();
    out.collect({ key, num, start, end });
  }
}

/** Keeps the counts of one window until all have come, and gives the largest. */
class LargestCounts extends KeyedProcessFunction<number, WindowCount, RowChange> {
  #counts: ListState<WindowCount> | null = null;

  override open(context: RuntimeContext): void {
    this.#counts = context.getListState(listState<WindowCount>('counts'));
  }

  processElement(value: WindowCount, context: KeyedProcessContext<number>): void {
    this.#counts?.add(value);
    // All counts of a window carry its last millisecond: when the watermark has passed that, none is missing.
    context.timerService().registerEventTimeTimer(value.end - 1);
  }

  override onTimer(_timestamp: number, _context: OnTimerContext<number>, out: Collector<RowChange>): void {
    const counts = this.#counts?.get() ?? [];
    const most = Math.max(...counts.map(({ num }) => num));
    for (const { key, num, start, end } of counts) {
      if (num === most) out.collect(added({ auction: key, num, starttime: start, endtime: end }));
    }
    this.#counts?.clear();
  }
}

/** Q5: the auctions with most bids in the last 10 seconds, every 2 seconds. */
export function q5(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.auction)
    .window(SlidingEventTimeWindows.of(10_000, 2_000))
    .aggregate(count, new WithWindow())
    .uid('counts')
    .keyBy((counted) => counted.end)
    .process(new LargestCounts())
    .uid('largest');
}

interface HighestPrice {
  readonly price: number;
  readonly end: number;
}

class PriceWithWindow extends ProcessWindowFunction<Bid, HighestPrice, number, TimeWindow> {
  process(
    _key: number,
    context: ProcessWindowContext<TimeWindow>,
    [bid]: readonly Bid[],
    out: Collector<HighestPrice>,
  ): void {
    if (bid !== undefined) out.collect({ price: bid.price, end: context.window().end });
  }
}

/** Pairs each bid with the windows whose highest price it has, whichever comes first. */
class BidsAtPrice extends KeyedCoProcessFunction<number, Bid, HighestPrice, RowChange> {
  #bids: ListState<Bid> | null = null;
  #windows: ListState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#bids = context.getListState(listState<Bid>('bids'));
    this.#windows = context.getListState(listState<number>('windows'));
  }

  processElement1(bid: Bid, _context: unknown, out: Collector<RowChange>): void {
    this.#bids?.add(bid);
    for (const end of this.#windows?.get() ?? []) emitIfWithin(bid, end, out);
  }

  processElement2({ end }: HighestPrice, _context: unknown, out: Collector<RowChange>): void {
    this.#windows?.add(end);
    for (const bid of this.#bids?.get() ?? []) emitIfWithin(bid, end, out);
  }
}

/** Both ends of the window count. */
function emitIfWithin({ auction, bidder, price, dateTime, extra }: Bid, end: number, out: Collector<RowChange>): void {
  if (dateTime >= end - 10_000 && dateTime <= end) out.collect(added({ auction, bidder, price, dateTime, extra }));
}

/** Q7: the highest bids of each 10 seconds. */
export function q7(bids: DataStream<Bid>): DataStream<RowChange> {
  const highest = bids
    .keyBy(() => 0)
    .window(TumblingEventTimeWindows.of(10_000))
    .reduce((a, b) => (b.price > a.price ? b : a), new PriceWithWindow())
    .uid('highest');
  return bids
    .keyBy((bid) => bid.price)
    .connect(highest.keyBy((each) => each.price))
    .process(new BidsAtPrice())
    .uid('bids-at-price');
}

/** Q8: people who came and opened an auction in the same 10 seconds. */
export function q8(persons: DataStream<Person>, auctions: DataStream<Auction>): DataStream<RowChange> {
  return persons
    .join(auctions)
    .where((person) => person.id)
    .equalTo((auction) => auction.seller)
    .window(TumblingEventTimeWindows.of(10_000))
    .coGroup<RowChange>((people, opened, out) => {
      if (opened.length === 0) return;
      for (const name of new Set(people.map((person) => person.name))) {
        const [{ id, dateTime } = { id: 0, dateTime: 0 }] = people;
        out.collect(added({ id, name, starttime: Math.floor(dateTime / 10_000) * 10_000 }));
      }
    })
    .uid('newcomers');
}

function bidderRow({ key, num, start, end }: WindowCount): RowChange {
  return added({ bidder: key, bid_count: num, starttime: start, endtime: end });
}

/** Q11: bids of each bidder, session by session. */
export function q11(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.bidder)
    .window(EventTimeSessionWindows.withGap(10_000))
    .aggregate(count, new WithWindow())
    .uid('sessions')
    .map(bidderRow);
}

/** Q12: bids of each bidder in each 10 seconds of the clock. */
export function q12(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.bidder)
    .window(TumblingProcessingTimeWindows.of(10_000))
    .aggregate(count, new WithWindow())
    .uid('clock-windows')
    .map(bidderRow);
}

class Total extends KeyedProcessFunction<number, Bid, RowChange> {
  #total: ValueState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#total = context.getState(valueState<number>('total'));
  }

  processElement({ bidder }: Bid, _context: unknown, out: Collector<RowChange>): void {
    const total = (this.#total?.value() ?? 0) + 1;
    this.#total?.update(total);
    out.collect({ key: String(bidder), row: { bidder, bid_count: total } });
  }
}

/** What all windows of Q12 must add up to, whatever the clock did. */
export function q12Total(bids: DataStream<Bid>): DataStream<RowChange> {
  return bids
    .keyBy((bid) => bid.bidder)
    .process(new Total())
    .uid('totals');
}
