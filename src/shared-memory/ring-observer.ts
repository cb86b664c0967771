import { RING_CONTROL_WORDS, RING_HEAD, RING_PRODUCER_BLOCKED, RING_TAIL, UNIT_BYTES } from './layout.js';
import type { RingDescriptor } from './shared-region.js';

/** Looks at a ring from outside, for metrics. Thread: any, at any time; it writes nothing. Values are of a moment ago. */
export class RingObserver {
  readonly channel: number;
  readonly capacityBytes: number;
  readonly #control: Int32Array<SharedArrayBuffer>;

  constructor(descriptor: RingDescriptor) {
    this.channel = descriptor.channel;
    this.capacityBytes = descriptor.capacityBytes;
    this.#control = new Int32Array(descriptor.memory, descriptor.byteOffset, RING_CONTROL_WORDS);
  }

  /** Published bytes that the consumer has not taken, framing included. */
  usedBytes(): number {
    // `head` first: `tail` only moves forward, so the difference never comes out negative. It may come out too large.
    const head = Atomics.load(this.#control, RING_HEAD);
    const tail = Atomics.load(this.#control, RING_TAIL);
    return Math.min(((tail - head) | 0) * UNIT_BYTES, this.capacityBytes);
  }

  /** 0 … 1. */
  fillRatio(): number {
    return this.usedBytes() / this.capacityBytes;
  }

  /** Whether the producer waits for room. */
  isProducerBlocked(): boolean {
    return Atomics.load(this.#control, RING_PRODUCER_BLOCKED) !== 0;
  }
}
