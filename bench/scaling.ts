import { runJob } from './lib/child.js';
import type { Row } from './lib/report.js';
import { recordsPerSecond } from './jobs/timed-sink.js';

/**
 * What a record costs, and whether the model of docs/scaling.md holds: from the cost of a job at parallelism 1 and that of
 * changing threads, how fast should another job be at parallelism 2?
 */

const RECORDS = 4_000_000;

export async function run(): Promise<Row[]> {
  const chainUs = await microseconds('map-filter-map-job', 1, RECORDS / 2, 2);
  const localUs = await microseconds('integers-job', 1);
  const halfRemoteUs = (await microseconds('integers-job', 2)) * 2;
  const counterUs = await microseconds('counter-job', 1);
  const measuredUs = (await microseconds('counter-job', 2)) * 2;
  // Of two workers' records every second one changes threads.
  const remoteUs = 2 * (halfRemoteUs - localUs);
  const predictedUs = counterUs + remoteUs / 2;
  return [
    { name: 'a record through a chain of four', value: chainUs * 1000, unit: 'ns' },
    { name: 'the same with a hop within the thread', value: localUs * 1000, unit: 'ns' },
    { name: 'a hop to another thread, more than one within', value: remoteUs * 1000, unit: 'ns of both threads' },
    { name: 'keyed counter, parallelism 1', value: counterUs * 1000, unit: 'ns' },
    { name: 'keyed counter, parallelism 2, predicted', value: 2 / predictedUs, unit: 'M records/s' },
    {
      name: 'keyed counter, parallelism 2, measured',
      value: 2 / measuredUs,
      unit: 'M records/s',
      against: { name: 'the prediction', ratio: predictedUs / measuredUs },
    },
  ];
}

/** Per record that enters, by the clock, at the given parallelism. */
async function microseconds(job: string, parallelism: number, sinkRecords = RECORDS, factor = 1): Promise<number> {
  const env = { BENCH_RECORDS: String(RECORDS), BENCH_PARALLELISM: String(parallelism) };
  const args = ['--parallelism', String(parallelism), '--state-backend', 'heap', '--checkpoint-interval-ms', '600000'];
  const output = await runJob(`build/bench/jobs/${job}.js`, args, env);
  return 1e6 / (recordsPerSecond(output, sinkRecords) * factor);
}
