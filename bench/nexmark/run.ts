import { runJob } from '../lib/child.js';

/** What one run of a Nexmark job does. */
export interface NexmarkRun {
  /** `q0` …, or `generator` for the source and a sink alone. */
  readonly query: string;
  /** Of the source and of the operators. */
  readonly parallelism: number;
  readonly eventCount: number;
  /** Events before the measurement begins. */
  readonly warmUpEvents: number;
  /** Where the rows go when the small set is to be answered in place of the large one; else `null`. */
  readonly rowsDir: string | null;
}

/** What the job notes on standard output. */
export interface Stamp {
  readonly kind: 'start' | 'end';
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Of all threads of the process since its start. */
  readonly cpuMs: number;
}

export interface Speed {
  readonly eventsPerSecond: number;
  /** Of all threads together, garbage collection and compilation included. */
  readonly eventsPerCpuSecond: number;
}

export type Backend = 'heap' | 'lmdb';

const JOB = 'build/bench/nexmark/job.js';

/** Events per second between the end of the warm-up and the end of the last sink. */
export async function measureSpeed(run: NexmarkRun, backend: Backend): Promise<Speed> {
  const output = await runNexmark(run, backend);
  const stamps = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Stamp);
  const start = stamps.find(({ kind }) => kind === 'start');
  const ends = stamps.filter(({ kind }) => kind === 'end');
  if (start === undefined || ends.length === 0) throw new Error(`${run.query} did not run to its end`);
  const end = ends.reduce((latest, other) => (other.atMs > latest.atMs ? other : latest));
  const events = run.eventCount - run.warmUpEvents;
  return {
    eventsPerSecond: (events * 1000) / (end.atMs - start.atMs),
    eventsPerCpuSecond: (events * 1000) / (end.cpuMs - start.cpuMs),
  };
}

/** @returns what the job wrote to standard output */
export async function runNexmark(run: NexmarkRun, backend: Backend): Promise<string> {
  const parallelism = String(run.parallelism);
  // As in the runs of Flink that these are compared with, no checkpoint comes between.
  const args = ['--parallelism', parallelism, '--state-backend', backend, '--checkpoint-interval-ms', '600000'];
  return runJob(JOB, args, { NEXMARK_RUN: JSON.stringify(run) });
}
