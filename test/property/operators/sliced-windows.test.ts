import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AggregateFunction } from '../../../src/api/keyed-state.js';
import { OutputTag } from '../../../src/api/process-function.js';
import { EventTimeTrigger } from '../../../src/api/triggers.js';
import { SlidingEventTimeWindows } from '../../../src/api/window-assigners.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import { SlicedWindowOperator } from '../../../src/operators/windows/sliced-window-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Reading {
  readonly key: string;
  readonly amount: number;
}

type Step =
  | { readonly kind: 'record'; readonly key: string; readonly amount: number; readonly at: number }
  | { readonly kind: 'watermark'; readonly by: number }
  | { readonly kind: 'restore'; readonly parallelism: number };

const step: fc.Arbitrary<Step> = fc.oneof(
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
const sum: AggregateFunction<Reading, { count: number; sum: number }, string> = {
  createAccumulator: () => ({ count: 0, sum: 0 }),
  add: ({ amount }, accumulator) => ({ count: accumulator.count + 1, sum: accumulator.sum + amount }),
  getResult: (accumulator) => `${accumulator.count}:${accumulator.sum}`,
  merge: (a, b) => {
    a.count += b.count;
    a.sum += b.sum;
    return a;
  },
};
const late = new OutputTag<unknown>('late');

function operatorOf(
  size: number,
  slide: number,
  offset: number,
  isCommutative: boolean,
): ReturnType<typeof createOperator> {
  return createOperator(
    {
      kind: 'window',
      key: (value) => (value as Reading).key,
      assigner: SlidingEventTimeWindows.of(size, slide, offset),
      trigger: EventTimeTrigger.create(),
      evictor: null,
      allowedLatenessMs: 0,
      lateTag: late,
      aggregation: { kind: 'aggregate', aggregate: { ...sum, isCommutative } },
      fn: null,
    },
    { writeLine: () => undefined },
  );
}

/** What comes out: within a step in any order, since timers of one time are in none. */
function run(steps: readonly Step[], create: () => ReturnType<typeof createOperator>): string[] {
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

describe('sliding windows in shared slices', () => {
  it('give what windows by themselves give, for any records, watermarks and restores', () => {
    const shape = fc.record({
      size: fc.integer({ min: 1, max: 12 }),
      slide: fc.integer({ min: 1, max: 12 }),
      offset: fc.integer({ min: 0, max: 3 }),
    });
    const shapes = shape.filter(({ slide, offset }) => offset < slide);
    fc.assert(
      fc.property(shapes, fc.array(step, { maxLength: 60 }), ({ size, slide, offset }, steps) => {
        expect(operatorOf(size, slide, offset, true)).toBeInstanceOf(SlicedWindowOperator);
        const shared = run(steps, () => operatorOf(size, slide, offset, true));
        expect(shared).toEqual(run(steps, () => operatorOf(size, slide, offset, false)));
      }),
    );
  });
});
