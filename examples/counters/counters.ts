import {
  KeyedProcessFunction,
  route,
  valueState,
  type Collector,
  type HttpRequest,
  type KeyedProcessContext,
  type RuntimeContext,
  type StreamEnvironment,
  type ValueState,
} from 'millrace';

const Add = {
  type: 'object',
  required: ['amount'],
  properties: { amount: { type: 'integer', minimum: -1_000_000_000, maximum: 1_000_000_000 } },
  additionalProperties: false,
} as const;
const CounterAnswer = {
  type: 'object',
  required: ['name', 'value'],
  properties: { name: { type: 'string' }, value: { type: 'integer' } },
} as const;

interface Counter {
  readonly name: string;
  readonly value: number;
}

/** What the two routes have in common is enough to count: only the POST has a body. */
type CounterRequest = HttpRequest<{ readonly amount: number } | undefined, { readonly name: string }>;

/** One number per name, kept by the worker that owns the name. */
class Count extends KeyedProcessFunction<string, CounterRequest, Counter> {
  #value: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#value = context.getState(valueState<number>('value'));
  }

  override processElement(
    request: CounterRequest,
    context: KeyedProcessContext<string>,
    out: Collector<Counter>,
  ): void {
    const before = this.#value?.value() ?? 0;
    const value = before + (request.body?.amount ?? 0);
    if (value !== before) this.#value?.update(value);
    out.collect({ name: context.getCurrentKey(), value });
  }
}

/**
 * `POST /counters/:name` adds, `GET /counters/:name` reads. Both are routes of one source: a read sees every addition
 * that was accepted before it.
 */
export function addCounters(env: StreamEnvironment): void {
  env
    .requests(
      [
        route('POST /counters/:name', { body: Add, summary: 'Adds to a counter' }),
        route('GET /counters/:name', { summary: 'Reads a counter' }),
      ],
      { key: (request) => request.params.name, response: CounterAnswer },
    )
    .uid('counter-requests')
    .process(new Count())
    .uid('count')
    .respond();
}
