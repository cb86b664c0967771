import { describe, expect, it } from 'vitest';
import type { Collector, RuntimeContext } from '../../../src/api/functions.js';
import {
  collection,
  CountTrigger,
  defineJob,
  EventTimeSessionWindows,
  functionSink,
  generator,
  jsonSerde,
  KeyedBroadcastProcessFunction,
  KeyedProcessFunction,
  mapState,
  orderedWait,
  OutputTag,
  ProcessJoinFunction,
  ProcessWindowFunction,
  topic,
  topicSink,
  TumblingEventTimeWindows,
  valueState,
  WatermarkStrategy,
} from '../../../src/index.js';
import type {
  KeyedBroadcastContext,
  KeyedBroadcastReadContext,
  KeyedProcessContext,
  OnTimerContext,
  ProcessWindowContext,
  TimeWindow,
  ValueState,
} from '../../../src/index.js';
import { JobDriver, ManualClock } from '../../../src/testing/index.js';

interface Sale {
  readonly shop: string;
  readonly amount: number;
  readonly at: number;
}

const sales = topic('sales', jsonSerde<Sale>());
const byTime = WatermarkStrategy.boundedOutOfOrderness<Sale>(5).withTimestampAssigner((sale) => sale.at);

class Totals extends ProcessWindowFunction<number, { shop: string; end: number; total: number }, string, TimeWindow> {
  process(
    shop: string,
    context: ProcessWindowContext<TimeWindow>,
    [total = 0]: readonly number[],
    out: Collector<{ shop: string; end: number; total: number }>,
  ): void {
    out.collect({ shop, end: context.window().end, total });
  }
}

const late = new OutputTag<Sale>('late');
const totals = defineJob('totals', (env) => {
  const windows = env
    .fromSource(sales, byTime)
    .uid('sales')
    .keyBy((sale) => sale.shop)
    .window(TumblingEventTimeWindows.of(10))
    .sideOutputLateData(late)
    .aggregate(
      {
        createAccumulator: () => 0,
        add: (sale, sum) => sum + sale.amount,
        getResult: (sum) => sum,
        merge: (a, b) => a + b,
      },
      new Totals(),
    )
    .uid('totals');
  windows.sinkTo(topicSink('totals', jsonSerde())).uid('out');
  windows.getSideOutput(late).sinkTo(topicSink('late', jsonSerde()));
});

function values(driver: JobDriver, name: string): string[] {
  return driver
    .topic(name)
    .map(({ value }) => JSON.stringify(value))
    .sort();
}

describe('JobDriver', () => {
  it('gives the same windows at any parallelism', () => {
    const run = (parallelism: number): string[] => {
      const driver = new JobDriver(totals, { parallelism });
      for (let i = 0; i < 50; i++) {
        driver.send('sales', { shop: `shop ${i % 5}`, amount: i, at: i }, { subtask: i % parallelism });
      }
      driver.endInput();
      return values(driver, 'totals');
    };
    const expected = run(1);
    expect(expected).toHaveLength(25);
    expect(run(2)).toEqual(expected);
    expect(run(5)).toEqual(expected);
  });

  it('advances event time by the source’s strategy when told that time passes, and sends late records aside', () => {
    const driver = new JobDriver(totals);
    driver.send('sales', { shop: 's', amount: 1, at: 3 });
    driver.send('sales', { shop: 's', amount: 2, at: 20 });
    expect(values(driver, 'totals')).toEqual([]);
    driver.emitWatermarks();
    expect(values(driver, 'totals')).toEqual(['{"shop":"s","end":10,"total":1}']);
    driver.send('sales', { shop: 's', amount: 9, at: 4 });
    expect(values(driver, 'late')).toEqual(['{"shop":"s","amount":9,"at":4}']);
  });

  it('keeps a watermark per topic partition, so that one that is read ahead makes nothing late', () => {
    const driver = new JobDriver(totals);
    driver.send('sales', { shop: 's', amount: 1, at: 3 }, { partition: 1 });
    driver.send('sales', { shop: 's', amount: 2, at: 900 }, { partition: 0 });
    driver.emitWatermarks();
    driver.send('sales', { shop: 's', amount: 4, at: 4 }, { partition: 1 });
    driver.endInput();
    expect(values(driver, 'totals')).toEqual(['{"shop":"s","end":10,"total":5}', '{"shop":"s","end":910,"total":2}']);
  });

  it('answers requests', () => {
    const job = defineJob('echo', (env) => {
      env
        .requests('POST /echo')
        .uid('echo')
        .map((request) => ({ got: request.body }))
        .respond({ status: 201 });
    });
    const driver = new JobDriver(job);
    const request = { correlationId: 'c', replyTo: 'r:0', deadline: 1 };
    driver.send('echo', { body: 'hello' }, { request });
    expect(driver.responses).toEqual([{ handle: request, value: { got: 'hello' }, status: 201 }]);
  });

  it('runs joins, sessions, counts and broadcast streams', () => {
    const received: string[] = [];
    class Pair extends ProcessJoinFunction<Sale, Sale, string> {
      processElement(left: Sale, right: Sale, _context: unknown, out: Collector<string>): void {
        out.collect(`pair ${left.amount}-${right.amount}`);
      }
    }
    const limits = mapState<string, number>('limits');
    class Limit extends KeyedBroadcastProcessFunction<string, Sale, readonly [string, number], string> {
      override open(_context: RuntimeContext): void {
        // Broadcast state needs no opening.
      }
      processElement(sale: Sale, context: KeyedBroadcastReadContext<string>, out: Collector<string>): void {
        if (sale.amount > (context.getBroadcastState(limits).get(sale.shop) ?? Infinity)) out.collect('over');
      }
      processBroadcastElement(limit: readonly [string, number], context: KeyedBroadcastContext<string>): void {
        context.getBroadcastState(limits).put(limit[0], limit[1]);
      }
    }
    const job = defineJob('all', (env) => {
      const sink = functionSink<string>((value) => void received.push(value));
      const left = env.fromSource(sales, byTime).uid('left');
      const right = env.fromSource(sales, byTime).uid('right');
      const rules = env.fromSource(topic('rules', jsonSerde<readonly [string, number]>())).uid('rules');
      const key = (sale: Sale): string => sale.shop;
      left.keyBy(key).intervalJoin(right.keyBy(key)).between(-2, 2).process(new Pair()).uid('pairs').sinkTo(sink);
      left
        .join(right)
        .where(key)
        .equalTo(key)
        .window(EventTimeSessionWindows.withGap(10))
        .coGroup<string>((lefts, rights, out) => out.collect(`group ${lefts.length}/${rights.length}`))
        .uid('groups')
        .sinkTo(sink);
      left
        .keyBy(key)
        .countWindow(2)
        .reduce(({ shop, at, amount }, next) => ({ shop, at, amount: amount + next.amount }))
        .uid('counts')
        .map((sale) => `count ${sale.amount}`)
        .sinkTo(sink);
      left.keyBy(key).connect(rules.broadcast(limits)).process(new Limit()).uid('limits').sinkTo(sink);
      right
        .windowAll(TumblingEventTimeWindows.of(1_000))
        .trigger(CountTrigger.of(2))
        .reduce((a) => a)
        .uid('all')
        .map(() => 'two')
        .sinkTo(sink);
    });
    const driver = new JobDriver(job, { parallelism: 2 });
    driver.send('rules', ['s', 3]);
    driver.send('left', { shop: 's', amount: 1, at: 1 });
    driver.send('left', { shop: 's', amount: 4, at: 2 });
    driver.send('right', { shop: 's', amount: 2, at: 3 });
    driver.send('right', { shop: 's', amount: 3, at: 30 });
    driver.endInput();
    expect(received.sort()).toEqual(['count 5', 'group 0/1', 'group 2/1', 'over', 'pair 1-2', 'pair 4-2', 'two']);
  });

  it('waits for asynchronous requests, and runs the job’s own sources', async () => {
    const received: number[] = [];
    const job = defineJob('lookup', (env) => {
      const numbers = env.fromSource(collection([1, 2, 3])).uid('numbers');
      orderedWait(numbers, (value) => Promise.resolve(value * 10), { capacity: 2 })
        .uid('lookups')
        .sinkTo(functionSink((value) => void received.push(value)));
    });
    const driver = new JobDriver(job, { clock: new ManualClock(7) });
    driver.runSources();
    for (let turns = 0; driver.settle() > 0; turns++) {
      expect(turns).toBeLessThan(20);
      await Promise.resolve();
    }
    expect(received).toEqual([10, 20, 30]);
  });
});

describe('a job driver, over a snapshot', () => {
  class Alarm extends KeyedProcessFunction<string, string, string> {
    #seen: ValueState<number> | null = null;

    override open(context: RuntimeContext): void {
      this.#seen = context.getState(valueState<number>('seen'));
    }

    processElement(_word: string, context: KeyedProcessContext<string>, out: Collector<string>): void {
      const seen = (this.#seen?.value() ?? 0) + 1;
      this.#seen?.update(seen);
      context.timerService().registerProcessingTimeTimer(100);
      out.collect(`${context.getCurrentKey()} ${String(seen)}`);
    }

    override onTimer(timestamp: number, context: OnTimerContext<string>, out: Collector<string>): void {
      out.collect(`${context.getCurrentKey()} rings at ${String(timestamp)}`);
    }
  }

  const words = ['a', 'b', 'c', 'a', 'b', 'a'];
  const countingJob = defineJob('counting', (env) => {
    env
      .fromSource(generator((index) => words[index]))
      .uid('words')
      .keyBy((word) => word)
      .process(new Alarm())
      .uid('alarm')
      .sinkTo(topicSink('lines', jsonSerde<string>()));
  });
  const linesOf = (driver: JobDriver): string[] => driver.topic('lines').map(({ value }) => String(value));

  it.each([1, 3])('goes on with state, timers and the place in its sources, at parallelism %d', (parallelism) => {
    const driver = new JobDriver(countingJob, { parallelism: 2 });
    driver.runSources(4);
    const snapshot = driver.snapshot();
    driver.runSources();
    expect(linesOf(driver)).toEqual(['a 1', 'b 1', 'c 1', 'a 2', 'b 2', 'a 3']);
    driver.restore(snapshot, { parallelism });
    driver.runSources();
    driver.setProcessingTime(100);
    const after = linesOf(driver).slice(6);
    expect(after.slice(0, 2)).toEqual(['b 2', 'a 3']);
    expect(after.slice(2).sort()).toEqual(['a rings at 100', 'b rings at 100', 'c rings at 100']);
  });
});
