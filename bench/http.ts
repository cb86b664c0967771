import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startBareFastify, startMillrace } from './lib/child.js';
import { type LoadResult, type ProbeResult, runLoad, runProbe } from './lib/load.js';
import { atLeast, atMost, median, type Row } from './lib/report.js';
import { measureBare } from './micro/log.js';

const CONNECTIONS = [1, 16, 64, 256] as const;
/** The load under which the ratio is promised: measured longest and most often. */
const JUDGED = { name: 'counters', connections: 64 } as const;

interface Plan {
  readonly seconds: number;
  readonly rounds: number;
  readonly judged: { readonly seconds: number; readonly rounds: number };
  readonly probeRounds: number;
  readonly probeRequests: number;
}

/** By itself, and as one suite among others. */
const PLANS: Readonly<Record<'full' | 'brief', Plan>> = {
  full: { seconds: 0.8, rounds: 3, judged: { seconds: 1.2, rounds: 5 }, probeRounds: 3, probeRequests: 2_000 },
  brief: { seconds: 0.7, rounds: 2, judged: { seconds: 1.2, rounds: 5 }, probeRounds: 2, probeRequests: 1_500 },
};
const SYNC_COUNT = 500;
/** More would cost the load tool, which makes each request of each connection ahead, more than the server. */
const COUNTER_NAMES = 40;

interface System {
  readonly name: string;
  readonly server: RunningServer;
  readonly paths: readonly string[];
  readonly body: string;
}

const counterPaths = Array.from({ length: COUNTER_NAMES }, (_, index) => `/counters/name-${String(index)}`);

/**
 * Echo and durable counters over HTTP, on the embedded log, each beside a bare fastify that echoes the very same requests. The two
 * of a pair take turns, so that a slow moment of the machine meets both, and each begins as often as the other.
 */
export async function run({ isFull }: { readonly isFull: boolean }): Promise<Row[]> {
  const plan = isFull ? PLANS.full : PLANS.brief;
  const bare = await startBareFastify();
  const millrace = await startMillrace([]);
  const pairs = [
    pairOf('echo', { bare, millrace, paths: ['/event'], body: '{"a":1}' }),
    pairOf('counters', { bare, millrace, paths: counterPaths, body: '{"amount":1}' }),
  ];
  try {
    const syncMs = await syncMilliseconds();
    const rows: Row[] = [{ name: 'bare write and fdatasync, p50', value: syncMs, unit: 'ms' }];
    for (const pair of pairs) rows.push(...(await measureLatency(pair, plan, syncMs)));
    for (const connections of CONNECTIONS) {
      for (const pair of pairs) rows.push(...(await measureLoad(pair, connections, plan)));
    }
    return rows;
  } finally {
    await millrace.stop();
    await bare.stop();
  }
}

/** A system and, before it, the bare one that answers the same requests. */
type Pair = readonly [bare: System, system: System];

function pairOf(
  name: string,
  { bare, millrace, ...load }: { bare: RunningServer; millrace: RunningServer } & Pick<System, 'paths' | 'body'>,
): Pair {
  return [
    { name: `bare fastify ${name}`, server: bare, ...load },
    { name, server: millrace, ...load },
  ];
}

async function syncMilliseconds(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    return median(await measureBare(join(folder, 'bare'), SYNC_COUNT));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Does `measure` for the two in turn, round by round. */
async function inTurns<T>(
  pair: Pair,
  rounds: number,
  measure: (system: System) => Promise<T>,
): Promise<[bare: T[], system: T[]]> {
  const results: [T[], T[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      results[which].push(await measure(pair[which]));
    }
  }
  return results;
}

/** What one caller waits who is alone. */
async function measureLatency(pair: Pair, plan: Plan, syncMs: number): Promise<Row[]> {
  const results = await inTurns(pair, plan.probeRounds, ({ server, paths, body }) =>
    runProbe({ url: server.url, requests: plan.probeRequests, warmupRequests: 500, paths, body }),
  );
  const middle = (which: 0 | 1, read: (result: ProbeResult) => number): number => median(results[which].map(read));
  const limitMs = middle(0, ({ p50Ms }) => p50Ms) + syncMs + 0.5;
  return ([0, 1] as const).flatMap((which): Row[] => {
    const { name } = pair[which];
    const p50Ms = middle(which, (result) => result.p50Ms);
    const isJudged = name === JUDGED.name;
    const target = isJudged ? { target: atMost(p50Ms, limitMs, 'bare + a sync + 0.5 ms') } : {};
    return [
      { name: `${name}, alone, p50`, value: p50Ms, unit: 'ms', ...target },
      { name: `${name}, alone, p99`, value: middle(which, ({ p99Ms }) => p99Ms), unit: 'ms' },
      { name: `${name}, alone, p99.9`, value: middle(which, ({ p999Ms }) => p999Ms), unit: 'ms' },
    ];
  });
}

async function measureLoad(pair: Pair, connections: number, plan: Plan): Promise<Row[]> {
  const isJudged = pair[1].name === JUDGED.name && connections === JUDGED.connections;
  const { seconds, rounds } = isJudged ? plan.judged : plan;
  const [bare, own] = await inTurns(pair, rounds, ({ server, paths, body }) =>
    runLoad({ url: server.url, connections, seconds, warmupSeconds: seconds / 2, paths, body }),
  );
  return [...loadRows(pair[0].name, connections, bare, null), ...loadRows(pair[1].name, connections, own, bare)];
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
  const isTargeted = name === JUDGED.name && connections === JUDGED.connections;
  return [
    {
      name: where,
      value: of((result) => result.requestsPerSecond),
      unit: 'requests/s',
      ...(bareResults === null ? {} : { against: { name: 'bare fastify', ratio } }),
      ...(isTargeted ? { target: atLeast(ratio, 0.8, '0.8 × bare') } : {}),
    },
    { name: `${where}, p50`, value: of((result) => result.p50Ms), unit: 'ms' },
    { name: `${where}, p99`, value: of((result) => result.p99Ms), unit: 'ms' },
    { name: `${where}, p99.9`, value: of((result) => result.p999Ms), unit: 'ms' },
  ];
}
