/**
 * Frames per second through a ring between two threads, beside a bare copy of the same bytes within one thread.
 *
 * Both ends sleep on their doorbells when they find the ring full or empty, as workers do. The reader adds up what it reads,
 * and the sum is compared with what was written before anything is reported.
 */
import { Worker } from 'node:worker_threads';
import type * as sharedRegionModule from '../../src/shared-memory/shared-region.js';
import { atLeast, median, type Row } from '../lib/report.js';
import type { RingEndData, RingEndResult } from './ring-worker.js';

/** By itself, and as one suite among others. */
const PLANS = { full: { frameCount: 4_000_000, rounds: 5 }, brief: { frameCount: 2_000_000, rounds: 3 } } as const;

const FRAME_BYTES = 100;
const RING_BYTES = 256 * 1024;
const BATCH_FRAMES = 64;
const TARGET_FRAMES_PER_SECOND = 3_000_000;

type SharedRegionModule = typeof sharedRegionModule;

/** Compiled, this file lies in build/bench/micro; what it measures is the built product. */
const dist = new URL('../../../dist/', import.meta.url);

/** Runs for some ten seconds, or three. Figures are medians over the rounds. */
export async function run({ isFull }: { readonly isFull: boolean }): Promise<Row[]> {
  const { frameCount, rounds } = isFull ? PLANS.full : PLANS.brief;
  const copies: number[] = [];
  const batched: number[] = [];
  const single: number[] = [];
  // In turns, so that a slow moment of the machine falls on all of them.
  for (let round = 0; round < rounds; round++) {
    copies.push(measureCopy(frameCount));
    batched.push(await measureRing(frameCount, BATCH_FRAMES));
    single.push(await measureRing(frameCount, 1));
  }
  const copyMedian = median(copies);
  const row = (name: string, values: readonly number[]): Row => {
    const value = median(values);
    return { name, value, unit: 'frames/s', against: { name: 'bare copy', ratio: value / copyMedian } };
  };
  const inBatches = row(`ring, published every ${String(BATCH_FRAMES)} frames`, batched);
  return [
    { name: `bare copy of ${String(FRAME_BYTES)} B frames, one thread`, value: copyMedian, unit: 'frames/s' },
    { ...inBatches, target: atLeast(inBatches.value, TARGET_FRAMES_PER_SECOND, '3 M/s') },
    row('ring, published one by one', single),
  ];
}

/** Copies each frame once from a batch into a buffer of the ring's size. */
function measureCopy(frameCount: number): number {
  const source = Buffer.alloc(BATCH_FRAMES * FRAME_BYTES, 7);
  const target = Buffer.alloc(RING_BYTES);
  const copyAll = (count: number): void => {
    for (let frame = 0, at = 0; frame < count; frame++) {
      const from = (frame % BATCH_FRAMES) * FRAME_BYTES;
      source.copy(target, at, from, from + FRAME_BYTES);
      at = at + 2 * FRAME_BYTES > RING_BYTES ? 0 : at + FRAME_BYTES;
    }
  };
  copyAll(Math.min(frameCount, 200_000));
  const startMs = performance.now();
  copyAll(frameCount);
  const elapsedMs = performance.now() - startMs;
  if (target[0] !== 7) throw new Error('the copy did not arrive');
  return (frameCount * 1000) / elapsedMs;
}

async function measureRing(frameCount: number, batchFrames: number): Promise<number> {
  const { allocateControlBlock, allocateRing, SharedRegion } = (await import(
    new URL('shared-memory/shared-region.js', dist).href
  )) as SharedRegionModule;
  const region = SharedRegion.allocate(RING_BYTES + 4096);
  const [producer, consumer] = [allocateControlBlock(region), allocateControlBlock(region)];
  const common = {
    dist: dist.href,
    ring: allocateRing(region, RING_BYTES, 0),
    frameCount,
    frameBytes: FRAME_BYTES,
    batchFrames,
  };
  const [written, read] = await Promise.all([
    runEnd({ ...common, role: 'producer', own: producer, peer: consumer }),
    runEnd({ ...common, role: 'consumer', own: consumer, peer: producer }),
  ]);
  if (written.sum !== read.sum || read.frames !== frameCount) throw new Error('the ring lost or changed frames');
  return (frameCount * 1000) / (read.endMs - written.startMs);
}

async function runEnd(data: RingEndData): Promise<RingEndResult> {
  const worker = new Worker(new URL('ring-worker.js', import.meta.url), { workerData: data });
  try {
    return await new Promise<RingEndResult>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`an end of the ring exited with code ${String(code)}`)));
    });
  } finally {
    await worker.terminate();
  }
}
