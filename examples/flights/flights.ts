import {
  KeyedProcessFunction,
  valueState,
  type Collector,
  type HttpRequest,
  type KeyedProcessContext,
  type RuntimeContext,
  type StreamEnvironment,
  type ValueState,
} from 'millrace';
import { addDelay, describeDelays, type DelaySums, type Flight, type OriginDelays } from './running-delays.js';

const FlightBody = {
  type: 'object',
  required: ['date', 'delay', 'distance', 'origin', 'destination'],
  properties: {
    date: { type: 'string', maxLength: 40 },
    delay: { type: 'integer', minimum: -10_000, maximum: 10_000 },
    distance: { type: 'number', minimum: 0 },
    origin: { type: 'string', minLength: 1, maxLength: 10 },
    destination: { type: 'string', minLength: 1, maxLength: 10 },
  },
} as const;

const DelaysAnswer = {
  type: 'object',
  required: ['origin', 'count', 'meanDelay', 'maxDelay'],
  properties: {
    origin: { type: 'string' },
    count: { type: 'integer' },
    meanDelay: { type: 'number' },
    maxDelay: { type: 'integer' },
  },
} as const;

/** Count, mean and maximum of the delays of each origin. */
class RunningDelays extends KeyedProcessFunction<string, HttpRequest<Flight>, OriginDelays> {
  #sums: ValueState<DelaySums> | undefined;

  override open(context: RuntimeContext): void {
    this.#sums = context.getState(valueState<DelaySums>('sums'));
  }

  override processElement(
    request: HttpRequest<Flight>,
    context: KeyedProcessContext<string>,
    out: Collector<OriginDelays>,
  ): void {
    const sums = addDelay(this.#sums?.value(), request.body.delay);
    this.#sums?.update(sums);
    out.collect(describeDelays(context.getCurrentKey(), sums));
  }
}

/** `POST /flights` with one flight: answered with the delays of its origin so far, this flight included. */
export function addFlights(env: StreamEnvironment): void {
  env
    .requests('POST /flights', {
      key: (request) => request.body.origin,
      body: FlightBody,
      response: DelaysAnswer,
      summary: 'Adds a flight to the delays of its origin',
    })
    .uid('flight-requests')
    .process(new RunningDelays())
    .uid('running-delays')
    .respond();
}
