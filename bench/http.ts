import { type RunningServer, startBareFastify, startMillrace } from './lib/child.js';
import { type LoadResult, runLoad } from './lib/load.js';
import { atLeast, atMost, median, type Row } from './lib/report.js';

const CONNECTIONS = [1, 16, 64, 256] as const;
const ROUNDS = 3;
const SECONDS = 2;
const COUNTER_NAMES = 500;

interface System {
  readonly name: string;
  readonly server: RunningServer;
  readonly paths: readonly string[];
  readonly body: string;
}

const counterPaths = Array.from({ length: COUNTER_NAMES }, (_, index) => `/counters/name-${String(index)}`);

/**
 * Echo and durable counters over HTTP, on the embedded log, beside a bare fastify echo. The systems take turns within each
 * round, so that a slow moment of the machine meets all of them.
 */
export async function run(): Promise<Row[]> {
  const bare = await startBareFastify();
  const millrace = await startMillrace([]);
  const systems: System[] = [
    { name: 'bare fastify', server: bare, paths: ['/event'], body: '{"a":1}' },
    { name: 'echo', server: millrace, paths: ['/event'], body: '{"a":1}' },
    { name: 'counters', server: millrace, paths: counterPaths, body: '{"amount":1}' },
  ];
  try {
    const rows: Row[] = [];
    for (const connections of CONNECTIONS) rows.push(...(await measure(systems, connections)));
    return rows;
  } finally {
    await millrace.stop();
    await bare.stop();
  }
}

async function measure(systems: readonly System[], connections: number): Promise<Row[]> {
  const results = new Map<System, LoadResult[]>(systems.map((system) => [system, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const system of systems) {
      const { server, paths, body } = system;
      const load = { url: server.url, connections, seconds: SECONDS, warmupSeconds: 1, paths, body };
      results.get(system)?.push(await runLoad(load));
    }
  }
  const [bare] = systems;
  const bareResults = bare === undefined ? [] : (results.get(bare) ?? []);
  return systems.flatMap((system) => rowsOf(system.name, connections, results.get(system) ?? [], bareResults));
}

function rowsOf(
  name: string,
  connections: number,
  results: readonly LoadResult[],
  bareResults: readonly LoadResult[],
): Row[] {
  const of = (read: (result: LoadResult) => number): number => median(results.map(read));
  // Ratios pair the rounds, then take the middle one.
  const ratio = median(
    results.map(({ requestsPerSecond }, round) => requestsPerSecond / (bareResults[round]?.requestsPerSecond ?? 1)),
  );
  const p50Ms = of((result) => result.p50Ms);
  const bareP50Ms = median(bareResults.map((result) => result.p50Ms));
  const where = `${name}, ${String(connections)} conn`;
  const isBare = name === 'bare fastify';
  const isCounters = name === 'counters';
  return [
    {
      name: where,
      value: of((result) => result.requestsPerSecond),
      unit: 'requests/s',
      ...(isBare ? {} : { against: { name: 'bare fastify', ratio } }),
      ...(isCounters && connections === 64 ? { target: atLeast(ratio, 0.5, '0.5 × bare') } : {}),
    },
    {
      name: `${where}, p50`,
      value: p50Ms,
      unit: 'ms',
      ...(isCounters && connections === 1 ? { target: atMost(p50Ms, bareP50Ms + 2.5, 'bare + 2.5 ms') } : {}),
    },
    { name: `${where}, p99`, value: of((result) => result.p99Ms), unit: 'ms' },
    { name: `${where}, p99.9`, value: of((result) => result.p999Ms), unit: 'ms' },
  ];
}
