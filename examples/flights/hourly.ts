import {
  collection,
  jsonSerde,
  ProcessWindowFunction,
  topicSink,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type AggregateFunction,
  type Collector,
  type ProcessWindowContext,
  type StreamEnvironment,
  type TimeWindow,
} from 'millrace';
import { addDelay, type DelaySums, type Flight } from './running-delays.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The departures of an airport within an hour. */
export interface HourOfFlights {
  readonly origin: string;
  /** Its beginning: `2001/01/01 08:00`, local time of the airport. */
  readonly hour: string;
  readonly flights: number;
  readonly meanDelay: number;
  readonly maxDelay: number;
}

/** `2001/01/01 08:47` as milliseconds. Local time is read as UTC, so that every day has 24 hours. */
export function timeOf(date: string): number {
  return Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}:00Z`);
}

/** The way back. */
export function dateOf(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replaceAll('-', '/').replace('T', ' ');
}

const sumDelays: AggregateFunction<Flight, DelaySums | undefined, DelaySums | undefined> = {
  createAccumulator: () => undefined,
  add: (flight, sums) => addDelay(sums, flight.delay),
  getResult: (sums) => sums,
  // Only windows that merge need it; these have a fixed place.
  merge: (a, b) => a ?? b,
};

/** Adds to the sums of a window which window it was. */
class DescribeHour extends ProcessWindowFunction<DelaySums | undefined, HourOfFlights, string, TimeWindow> {
  override process(
    origin: string,
    context: ProcessWindowContext<TimeWindow>,
    [sums]: readonly (DelaySums | undefined)[],
    out: Collector<HourOfFlights>,
  ): void {
    if (sums === undefined) return;
    const { count, totalDelay, maxDelay } = sums;
    const hour = dateOf(context.window().start);
    out.collect({ origin, hour, flights: count, meanDelay: totalDelay / count, maxDelay });
  }
}

/** Flights at one airport within an hour from which on it is worth a line. */
const BUSY = 6;

/**
 * Departures per airport and hour, in the time of the flights themselves: the topic `flights-per-hour` has a record for each hour
 * with a departure, as soon as a flight is read that left a quarter of an hour after it.
 */
export function addHourlyFlights(env: StreamEnvironment, flights: readonly Flight[]): void {
  const byDeparture = WatermarkStrategy.boundedOutOfOrderness<Flight>(15 * MINUTE_MS).withTimestampAssigner((flight) =>
    timeOf(flight.date),
  );
  const hours = env
    .fromSource(collection(flights), byDeparture)
    .uid('departures')
    .keyBy((flight) => flight.origin)
    .window(TumblingEventTimeWindows.of(HOUR_MS))
    .aggregate(sumDelays, new DescribeHour())
    .uid('hours');
  hours
    .sinkTo(topicSink('flights-per-hour', jsonSerde<HourOfFlights>(), { key: (hour) => hour.origin }))
    .uid('to-topic');
  hours
    .filter((hour) => hour.flights >= BUSY)
    .map(({ origin, hour, flights: count }) => `${hour} ${origin}: ${String(count)} departures`)
    .print('busy');
}
