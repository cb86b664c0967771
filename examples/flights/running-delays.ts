/** One flight, as `flights-20k.json` of the npm package `vega-datasets` has it. */
export interface Flight {
  readonly date: string;
  /** Minutes; negative when early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** The delays of an airport's departures so far. */
export interface OriginDelays {
  readonly origin: string;
  readonly count: number;
  readonly meanDelay: number;
  readonly maxDelay: number;
}

/** What has to be remembered per origin. Sums of whole minutes are exact, so the mean is the same wherever it is computed. */
export interface DelaySums {
  readonly count: number;
  readonly totalDelay: number;
  readonly maxDelay: number;
}

export function addDelay(sums: DelaySums | undefined, delay: number): DelaySums {
  if (sums === undefined) return { count: 1, totalDelay: delay, maxDelay: delay };
  return {
    count: sums.count + 1,
    totalDelay: sums.totalDelay + delay,
    maxDelay: Math.max(sums.maxDelay, delay),
  };
}

export function describeDelays(origin: string, sums: DelaySums): OriginDelays {
  return { origin, count: sums.count, meanDelay: sums.totalDelay / sums.count, maxDelay: sums.maxDelay };
}

/**
 * The same in one plain loop, without Millrace: the answer to each flight, in order.
 *
 * @param before what an airport has had already, when the service has seen flights before.
 */
export function plainAnswers(
  flights: readonly Flight[],
  before: ReadonlyMap<string, DelaySums> = new Map(),
): OriginDelays[] {
  const sumsByOrigin = new Map(before);
  return flights.map(({ origin, delay }) => {
    const sums = addDelay(sumsByOrigin.get(origin), delay);
    sumsByOrigin.set(origin, sums);
    return describeDelays(origin, sums);
  });
}
