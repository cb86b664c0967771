import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { CONTROL_DOORBELL } from '../../../src/shared-memory/layout.js';
import { RingObserver } from '../../../src/shared-memory/ring-observer.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

type Step = { readonly write: number } | 'publish' | 'drain' | { readonly poll: number };

const capacityBytes = fc.constantFrom(64, 128, 512, 4096);
const startPosition = fc.oneof(
  fc.integer({ min: 0x7fffffff - 100, max: 0x7fffffff }),
  fc.integer({ min: -100, max: 100 }),
);

/** Mostly short frames, some of several times the ring. */
const payloadBytes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9000 }) },
);

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ write: payloadBytes }) },
  { weight: 2, arbitrary: fc.constant<Step>('publish') },
  { weight: 3, arbitrary: fc.constant<Step>('drain') },
  { weight: 4, arbitrary: fc.record({ poll: fc.integer({ min: 1, max: 6 }) }) },
);

interface Frame {
  readonly kind: number;
  readonly payload: string;
}

/** A channel beside a queue of all frames accepted and not polled yet. */
class Pair {
  readonly writer: ChannelWriter;
  readonly reader: ChannelReader;
  readonly #observer: RingObserver;
  readonly #writerBell = makeControlBlock();
  readonly #accepted: Frame[] = [];
  #count = 0;
  #bytes = 0;

  constructor(capacity: number, position: number) {
    const ring = makeRingAt(capacity, position);
    this.writer = new ChannelWriter(ring, { consumer: new Doorbell(makeControlBlock()) });
    this.reader = new ChannelReader(ring, { producer: new Doorbell(this.#writerBell) });
    this.#observer = new RingObserver(ring);
  }

  apply(step: Step): void {
    if (step === 'publish') this.writer.publish();
    else if (step === 'drain') expect(this.writer.drainOverflow()).toBe(!this.writer.hasOverflow);
    else if ('write' in step) this.#write(step.write);
    else for (let i = 0; i < step.poll; i++) this.#poll();
    expect(this.writer.hasOverflow).toBe(this.writer.overflowBytes > 0);
  }

  /** Ends as two threads would: each goes on until it has to wait, and then the other must have something to do. */
  finish(): void {
    for (;;) {
      const rings = this.#rings();
      const isDrained = this.writer.drainOverflow();
      this.writer.publish();
      const isEmpty = this.reader.isEmpty();
      while (this.#poll());
      if (isDrained && isEmpty) break;
      expect(isEmpty, 'a writer that waits for room left something to read').toBe(false);
      if (!isDrained) expect(this.#rings(), 'a writer that waits for room is woken when there is some').toBe(rings + 1);
    }
    expect(this.#accepted).toEqual([]);
    expect(this.#observer.isProducerBlocked()).toBe(false);
    expect(this.writer).toMatchObject({ framesOut: this.#count, bytesOut: this.#bytes, overflowBytes: 0 });
    expect(this.reader).toMatchObject({ framesIn: this.#count, bytesIn: this.#bytes });
  }

  #rings(): number {
    return Atomics.load(new Int32Array(this.#writerBell.memory, this.#writerBell.byteOffset), CONTROL_DOORBELL);
  }

  #write(length: number): void {
    const kind = 1 + (this.#count % 239);
    const start = this.#count % 5;
    const bytes = Buffer.alloc(start + length + 3);
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#count * 17 + i;
    this.writer.write(kind, bytes, start, start + length);
    this.#accepted.push({ kind, payload: bytes.toString('base64', start, start + length) });
    this.#count++;
    this.#bytes += length;
    // The caller may use its bytes again at once.
    bytes.fill(0);
  }

  #poll(): boolean {
    if (!this.reader.poll()) return false;
    const { kind, frame, start, end } = this.reader;
    expect({ kind, payload: frame.toString('base64', start, end) }).toEqual(this.#accepted.shift());
    this.reader.release();
    return true;
  }
}

describe('a channel', () => {
  test('hands out every frame that was accepted, whole and in order, through fragments and overflow', () => {
    fc.assert(
      fc.property(capacityBytes, startPosition, fc.array(anyStep, { maxLength: 80 }), (capacity, position, steps) => {
        const pair = new Pair(capacity, position);
        for (const each of steps) pair.apply(each);
        pair.finish();
      }),
      { numRuns: 800 },
    );
  });
});
