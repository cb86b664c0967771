import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import type { HourOfFlights } from '../../../examples/flights/hourly.js';
import { loadFlights } from '../../../examples/flights/load-flights.js';
import { hoursByHand, sortedHours } from '../../helpers/flights-by-hand.js';
import { projectPath } from '../../helpers/project-files.js';
import { readTopic } from '../../helpers/read-topic.js';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** Runs a job of `test/fixtures/jobs`, or the one that the arguments name, to its end: the values of its topics, by topic. */
async function runToItsEnd(
  job: string | null,
  topics: readonly string[],
  args: readonly string[],
): Promise<Record<string, unknown[]>> {
  return withTemporaryDirectory(async (dataDir) => {
    const { end, service } = await ServiceProcess.run({
      dataDir,
      ...(job === null ? {} : { job }),
      args: ['--state-backend', 'heap', ...args],
    });
    expect(end, service.stderr).toEqual({ code: 0, signal: null });
    expect(service.stderr).toContain('job finished');
    const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
    try {
      const found: Record<string, unknown[]> = {};
      for (const topic of topics) {
        found[topic] = (await readTopic(log, topic)).map(({ value }) => JSON.parse(value) as unknown);
      }
      return found;
    } finally {
      await log.close();
    }
  });
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const sorted = (values: unknown[] | undefined): number[] => ((values ?? []) as number[]).toSorted((a, b) => a - b);

describe('a job whose sources end', () => {
  it.each([1, 3])('sends records through every exchange once, and ends with 0, on %d workers', async (workers) => {
    const topics = ['sums', 'rebalanced', 'broadcast', 'forwarded'];
    const found = await runToItsEnd('exchanges', topics, ['--parallelism', String(workers)]);
    const sums = found['sums'] as { key: number; sum: number }[];
    for (const key of numbers(10)) {
      let sum = 0;
      const expected = numbers(100).map((step) => (sum += step * 10 + key));
      expect(sums.filter((entry) => entry.key === key).map((entry) => entry.sum)).toEqual(expected);
    }
    expect(sums).toHaveLength(1_000);
    expect(sorted(found['rebalanced'])).toEqual(numbers(1_000));
    expect(sorted(found['broadcast'])).toEqual(numbers(1_000).flatMap((value) => [value, value]));
    expect(sorted(found['forwarded'])).toEqual(numbers(1_000));
  });

  it('counts the flights of the example per hour, in the time of the flights, as a plain loop does', async () => {
    const args = ['--parallelism', '2', '--job', projectPath('dist/examples/flights/hourly-job.js')];
    const found = await runToItsEnd(null, ['flights-per-hour'], args);
    const hours = found['flights-per-hour'] as HourOfFlights[];
    expect(sortedHours(hours)).toEqual(hoursByHand(await loadFlights()));
  });

  it.each([1, 2])('does not deadlock when all rings of its tasks are full, on %d workers', async (workers) => {
    const args = ['--parallelism', String(workers), '--ring-bytes', '64KiB', '--checkpoint-interval-ms', '50ms'];
    const found = await runToItsEnd('diamond', ['diamond'], args);
    expect(sorted(found['diamond'])).toEqual(numbers(2_000).flatMap((index) => [index, index, index]));
  });

  it.each([1, 2])(
    'awaits promises in order to the last, and fires windows by the source, on %d workers',
    async (workers) => {
      const found = await runToItsEnd('asynchronous', ['doubled', 'sums'], ['--parallelism', String(workers)]);
      expect(sorted(found['doubled'])).toEqual(numbers(500).map((value) => value * 2));
      // Five windows of a hundred records each; of each window the even doubles fall into the keys 0 and 2.
      const expected = numbers(5).flatMap((window) =>
        [0, 2].map((key) =>
          numbers(100)
            .map((index) => (window * 100 + index) * 2)
            .filter((value) => value % 4 === key)
            .reduce((a, b) => a + b),
        ),
      );
      expect(sorted(found['sums'])).toEqual(sorted(expected));
    },
  );

  it('takes its last checkpoint also when a worker has no task at all', async () => {
    const found = await runToItsEnd('single-subtask', ['single'], ['--parallelism', '2']);
    expect(sorted(found['single'])).toEqual(numbers(10));
  });

  it('splits records into side outputs', async () => {
    const found = await runToItsEnd('side-outputs', ['even', 'odd', 'tens'], ['--parallelism', '2']);
    expect(sorted(found['even'])).toEqual(numbers(50).map((index) => index * 2));
    expect(sorted(found['odd'])).toEqual(numbers(50).map((index) => index * 2 + 1));
    expect(sorted(found['tens'])).toEqual(numbers(10).map((index) => index * 10));
  });

  it('finds nothing left to do when it is started again', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = { dataDir, job: 'side-outputs', args: ['--parallelism', '2', '--state-backend', 'heap'] };
      for (let run = 0; run < 2; run++) expect((await ServiceProcess.run(options)).end.code).toBe(0);
      const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
      expect(await readTopic(log, 'tens')).toHaveLength(10);
      await log.close();
    });
  });
});
