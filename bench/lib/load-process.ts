/**
 * The load, in a process of its own so that it takes no time from the server's event loop. Takes a {@link LoadPlan} as JSON
 * in its first argument, prints a {@link LoadResult} as JSON.
 */
import autocannon from 'autocannon';
import type { LoadPlan, LoadResult } from './load.js';

const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan;

const requests = plan.paths.map((path) => ({
  method: 'POST' as const,
  path,
  body: plan.body,
  headers: { 'content-type': 'application/json' },
}));
const load = (duration: number): Promise<autocannon.Result> =>
  autocannon({ url: plan.url, connections: plan.connections, duration, requests });
await load(plan.warmupSeconds);
const result = await load(plan.seconds);

const { latency } = result;
const answer: LoadResult = {
  requestsPerSecond: result.requests.total / result.duration,
  p50Ms: latency.p50,
  p99Ms: latency.p99,
  p999Ms: latency.p99_9,
  failures: result.errors + result.timeouts + result.non2xx,
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
