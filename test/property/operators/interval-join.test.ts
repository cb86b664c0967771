import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Collector } from '../../../src/api/functions.js';
import { ProcessJoinFunction } from '../../../src/api/join-functions.js';
import type { ProcessJoinContext } from '../../../src/api/join-functions.js';
import { IntervalJoinOperator } from '../../../src/operators/interval-join-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Row {
  readonly key: string;
  readonly id: number;
}

class PairFunction extends ProcessJoinFunction<Row, Row, string> {
  processElement(left: Row, right: Row, context: ProcessJoinContext, out: Collector<string>): void {
    out.collect(`${left.id}-${right.id}@${context.getTimestamp()}`);
  }
}

const element = fc.record({
  side: fc.constantFrom<(1 | 2)[]>(1, 2),
  key: fc.constantFrom('a', 'b'),
  at: fc.integer({ min: 0, max: 60 }),
});

describe('interval join', () => {
  it('gives the pairs that nested loops give, and gives them all when the watermark trails the records', () => {
    fc.assert(
      fc.property(
        fc.array(element, { maxLength: 40 }),
        fc.integer({ min: -20, max: 20 }),
        fc.integer({ min: 0, max: 20 }),
        fc.boolean(),
        (input, lower, width, isSorted) => {
          const upper = lower + width;
          const elements = isSorted ? [...input].sort((a, b) => a.at - b.at) : input;
          const harness = new OperatorHarness<string>(
            () =>
              new IntervalJoinOperator<Row, Row, string>({
                leftKey: (row) => row.key,
                rightKey: (row) => row.key,
                lowerMs: lower,
                upperMs: upper,
                leftLateTag: null,
                rightLateTag: null,
                fn: new PairFunction(),
              }),
            { inputs: [{ key: (row: Row) => row.key }, { key: (row: Row) => row.key }] },
          );
          harness.open();
          elements.forEach(({ side, key, at }, id) => {
            harness.processElement({ key, id }, at, { input: side });
            // Sorted input lets the watermark follow closely, so that buffers are cleaned up all the time.
            if (!isSorted) return;
            harness.processWatermark(at - 1, { input: 1 });
            harness.processWatermark(at - 1, { input: 2 });
          });
          const expected: string[] = [];
          for (const [leftId, left] of elements.entries()) {
            for (const [rightId, right] of elements.entries()) {
              if (left.side !== 1 || right.side !== 2 || left.key !== right.key) continue;
              if (right.at < left.at + lower || right.at > left.at + upper) continue;
              expected.push(`${leftId}-${rightId}@${Math.max(left.at, right.at)}`);
            }
          }
          expect(harness.takeValues().sort()).toEqual(expected.sort());
        },
      ),
    );
  });
});
