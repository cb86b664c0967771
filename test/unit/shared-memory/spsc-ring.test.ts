import { describe, expect, test } from 'vitest';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { CONTROL_DOORBELL, RING_HEADER_BYTES, RING_TAIL } from '../../../src/shared-memory/layout.js';
import type { RingDescriptor } from '../../../src/shared-memory/shared-region.js';
import { RingConsumer, RingProducer } from '../../../src/shared-memory/spsc-ring.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

interface Ends {
  readonly ring: RingDescriptor;
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
  readonly consumerBell: Doorbell;
  producerRings(): number;
  consumerRings(): number;
}

function makeEnds(capacityBytes: number, position = 0): Ends {
  const ring = makeRingAt(capacityBytes, position);
  const blocks = [makeControlBlock(), makeControlBlock()] as const;
  const [producerBell, consumerBell] = [new Doorbell(blocks[0]), new Doorbell(blocks[1])];
  return {
    ring,
    producer: new RingProducer(ring, { consumer: consumerBell }),
    consumer: new RingConsumer(ring, { producer: producerBell }),
    consumerBell,
    producerRings: () => new Int32Array(blocks[0].memory)[CONTROL_DOORBELL] ?? 0,
    consumerRings: () => new Int32Array(blocks[1].memory)[CONTROL_DOORBELL] ?? 0,
  };
}

function write({ producer }: Ends, text: string, kind = 1): boolean {
  const bytes = Buffer.from(text, 'latin1');
  return producer.tryWrite(kind, bytes, 0, bytes.length);
}

function poll({ consumer }: Ends): string | null {
  return consumer.poll() ? consumer.frame.toString('latin1', consumer.start, consumer.end) : null;
}

describe('publish', () => {
  test('makes all frames since the last one visible together, and says how many bytes', () => {
    const ends = makeEnds(256);
    write(ends, 'one');
    write(ends, 'two');
    expect(poll(ends)).toBeNull();
    expect(ends.producer.publish()).toBe(32);
    expect(ends.producer.publish()).toBe(0);
    expect([poll(ends), poll(ends), poll(ends)]).toEqual(['one', 'two', null]);
  });

  test('rings the consumer when it sleeps, once a batch, and not when there is nothing to show', () => {
    const ends = makeEnds(256);
    ends.consumerBell.prepareToSleep();
    write(ends, 'one');
    write(ends, 'two');
    expect(ends.consumerRings()).toBe(0);
    ends.producer.publish();
    expect(ends.consumerRings()).toBe(1);
    ends.producer.publish();
    expect(ends.consumerRings()).toBe(1);
  });
});

describe('tryWrite', () => {
  const pattern = Uint8Array.from({ length: 300 }, (_, i) => (i * 7 + 255) & 0xff);

  test.each([
    ['a byte array', pattern],
    ['a Buffer', Buffer.from(pattern)],
  ])('copies payloads of every short length, from any place in %s', (_name, source) => {
    const ends = makeEnds(1024, -20);
    for (let length = 0; length <= 200; length++) {
      const start = length % 11;
      expect(ends.producer.tryWrite(1, source, start, start + length)).toBe(true);
      ends.producer.publish();
      expect(ends.consumer.poll()).toBe(true);
      const { frame, start: from, end } = ends.consumer;
      expect([...frame.subarray(from, end)]).toEqual([...source.subarray(start, start + length)]);
    }
  });

  test('fills the ring to the last byte and then refuses, without a trace', () => {
    const ends = makeEnds(64);
    expect(write(ends, 'a'.repeat(24))).toBe(true);
    expect(write(ends, 'b'.repeat(24))).toBe(true);
    expect(ends.producer.freeBytes()).toBe(0);
    expect(write(ends, '')).toBe(false);
    ends.producer.publish();
    expect([poll(ends), poll(ends), poll(ends)]).toEqual(['a'.repeat(24), 'b'.repeat(24), null]);
  });

  test('does not break a frame at the end of the ring', () => {
    const ends = makeEnds(128, 13);
    // Three units are left up to the end, and the frame takes five.
    write(ends, 'x'.repeat(30));
    expect(ends.producer.publish()).toBe((3 + 5) * 8);
    expect(poll(ends)).toBe('x'.repeat(30));
    expect(ends.producer.freeBytes()).toBe(128);
  });

  test('refuses a frame larger than half the ring, and kinds that are none, as defects', () => {
    const ends = makeEnds(128);
    expect(ends.producer.payloadBytesMax).toBe(56);
    expect(write(ends, 'x'.repeat(56))).toBe(true);
    expect(() => write(ends, 'x'.repeat(57))).toThrow(/at most half the ring/);
    expect(() => write(ends, 'x', 0)).toThrow(/kind is in bounds/);
    expect(() => write(ends, 'x', 255)).toThrow(/kind is in bounds/);
  });
});

describe('poll', () => {
  test('hands out ordinary memory that no other thread writes', () => {
    const ends = makeEnds(128);
    write(ends, 'here');
    ends.producer.publish();
    expect(poll(ends)).toBe('here');
    expect(ends.consumer.frame.buffer).toBeInstanceOf(ArrayBuffer);

    // The room was given back with the first look: the producer may overwrite it while the frame is in use.
    const before = ends.consumer.frame.toString('latin1', ends.consumer.start, ends.consumer.end);
    for (let i = 0; i < 3; i++) write(ends, 'over'.repeat(8));
    expect(ends.consumer.frame.toString('latin1', ends.consumer.start, ends.consumer.end)).toBe(before);
  });

  test('follows frames that its window cuts in two, at sizes above and below the window', () => {
    const ends = makeEnds(512 * 1024, 0x7fffffff - 40_000);
    const expected: string[] = [];
    const lengths = [10, 30_000, 30_000, 30_000, 5, 200_000, 1, 65_528, 65_536, 7];
    for (let round = 0; round < 20; round++) {
      for (const length of lengths) {
        const text = String.fromCharCode(65 + ((round + length) % 26)).repeat(length);
        while (!write(ends, text)) {
          ends.producer.publish();
          expect(poll(ends)).toBe(expected.shift());
        }
        expected.push(text);
      }
    }
    ends.producer.publish();
    while (expected.length > 0) expect(poll(ends)).toBe(expected.shift());
    expect(ends.consumer.isEmpty()).toBe(true);
  });

  test('notices a frame that was not written for its position', () => {
    const ends = makeEnds(128, 5);
    write(ends, 'frame');
    ends.producer.publish();
    const header = new Int32Array(ends.ring.memory, ends.ring.byteOffset + RING_HEADER_BYTES + 5 * 8);
    header[1] = (header[1] ?? 0) ^ 0x10000;
    expect(() => ends.consumer.poll()).toThrow(/written for the position/);
  });

  test('notices a tail that is more than a lap ahead', () => {
    const ends = makeEnds(128);
    new Int32Array(ends.ring.memory, ends.ring.byteOffset)[RING_TAIL] = 17;
    expect(() => ends.consumer.poll()).toThrow(/within one lap/);
  });
});

describe('markBlocked', () => {
  function fill(ends: Ends): void {
    while (write(ends, 'x'.repeat(24)));
  }

  test('publishes what was written: a consumer cannot make room out of what it does not see', () => {
    const ends = makeEnds(128);
    fill(ends);
    expect(ends.producer.markBlocked(24)).toBe(true);
    expect(poll(ends)).toBe('x'.repeat(24));
  });

  test('has the producer rung once, when there is room', () => {
    const ends = makeEnds(128);
    fill(ends);
    ends.producer.markBlocked(24);
    expect(ends.producerRings()).toBe(0);
    expect(poll(ends)).not.toBeNull();
    expect(ends.producerRings()).toBe(1);
    while (poll(ends) !== null);
    fill(ends);
    ends.producer.publish();
    while (poll(ends) !== null);
    expect(ends.producerRings()).toBe(1);
  });

  test('waits for a quarter of a large ring rather than for each frame', () => {
    const ends = makeEnds(1024 * 1024);
    const frame = 'x'.repeat(4088);
    let written = 0;
    while (write(ends, frame)) written++;
    ends.producer.markBlocked(4088);
    let polled = 0;
    for (; ends.producerRings() === 0; polled++) expect(poll(ends)).toBe(frame);
    expect(polled).toBeGreaterThan(written / 8);
    expect(polled).toBeLessThanOrEqual(written / 4);
    expect(ends.producer.freeBytes()).toBeGreaterThanOrEqual(256 * 1024);
  });

  test('says so when room has appeared meanwhile, and asks for no ring', () => {
    const ends = makeEnds(128);
    fill(ends);
    ends.producer.publish();
    expect(write(ends, 'late')).toBe(false);
    while (poll(ends) !== null);
    expect(ends.producer.markBlocked(4)).toBe(false);
    expect(write(ends, 'late')).toBe(true);
    ends.producer.publish();
    expect(poll(ends)).toBe('late');
    expect(ends.producerRings()).toBe(0);
  });
});

test('both ends take up a ring where others left it', () => {
  const ends = makeEnds(128, -2);
  write(ends, 'before');
  ends.producer.publish();
  const producer = new RingProducer(ends.ring, { consumer: new Doorbell(makeControlBlock()) });
  const bytes = Buffer.from('after');
  producer.tryWrite(2, bytes, 0, bytes.length);
  producer.publish();
  const consumer = new RingConsumer(ends.ring, { producer: new Doorbell(makeControlBlock()) });
  expect([poll({ ...ends, consumer }), poll({ ...ends, consumer })]).toEqual(['before', 'after']);
});
