import { setTimeout as delay } from 'node:timers/promises';
import { type RunningServer, startMillrace } from './lib/child.js';
import { Caller } from './lib/caller.js';
import { atMost, median, type Row } from './lib/report.js';

/**
 * What failures and changes cost: how long a service gives no answers while something has happened to it, how long a killed
 * process takes to answer again (restart.ts), and what the checkpoints take that both rest on (checkpoints.ts).
 *
 * Of an outage: a caller sends one request after the other and waits for each. The longest time between two answers is the
 * outage, less what an answer takes anyway.
 */

const JOB = 'build/bench/jobs/mortal-job.js';
const KEYS = 1_000_000;
const ROUNDS = 5;

/** One after the other; each starts servers of its own. */
export const parts: Readonly<Record<string, (isFull: boolean) => Promise<Row[]>>> = {
  checkpoints: async () => (await import('./checkpoints.js')).run(),
  kill: async (isFull) => (await import('./restart.js')).run(isFull ? undefined : [100_000]),
  thread: deadThread,
  'rescale-lmdb': () => rescale('lmdb'),
  'rescale-heap': () => rescale('heap'),
};

export async function run({ isFull }: { isFull: boolean }): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of Object.values(parts)) rows.push(...(await part(isFull)));
  return rows;
}

/** A worker thread ends; the other one, and what it has, must be taken along to the checkpoint and back. */
async function deadThread(): Promise<Row[]> {
  const server = await startMillrace([
    '--job',
    JOB,
    '--parallelism',
    '2',
    '--log-level',
    'error',
    '--restart-backoff-growth-percent',
    '0',
  ]);
  try {
    await load(server, 10_000);
    const outages: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const caller = Caller.start(`${server.url}/keys/caller`, { add: 1 });
      await delay(1_000);
      const died = post(server, '/keys/mortal', { dieOnce: round });
      await died;
      await delay(500);
      outages.push((await caller.stop()).longestGapMs);
    }
    const outageMs = median(outages);
    return [
      {
        name: 'dead worker thread: without an answer',
        value: outageMs,
        unit: 'ms',
        target: atMost(outageMs, 300, '300 ms'),
      },
    ];
  } finally {
    await server.stop();
  }
}

/** One worker's keys are moved to two. */
async function rescale(backend: 'lmdb' | 'heap'): Promise<Row[]> {
  const args = `--job ${JOB} --parallelism 1 --state-backend ${backend} --log-level error`;
  const server = await startMillrace(args.split(' '));
  try {
    await load(server, KEYS);
    const jobId = await jobIdOf(server);
    const outages: number[] = [];
    let failed = 0;
    for (const parallelism of [2, 1, 2]) {
      const caller = Caller.start(`${server.url}/keys/caller`, { add: 1 });
      await delay(2_000);
      await request(server, 'PATCH', `/jobs/${jobId}/parallelism`, { parallelism });
      await delay(500);
      const outcome = await caller.stop();
      failed += outcome.failed;
      if (parallelism === 2) outages.push(outcome.longestGapMs);
    }
    const outageMs = median(outages);
    const name = `rescale 1 → 2, ${KEYS.toLocaleString('en-US')} keys, ${backend}`;
    return [
      { name: `${name}: without an answer`, value: outageMs, unit: 'ms', target: atMost(outageMs, 500, '500 ms') },
      { name: `${name}: failed`, value: failed, unit: 'requests', target: atMost(failed, 0, 'none') },
    ];
  } finally {
    await server.stop();
  }
}

/** Makes keys, many with one request. */
async function load(server: RunningServer, count: number): Promise<void> {
  const perRequest = 10_000;
  for (let from = 0; from < count; from += perRequest) {
    await post(server, '/load', { from, count: Math.min(perRequest, count - from) });
  }
}

async function jobIdOf(server: RunningServer): Promise<string> {
  const response = await fetch(`${server.url}/jobs`);
  const { jobs } = (await response.json()) as { jobs: readonly { id: string }[] };
  return jobs[0]?.id ?? '';
}

function post(server: RunningServer, path: string, body: unknown): Promise<void> {
  return request(server, 'POST', path, body);
}

async function request(server: RunningServer, method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(server.url + path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${String(response.status)}: ${text}`);
}
