import { runJob } from './lib/child.js';
import { atLeast, median, type Row } from './lib/report.js';
import { withSlowness } from './lib/slowness.js';
import { recordsPerSecond } from './jobs/timed-sink.js';

/**
 * Whole jobs in a process of their own, as Flink's microbenchmarks: chains, hash exchanges, a keyed counter over a million
 * keys, word count. Beside them what Apache Flink 2.3 reached on a machine of the same kind.
 */

interface JobCase {
  readonly name: string;
  readonly job: string;
  /** Records that reach the sink. */
  readonly sinkRecords: number;
  readonly env: Readonly<Record<string, string>>;
  readonly parallelism: number;
  readonly backend?: 'heap' | 'lmdb';
  /** Of what the figure counts, in one record that reaches the sink. */
  readonly recordsPerSinkRecord?: number;
  /** Million records per second. */
  readonly flink?: number;
  /** Of the issue: million records per second. */
  readonly target?: number;
  readonly isLong?: boolean;
}

const M = 1_000_000;

function cases(): JobCase[] {
  const all: JobCase[] = [];
  const add = (each: Omit<JobCase, 'env'> & { readonly env?: Readonly<Record<string, string>> }): void => {
    all.push({ ...each, env: { BENCH_PARALLELISM: String(each.parallelism), ...each.env } });
  };
  const source = { env: { BENCH_RECORDS: String(20 * M) } };
  add({ name: 'map, filter, map', job: 'map-filter-map-job', sinkRecords: 10 * M, recordsPerSinkRecord: 2, parallelism: 1, flink: 25.2, target: 25, ...source }); // prettier-ignore
  for (const [parallelism, flink] of [
    [1, 13.2],
    [2, 15],
  ] as const) {
    // prettier-ignore
    const integers = { name: 'hash exchange of integers', job: 'integers-job', sinkRecords: 5 * M, parallelism, flink };
    add({ ...integers, env: { BENCH_RECORDS: String(5 * M) }, ...(parallelism === 2 ? { target: 13 } : {}) });
    add({ name: 'hash exchange of 5-field objects', job: 'shuffle-job', sinkRecords: 2 * M, parallelism, ...(parallelism === 2 ? { target: 2.5 } : {}), env: { BENCH_RECORDS: String(2 * M) } }); // prettier-ignore
    for (const bytes of [16, 100, 1024]) {
      const env = { BENCH_RECORDS: String(M), BENCH_PAYLOAD_BYTES: String(bytes) };
      add({ name: `hash exchange of an integer and ${String(bytes)} B of text`, job: 'payload-job', sinkRecords: M, parallelism, env, isLong: true }); // prettier-ignore
    }
    add({ name: 'word count, lines', job: 'word-count-job', sinkRecords: 3 * M, recordsPerSinkRecord: 0.1, parallelism, flink: parallelism === 1 ? 0.3 : 0.27, isLong: true, env: { BENCH_RECORDS: String(0.3 * M) } }); // prettier-ignore
  }
  const counter = { name: 'keyed counter over 1 M keys', job: 'counter-job', parallelism: 1 };
  add({ ...counter, sinkRecords: 4 * M, backend: 'heap', flink: 1.01, env: { BENCH_RECORDS: String(4 * M) } });
  add({ ...counter, sinkRecords: 2 * M, backend: 'lmdb', flink: 0.074, env: { BENCH_RECORDS: String(2 * M) } });
  return all;
}

export interface JobsOptions {
  /** Also payloads and word count, and the median of three runs. */
  readonly isFull: boolean;
}

export async function run({ isFull }: JobsOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of cases()) {
    if (each.isLong === true && !isFull) continue;
    const { result, slowness } = await withSlowness(() => measure(each, isFull ? 3 : 1));
    rows.push(rowOf(each, result, slowness));
  }
  return rows;
}

/** Ratios and targets are for a machine at its nominal speed. */
function rowOf({ name, parallelism, backend, flink, target }: JobCase, value: number, slowness: number): Row {
  const scaled = value * slowness;
  return {
    name: `${name}, parallelism ${String(parallelism)}${backend === undefined ? '' : `, ${backend}`}`,
    value,
    unit: 'records/s',
    ...(flink === undefined ? {} : { against: { name: 'Flink, scaled', ratio: scaled / (flink * M) } }),
    ...(target === undefined ? {} : { target: atLeast(scaled, target * M, `${String(target)} M/s`) }),
  };
}

/** With a checkpoint per second, as a job has by default. */
async function measure(
  { job, sinkRecords, recordsPerSinkRecord, parallelism, backend, env }: JobCase,
  rounds: number,
): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const args = ['--parallelism', String(parallelism), '--state-backend', backend ?? 'heap'];
    const output = await runJob(`build/bench/jobs/${job}.js`, args, env);
    rates.push(recordsPerSecond(output, sinkRecords) * (recordsPerSinkRecord ?? 1));
  }
  return median(rates);
}
