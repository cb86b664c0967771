import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { FRAME_HEADER_BYTES, frameUnits, UNIT_BYTES } from '../../../src/shared-memory/layout.js';
import { RingObserver } from '../../../src/shared-memory/ring-observer.js';
import { RingConsumer, RingProducer } from '../../../src/shared-memory/spsc-ring.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

/** One step of either end. Payload lengths are parts of the largest one, so that every capacity meets every size. */
type Step = { readonly write: number } | 'publish' | { readonly poll: number } | 'markBlocked';

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 3, arbitrary: fc.constant<Step>('publish') },
  { weight: 4, arbitrary: fc.record({ poll: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.constant<Step>('markBlocked') },
);

const capacityBytes = fc.constantFrom(64, 128, 256, 1024, 16 * 1024);

/** Positions wrap from 2^31 - 1 to -2^31, and from -1 to 0: begin a few units before either, or anywhere. */
const startPosition = fc.oneof(
  fc.integer({ min: 0x7fffffff - 200, max: 0x7fffffff }),
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: -0x80000000, max: 0x7fffffff }),
);

interface Frame {
  readonly kind: number;
  readonly payload: string;
}

/** The ring beside two queues: frames written and not published, and frames published and not polled. */
class Pair {
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
  readonly observer: RingObserver;
  readonly #capacityBytes: number;
  readonly #written: Frame[] = [];
  readonly #published: Frame[] = [];
  #count = 0;
  #polledCount = 0;
  /** A position that the consumer has marked, and how many frames were published by then. */
  #mark = { position: 0, frameCount: 0 };

  constructor(capacity: number, position: number) {
    const ring = makeRingAt(capacity, position);
    this.producer = new RingProducer(ring, { consumer: new Doorbell(makeControlBlock()) });
    this.consumer = new RingConsumer(ring, { producer: new Doorbell(makeControlBlock()) });
    this.observer = new RingObserver(ring);
    this.#capacityBytes = capacity;
    this.#mark.position = position;
  }

  apply(step: Step): void {
    if (step === 'publish') this.#publish();
    else if (step === 'markBlocked') this.#markBlocked();
    else if ('write' in step) this.#write(Math.round(step.write * this.producer.payloadBytesMax));
    else for (let i = 0; i < step.poll; i++) this.#poll();
    expect(this.consumer.isEmpty()).toBe(this.#published.length === 0);
    expect(this.consumer.hasPassed(this.#mark.position)).toBe(this.#polledCount >= this.#mark.frameCount);
    expect(this.observer.fillRatio()).toBe(this.consumer.fillRatio());
    expect(this.observer.usedBytes()).toBeLessThanOrEqual(this.#capacityBytes);
  }

  finish(): void {
    this.#publish();
    while (this.#published.length > 0) this.#poll();
    expect(this.consumer.poll()).toBe(false);
    expect(this.producer.freeBytes()).toBe(this.#capacityBytes);
  }

  #write(payloadBytes: number): void {
    const kind = 1 + (this.#count % 239);
    // The payload stands somewhere within a larger buffer, as a batch does.
    const bytes = Buffer.alloc(payloadBytes + 10, 0xee);
    const start = this.#count % 8;
    for (let i = 0; i < payloadBytes; i++) bytes[start + i] = this.#count * 31 + i;
    const freeBytes = this.producer.freeBytes();
    if (this.producer.tryWrite(kind, bytes, start, start + payloadBytes)) {
      this.#count++;
      this.#written.push({ kind, payload: bytes.toString('hex', start, start + payloadBytes) });
    } else {
      // Refused only for want of room, of which the end of the ring may cost less than the frame itself.
      expect(freeBytes).toBeLessThan(2 * frameUnits(payloadBytes) * UNIT_BYTES);
    }
  }

  #publish(): void {
    const bytes = this.producer.publish();
    const frameBytes = this.#written.reduce((sum, { payload }) => sum + FRAME_HEADER_BYTES + payload.length / 2, 0);
    expect(bytes).toBeGreaterThanOrEqual(frameBytes);
    this.#published.push(...this.#written.splice(0));
    this.#markPublished();
  }

  #markPublished(): void {
    const frameCount = this.#polledCount + this.#published.length;
    this.#mark = { position: this.consumer.publishedPosition, frameCount };
  }

  #poll(): void {
    const expected = this.#published.shift();
    expect(this.consumer.poll()).toBe(expected !== undefined);
    if (expected === undefined) return;
    const { kind, frame, start, end } = this.consumer;
    expect({ kind, payload: frame.toString('hex', start, end) }).toEqual(expected);
    expect(start % UNIT_BYTES).toBe(0);
    this.#polledCount++;
  }

  #markBlocked(): void {
    const payloadBytes = this.producer.payloadBytesMax;
    const isBlocked = this.producer.markBlocked(payloadBytes);
    this.#published.push(...this.#written.splice(0));
    this.#markPublished();
    expect(this.observer.isProducerBlocked()).toBe(isBlocked);
    // The mark and the write agree on what has room.
    if (!isBlocked) this.#write(payloadBytes);
    else expect(this.producer.tryWrite(1, Buffer.alloc(payloadBytes), 0, payloadBytes)).toBe(false);
  }
}

describe('a ring', () => {
  test('behaves as a queue that shows what was published, at any capacity and position', () => {
    fc.assert(
      fc.property(capacityBytes, startPosition, fc.array(anyStep, { maxLength: 120 }), (capacity, position, steps) => {
        const pair = new Pair(capacity, position);
        for (const each of steps) pair.apply(each);
        pair.finish();
      }),
      { numRuns: 1500 },
    );
  });

  test('keeps its order while positions run over both ends of 32 bits', () => {
    for (const position of [0x7fffffff - 50, -50]) {
      const pair = new Pair(256, position);
      for (let i = 0; i < 400; i++)
        pair.apply((['publish', { write: (i % 9) / 8 }, { poll: 1 + (i % 3) }] as const)[i % 3] ?? 'publish');
      pair.finish();
    }
  });

  test('of any fill has room again for its largest frame once it is drained', () => {
    fc.assert(
      fc.property(capacityBytes, startPosition, (capacity, position) => {
        const pair = new Pair(capacity, position);
        const payload = Buffer.alloc(pair.producer.payloadBytesMax);
        expect(pair.producer.tryWrite(1, payload, 0, payload.length)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
