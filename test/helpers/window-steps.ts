import fc from 'fast-check';
import type { AggregateFunction } from '../../src/api/keyed-state.js';
import type { createOperator } from '../../src/operators/operator-factory.js';
import { OperatorHarness } from '../../src/testing/operator-harness.js';

/** Readings, watermarks and restores in any order, for window operators that are to give the same. */

export interface Reading {
  readonly key: string;
  readonly amount: number;
}

export type Step =
  | { readonly kind: 'record'; readonly key: string; readonly amount: number; readonly at: number }
  | { readonly kind: 'watermark'; readonly by: number }
  | { readonly kind: 'restore'; readonly parallelism: number };

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('record' as const),
      key: fc.constantFrom('a', 'b', 'c'),
      amount: fc.integer({ min: 1, max: 9 }),
      at: fc.integer({ min: -20, max: 60 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('watermark' as const), by: fc.integer({ min: 1, max: 15 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('restore' as const), parallelism: fc.integer({ min: 1, max: 3 }) }),
  },
);

/** Counts and sums, in an accumulator that merging changes in place. */
export const sum: AggregateFunction<Reading, { count: number; sum: number }, string> = {
  createAccumulator: () => ({ count: 0, sum: 0 }),
  add: ({ amount }, accumulator) => ({ count: accumulator.count + 1, sum: accumulator.sum + amount }),
  getResult: (accumulator) => `${accumulator.count}:${accumulator.sum}`,
  merge: (a, b) => {
    a.count += b.count;
    a.sum += b.sum;
    return a;
  },
};
/** What comes out: within a step in any order, since timers of one time are in none. */
export function run(steps: readonly Step[], create: () => ReturnType<typeof createOperator>): string[] {
  const harness = new OperatorHarness<string>(create, {
    inputs: [{ key: (value) => (value as Reading).key }],
  });
  harness.open();
  const lines: string[] = [];
  let watermark = -30;
  for (const [index, each] of steps.entries()) {
    if (each.kind === 'record') harness.processElement({ key: each.key, amount: each.amount }, each.at);
    else if (each.kind === 'watermark') harness.processWatermark((watermark += each.by));
    else {
      harness.restore(harness.snapshot(), { parallelism: each.parallelism });
      harness.processWatermark(watermark);
    }
    const outputs = harness.takeOutput().flatMap((element) => {
      if (element.kind === 'record') return [`${index} ${element.value}@${String(element.timestamp)}`];
      return element.kind === 'side' ? [`${index} late ${JSON.stringify(element.value)}`] : [];
    });
    lines.push(...outputs.sort());
  }
  harness.close();
  return lines;
}
