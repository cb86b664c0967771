import { describe, expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';

const take = (seed: number, count: number): number[] => {
  const prng = new SeededPrng(seed);
  return Array.from({ length: count }, () => prng.next());
};

describe('SeededPrng', () => {
  it('gives the same numbers for the same seed, for ever: stored seeds must replay', () => {
    expect(take(42, 3)).toEqual(take(42, 3));
    expect(take(1, 3)).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  });

  it('gives other numbers for a neighbouring seed', () => {
    expect(take(1, 5)).not.toEqual(take(2, 5));
  });

  it('spreads evenly over its range, and stays in it', () => {
    const prng = new SeededPrng(7);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 10_000; i++) {
      const value = prng.below(5);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    expect(counts).toHaveLength(5);
    expect(Math.min(...counts)).toBeGreaterThan(1800);
    expect(Math.max(...counts)).toBeLessThan(2200);
  });
});
