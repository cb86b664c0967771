import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutputTag } from '../../../src/api/process-function.js';
import { EventTimeTrigger } from '../../../src/api/triggers.js';
import { EventTimeSessionWindows } from '../../../src/api/window-assigners.js';
import { ProcessWindowFunction } from '../../../src/api/window-function.js';
import type { ProcessWindowContext } from '../../../src/api/window-function.js';
import type { TimeWindow } from '../../../src/api/windows.js';
import type { Collector } from '../../../src/api/functions.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import { SessionWindowOperator } from '../../../src/operators/windows/session-window-operator.js';
import { WindowOperator } from '../../../src/operators/windows/window-operator.js';
import type { WindowAggregation } from '../../../src/operators/windows/window-contents.js';
import { type Reading, run, step, sum } from '../../helpers/window-steps.js';

/** With a subclass of the trigger, of which nobody knows what it does, the general operator is made. */
class AnyTrigger extends EventTimeTrigger {}

class WithWindow extends ProcessWindowFunction<unknown, string, string, TimeWindow> {
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

const late = new OutputTag<unknown>('late');
/** The order in which records and sessions are put together shows in the result. */
const aggregations: Record<string, WindowAggregation<Reading>> = {
  aggregate: { kind: 'aggregate', aggregate: sum },
  reduce: { kind: 'reduce', reduce: (a, b) => ({ key: a.key, amount: a.amount * 3 + b.amount }) },
};

function operatorOf(
  gapOf: (reading: Reading) => number,
  aggregation: WindowAggregation<Reading>,
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
      aggregation: aggregation as WindowAggregation<unknown>,
      fn: new WithWindow(),
    },
    { writeLine: () => undefined },
  );
}

describe('sessions in one row', () => {
  it.each(['aggregate', 'reduce'])(
    'give what windows that merge give with an %s, for any records, watermarks and restores',
    (kind) => {
      const aggregation = aggregations[kind] ?? null;
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 60 }), (spread, steps) => {
          const gapOf = ({ amount }: Reading): number => 3 + spread * (amount % 3);
          const inOneRow = (): ReturnType<typeof createOperator> =>
            operatorOf(gapOf, aggregation, EventTimeTrigger.create());
          const general = (): ReturnType<typeof createOperator> => operatorOf(gapOf, aggregation, new AnyTrigger());
          expect(inOneRow()).toBeInstanceOf(SessionWindowOperator);
          expect(general()).toBeInstanceOf(WindowOperator);
          expect(run(steps, inOneRow)).toEqual(run(steps, general));
        }),
      );
    },
  );
});
