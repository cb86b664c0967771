import { startMillrace } from './lib/child.js';
import { type OpenLoopResult, runLoad, runOpenLoop } from './lib/load.js';
import { readProcessMetrics } from './lib/process-metrics.js';
import { atMost, type Row } from './lib/report.js';

const CONNECTIONS = 64;
const CAPACITY_SECONDS = 3;
const SHARES = [0.1, 0.5, 0.8] as const;

export interface LatencyOptions {
  /** @defaultValue 5 */
  readonly seconds?: number;
}

const paths = Array.from({ length: 40 }, (_, index) => `/counters/name-${String(index)}`);
const body = '{"amount":1}';

/**
 * Durable counters at a constant rate of arrivals, with a checkpoint per second: what callers wait at a tenth, half and four
 * fifths of what a closed loop of as many connections reaches. The client shares the two cores.
 */
export async function run(options: LatencyOptions = {}): Promise<Row[]> {
  const seconds = options.seconds ?? 5;
  const server = await startMillrace([]);
  try {
    const load = { url: server.url, connections: CONNECTIONS, paths, body };
    const { requestsPerSecond } = await runLoad({ ...load, seconds: CAPACITY_SECONDS, warmupSeconds: 2 });
    const rows: Row[] = [{ name: 'capacity, closed loop, 64 conn', value: requestsPerSecond, unit: 'requests/s' }];
    for (const share of SHARES) {
      const before = await readProcessMetrics(server.url);
      const [result] = await runOpenLoop({
        ...load,
        requestsPerSecond: Math.round(requestsPerSecond * share),
        seconds,
        warmupSeconds: 1,
      });
      const after = await readProcessMetrics(server.url);
      if (result === undefined) throw new Error('the open loop gave no result');
      rows.push(...rowsOf(share, result), ...healthOf(share, before, after));
    }
    return rows;
  } finally {
    await server.stop();
  }
}

function rowsOf(share: number, result: OpenLoopResult): Row[] {
  if (result.failures > 0)
    throw new Error(`${String(result.failures)} requests failed at ${String(share)} of capacity`);
  const name = `${String(share * 100)} % of capacity`;
  const target = share === 0.5 ? { target: atMost(result.p999Ms, 10, '10 ms') } : {};
  return [
    { name: `${name}, p50`, value: result.p50Ms, unit: 'ms' },
    { name: `${name}, p99`, value: result.p99Ms, unit: 'ms' },
    { name: `${name}, p99.9`, value: result.p999Ms, unit: 'ms', ...target },
    { name: `${name}, sent more than 5 ms late by the client`, value: result.lateSends, unit: 'requests' },
  ];
}

type ProcessMetrics = Awaited<ReturnType<typeof readProcessMetrics>>;

/** What the main thread was busy with besides: time in the garbage collector, and how late its event loop was. */
function healthOf(share: number, before: ProcessMetrics, after: ProcessMetrics): Row[] {
  const name = `${String(share * 100)} % of capacity`;
  const gcMs = (after.gcSeconds - before.gcSeconds) * 1000;
  return [
    { name: `${name}, garbage collection on main`, value: gcMs, unit: 'ms' },
    { name: `${name}, a collection, mean`, value: after.gcMeanMs, unit: 'ms' },
    { name: `${name}, event loop delay, p99`, value: after.loopP99Ms, unit: 'ms' },
  ];
}
