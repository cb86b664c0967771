import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventTimeTrigger } from '../../../src/api/triggers.js';
import { SlidingEventTimeWindows } from '../../../src/api/window-assigners.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import { SlicedWindowOperator } from '../../../src/operators/windows/sliced-window-operator.js';
import { late, type Reading, run, step, sum } from '../../helpers/window-steps.js';

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
