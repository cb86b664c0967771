import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { Autoscaler } from '../../../src/main/autoscaler.js';
import { JobUnderTest } from '../../helpers/job-under-test.js';

const NAMES = Array.from({ length: 40 }, (_, index) => `counter-${String(index)}`);

/** Adds 1 to every counter from a client of its own until told to stop; each waits for its answer before it sends again. */
function addAlways(job: JobUnderTest): { stop: () => Promise<Map<string, number>> } {
  const end = new AbortController();
  const sent = new Map<string, number>();
  const clients = NAMES.map(async (name) => {
    let count = 0;
    while (!end.signal.aborted) {
      count++;
      sent.set(name, count);
      expect(await job.request({ amount: 1 }, { name })).toEqual({ status: 200, body: { name, value: count } });
    }
  });
  return {
    stop: async () => {
      end.abort();
      await Promise.all(clients);
      return sent;
    },
  };
}

describe.each(['heap', 'lmdb'] as const)('an attempt of a job with state on %s', (stateBackend) => {
  it('hands over to others with more and with fewer workers, under requests that are all answered, each once', async () => {
    await JobUnderTest.with({ job: 'counters', parallelism: 1, stateBackend }, async (job) => {
      const adding = addAlways(job);
      for (const parallelism of [2, 3, 1]) {
        await job.manager.rescale(parallelism);
        expect(job.manager.describe()).toMatchObject({ state: 'RUNNING', parallelism });
        // The new one answers.
        await job.request({ amount: 1 }, { name: `other-${String(parallelism)}` });
      }
      await adding.stop();
      expect(job.ends).toEqual([]);
    });
  });

  it('rolls back to its newest checkpoint, and what came after it is done again', async () => {
    await JobUnderTest.with({ job: 'counters', parallelism: 2, stateBackend }, async (job) => {
      const adding = addAlways(job);
      await job.request({ amount: 1 }, { name: 'first' });
      await job.manager.checkpoints.takeNow();
      for (let round = 0; round < 3; round++) {
        await job.request({ amount: 1 }, { name: 'first' });
        await job.manager.replaceAttempt({ reason: 'test', mode: 'rollback' });
      }
      const sent = await adding.stop();
      // Their answers came before: only the state shows that the replay has happened once.
      for (const [name, count] of sent) {
        expect((await job.request({ amount: 0 }, { name })).body).toEqual({ name, value: count });
      }
      expect((await job.request({ amount: 0 }, { name: 'first' })).body).toEqual({ name: 'first', value: 4 });
    });
  });

  it('replaces one after the other when asked for several at a time', async () => {
    await JobUnderTest.with({ job: 'counters', parallelism: 1, stateBackend }, async (job) => {
      const adding = addAlways(job);
      await Promise.all(
        [2, 1, 2].map((parallelism) =>
          job.manager.replaceAttempt({ plan: job.planOf(parallelism), reason: 'test', mode: 'handover' }),
        ),
      );
      expect(job.manager.describe().parallelism).toBe(2);
      await adding.stop();
    });
  });

  it('is followed by another after its thread has died, with the others under way, and nothing is lost or doubled', async () => {
    const settings = { restartStrategy: 'exponential-delay' } as const;
    await JobUnderTest.with({ job: 'mortal-counters', parallelism: 2, stateBackend, settings }, async (job) => {
      const adding = addAlways(job);
      await job.request({ amount: 1 }, { name: 'mortal' });
      await job.manager.checkpoints.takeNow();
      // Its thread dies in the first two attempts, and the request is answered by the third.
      const answer = await job.request({ amount: 1, until: 1, how: 'exit' }, { name: 'mortal' });
      expect(answer).toEqual({ status: 200, body: { name: 'mortal', value: 2 } });
      expect(job.manager.describe().state).toBe('RUNNING');
      expect(job.manager.readiness().ready).toBe(true);
      await expect.poll(() => job.manager.numRestarts).toBe(2);
      const sent = await adding.stop();
      for (const [name, count] of sent) {
        expect((await job.request({ amount: 0 }, { name })).body).toEqual({ name, value: count });
      }
      expect(job.ends).toEqual([]);
    });
  });
});

describe('the size of a job', () => {
  it('follows its load up and down, under requests that are all answered, each once', async () => {
    await JobUnderTest.with({ job: 'counters', parallelism: 1, stateBackend: 'lmdb' }, async (job) => {
      const adding = addAlways(job);
      let nowMs = 0;
      let load = 0;
      const autoscaler = new Autoscaler({
        job: job.manager,
        range: { least: 1, most: 3 },
        load: () => load,
        clock: { nowMs: () => nowMs },
        logger: silentLogger,
      });
      /** The load stays for so many seconds. */
      const sustain = async (value: number, seconds: number): Promise<number> => {
        load = value;
        for (let second = 0; second < seconds; second++) {
          nowMs += 1000;
          await autoscaler.look();
        }
        return job.manager.plan.parallelism;
      };
      expect(await sustain(1, 5)).toBe(1);
      expect(await sustain(0.6, 5)).toBe(1);
      expect(await sustain(1, 11)).toBe(2);
      expect(await sustain(1, 11)).toBe(3);
      expect(await sustain(1, 60)).toBe(3);
      expect(await sustain(0.1, 30)).toBe(3);
      expect(await sustain(0.1, 31)).toBe(2);
      expect(await sustain(0.1, 61)).toBe(1);
      expect(await sustain(0, 120)).toBe(1);
      await adding.stop();
      expect(job.ends).toEqual([]);
    });
  });
});

describe('the restarts of a job', () => {
  it('end with the attempts of the strategy, and the job fails with the cause', async () => {
    const settings = { restartStrategy: 'fixed-delay', restartAttempts: 2 } as const;
    await JobUnderTest.with({ job: 'mortal-counters', parallelism: 1, stateBackend: 'heap', settings }, async (job) => {
      // The caller is told of the first failure.
      expect((await job.request({ amount: 1, until: 9, how: 'throw' }, { name: 'a' })).status).toBe(500);
      await expect.poll(() => job.ends.length, { timeout: 30_000 }).toBe(1);
      expect(job.ends[0]).toMatchObject({ code: 'MILLRACE_USER_FUNCTION_FAILED' });
      expect(job.manager.describe().state).toBe('FAILED');
      expect(job.manager.numRestarts).toBe(2);
    });
  });

  it('end before that when one record fails each time, and name it', async () => {
    const settings = { restartStrategy: 'exponential-delay' } as const;
    const options = { job: 'mortal-counters', parallelism: 2, stateBackend: 'heap', settings } as const;
    await JobUnderTest.with({ ...options, recordFailuresMax: 3 }, async (job) => {
      expect((await job.request({ amount: 1 }, { name: 'a' })).status).toBe(200);
      expect((await job.request({ amount: 1, until: 99, how: 'throw' }, { name: 'a' })).status).toBe(500);
      await expect.poll(() => job.ends.length, { timeout: 60_000 }).toBe(1);
      expect(job.ends[0]).toMatchObject({
        code: 'MILLRACE_RECORD_POISONOUS',
        details: { operator: 'totals', key: 'a', topic: 'mortal-counters.requests.adds', failureCount: 3 },
        cause: { code: 'MILLRACE_USER_FUNCTION_FAILED' },
      });
      expect(job.manager.numRestarts).toBe(2);
    });
  });

  it('go on without a record that fails each time when the job sets such aside; others lose nothing', async () => {
    const settings = { restartStrategy: 'exponential-delay' } as const;
    const options = { job: 'poison-record-retry', parallelism: 2, stateBackend: 'heap', settings } as const;
    await JobUnderTest.with({ ...options, recordFailuresMax: 3 }, async (job) => {
      const answers = await Promise.all([
        job.request({ key: 'a' }),
        job.request({ key: 'a', poison: true }),
        job.request({ key: 'a' }),
        // Behind it, or beside it in another topic partition: all of them are tried again and again with it.
        ...Array.from({ length: 20 }, (_, index) => job.request({ key: `other-${String(index)}` })),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 500, ...Array.from({ length: 21 }, () => 200)]);
      expect(answers[1]?.body).toMatchObject({ code: 'MILLRACE_USER_FUNCTION_FAILED' });
      await expect.poll(() => job.manager.numRestarts).toBe(3);
      expect((await job.request({ key: 'a' })).body).toEqual({ key: 'a', count: 3 });
      expect(job.ends).toEqual([]);
    });
  });

  it('leave a job that is stopped meanwhile stopped', async () => {
    const settings = { restartStrategy: 'fixed-delay', restartDelayMs: 3_600_000 } as const;
    await JobUnderTest.with({ job: 'mortal-counters', parallelism: 1, stateBackend: 'heap', settings }, async (job) => {
      expect((await job.request({ amount: 1, until: 9, how: 'throw' }, { name: 'a' })).status).toBe(500);
      await expect.poll(() => job.manager.describe().state).toBe('RESTARTING');
      expect(job.manager.readiness().reasons.join()).toContain('restarting');
      await expect(job.manager.rescale(2)).rejects.toMatchObject({ code: 'MILLRACE_NOT_READY' });
      await job.manager.stop();
      expect(job.manager.describe().state).toBe('CANCELED');
    });
  });
});
