import { describe, expect, it } from 'vitest';
import {
  defineJob,
  KeyedProcessFunction,
  ProcessFunction,
  TumblingProcessingTimeWindows,
  valueState,
  type Collector,
  type HttpRequest,
  type KeyedProcessContext,
  type RuntimeContext,
  type StreamEnvironment,
  type ValueState,
} from '../../../src/index.js';
import { JobDriver } from '../../../src/testing/index.js';
import { refusalOf } from '../../helpers/refusal-of.js';

interface Payment {
  readonly card: string;
  readonly device: string;
  readonly amount: number;
}

const requests = (env: StreamEnvironment) => env.requests('POST /payments').uid('payments');
const bodyOf = (request: HttpRequest): Payment => request.body as Payment;

class Sum extends KeyedProcessFunction<string, HttpRequest, number> {
  #sum: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#sum = context.getState(valueState<number>('sum'));
  }

  override processElement(request: HttpRequest, _context: KeyedProcessContext<string>, out: Collector<number>): void {
    const sum = (this.#sum?.value() ?? 0) + bodyOf(request).amount;
    this.#sum?.update(sum);
    out.collect(sum);
  }
}

const job = defineJob('payments', (env) => {
  requests(env)
    .scatter({
      card: (stream) => stream.keyBy((request) => bodyOf(request).card).process(new Sum()),
      device: (stream) => stream.keyBy((request) => bodyOf(request).device).process(new Sum()),
      cents: (stream) => stream.map((request) => bodyOf(request).amount * 100),
    })
    .gather({ combine: (request, partials) => ({ of: bodyOf(request).card, ...partials }) })
    .uid('join')
    .respond({ status: ({ card }) => (card > 100 ? 402 : 200) });
});

const handleOf = (id: number) => ({ correlationId: `request ${String(id)}`, replyTo: 'replies:0', deadline: 1_000 });

describe('scatter and gather', () => {
  it.each([1, 2, 4])('answers each request once with what its branches found, at parallelism %d', (parallelism) => {
    const driver = new JobDriver(job, { parallelism });
    const sums = new Map<string, number>();
    const add = (key: string, amount: number): number => {
      sums.set(key, (sums.get(key) ?? 0) + amount);
      return sums.get(key) ?? 0;
    };
    const expected: unknown[] = [];
    for (let id = 0; id < 40; id++) {
      const payment = { card: `card ${String(id % 7)}`, device: `device ${String(id % 3)}`, amount: id };
      driver.send('payments', { body: payment }, { request: handleOf(id), subtask: id % parallelism });
      const card = add(payment.card, id);
      const value = { of: payment.card, card, device: add(payment.device, id), cents: id * 100 };
      expected.push({ handle: handleOf(id), value, status: card > 100 ? 402 : 200 });
    }
    expect(driver.responses).toEqual(expected);
  });

  it('answers by a quorum, and by the clock where no branch finds enough', () => {
    const known = defineJob('known', (env) => {
      requests(env)
        .scatter({
          card: (stream) => stream.filter((request) => bodyOf(request).card !== '').map(() => 'a card'),
          device: (stream) => stream.filter((request) => bodyOf(request).device !== '').map(() => 'a device'),
          cents: (stream) => stream.map((request) => bodyOf(request).amount * 100),
        })
        .gather({
          quorum: 2,
          timeoutMs: 200,
          combine: (_request, { card, device, cents }) => ({ decision: 'known', by: card ?? device, cents }),
          onTimeout: (_request, { cents }) => ({ decision: 'review', by: 'nobody', cents }),
        })
        .respond();
    });
    const driver = new JobDriver(known);
    const pay = (id: number, card: string, device: string): void =>
      driver.send('payments', { body: { card, device, amount: 1 } }, { request: handleOf(id) });
    pay(1, '', 'd');
    pay(2, '', '');
    driver.setProcessingTime(199);
    expect(driver.responses.map(({ handle, value }) => [handle.correlationId, value])).toEqual([
      ['request 1', { decision: 'known', by: 'a device', cents: 100 }],
    ]);
    driver.setProcessingTime(200);
    expect(driver.responses.slice(1)).toEqual([
      { handle: handleOf(2), value: { decision: 'review', by: 'nobody', cents: 100 }, status: 200 },
    ]);
  });

  it('draws every branch, and the operator that joins them', () => {
    const names = job
      .build()
      .transformations.flatMap((each) => (each.kind === 'operator' ? [each.attributes.name] : []));
    expect(names).toEqual([null, null, null, 'Scatter', 'Gather: card', 'Gather: device', 'Gather: cents', null, null]);
  });

  it('refuses a record without a request, which nothing could be joined by', () => {
    const fromTopic = defineJob('plain', (env) => {
      env
        .fromCollection([1])
        .scatter({ only: (stream) => stream.map(String) })
        .gather({ combine: () => 1 })
        .print();
    });
    const driver = new JobDriver(fromTopic);
    expect(refusalOf(() => driver.runSources())).toBe(
      'branch "only" of a scattered stream has a record that came from no request',
    );

    const throughWindow = defineJob('window', (env) => {
      requests(env)
        .scatter({
          first: (stream) =>
            stream
              .keyBy(() => 'all')
              .window(TumblingProcessingTimeWindows.of(10))
              .reduce((first) => first),
        })
        .gather({ combine: () => 1 })
        .respond();
    });
    const windowed = new JobDriver(throughWindow);
    windowed.send('payments', { body: null }, { request: handleOf(1) });
    expect(refusalOf(() => windowed.setProcessingTime(10))).toBe(
      'branch "first" of a scattered stream has a record that came from no request',
    );
  });

  it('refuses when the job is built what cannot be gathered, naming the operator before', () => {
    class Nothing extends ProcessFunction<unknown, number> {
      override processElement(): void {
        // Emits nothing.
      }
    }
    const refusal = (define: (env: StreamEnvironment) => unknown): string =>
      refusalOf(() => defineJob('bad', (env) => void define(env)).build()).replace(
        'requests "payments" of job "bad" ',
        '',
      );
    const branches = { a: (s: ReturnType<typeof requests>) => s.process(new Nothing()) };
    const gather = (options: object) => (env: StreamEnvironment) =>
      requests(env)
        .scatter(branches)
        .gather({ combine: () => 1, ...options });

    expect(refusal((env) => requests(env).scatter({}))).toBe('is scattered to no branch');
    expect(refusal((env) => requests(env).scatter({ 'a b': branches.a }))).toBe('is scattered to a branch named "a b"');
    expect(refusal((env) => requests(env).scatter({ a: (() => 1) as never }))).toBe(
      'is scattered to a branch "a" that ends in something that is no stream',
    );
    expect(refusal(gather({ combine: null }))).toBe('is gathered without a function');
    for (const quorum of [0, 2, 1.5, -1]) {
      expect(refusal(gather({ quorum }))).toBe(`is gathered with the quorum ${String(quorum)}`);
    }
    for (const timeoutMs of [0, -1, Infinity, Number.NaN]) {
      expect(refusal(gather({ timeoutMs, onTimeout: () => 1 }))).toBe(
        `is gathered with the time-out ${String(timeoutMs)}`,
      );
    }
    expect(refusal(gather({ timeoutMs: 5 }))).toBe('is gathered with `timeoutMs` and no `onTimeout`');
    expect(refusal(gather({ onTimeout: () => 1 }))).toBe('is gathered with `onTimeout` and no `timeoutMs`');
  });
});
