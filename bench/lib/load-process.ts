/**
 * The load, in a process of its own so that it takes no time from the server's event loop. Takes a {@link LoadPlan} as JSON
 * in its first argument, prints a {@link LoadResult} as JSON; before that, with `everySeconds`, how many requests have been
 * answered at each such moment.
 */
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import type { LoadPlan, LoadResult } from './load.js';

const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan & { readonly everySeconds?: number };

const requests = plan.paths.map((path) => ({
  method: 'POST' as const,
  path,
  body: plan.body,
  headers: { 'content-type': 'application/json' },
}));
/** HdrHistogram, in microseconds: the tool's own counts whole milliseconds. */
const latencies = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
let answered = 0;
const load = (duration: number): Promise<autocannon.Result> =>
  new Promise((resolve, reject) => {
    const instance = autocannon(
      { url: plan.url, connections: plan.connections, duration, requests },
      (error, result) => (error === null || error === undefined ? resolve(result) : reject(error as Error)),
    );
    instance.on('response', (_client, _status, _bytes, responseMs) => {
      answered++;
      latencies.record(Math.max(1, Math.round(responseMs * 1000)));
    });
  });
if (plan.warmupSeconds > 0) await load(plan.warmupSeconds);
latencies.reset();
answered = 0;
const tell = (): void => void process.stdout.write(`${JSON.stringify({ answered })}\n`);
const telling = plan.everySeconds === undefined ? undefined : setInterval(tell, plan.everySeconds * 1000);
if (telling !== undefined) tell();
const result = await load(plan.seconds);
clearInterval(telling);

const ms = (percentile: number): number => latencies.percentile(percentile) / 1000;
const answer: LoadResult = {
  requests: result.requests.total,
  requestsPerSecond: result.requests.total / result.duration,
  p50Ms: ms(50),
  p99Ms: ms(99),
  p999Ms: ms(99.9),
  failures: result.errors + result.timeouts + result.non2xx,
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
