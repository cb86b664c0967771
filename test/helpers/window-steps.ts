import fc from 'fast-check';
import type { Collector } from '../../src/api/functions.js';
import type { AggregateFunction } from '../../src/api/keyed-state.js';
import { OutputTag } from '../../src/api/process-function.js';
import { EventTimeTrigger } from '../../src/api/triggers.js';
import { ProcessWindowFunction } from '../../src/api/window-function.js';
import type { ProcessWindowContext } from '../../src/api/window-function.js';
import type { TimeWindow } from '../../src/api/windows.js';
import type { createOperator } from '../../src/operators/operator-factory.js';
import type { WindowAggregation } from '../../src/operators/windows/window-contents.js';
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

/** With a subclass of the trigger, of which nobody knows what it does, the general operator is made. */
export class AnyTrigger extends EventTimeTrigger {}

export class WithWindow extends ProcessWindowFunction<unknown, string, string, TimeWindow> {
  process(
    key: string,
    context: ProcessWindowContext<TimeWindow>,
    [result]: readonly unknown[],
    out: Collector<string>,
  ): void {
    const { start, end } = context.window();
    out.collect(`${key} [${String(start)}, ${String(end)}) ${JSON.stringify(result)}`);
  }
}

export const late = new OutputTag<unknown>('late');
const count: AggregateFunction<Reading, number, number> = {
  createAccumulator: () => 0,
  add: (_reading, total) => total + 1,
  getResult: (total) => total,
  merge: (a, b) => a + b,
};

/** Of `aggregate` and `reduce` the order shows in the result; the third counts, so that what is kept is a number. */
export function aggregationOf(kind: string): NonNullable<WindowAggregation<unknown>> {
  const aggregations: Record<string, WindowAggregation<Reading>> = {
    aggregate: { kind: 'aggregate', aggregate: sum },
    reduce: { kind: 'reduce', reduce: (a, b) => ({ key: a.key, amount: a.amount * 3 + b.amount }) },
  };
  return (aggregations[kind] ?? { kind: 'aggregate', aggregate: count }) as NonNullable<WindowAggregation<unknown>>;
}
