import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { systemMonotonicClock } from '../../../src/base/clock.js';
import {
  allocateTaskCounters,
  allocateThreadCounters,
  taskCountersFootprintBytes,
  THREAD_COUNTERS_FOOTPRINT_BYTES,
} from '../../../src/metrics/counter-layout.js';
import { TaskCountersReader, ThreadCountersReader } from '../../../src/metrics/counters.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import {
  allocateControlBlock,
  CONTROL_BLOCK_FOOTPRINT_BYTES,
  SharedRegion,
} from '../../../src/shared-memory/shared-region.js';

test('the counters of a worker that sleeps are read, and its idle time goes on, by clocks that agree', async () => {
  const region = SharedRegion.allocate(
    taskCountersFootprintBytes(1) + THREAD_COUNTERS_FOOTPRINT_BYTES + CONTROL_BLOCK_FOOTPRINT_BYTES,
  );
  const task = allocateTaskCounters(region, 1);
  const thread = allocateThreadCounters(region);
  const own = allocateControlBlock(region);
  const taskReader = new TaskCountersReader(task);
  const threadReader = new ThreadCountersReader(thread);
  const startedMs = systemMonotonicClock.nowMs();
  const worker = new Worker(new URL('../../fixtures/metrics/parked-worker.mjs', import.meta.url), {
    workerData: { task, thread, own },
  });
  try {
    const woken = new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const now = (): number => systemMonotonicClock.nowMs();
    await expect.poll(() => threadReader.read(now()).activity).toBe('parked');

    const early = taskReader.read(now());
    expect(early).toMatchObject({ activity: 'idle', numRecordsIn: 12 });
    await expect.poll(() => taskReader.read(now()).idleMs).toBeGreaterThan(early.idleMs + 20);
    const atMs = now();
    const late = taskReader.read(atMs);
    // Nothing was counted before the worker began, and nothing twice.
    expect(late.idleMs + late.busyMs).toBeLessThanOrEqual(atMs - startedMs);
    expect(threadReader.read(atMs)).toMatchObject({ activity: 'parked', parkCount: 1 });

    new Doorbell(own).ring();
    expect(await woken).toBe('woken');
  } finally {
    await worker.terminate();
  }
});
