import { runJob } from './lib/child.js';
import { median, type Row } from './lib/report.js';
import { recordsPerSecond } from './jobs/timed-sink.js';

const RUNS = 3;

/** Whole jobs in a process of their own: a hash exchange, and a keyed counter over a million keys. */
export async function run(): Promise<Row[]> {
  const rows: Row[] = [];
  const single = await measure('shuffle-job', 2_000_000, ['--parallelism', '1', '--state-backend', 'heap']);
  const double = await measure('shuffle-job', 2_000_000, ['--parallelism', '2', '--state-backend', 'heap']);
  rows.push(
    { name: 'shuffle of 5-field objects, parallelism 1', value: single, unit: 'records/s' },
    {
      name: 'shuffle of 5-field objects, parallelism 2',
      value: double,
      unit: 'records/s',
      against: { name: 'parallelism 1', ratio: double / single },
    },
  );
  for (const backend of ['heap', 'lmdb']) {
    const value = await measure('counter-job', 2_000_000, ['--parallelism', '1', '--state-backend', backend]);
    rows.push({ name: `keyed counter over 1 M keys, exchange included, ${backend}`, value, unit: 'records/s' });
  }
  return rows;
}

async function measure(job: string, count: number, args: readonly string[]): Promise<number> {
  const rates: number[] = [];
  for (let turn = 0; turn < RUNS; turn++) {
    const output = await runJob(`build/bench/jobs/${job}.js`, args, { BENCH_RECORDS: String(count) });
    rates.push(recordsPerSecond(output, count));
  }
  return median(rates);
}
