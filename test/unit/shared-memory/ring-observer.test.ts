import { expect, test } from 'vitest';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { RingObserver } from '../../../src/shared-memory/ring-observer.js';
import { RingConsumer, RingProducer } from '../../../src/shared-memory/spsc-ring.js';
import { makeControlBlock, makeRingAt } from '../../helpers/shared-memory.js';

test('an observer sees how full a ring is, and whether its producer waits, across the wrap of positions', () => {
  const ring = makeRingAt(128, -4);
  const producer = new RingProducer(ring, { consumer: new Doorbell(makeControlBlock()) });
  const consumer = new RingConsumer(ring, { producer: new Doorbell(makeControlBlock()) });
  const observer = new RingObserver(ring);
  const payload = Buffer.alloc(24);
  expect(observer).toMatchObject({ channel: 7, capacityBytes: 128 });

  for (let i = 0; i < 4; i++) expect(producer.tryWrite(1, payload, 0, 24)).toBe(true);
  expect(observer.usedBytes()).toBe(0);
  expect(producer.tryWrite(1, payload, 0, 24)).toBe(false);
  expect(producer.markBlocked(24)).toBe(true);
  expect(observer.usedBytes()).toBe(128);
  expect(observer.fillRatio()).toBe(1);
  expect(observer.isProducerBlocked()).toBe(true);

  while (consumer.poll());
  expect(observer.usedBytes()).toBe(0);
  expect(observer.isProducerBlocked()).toBe(false);
});
