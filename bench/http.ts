import { type RunningServer, startBareFastify, startMillrace } from './lib/child.js';
import { type LoadResult, type ProbeResult, runLoad, runProbe } from './lib/load.js';
import { atLeast, atMost, median, type Row } from './lib/report.js';

const CONNECTIONS = [1, 16, 64, 256] as const;
const ROUNDS = 3;
/** By itself, and as one suite among others. */
const SECONDS = { full: 2, brief: 1 } as const;
const PROBE_REQUESTS = 2_000;
/** More would cost the load tool, which makes each request of each connection ahead, more than the server. */
const COUNTER_NAMES = 40;

interface System {
  readonly name: string;
  readonly server: RunningServer;
  readonly paths: readonly string[];
  readonly body: string;
  /** The system that answers the same requests with nothing behind it, by its place; `null` for those that are the measure. */
  readonly peer: number | null;
}

const counterPaths = Array.from({ length: COUNTER_NAMES }, (_, index) => `/counters/name-${String(index)}`);

/**
 * Echo and durable counters over HTTP, on the embedded log, each beside a bare fastify that echoes the very same requests. The
 * systems take turns within each round, so that a slow moment of the machine meets all of them.
 */
export async function run({ isFull }: { readonly isFull: boolean }): Promise<Row[]> {
  const seconds = isFull ? SECONDS.full : SECONDS.brief;
  const bare = await startBareFastify();
  const millrace = await startMillrace([]);
  const systems: System[] = [
    { name: 'bare fastify echo', server: bare, paths: ['/event'], body: '{"a":1}', peer: null },
    { name: 'echo', server: millrace, paths: ['/event'], body: '{"a":1}', peer: 0 },
    { name: 'bare fastify counters', server: bare, paths: counterPaths, body: '{"amount":1}', peer: null },
    { name: 'counters', server: millrace, paths: counterPaths, body: '{"amount":1}', peer: 2 },
  ];
  try {
    const rows = await measureLatency(systems);
    for (const connections of CONNECTIONS) rows.push(...(await measureLoad(systems, connections, seconds)));
    return rows;
  } finally {
    await millrace.stop();
    await bare.stop();
  }
}

/** Does `measure` for each system in turn, round by round. */
async function inTurns<T>(systems: readonly System[], measure: (system: System) => Promise<T>): Promise<T[][]> {
  const results: T[][] = systems.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, system] of systems.entries()) results[index]?.push(await measure(system));
  }
  return results;
}

/** What one caller waits who is alone. */
async function measureLatency(systems: readonly System[]): Promise<Row[]> {
  const results = await inTurns(systems, ({ server, paths, body }) =>
    runProbe({ url: server.url, requests: PROBE_REQUESTS, warmupRequests: 500, paths, body }),
  );
  const middle = (index: number, read: (result: ProbeResult) => number): number =>
    median((results[index] ?? []).map(read));
  return systems.flatMap(({ name, peer }, index): Row[] => {
    const p50Ms = middle(index, (result) => result.p50Ms);
    const bareP50Ms = middle(peer ?? index, (result) => result.p50Ms);
    const target = name === 'counters' ? { target: atMost(p50Ms, bareP50Ms + 2.5, 'bare + 2.5 ms') } : {};
    return [
      { name: `${name}, alone, p50`, value: p50Ms, unit: 'ms', ...target },
      { name: `${name}, alone, p99`, value: middle(index, ({ p99Ms }) => p99Ms), unit: 'ms' },
      { name: `${name}, alone, p99.9`, value: middle(index, ({ p999Ms }) => p999Ms), unit: 'ms' },
    ];
  });
}

async function measureLoad(systems: readonly System[], connections: number, seconds: number): Promise<Row[]> {
  const results = await inTurns(systems, ({ server, paths, body }) =>
    runLoad({ url: server.url, connections, seconds, warmupSeconds: seconds / 2, paths, body }),
  );
  return systems.flatMap(({ name, peer }, index) =>
    loadRows(name, connections, results[index] ?? [], peer === null ? null : (results[peer] ?? [])),
  );
}

function loadRows(
  name: string,
  connections: number,
  results: readonly LoadResult[],
  bareResults: readonly LoadResult[] | null,
): Row[] {
  const of = (read: (result: LoadResult) => number): number => median(results.map(read));
  // Ratios pair the rounds, then take the middle one.
  const ratio = median(
    results.map(({ requestsPerSecond }, round) => requestsPerSecond / (bareResults?.[round]?.requestsPerSecond ?? 1)),
  );
  const where = `${name}, ${String(connections)} conn`;
  const isTargeted = name === 'counters' && connections === 64;
  return [
    {
      name: where,
      value: of((result) => result.requestsPerSecond),
      unit: 'requests/s',
      ...(bareResults === null ? {} : { against: { name: 'bare fastify', ratio } }),
      ...(isTargeted ? { target: atLeast(ratio, 0.5, '0.5 × bare') } : {}),
    },
    { name: `${where}, p50`, value: of((result) => result.p50Ms), unit: 'ms' },
    { name: `${where}, p99`, value: of((result) => result.p99Ms), unit: 'ms' },
    { name: `${where}, p99.9`, value: of((result) => result.p999Ms), unit: 'ms' },
  ];
}
