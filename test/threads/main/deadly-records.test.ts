import { describe, expect, it } from 'vitest';
import { JobUnderTest, type JobUnderTestOptions } from '../../helpers/job-under-test.js';

const options = {
  parallelism: 2,
  stateBackend: 'heap',
  recordFailuresMax: 2,
  settings: { restartStrategy: 'exponential-delay', checkpointIntervalMs: 200 },
} as const satisfies Partial<JobUnderTestOptions>;

/** A thread that is stuck is noticed by whoever wants something of it, as each checkpoint does. */
const settingsFor = (how: string): NonNullable<JobUnderTestOptions['settings']> =>
  how === 'spin' ? { ...options.settings, controlTimeoutMs: 3_000 } : options.settings;

/** Keys of other workers, and of the same one. */
const OTHERS = Array.from({ length: 10 }, (_, index) => `other-${String(index)}`);

describe.each(['exit', 'spin'])('a record that takes its thread along each time it is processed, by %s', (how) => {
  it.each(['deadly-record', 'deadly-record-retry'])(
    'is passed over after some attempts, and answered; others lose nothing (%s)',
    async (job) => {
      await JobUnderTest.with({ ...options, settings: settingsFor(how), job }, async (running) => {
        for (const key of [...OTHERS, 'deadly']) {
          expect(await running.request({}, { key })).toMatchObject({ status: 200, body: { count: 1 } });
        }
        await running.manager.checkpoints.takeNow();
        const answers = Promise.all([
          running.request({ how }, { key: 'deadly' }),
          running.request({}, { key: 'deadly' }),
          ...OTHERS.map((key) => running.request({}, { key })),
        ]);
        const [deadly, ...others] = await answers;
        expect(deadly).toMatchObject({ status: 500, body: { code: 'MILLRACE_RECORD_POISONOUS' } });
        for (const answer of others) expect(answer).toMatchObject({ status: 200, body: { count: 2 } });
        await expect.poll(() => running.manager.numRestarts).toBeGreaterThanOrEqual(2);
        expect(running.ends).toEqual([]);
      });
    },
  );

  it('ends a job that goes on without no record, and is named', async () => {
    await JobUnderTest.with({ ...options, settings: settingsFor(how), job: 'deadly-record-fail' }, async (running) => {
      const answer = running.request({ how }, { key: 'deadly' });
      answer.catch(() => undefined);
      await expect.poll(() => running.ends.length, { timeout: 60_000 }).toBe(1);
      expect(running.ends[0]).toMatchObject({
        code: 'MILLRACE_RECORD_POISONOUS',
        details: { topic: 'deadly.requests.deaths', offset: 0, failureCount: 2 },
        cause: { code: how === 'exit' ? 'MILLRACE_WORKER_DIED' : 'MILLRACE_CONTROL_TIMEOUT' },
      });
    });
  });
});

describe('a timer that throws each time', () => {
  it('is dropped after some attempts by a job that goes on without what fails', async () => {
    await JobUnderTest.with({ ...options, job: 'deadly-record-retry' }, async (running) => {
      expect((await running.request({}, { key: 'a' })).body).toEqual({ key: 'a', count: 1 });
      expect((await running.request({ how: 'timer' }, { key: 'a' })).body).toEqual({ key: 'a', count: 2 });
      await expect.poll(() => running.manager.numRestarts, { timeout: 60_000 }).toBeGreaterThanOrEqual(2);
      expect((await running.request({}, { key: 'a' })).body).toEqual({ key: 'a', count: 3 });
      await running.manager.checkpoints.takeNow();
      expect(running.ends).toEqual([]);
    });
  });

  it.each(['deadly-record', 'deadly-record-fail'])('ends any other job, and is named (%s)', async (job) => {
    await JobUnderTest.with({ ...options, job }, async (running) => {
      void running.request({ how: 'timer' }, { key: 'a' });
      await expect.poll(() => running.ends.length, { timeout: 60_000 }).toBe(1);
      expect(running.ends[0]).toMatchObject({
        code: 'MILLRACE_RECORD_POISONOUS',
        details: { operator: 'dies', key: 'a', failureCount: 2 },
        cause: { code: 'MILLRACE_USER_FUNCTION_FAILED' },
      });
    });
  });
});
