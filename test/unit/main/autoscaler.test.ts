import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { parseParallelismRange } from '../../../src/base/parallelism-range.js';
import { Autoscaler, loadOf } from '../../../src/main/autoscaler.js';
import type { SubtaskStatus, VertexStatus } from '../../../src/main/job-admin.js';

type Times = readonly [worker: number, busyMs: number, backPressuredMs: number];

function vertexOf(times: readonly Times[]): VertexStatus {
  const subtasks = times.map(([worker, busyTimeMsPerSecond, backPressuredTimeMsPerSecond], subtask) => ({
    subtask,
    worker,
    rates: { busyTimeMsPerSecond, backPressuredTimeMsPerSecond },
  }));
  return { id: 'v', name: 'v', operators: [], subtasks: subtasks as unknown as SubtaskStatus[] };
}

describe('the load of a job', () => {
  it('is that of its most loaded worker, over all of its tasks, and at most all of its time', () => {
    expect(loadOf([])).toBe(0);
    const source: Times[] = [
      [0, 100, 0],
      [1, 200, 100],
    ];
    const sink: Times[] = [
      [0, 150, 0],
      [1, 300, 0],
    ];
    expect(loadOf([vertexOf(source), vertexOf(sink)])).toBeCloseTo(0.6);
    expect(loadOf([vertexOf([[0, 700, 300]]), vertexOf([[0, 400, 0]])])).toBe(1);
  });
});

describe('the autoscaler', () => {
  it('goes on after the job could not be moved, and does not look while it restarts', async () => {
    const asked: number[] = [];
    const job = {
      isRunning: false,
      plan: { parallelism: 1 },
      rescale: (parallelism: number) => {
        asked.push(parallelism);
        return Promise.reject(new Error('not now'));
      },
    };
    let nowMs = 0;
    const autoscaler = new Autoscaler({
      job,
      range: { least: 1, most: 2 },
      load: () => 1,
      clock: { nowMs: () => (nowMs += 6000) },
      logger: silentLogger,
    });
    for (let look = 0; look < 10; look++) await autoscaler.look();
    expect(asked).toEqual([]);
    job.isRunning = true;
    for (let look = 0; look < 6; look++) await autoscaler.look();
    expect(asked).toEqual([2, 2]);
  });
});

it.each([
  ['1..8', { least: 1, most: 8 }],
  ['2..2', { least: 2, most: 2 }],
  ['0..2', null],
  ['3..2', null],
  ['1..', null],
  ['1...3', null],
  ['4', null],
])('the range %s is read', (text, range) => {
  expect(parseParallelismRange(text)).toEqual(range);
});
