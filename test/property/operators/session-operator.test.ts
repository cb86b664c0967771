import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventTimeTrigger } from '../../../src/api/triggers.js';
import { EventTimeSessionWindows } from '../../../src/api/window-assigners.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import { SessionWindowOperator } from '../../../src/operators/windows/session-window-operator.js';
import { WindowOperator } from '../../../src/operators/windows/window-operator.js';
import { aggregationOf, AnyTrigger, late, type Reading, run, step, WithWindow } from '../../helpers/window-steps.js';

function operatorOf(
  gapOf: (reading: Reading) => number,
  kind: string,
  trigger: EventTimeTrigger,
): ReturnType<typeof createOperator> {
  return createOperator(
    {
      kind: 'window',
      key: (value) => (value as Reading).key,
      assigner: EventTimeSessionWindows.withDynamicGap(gapOf as (value: unknown) => number),
      trigger,
      evictor: null,
      allowedLatenessMs: 0,
      lateTag: late,
      aggregation: aggregationOf(kind),
      fn: new WithWindow(),
    },
    { writeLine: () => undefined },
  );
}

describe('sessions in one row', () => {
  it.each(['aggregate', 'reduce', 'count'])(
    'give what windows that merge give with %s, for any records, watermarks and restores',
    (kind) => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 60 }), (spread, steps) => {
          const gapOf = ({ amount }: Reading): number => 3 + spread * (amount % 3);
          const inOneRow = (): ReturnType<typeof createOperator> => operatorOf(gapOf, kind, EventTimeTrigger.create());
          const general = (): ReturnType<typeof createOperator> => operatorOf(gapOf, kind, new AnyTrigger());
          expect(inOneRow()).toBeInstanceOf(SessionWindowOperator);
          expect(general()).toBeInstanceOf(WindowOperator);
          expect(run(steps, inOneRow)).toEqual(run(steps, general));
        }),
      );
    },
  );
});
