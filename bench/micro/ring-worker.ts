/** One end of the ring of ring.ts, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Doorbell } from '../../src/shared-memory/doorbell.js';
import type { DoorbellDescriptor, RingDescriptor } from '../../src/shared-memory/shared-region.js';
import type { RingConsumer, RingProducer } from '../../src/shared-memory/spsc-ring.js';

type DoorbellModule = typeof import('../../src/shared-memory/doorbell.js');
type RingModule = typeof import('../../src/shared-memory/spsc-ring.js');

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
const { Doorbell: DoorbellClass } = (await import(`${data.dist}shared-memory/doorbell.js`)) as DoorbellModule;
const ringModule = (await import(`${data.dist}shared-memory/spsc-ring.js`)) as RingModule;
const own = new DoorbellClass(data.own);
const peer = new DoorbellClass(data.peer);
parentPort?.postMessage(data.role === 'producer' ? produce() : consume());

function now(): number {
  return performance.timeOrigin + performance.now();
}

function produce(): RingEndResult {
  const producer = new ringModule.RingProducer(data.ring, { consumer: peer });
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
  const consumer = new ringModule.RingConsumer(data.ring, { producer: peer });
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
