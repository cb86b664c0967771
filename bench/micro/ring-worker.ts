/** One end of the ring of ring.ts, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type * as doorbellModule from '../../src/shared-memory/doorbell.js';
import type { DoorbellDescriptor, RingDescriptor } from '../../src/shared-memory/shared-region.js';
import type * as ringModule from '../../src/shared-memory/spsc-ring.js';

type Doorbell = doorbellModule.Doorbell;
type RingProducer = ringModule.RingProducer;
type RingConsumer = ringModule.RingConsumer;

export interface RingEndData {
  readonly role: 'producer' | 'consumer';
  /** URL of the built product. */
  readonly dist: string;
  readonly own: DoorbellDescriptor;
  readonly peer: DoorbellDescriptor;
  readonly ring: RingDescriptor;
  readonly frameCount: number;
  readonly frameBytes: number;
  readonly batchFrames: number;
}

export interface RingEndResult {
  readonly frames: number;
  /** Of the number in each frame, modulo 2^32. */
  readonly sum: number;
  /** Milliseconds since the epoch. The warm-up comes before the start. */
  readonly startMs: number;
  readonly endMs: number;
}

/** Enough for both ends to be compiled at their best. */
const WARM_UP_FRAMES = 200_000;

const data = workerData as RingEndData;
const doorbells = (await import(`${data.dist}shared-memory/doorbell.js`)) as typeof doorbellModule;
const rings = (await import(`${data.dist}shared-memory/spsc-ring.js`)) as typeof ringModule;
const own = new doorbells.Doorbell(data.own);
const peer = new doorbells.Doorbell(data.peer);
parentPort?.postMessage(data.role === 'producer' ? produce() : consume());

function now(): number {
  return performance.timeOrigin + performance.now();
}

function produce(): RingEndResult {
  const producer = new rings.RingProducer(data.ring, { consumer: peer });
  const { frameCount, frameBytes, batchFrames } = data;
  const bytes = Buffer.alloc(frameBytes, 7);
  writeAll(producer, own, bytes, WARM_UP_FRAMES, batchFrames);
  const startMs = now();
  const sum = writeAll(producer, own, bytes, frameCount, batchFrames);
  return { frames: frameCount, sum, startMs, endMs: now() };
}

function writeAll(
  producer: RingProducer,
  doorbell: Doorbell,
  bytes: Buffer,
  frameCount: number,
  batchFrames: number,
): number {
  const length = bytes.length;
  let sum = 0;
  for (let frame = 0, pending = 0; frame < frameCount; frame++) {
    bytes[0] = frame;
    sum = (sum + (frame & 0xff)) | 0;
    while (!producer.tryWrite(1, bytes, 0, length)) sleepUntilRoom(producer, doorbell, length);
    if (++pending === batchFrames) {
      producer.publish();
      pending = 0;
    }
  }
  producer.publish();
  return sum;
}

function sleepUntilRoom(producer: RingProducer, doorbell: Doorbell, length: number): void {
  const seen = doorbell.prepareToSleep();
  if (producer.markBlocked(length)) doorbell.sleepSync(seen, Infinity);
  else doorbell.cancelSleep();
}

function consume(): RingEndResult {
  const consumer = new rings.RingConsumer(data.ring, { producer: peer });
  readAll(consumer, own, WARM_UP_FRAMES);
  const startMs = now();
  const sum = readAll(consumer, own, data.frameCount);
  return { frames: data.frameCount, sum, startMs, endMs: now() };
}

function readAll(consumer: RingConsumer, doorbell: Doorbell, frameCount: number): number {
  let sum = 0;
  for (let frame = 0; frame < frameCount; frame++) {
    while (!consumer.poll()) {
      const seen = doorbell.prepareToSleep();
      if (consumer.isEmpty()) doorbell.sleepSync(seen, Infinity);
      else doorbell.cancelSleep();
    }
    sum = (sum + consumer.frame.readUInt8(consumer.start)) | 0;
  }
  return sum;
}
