import { Worker } from 'node:worker_threads';
import { AlignmentBoard, allocateAlignmentBoard } from '../../src/shared-memory/alignment-board.js';
import { RING_HEAD, RING_TAIL } from '../../src/shared-memory/layout.js';
import {
  allocateControlBlock,
  allocateRing,
  CONTROL_BLOCK_FOOTPRINT_BYTES,
  ringFootprintBytes,
  SharedRegion,
} from '../../src/shared-memory/shared-region.js';
import type { DoorbellDescriptor, RingDescriptor } from '../../src/shared-memory/shared-region.js';

/** Two threads and a ring each way, as descriptors. */
export interface Duplex {
  readonly a: DoorbellDescriptor;
  readonly b: DoorbellDescriptor;
  readonly aToB: RingDescriptor;
  readonly bToA: RingDescriptor;
}

export function makeDuplex(capacityBytes: number): Duplex {
  const region = SharedRegion.allocate(2 * CONTROL_BLOCK_FOOTPRINT_BYTES + 2 * ringFootprintBytes(capacityBytes));
  return {
    a: allocateControlBlock(region),
    b: allocateControlBlock(region),
    aToB: allocateRing(region, capacityBytes, 1),
    bToA: allocateRing(region, capacityBytes, 2),
  };
}

/** A ring whose positions begin at `position` instead of 0, as if so many units had passed through it. */
export function makeRingAt(capacityBytes: number, position: number): RingDescriptor {
  const ring = allocateRing(SharedRegion.allocate(ringFootprintBytes(capacityBytes)), capacityBytes, 7);
  const words = new Int32Array(ring.memory, ring.byteOffset);
  words[RING_TAIL] = position;
  words[RING_HEAD] = position;
  return ring;
}

export function makeAlignmentBoard(slotCount: number): AlignmentBoard {
  return new AlignmentBoard(allocateAlignmentBoard(slotCount));
}

export function makeControlBlock(): DoorbellDescriptor {
  return allocateControlBlock(SharedRegion.allocate(CONTROL_BLOCK_FOOTPRINT_BYTES));
}

/** A worker thread of `test/fixtures/shared-memory`, and the one message that it posts when it is done. */
export class FixtureWorker<Result> {
  readonly result: Promise<Result>;
  readonly #worker: Worker;

  constructor(fixture: string, workerData: unknown) {
    this.#worker = new Worker(new URL(`../fixtures/shared-memory/${fixture}`, import.meta.url), { workerData });
    this.result = new Promise((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
      this.#worker.once('exit', (code) =>
        reject(new Error(`${fixture} exited with code ${String(code)}, without a result`)),
      );
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Runs fixtures side by side and gives their results; stops all of them in the end, or when one fails. */
export async function runFixtures<Result>(fixture: string, workerData: readonly unknown[]): Promise<Result[]> {
  const workers = workerData.map((data) => new FixtureWorker<Result>(fixture, data));
  try {
    return await Promise.all(workers.map(async (worker) => worker.result));
  } finally {
    await Promise.all(workers.map(async (worker) => worker.stop()));
  }
}
