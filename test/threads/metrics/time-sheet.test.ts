import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TimeSheetReader } from '../../../src/metrics/time-sheet.js';

const STATES = 4;
const READS = 50_000;

let sheet: SharedArrayBuffer;
let stop: Int32Array<SharedArrayBuffer>;
let worker: Worker;
let result: Promise<{ changes: number }>;

beforeEach(async () => {
  sheet = new SharedArrayBuffer(64);
  stop = new Int32Array(new SharedArrayBuffer(4));
  worker = new Worker(new URL('../../fixtures/metrics/time-sheet-writer.mjs', import.meta.url), {
    workerData: { location: { memory: sheet, byteOffset: 0 }, stateCount: STATES, stop: stop.buffer },
  });
  result = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => {
    worker.once('online', resolve);
  });
});

afterEach(async () => {
  await worker.terminate();
});

/** Whether the parts of a sheet belong to one moment, by the rule of the fixture. */
function belongTogether(state: number, since: number, spentMs: readonly number[]): boolean {
  if (state === 0) return true;
  return spentMs.reduce((sum, ms) => sum + ms, 0) === since && state === 1 + (since % (STATES - 1));
}

async function stopWriter(): Promise<number> {
  Atomics.store(stop, 0, 1);
  return (await result).changes;
}

describe('a time sheet that another thread changes all the time', () => {
  test('is read as it was at one moment, and never goes back', async () => {
    const reader = new TimeSheetReader({ memory: sheet, byteOffset: 0 }, STATES);
    let torn = 0;
    let moments = 0;
    let lastSince = 0;
    for (let read = 0; read < READS || moments < 1000; read++) {
      reader.refresh();
      const { state, since } = reader;
      if (
        !belongTogether(
          state,
          since,
          [1, 2, 3].map((each) => reader.spentMs(each, since)),
        )
      )
        torn++;
      if (since < lastSince) torn++;
      if (since > lastSince) moments++;
      lastSince = since;
    }
    expect(torn).toBe(0);
    expect(await stopWriter()).toBeGreaterThan(1000);
  });

  test('would be read torn without the sequence lock', async () => {
    const words = new Int32Array(sheet);
    const copy = new Int32Array(words.length);
    const doubles = new Float64Array(copy.buffer);
    let torn = 0;
    while (torn === 0) {
      for (let word = 0; word < words.length; word++) copy[word] = Atomics.load(words, word);
      const [, since = 0, ...spentMs] = doubles.subarray(0, 1 + STATES);
      if (!belongTogether(copy[1] ?? 0, since, spentMs)) torn++;
    }
    expect(torn).toBe(1);
    await stopWriter();
  });
});
