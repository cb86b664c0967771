import { describe, expect, it } from 'vitest';
import { DurationHistogram } from '../../../src/http/duration-histogram.js';

const BOUNDS = [1, 10, 100];

describe('a histogram of durations', () => {
  it('interpolates quantiles within their bucket', () => {
    const histogram = new DurationHistogram(BOUNDS, [50, 50, 0, 0], 300);
    expect(histogram.count).toBe(100);
    expect(histogram.quantileMs(0.25)).toBe(0.5);
    expect(histogram.quantileMs(0.5)).toBe(1);
    expect(histogram.quantileMs(0.75)).toBe(5.5);
    expect(histogram.quantileMs(1)).toBe(10);
    expect(histogram.meanMs).toBe(3);
  });

  it('gives the last bound for what lies above it, and 0 for nothing', () => {
    expect(new DurationHistogram(BOUNDS, [0, 0, 0, 4], 4000).quantileMs(0.5)).toBe(100);
    const empty = new DurationHistogram(BOUNDS, [0, 0, 0, 0], 0);
    expect([empty.quantileMs(0.99), empty.meanMs]).toEqual([0, 0]);
  });

  it('knows what came since an earlier copy, and adds up', () => {
    const earlier = new DurationHistogram(BOUNDS, [10, 0, 0, 0], 5);
    const later = new DurationHistogram(BOUNDS, [10, 0, 2, 0], 105);
    expect(later.since(earlier).count).toBe(2);
    expect(later.since(earlier).meanMs).toBe(50);
    expect(earlier.plus(later).count).toBe(22);
  });
});
