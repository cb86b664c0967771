import { runJob } from './lib/child.js';
import { atLeast, type Row } from './lib/report.js';
import { recordsPerSecond } from './jobs/timed-sink.js';

/**
 * What a record costs, and whether the model of docs/scaling.md holds: from the cost of a job at parallelism 1 and that of
 * changing threads, how fast should another job be at parallelism 2?
 */

/** A run takes some seconds: the compilers have long settled. */
const RECORDS = 40_000_000;
/** State within the caches of a core, and well beyond them. */
const FEW_KEYS = 10_000;
const MANY_KEYS = 1_000_000;
/** A record that is computed with for five microseconds. */
const WORK = { records: 4_000_000, env: { BENCH_WORK: '5000', BENCH_KEYS: String(FEW_KEYS) } };

export async function run(): Promise<Row[]> {
  const chainUs = await microseconds('map-filter-map-job', 1, { sinkRecords: RECORDS / 2, factor: 2 });
  const localUs = await microseconds('integers-job', 1);
  const halfRemoteUs = (await microseconds('integers-job', 2)) * 2;
  // Of two workers' records every second one changes threads.
  const remoteUs = 2 * (halfRemoteUs - localUs);
  return [
    { name: 'a record through a chain of four', value: chainUs * 1000, unit: 'ns' },
    { name: 'the same with a hop within the thread', value: localUs * 1000, unit: 'ns' },
    { name: 'a hop to another thread, more than one within', value: remoteUs * 1000, unit: 'ns of both threads' },
    ...(await counter(FEW_KEYS, remoteUs)),
    ...(await counter(MANY_KEYS, remoteUs)),
    ...(await work()),
  ];
}

/** What the model predicts from parallelism 1, and what is measured. */
async function counter(keys: number, remoteUs: number): Promise<Row[]> {
  const env = { BENCH_KEYS: String(keys) };
  const oneUs = await microseconds('counter-job', 1, { env });
  const measuredUs = (await microseconds('counter-job', 2, { env })) * 2;
  const predictedUs = oneUs + remoteUs / 2;
  const name = `counter over ${keys.toLocaleString('en')} keys, parallelism`;
  return [
    { name: `${name} 1`, value: 1 / oneUs, unit: 'M records/s' },
    { name: `${name} 2, predicted`, value: 2 / predictedUs, unit: 'M records/s' },
    {
      name: `${name} 2`,
      value: 2 / measuredUs,
      unit: 'M records/s',
      against: { name: 'the prediction', ratio: predictedUs / measuredUs },
    },
  ];
}

/** A job that is bound by what is done with each record. */
async function work(): Promise<Row[]> {
  const { records, env } = WORK;
  const one = 1 / (await microseconds('counter-job', 1, { records, env }));
  const two = 1 / (await microseconds('counter-job', 2, { records, env }));
  const name = 'five microseconds of computing for each record, parallelism';
  return [
    { name: `${name} 1`, value: one, unit: 'M records/s' },
    {
      name: `${name} 2`,
      value: two,
      unit: 'M records/s',
      against: { name: 'parallelism 1', ratio: two / one },
      target: atLeast(two / one, 1.8, '1.8 ×'),
    },
  ];
}

interface JobRun {
  readonly records?: number;
  /** Records that reach the sink. @defaultValue all */
  readonly sinkRecords?: number;
  /** Records that enter for each that reaches the sink. @defaultValue 1 */
  readonly factor?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Per record that enters, by the clock, at the given parallelism. */
async function microseconds(job: string, parallelism: number, options: JobRun = {}): Promise<number> {
  const { records = RECORDS, sinkRecords = records, factor = 1 } = options;
  const env = { ...options.env, BENCH_RECORDS: String(records), BENCH_PARALLELISM: String(parallelism) };
  const args = ['--parallelism', String(parallelism), '--state-backend', 'heap', '--checkpoint-interval-ms', '600000'];
  const output = await runJob(`build/bench/jobs/${job}.js`, args, env);
  return 1e6 / (recordsPerSecond(output, sinkRecords) * factor);
}
