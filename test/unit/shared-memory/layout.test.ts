import { describe, expect, test } from 'vitest';
import {
  CACHE_LINE_BYTES,
  CONTROL_BLOCK_BYTES,
  CONTROL_BLOCK_WORDS,
  CONTROL_DOORBELL,
  CONTROL_MAIL_POSTED,
  CONTROL_SLEEPING,
  CONTROL_STATE,
  frameCheck,
  frameUnits,
  RING_CONTROL_WORDS,
  RING_HEAD,
  RING_HEADER_BYTES,
  RING_PRODUCER_BLOCKED,
  RING_TAIL,
} from '../../../src/shared-memory/layout.js';

function linesOf(words: readonly number[]): number[] {
  return words.map((word) => Math.floor((word * 4) / CACHE_LINE_BYTES));
}

describe('the layout of shared memory', () => {
  test('gives each hot word of a ring a cache line of its own, before the data', () => {
    expect(linesOf([RING_TAIL, RING_HEAD, RING_PRODUCER_BLOCKED])).toEqual([0, 1, 2]);
    expect(RING_HEADER_BYTES).toBe(RING_CONTROL_WORDS * 4);
    expect(RING_HEADER_BYTES % CACHE_LINE_BYTES).toBe(0);
  });

  test('gives each hot word of a control block a cache line of its own', () => {
    expect(linesOf([CONTROL_DOORBELL, CONTROL_SLEEPING, CONTROL_MAIL_POSTED, CONTROL_STATE])).toEqual([0, 1, 2, 3]);
    expect(CONTROL_BLOCK_BYTES).toBe(CONTROL_BLOCK_WORDS * 4);
  });

  test('counts a frame in whole units, its header included', () => {
    expect([0, 1, 8, 9, 100].map(frameUnits)).toEqual([1, 2, 2, 3, 14]);
  });

  test('checks tell neighbouring positions and neighbouring laps apart', () => {
    for (const position of [0, 5, 0x7fffffff, -0x80000000, -1]) {
      for (let lap = 3; lap <= 27; lap++) {
        expect(frameCheck((position + 2 ** lap) | 0)).not.toBe(frameCheck(position));
      }
      expect(frameCheck((position + 1) | 0)).not.toBe(frameCheck(position));
      expect(frameCheck(position)).toBeLessThan(2 ** 16);
    }
  });
});
