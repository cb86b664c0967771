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
import { added, offersOf, only } from './events.js';
import type { Auction, Bid, Offer, Person, RowChange } from './events.js';

/** Queries over windows. */

const count: AggregateFunction<number, number, number> = {
  createAccumulator: () => 0,
  add: (_id, total) => total + 1,
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

/** Keeps the largest counts of one window until all have come, and gives them. */
class LargestCounts extends KeyedProcessFunction<number, WindowCount, RowChange> {
  #most: ValueState<number> | null = null;
  #counts: ListState<WindowCount> | null = null;

  override open(context: RuntimeContext): void {
    this.#most = context.getState(valueState<number>('most'));
    this.#counts = context.getListState(listState<WindowCount>('counts'));
  }

  processElement(value: WindowCount, context: KeyedProcessContext<number>): void {
    const most = this.#most?.value();
    // All counts of a window carry its last millisecond: when the watermark has passed that, none is missing.
    if (most === undefined) context.timerService().registerEventTimeTimer(value.end - 1);
    else if (value.num < most) return;
    if (value.num === most) {
      this.#counts?.add(value);
      return;
    }
    this.#most?.update(value.num);
    this.#counts?.update([value]);
  }

  override onTimer(_timestamp: number, _context: OnTimerContext<number>, out: Collector<RowChange>): void {
    for (const { key, num, start, end } of this.#counts?.get() ?? []) {
      out.collect(added({ auction: key, num, starttime: start, endtime: end }));
    }
    this.#most?.clear();
    this.#counts?.clear();
  }
}

/** Q5: the auctions with most bids in the last 10 seconds, every 2 seconds. */
export function q5(bids: DataStream<Bid>): DataStream<RowChange> {
  return only(bids, ({ auction }) => auction)
    .keyBy((auction) => auction)
    .window(SlidingEventTimeWindows.of(10_000, 2_000))
    .aggregate(count, new WithWindow())
    .uid('counts')
    .keyBy((counted) => counted.end)
    .process(new LargestCounts())
    .uid('largest');
}

const Q7_WINDOW_MS = 10_000;

/**
 * The highest bids of one window, which is the key: its end. Bids at that very end count when they reach the highest price, and
 * so do bids that come after the window has ended; neither can raise it.
 */
class HighestBids extends KeyedCoProcessFunction<number, Offer, Offer, RowChange> {
  #price: ValueState<number> | null = null;
  #bids: ListState<Offer> | null = null;
  #atEnd: ListState<Offer> | null = null;

  override open(context: RuntimeContext): void {
    this.#price = context.getState(valueState<number>('price'));
    this.#bids = context.getListState(listState<Offer>('bids'));
    this.#atEnd = context.getListState(listState<Offer>('bids-at-end'));
  }

  /** A bid within the window. */
  processElement1(bid: Offer, context: KeyedProcessContext<number>, out: Collector<RowChange>): void {
    const timers = context.timerService();
    const lastMs = context.getCurrentKey() - 1;
    const highest = this.#price?.value();
    if (timers.currentWatermark() >= lastMs) {
      if (bid.price === highest) out.collect(bidOfWindow(bid));
      return;
    }
    if (highest === undefined) timers.registerEventTimeTimer(lastMs);
    else if (bid.price < highest) return;
    if (bid.price === highest) {
      this.#bids?.add(bid);
      return;
    }
    this.#price?.update(bid.price);
    this.#bids?.update([bid]);
  }

  /** A bid at the window's end. */
  processElement2(bid: Offer, context: KeyedProcessContext<number>, out: Collector<RowChange>): void {
    const hasEnded = context.timerService().currentWatermark() >= context.getCurrentKey() - 1;
    if (!hasEnded) this.#atEnd?.add(bid);
    else if (bid.price === this.#price?.value()) out.collect(bidOfWindow(bid));
  }

  override onTimer(_timestamp: number, _context: OnTimerContext<number>, out: Collector<RowChange>): void {
    const highest = this.#price?.value();
    for (const bid of this.#bids?.get() ?? []) out.collect(bidOfWindow(bid));
    for (const bid of this.#atEnd?.get() ?? []) if (bid.price === highest) out.collect(bidOfWindow(bid));
    this.#bids?.clear();
    this.#atEnd?.clear();
  }
}

function bidOfWindow({ auction, bidder, price, dateTime, extra }: Offer): RowChange {
  return added({ auction, bidder, price, dateTime, extra });
}

/** Q7: the highest bids of each 10 seconds, both ends included. */
export function q7(bids: DataStream<Bid>): DataStream<RowChange> {
  const offers = offersOf(bids);
  const atEnds = offers.filter((bid) => bid.dateTime % Q7_WINDOW_MS === 0);
  return offers
    .keyBy((bid) => bid.dateTime - (bid.dateTime % Q7_WINDOW_MS) + Q7_WINDOW_MS)
    .connect(atEnds.keyBy((bid) => bid.dateTime))
    .process(new HighestBids())
    .uid('highest-bids');
}

/** Q8: people who came and opened an auction in the same 10 seconds. Windows keep no more of them than the result needs. */
export function q8(persons: DataStream<Person>, auctions: DataStream<Auction>): DataStream<RowChange> {
  return only(persons, ({ id, name, dateTime }) => ({ id, name, dateTime }))
    .join(only(auctions, ({ seller }) => seller))
    .where((person) => person.id)
    .equalTo((seller) => seller)
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
  return only(bids, ({ bidder }) => bidder)
    .keyBy((bidder) => bidder)
    .window(EventTimeSessionWindows.withGap(10_000))
    .aggregate(count, new WithWindow())
    .uid('sessions')
    .map(bidderRow);
}

/** Q12: bids of each bidder in each 10 seconds of the clock. */
export function q12(bids: DataStream<Bid>): DataStream<RowChange> {
  return only(bids, ({ bidder }) => bidder)
    .keyBy((bidder) => bidder)
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
