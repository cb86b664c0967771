import { orderedWait } from '../../../src/api/async-data-stream.js';
import { AsyncFunction, type ResultFuture } from '../../../src/api/async-function.js';
import type { HttpRequest } from '../../../src/api/http-request.js';
import { defineJob, type JobDefinition } from '../../../src/api/job.js';
import type { Collector, RuntimeContext } from '../../../src/api/functions.js';
import { type ValueState, valueState } from '../../../src/api/keyed-state.js';
import { type KeyedProcessContext, KeyedProcessFunction } from '../../../src/api/process-function.js';
import { type Sink, topicSink } from '../../../src/api/sink.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';

/** The n-th entry of an account. */
export interface Entry {
  readonly account: string;
  readonly sequence: number;
}

/** The same, with what a service said of it, which never says the same twice. */
export interface QuotedEntry extends Entry {
  readonly quote: number;
}

/** The service, of one run: what it says next. */
export interface Service {
  nextQuote: number;
}

interface Quote {
  readonly account: string;
  readonly quote: number;
}

class Ask extends AsyncFunction<HttpRequest, Quote> {
  readonly #service: Service;

  constructor(service: Service) {
    super();
    this.#service = service;
  }

  asyncInvoke({ params }: HttpRequest, result: ResultFuture<Quote>): void {
    result.complete([{ account: params['account'] ?? '', quote: this.#service.nextQuote++ }]);
  }
}

/** The same, numbered by whoever sees it. */
export interface CheckedEntry extends Entry {
  /** The n-th entry of the account that arrived. */
  readonly arrival: number;
}

class NumberRecords<In, Out> extends KeyedProcessFunction<string, In, Out> {
  readonly #make: (key: string, count: number, value: In) => Out;
  #count: ValueState<number> | null = null;

  constructor(make: (key: string, count: number, value: In) => Out) {
    super();
    this.#make = make;
  }

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
  }

  processElement(value: In, context: KeyedProcessContext<string>, out: Collector<Out>): void {
    const count = (this.#count?.value() ?? 0) + 1;
    this.#count?.update(count);
    out.collect(this.#make(context.getCurrentKey(), count, value));
  }
}

/**
 * Requests append entries to accounts, each with an idempotency key:
 *
 * - near: the account's key is owned where the request is read;
 * - far: behind an exchange;
 * - any: requests without a key of their own, so that those of one account come from several partitions. Their order behind the
 *   exchange is not that of the first run when they are replayed: their answers do not depend on it.
 * - asked: a service is asked first, and its answer is part of the entry.
 *
 * Entries go to a topic exactly once; a second dataflow reads that topic, numbers what arrives, and writes another one.
 */
export function ledgerJob(service: Service): JobDefinition {
  return defineJob('ledger', (env) => {
    const byAccount = { key: (request: { params: { account: string } }): string => request.params.account };
    const near = env
      .requests('POST /near/:account', byAccount)
      .uid('near')
      .process(new NumberRecords(toEntry))
      .uid('near-entries');
    const far = env
      .requests('POST /far/:account', byAccount)
      .uid('far')
      .keyBy((request) => `far away: ${request.params.account}`)
      .process(new NumberRecords((_key, sequence, request) => toEntry(request.params.account, sequence)))
      .uid('far-entries');
    const any = env
      .requests('POST /any/:account')
      .uid('any')
      .keyBy((request) => request.params.account)
      .process(new NumberRecords(toEntry))
      .uid('any-entries');
    const questions = env.requests('POST /asked/:account', byAccount).uid('asked');
    const asked = orderedWait(questions, new Ask(service))
      .uid('quotes')
      .keyBy(({ account }) => `asked for: ${account}`)
      .process(new NumberRecords<Quote, QuotedEntry>((_key, sequence, quote) => ({ ...quote, sequence })))
      .uid('asked-entries');
    const sink = (): Sink<Entry> =>
      topicSink('entries', jsonSerde<Entry>(), { key: accountOf, guarantee: 'exactly-once' });
    near.sinkTo(sink()).uid('near-sink');
    far.sinkTo(sink()).uid('far-sink');
    any.sinkTo(sink()).uid('any-sink');
    asked.sinkTo(sink()).uid('asked-sink');
    asked.respond().uid('asked-respond');
    near.respond().uid('near-respond');
    far.respond().uid('far-respond');
    any
      .map(({ account }) => ({ account }))
      .uid('any-answer')
      .respond()
      .uid('any-respond');
    env
      .fromSource(topic('entries', jsonSerde<Entry>(), { key: accountOf }))
      .uid('entries')
      .process(new NumberRecords<Entry, CheckedEntry>((_key, arrival, entry) => ({ ...entry, arrival })))
      .uid('arrivals')
      .sinkTo(topicSink('checked', jsonSerde<CheckedEntry>(), { key: accountOf, guarantee: 'exactly-once' }))
      .uid('checked-sink');
  });
}

function accountOf({ account }: Entry): string {
  return account;
}

function toEntry(account: string, sequence: number): Entry {
  return { account, sequence };
}
