import { describe, expect, it } from 'vitest';

import { CorrelationIds } from '../../../src/http/correlation-ids.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('CorrelationIds', () => {
  it('are version-4 UUIDs, each another one, over many refills of the pool', () => {
    const ids = new CorrelationIds();
    const seen = new Set<string>();
    for (let count = 0; count < 10_000; count += 1) {
      const id = ids.next();
      expect(id).toMatch(UUID);
      seen.add(id);
    }
    expect(seen.size).toBe(10_000);
  });

  it('spell their random bytes in order, but for version and variant', () => {
    const ids = new CorrelationIds((bytes) => {
      for (let index = 0; index < bytes.length; index += 1) bytes[index] = index;
    });
    expect(ids.next()).toBe('00010203-0405-4607-8809-0a0b0c0d0e0f');
    expect(ids.next()).toBe('10111213-1415-4617-9819-1a1b1c1d1e1f');
  });

  it('use every random bit: each digit that may differ does', () => {
    const ids = new CorrelationIds();
    const digits = Array.from({ length: 36 }, () => new Set<string>());
    for (let count = 0; count < 2_000; count += 1) {
      for (const [index, digit] of Array.from(ids.next()).entries()) digits[index]?.add(digit);
    }
    const variety = digits.map((set) => set.size);
    expect(variety).toEqual(Array.from({ length: 36 }, (_, index) => varietyAt(index)));
  });
});

function varietyAt(index: number): number {
  if ([8, 13, 18, 23, 14].includes(index)) return 1;
  return index === 19 ? 4 : 16;
}
