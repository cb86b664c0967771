import { describe, expect, it } from 'vitest';
import { KeyLimiter } from '../../../src/http/key-limiter.js';

describe('KeyLimiter', () => {
  it('lets a key in so often per window, and says when it may come again', () => {
    let nowMs = 1_000;
    const limiter = new KeyLimiter({ max: 2, windowMs: 500, monotonic: { nowMs: () => nowMs } });
    expect([limiter.take('ada'), limiter.take('ada')]).toEqual([0, 0]);
    nowMs = 1_200;
    expect(limiter.take('ada')).toBe(300);
    expect(limiter.take('ben')).toBe(0);
    nowMs = 1_500;
    expect(limiter.take('ada')).toBe(0);
  });

  it('tells equal composite keys from others, and a number from its text', () => {
    const limiter = new KeyLimiter({ max: 1, windowMs: 500, monotonic: { nowMs: () => 0 } });
    expect(limiter.take({ a: 1, b: 2 })).toBe(0);
    expect(limiter.take({ b: 2, a: 1 })).toBe(500);
    expect(limiter.take({ a: 1 })).toBe(0);
    expect(limiter.take(7)).toBe(0);
    expect(limiter.take('7')).toBe(0);
  });

  it('keeps a bounded number of keys: those it has counted stay limited', () => {
    const limiter = new KeyLimiter({ max: 1, windowMs: 500, keysMax: 2, monotonic: { nowMs: () => 0 } });
    expect([limiter.take(1), limiter.take(2), limiter.take(3), limiter.take(3)]).toEqual([0, 0, 0, 0]);
    expect([limiter.take(1), limiter.take(2)]).toEqual([500, 500]);
  });

  it('tells long keys apart that begin alike', () => {
    const limiter = new KeyLimiter({ max: 1, windowMs: 500, monotonic: { nowMs: () => 0 } });
    const long = 'x'.repeat(100_000);
    expect([limiter.take(`${long}a`), limiter.take(`${long}b`), limiter.take(`${long}a`)]).toEqual([0, 0, 500]);
  });
});
