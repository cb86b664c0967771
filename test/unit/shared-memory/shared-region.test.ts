import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import {
  allocateControlBlock,
  allocateRing,
  CONTROL_BLOCK_FOOTPRINT_BYTES,
  ringFootprintBytes,
  SharedRegion,
} from '../../../src/shared-memory/shared-region.js';

function codeOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    return MillraceError.is(error) ? error.code : 'another error';
  }
}

describe('SharedRegion', () => {
  test('hands out blocks that do not overlap, at multiples of the alignment', () => {
    const region = SharedRegion.allocate(1024);
    expect(region.take(10)).toBe(0);
    expect(region.take(8, 8)).toBe(16);
    expect(region.take(100)).toBe(64);
    expect(region.take(1)).toBe(192);
    expect(region.freeBytes).toBe(1024 - 193);
  });

  test('refuses a block that does not fit, an empty one and a crooked alignment', () => {
    const region = SharedRegion.allocate(128);
    region.take(100);
    expect(codeOf(() => region.take(65))).toBe('MILLRACE_INVARIANT_VIOLATED');
    expect(codeOf(() => region.take(0))).toBe('MILLRACE_INVARIANT_VIOLATED');
    expect(codeOf(() => region.take(8, 24))).toBe('MILLRACE_INVARIANT_VIOLATED');
  });

  test('holds exactly the rings and control blocks that its footprint was planned for', () => {
    const capacities = [64, 128, 4096];
    const plannedBytes = capacities.reduce((sum, capacity) => sum + ringFootprintBytes(capacity), 0);
    const region = SharedRegion.allocate(plannedBytes + CONTROL_BLOCK_FOOTPRINT_BYTES);
    const rings = capacities.map((capacity, channel) => allocateRing(region, capacity, channel));
    const block = allocateControlBlock(region);

    expect(region.freeBytes).toBe(0);
    expect(rings.map(({ channel, capacityBytes }) => ({ channel, capacityBytes }))).toEqual([
      { channel: 0, capacityBytes: 64 },
      { channel: 1, capacityBytes: 128 },
      { channel: 2, capacityBytes: 4096 },
    ]);
    expect(block.byteOffset).toBe(plannedBytes);
  });

  test('refuses a ring whose capacity is no power of two, or out of bounds', () => {
    const region = SharedRegion.allocate(1024 * 1024);
    for (const capacity of [0, 32, 100, 2 ** 31]) {
      expect(codeOf(() => allocateRing(region, capacity, 0))).toBe('MILLRACE_INVARIANT_VIOLATED');
    }
  });

  test('descriptors keep their memory when they are cloned for a worker', () => {
    const ring = allocateRing(SharedRegion.allocate(1024), 64, 3);
    const words = new Int32Array(ring.memory);
    const clone = structuredClone(ring);
    words[0] = 42;
    expect(new Int32Array(clone.memory)[0]).toBe(42);
    expect({ ...clone, memory: null }).toEqual({ ...ring, memory: null });
  });
});
