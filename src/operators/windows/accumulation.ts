import { withMerge } from './window-contents.js';
import type { WindowAggregation } from './window-contents.js';

/** How records become one value, for operators that keep that value within a row of their own. */
export interface Accumulation<In> {
  /** @param accumulated `undefined` before the first record. May be changed in place. */
  add(accumulated: unknown, value: In): unknown;
  /** Puts what came later behind what came before. Either may be `undefined`. */
  merge(accumulated: unknown, later: unknown): unknown;
  /** What a window function is given. */
  resultOf(accumulated: unknown): unknown;
}

export function accumulationOf<In>(aggregation: NonNullable<WindowAggregation<In>>): Accumulation<In> {
  if (aggregation.kind === 'reduce') {
    const { reduce } = aggregation;
    return {
      add: (accumulated, value) => (accumulated === undefined ? value : reduce(accumulated as In, value)),
      merge: (accumulated, later) => combined(accumulated, later, reduce as Accumulation<In>['merge']),
      resultOf: (accumulated) => accumulated,
    };
  }
  const aggregate = withMerge(aggregation.aggregate);
  return {
    add: (accumulated, value) =>
      aggregate.add(value, accumulated === undefined ? aggregate.createAccumulator() : accumulated),
    merge: (accumulated, later) => combined(accumulated, later, (a, b) => aggregate.merge(a, b)),
    resultOf: (accumulated) => (accumulated === undefined ? undefined : aggregate.getResult(accumulated)),
  };
}

function combined(a: unknown, b: unknown, merge: (a: unknown, b: unknown) => unknown): unknown {
  if (a === undefined) return b;
  return b === undefined ? a : merge(a, b);
}
