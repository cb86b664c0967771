import type { HourOfFlights } from '../../examples/flights/hourly.js';
import type { Flight } from '../../examples/flights/running-delays.js';

/** Departures per airport and hour in one plain loop, sorted as {@link sortedHours} does. */
export function hoursByHand(flights: readonly Flight[]): HourOfFlights[] {
  const hours = new Map<string, { origin: string; hour: string; delays: number[] }>();
  for (const { origin, date, delay } of flights) {
    const hour = `${date.slice(0, 13)}:00`;
    const entry = hours.get(`${origin} ${hour}`) ?? { origin, hour, delays: [] };
    hours.set(`${origin} ${hour}`, entry);
    entry.delays.push(delay);
  }
  return sortedHours(
    [...hours.values()].map(({ origin, hour, delays }) => ({
      origin,
      hour,
      flights: delays.length,
      meanDelay: delays.reduce((sum, delay) => sum + delay, 0) / delays.length,
      maxDelay: Math.max(...delays),
    })),
  );
}

export function sortedHours(hours: readonly HourOfFlights[]): HourOfFlights[] {
  const name = ({ origin, hour }: HourOfFlights): string => `${origin} ${hour}`;
  return [...hours].sort((a, b) => (name(a) < name(b) ? -1 : 1));
}
