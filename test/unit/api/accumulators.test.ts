import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AverageAccumulator,
  DoubleMaximum,
  DoubleMinimum,
  HistogramAccumulator,
  IntCounter,
  ListAccumulator,
  type Accumulator,
} from '../../../src/index.js';
import { accumulatorText, mergeAccumulators } from '../../../src/api/internal/merge-accumulators.js';

const numberClasses = [
  IntCounter,
  DoubleMinimum,
  DoubleMaximum,
  AverageAccumulator,
  HistogramAccumulator,
  ListAccumulator,
];

function filled(
  Class: new () => Accumulator<number, unknown>,
  values: readonly number[],
): Accumulator<number, unknown> {
  const accumulator = new Class();
  for (const value of values) accumulator.add(value);
  return accumulator;
}

function readingOf(name: string, accumulator: Accumulator<number, unknown>) {
  // What crosses a thread is cloned.
  return { name, type: accumulator.type, content: structuredClone(accumulator.content()) };
}

describe('accumulators', () => {
  it.each(numberClasses)('%o has, merged over subtasks, what one alone would have', (Class) => {
    const parts = fc.array(fc.array(fc.integer({ min: -50, max: 50 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(parts, (subtasks) => {
        const readings = subtasks.map((values) => readingOf('a', filled(Class, values)));
        const [merged] = mergeAccumulators(readings);
        const alone = filled(Class, subtasks.flat());
        expect(merged).toEqual({ name: 'a', type: alone.type, value: alone.getLocalValue() });
      }),
    );
  });

  it('forget everything when reset, and merge with another of their class', () => {
    for (const Class of numberClasses) {
      const accumulator = filled(Class, [3, 4]);
      accumulator.resetLocal();
      expect(accumulator.getLocalValue()).toEqual(new Class().getLocalValue());
      accumulator.merge(filled(Class, [5, 6]));
      expect(accumulator.getLocalValue()).toEqual(filled(Class, [5, 6]).getLocalValue());
    }
  });

  it('of different classes under one name are shown as such, and hide no other', () => {
    const merged = mergeAccumulators([
      readingOf('a', filled(IntCounter, [1])),
      readingOf('b', filled(IntCounter, [2])),
      readingOf('a', filled(ListAccumulator, [1])),
      readingOf('a', filled(IntCounter, [1])),
    ]);
    expect(merged).toEqual([
      { name: 'a', type: 'mixed', value: null },
      { name: 'b', type: 'IntCounter', value: 2 },
    ]);
  });

  it('are written as Flink writes them', () => {
    const text = (accumulator: Accumulator<number, unknown>): string | undefined =>
      mergeAccumulators([readingOf('a', accumulator)]).map(accumulatorText)[0];
    expect(text(filled(ListAccumulator, [2, 1]))).toBe('[2, 1]');
    expect(text(filled(HistogramAccumulator, [7, 5, 7]))).toBe('{5=1, 7=2}');
    expect(text(filled(AverageAccumulator, [1, 2]))).toBe('1.5');
  });

  it('take no more than a hundred thousand entries', () => {
    const list = new ListAccumulator<number>();
    for (let index = 0; index < 100_000; index++) list.add(index);
    expect(() => list.add(1)).toThrow(RangeError);
  });
});
