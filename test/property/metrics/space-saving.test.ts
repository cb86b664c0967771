import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpaceSaving } from '../../../src/metrics/space-saving.js';

/** Few items come often, many seldom: the smaller of two draws. */
const skewed = fc.array(
  fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => Math.min(a, b)),
  { maxLength: 600 },
);

function exactCounts(stream: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const item of stream) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

describe('Space-Saving, beside exact counts', () => {
  it('never counts too little, and too much by the stated error at most, which is at most n/m', () => {
    fc.assert(
      fc.property(skewed, fc.integer({ min: 1, max: 40 }), (stream, countersMax) => {
        const sketch = new SpaceSaving<number>(countersMax);
        for (const item of stream) sketch.add(item);
        const exact = exactCounts(stream);
        const top = sketch.top(Infinity);
        expect(top.length).toBeLessThanOrEqual(countersMax);
        expect(sketch.total).toBe(stream.length);
        for (const { item, count, error } of top) {
          const truth = exact.get(item) ?? 0;
          expect(count).toBeGreaterThanOrEqual(truth);
          expect(count - error).toBeLessThanOrEqual(truth);
          expect(error).toBeLessThanOrEqual(stream.length / countersMax);
        }
      }),
    );
  });

  it('has a counter for every item that came more than n/m times', () => {
    fc.assert(
      fc.property(skewed, fc.integer({ min: 1, max: 40 }), (stream, countersMax) => {
        const sketch = new SpaceSaving<number>(countersMax);
        for (const item of stream) sketch.add(item);
        const found = new Set(sketch.top(Infinity).map(({ item }) => item));
        for (const [item, count] of exactCounts(stream)) {
          if (count > stream.length / countersMax) expect(found).toContain(item);
        }
      }),
    );
  });

  it('is exact while there is a counter for each item', () => {
    fc.assert(
      fc.property(skewed, (stream) => {
        const sketch = new SpaceSaving<number>(61);
        for (const item of stream) sketch.add(item);
        const exact = exactCounts(stream);
        expect(new Map(sketch.top(Infinity).map(({ item, count }) => [item, count]))).toEqual(exact);
      }),
    );
  });
});

describe('aging', () => {
  it('lets what is frequent now overtake what was frequent long ago', () => {
    const sketch = new SpaceSaving<string>(4, 100);
    for (let index = 0; index < 1000; index++) sketch.add('then');
    for (let index = 0; index < 100; index++) sketch.add('now');
    expect(sketch.top(1)[0]?.item).toBe('now');
    expect(sketch.total).toBeLessThan(100);
  });
});
