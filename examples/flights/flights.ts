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
import { Type } from 'typebox';
import { addDelay, describeDelays, type DelaySums, type Flight, type OriginDelays } from './running-delays.js';

const FlightBody = Type.Object({
  date: Type.String({ maxLength: 40 }),
  delay: Type.Integer({ minimum: -10_000, maximum: 10_000 }),
  distance: Type.Number({ minimum: 0 }),
  origin: Type.String({ minLength: 1, maxLength: 10 }),
  destination: Type.String({ minLength: 1, maxLength: 10 }),
});

const DelaysAnswer = Type.Object({
  origin: Type.String(),
  count: Type.Integer(),
  meanDelay: Type.Number(),
  maxDelay: Type.Integer(),
});

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
