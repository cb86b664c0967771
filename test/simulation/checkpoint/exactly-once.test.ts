import { describe, expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';
import { simulationSeeds } from '../../helpers/simulation-seeds.js';
import { expectedState, SimulatedJob } from './simulated-job.js';

const STEPS_MAX = 200_000;

describe('a job whose workers die, whose disks fill up and whose mail comes late', () => {
  it.each(simulationSeeds('checkpoint/exactly-once', 200))(
    'counts every record exactly once, and so does each of its checkpoints (seed %i)',
    (seed) => {
      const prng = new SeededPrng(seed);
      const options = {
        prng,
        sourceCount: 1 + prng.below(3),
        parallelism: 1 + prng.below(3),
        recordsPerSource: prng.below(120),
        faultRate: [0, 0.001, 0.004][prng.below(3)] ?? 0,
      };
      const job = new SimulatedJob(options);
      let steps = 0;
      while (!job.isDone) {
        expect(++steps, 'the job comes to an end').toBeLessThan(STEPS_MAX);
        const completedBefore = job.completed.length;
        job.step();
        if (job.completed.length > completedBefore) expect(job.checkStored()).toBeNull();
      }
      expect(job.checkStored()).toBeNull();
      const positions = Array.from({ length: options.sourceCount }, () => options.recordsPerSource);
      expect(job.state).toEqual(expectedState(positions, options.parallelism));
      expect(job.hasFailed).toBe(false);
      if (options.faultRate === 0) expect(job.aborted).toEqual([]);
    },
  );

  it('takes a checkpoint of subtasks that have ended as well', () => {
    const job = new SimulatedJob({
      prng: new SeededPrng(1),
      sourceCount: 2,
      parallelism: 2,
      recordsPerSource: 1,
      faultRate: 0,
    });
    for (let step = 0; step < 20_000 && job.completed.length < 5; step++) job.step();
    expect(job.completed).toEqual([1, 2, 3, 4, 5]);
    expect(job.checkStored()).toBeNull();
  });

  it('goes wrong often enough for its success to mean something', () => {
    const totals = { crashed: 0, aborted: 0, completed: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const job = new SimulatedJob({
        prng: new SeededPrng(seed),
        sourceCount: 2,
        parallelism: 2,
        recordsPerSource: 100,
        faultRate: 0.004,
      });
      for (let step = 0; step < STEPS_MAX && !job.isDone; step++) job.step();
      totals.crashed += job.crashCount;
      totals.aborted += job.aborted.length;
      totals.completed += job.completed.length;
    }
    expect(totals.crashed).toBeGreaterThan(20);
    expect(totals.aborted).toBeGreaterThan(20);
    expect(totals.completed).toBeGreaterThan(50);
  });
});
