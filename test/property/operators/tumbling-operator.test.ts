import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventTimeTrigger } from '../../../src/api/triggers.js';
import { TumblingEventTimeWindows } from '../../../src/api/window-assigners.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import { TumblingWindowOperator } from '../../../src/operators/windows/tumbling-window-operator.js';
import { WindowOperator } from '../../../src/operators/windows/window-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';
import { aggregationOf, AnyTrigger, late, type Reading, run, step, WithWindow } from '../../helpers/window-steps.js';

interface Shape {
  readonly size: number;
  readonly offset: number;
  readonly kind: string;
  readonly trigger: EventTimeTrigger;
  readonly allowedLatenessMs?: number;
}

function operatorOf({ size, offset, kind, trigger, allowedLatenessMs = 0 }: Shape): ReturnType<typeof createOperator> {
  return createOperator(
    {
      kind: 'window',
      key: (value) => (value as Reading).key,
      assigner: TumblingEventTimeWindows.of(size, offset),
      trigger,
      evictor: null,
      allowedLatenessMs,
      lateTag: late,
      aggregation: aggregationOf(kind),
      fn: new WithWindow(),
    },
    { writeLine: () => undefined },
  );
}

const listed = (shape: Omit<Shape, 'trigger'>): ReturnType<typeof createOperator> =>
  operatorOf({ ...shape, trigger: EventTimeTrigger.create() });
const general = (shape: Omit<Shape, 'trigger'>): ReturnType<typeof createOperator> =>
  operatorOf({ ...shape, trigger: new AnyTrigger() });

describe('tumbling windows without timers', () => {
  it('give what the general operator gives, for any records, watermarks and restores, also from one to the other', () => {
    const shapes = fc
      .record({
        size: fc.integer({ min: 1, max: 12 }),
        offset: fc.integer({ min: 0, max: 11 }),
        kind: fc.constantFrom('aggregate', 'reduce', 'count'),
      })
      .filter(({ size, offset }) => offset < size);
    fc.assert(
      fc.property(shapes, fc.array(step, { maxLength: 60 }), (shape, steps) => {
        expect(listed(shape)).toBeInstanceOf(TumblingWindowOperator);
        expect(general(shape)).toBeInstanceOf(WindowOperator);
        const expected = run(steps, () => general(shape));
        expect(run(steps, () => listed(shape))).toEqual(expected);
        let made = 0;
        expect(run(steps, () => (made++ % 2 === 0 ? listed(shape) : general(shape)))).toEqual(expected);
      }),
    );
  });

  it('fire under the general operator too when lateness is added, and each window once over later restores', () => {
    const shape = { size: 10, offset: 0, kind: 'count' };
    let create = (): ReturnType<typeof createOperator> => listed(shape);
    const harness = new OperatorHarness<string>(() => create(), {
      inputs: [{ key: (value) => (value as Reading).key }],
    });
    harness.open();
    harness.processElement({ key: 'a', amount: 1 }, 3);
    create = () => general({ ...shape, allowedLatenessMs: 100 });
    harness.restore(harness.snapshot());
    harness.processWatermark(20);
    expect(harness.takeValues()).toEqual(['a [0, 10) 1']);
    harness.restore(harness.snapshot());
    harness.processWatermark(30);
    expect(harness.takeValues()).toEqual([]);
    harness.processElement({ key: 'a', amount: 1 }, 4);
    expect(harness.takeValues()).toEqual(['a [0, 10) 2']);
  });
});
