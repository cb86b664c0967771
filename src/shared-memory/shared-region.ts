import { invariant } from '../base/invariant.js';
import { CACHE_LINE_BYTES, CONTROL_BLOCK_BYTES, MAX_RING_BYTES, MIN_RING_BYTES, RING_HEADER_BYTES } from './layout.js';

/** Where a ring lies. Plain data: goes to a worker by structured clone, and the memory stays shared. */
export interface RingDescriptor {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  /** A power of two. */
  readonly capacityBytes: number;
  /** The channel's number, unique within a job; for messages and metrics. */
  readonly channel: number;
}

/** Where a thread's control block lies, whose first words are its doorbell. */
export interface DoorbellDescriptor {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
}

/**
 * One large block of shared memory from which rings, control blocks and counters are cut at start.
 *
 * The garbage collector does not see the weight of many small SharedArrayBuffers, so a job allocates few large ones, once,
 * and nothing is given back before the job ends. New memory is zero, which is the initial state of every block in it.
 *
 * Thread: the allocating one; other threads get descriptors.
 */
export class SharedRegion {
  readonly memory: SharedArrayBuffer;
  #taken = 0;

  static allocate(bytes: number): SharedRegion {
    return new SharedRegion(new SharedArrayBuffer(bytes));
  }

  /** `memory` must be fresh: the region hands it out from its first byte. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
  }

  get freeBytes(): number {
    return this.memory.byteLength - this.#taken;
  }

  /** Hands out the next block. @returns its byte offset, a multiple of `alignBytes` (a power of two) */
  take(bytes: number, alignBytes: number = CACHE_LINE_BYTES): number {
    invariant(isPowerOfTwo(alignBytes), 'an alignment is a power of two');
    invariant(bytes > 0, 'a block has at least one byte');
    const byteOffset = alignUp(this.#taken, alignBytes);
    invariant(byteOffset + bytes <= this.memory.byteLength, 'a shared region is large enough for its plan');
    this.#taken = byteOffset + bytes;
    return byteOffset;
  }
}

/** Bytes that {@link allocateRing} takes from a region, alignment included. */
export function ringFootprintBytes(capacityBytes: number): number {
  return alignUp(RING_HEADER_BYTES + capacityBytes, CACHE_LINE_BYTES);
}

/** Bytes that {@link allocateControlBlock} takes from a region. */
export const CONTROL_BLOCK_FOOTPRINT_BYTES = CONTROL_BLOCK_BYTES;

/** Cuts an empty ring from the region. `capacityBytes` must be a power of two. */
export function allocateRing(region: SharedRegion, capacityBytes: number, channel: number): RingDescriptor {
  invariant(isPowerOfTwo(capacityBytes), 'the capacity of a ring is a power of two');
  invariant(capacityBytes >= MIN_RING_BYTES && capacityBytes <= MAX_RING_BYTES, 'the capacity of a ring is in bounds');
  const byteOffset = region.take(ringFootprintBytes(capacityBytes));
  return { memory: region.memory, byteOffset, capacityBytes, channel };
}

/** Cuts the control block of one thread from the region. */
export function allocateControlBlock(region: SharedRegion): DoorbellDescriptor {
  return { memory: region.memory, byteOffset: region.take(CONTROL_BLOCK_BYTES) };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
