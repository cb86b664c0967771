import { readdir, readFile } from 'node:fs/promises';

/** Processor time by kind of thread, in microseconds since the start. */
export interface ThreadCpu {
  readonly main: number;
  readonly workers: number;
  /** libuv's pool: files. */
  readonly pool: number;
  /** V8's helpers: garbage collection and compilation. */
  readonly helpers: number;
}

/** Main; four that V8 runs on, one that keeps its times, and one that waits for an inspector; four of the pool. */
const HELPERS_AT = 1;
const POOL_AT = 7;
const WORKERS_AT = 11;

/**
 * Reads what each thread of a process has used, as Linux counts it: a figure that other programs disturb far less than time by
 * the clock. Node.js before 22 gives threads no names, but starts them in this order; what workers start counts as theirs.
 */
export async function threadCpu(pid: number): Promise<ThreadCpu> {
  const ids = (await readdir(`/proc/${String(pid)}/task`)).map(Number).toSorted((a, b) => a - b);
  const used = await Promise.all(ids.map((id) => usedMicros(pid, id)));
  const sum = (from: number, to?: number): number => used.slice(from, to).reduce((total, each) => total + each, 0);
  return {
    main: sum(0, HELPERS_AT),
    helpers: sum(HELPERS_AT, POOL_AT),
    pool: sum(POOL_AT, WORKERS_AT),
    workers: sum(WORKERS_AT),
  };
}

export function cpuBetween(before: ThreadCpu, after: ThreadCpu): ThreadCpu {
  return {
    main: after.main - before.main,
    workers: after.workers - before.workers,
    pool: after.pool - before.pool,
    helpers: after.helpers - before.helpers,
  };
}

export function totalOf({ main, workers, pool, helpers }: ThreadCpu): number {
  return main + workers + pool + helpers;
}

async function usedMicros(pid: number, thread: number): Promise<number> {
  const text = await readFile(`/proc/${String(pid)}/task/${String(thread)}/schedstat`, 'utf8');
  return Number(text.split(' ', 1)[0]) / 1000;
}
