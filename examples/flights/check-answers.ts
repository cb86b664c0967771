import { plainAnswers, type DelaySums, type Flight, type OriginDelays } from './running-delays.js';

/** An answer that is not what a plain loop gives. */
export interface WrongAnswer {
  readonly index: number;
  readonly flight: Flight;
  readonly expected: OriginDelays;
  readonly actual: OriginDelays | undefined;
}

/** Compares every answer with the plain computation, exactly. */
export function findWrongAnswers(
  flights: readonly Flight[],
  answers: readonly (OriginDelays | undefined)[],
  before?: ReadonlyMap<string, DelaySums>,
): WrongAnswer[] {
  const expectedAnswers = plainAnswers(flights, before);
  return flights.flatMap((flight, index) => {
    const expected = expectedAnswers[index];
    const actual = answers[index];
    if (expected === undefined || (actual !== undefined && isSame(expected, actual))) return [];
    return [{ index, flight, expected, actual }];
  });
}

function isSame(a: OriginDelays, b: OriginDelays): boolean {
  return a.origin === b.origin && a.count === b.count && a.meanDelay === b.meanDelay && a.maxDelay === b.maxDelay;
}

/**
 * What the service knew of each origin before this replay, read off the first answer of each: a service that keeps its data
 * goes on counting where it was. Of a maximum that the first flight equals, only that it was not higher is known, and no
 * later answer needs more.
 */
export function sumsBefore(
  flights: readonly Flight[],
  answers: readonly (OriginDelays | undefined)[],
): Map<string, DelaySums> {
  const before = new Map<string, DelaySums>();
  const seen = new Set<string>();
  for (const [index, { origin, delay }] of flights.entries()) {
    const answer = answers[index];
    if (seen.has(origin) || answer === undefined) continue;
    seen.add(origin);
    if (answer.count === 1) continue;
    // The mean is a quotient of whole numbers: rounding gives back the sum it was made of.
    const totalDelay = Math.round(answer.meanDelay * answer.count) - delay;
    before.set(origin, { count: answer.count - 1, totalDelay, maxDelay: answer.maxDelay });
  }
  return before;
}
