import { type RunningServer, startBareFastify, startMillrace } from './lib/child.js';
import { runLoad } from './lib/load.js';
import { median, type Row } from './lib/report.js';
import { cpuBetween, threadCpu, totalOf, type ThreadCpu } from './lib/thread-cpu.js';

const CONNECTIONS = 64;
const ROUNDS = 5;
const SECONDS = 2;

const paths = Array.from({ length: 40 }, (_, index) => `/counters/name-${String(index)}`);

/**
 * Processor time per request, by thread: durable counters beside a bare fastify, at 64 connections. It says what a change has saved
 * also on a machine that others use. Linux only.
 */
export async function run(): Promise<Row[]> {
  const bare = await startBareFastify();
  const millrace = await startMillrace(['--parallelism', '1']);
  try {
    const of: [bare: ThreadCpu[], millrace: ThreadCpu[]] = [[], []];
    for (const server of [bare, millrace]) await microsPerRequest(server);
    for (let round = 0; round < ROUNDS; round++) {
      of[0].push(await microsPerRequest(bare));
      of[1].push(await microsPerRequest(millrace));
    }
    const bareMain = median(of[0].map(({ main }) => main));
    const row = (name: string, read: (cpu: ThreadCpu) => number): Row => {
      const value = median(of[1].map(read));
      return { name, value, unit: 'µs/request', against: { name: 'bare main thread', ratio: value / bareMain } };
    };
    return [
      { name: 'bare fastify, main thread', value: bareMain, unit: 'µs/request' },
      row('counters, main thread', ({ main }) => main),
      row('counters, worker thread', ({ workers }) => workers),
      row('counters, thread pool', ({ pool }) => pool),
      row("counters, V8's helpers", ({ helpers }) => helpers),
      row('counters, all threads', totalOf),
    ];
  } finally {
    await millrace.stop();
    await bare.stop();
  }
}

async function microsPerRequest(server: RunningServer): Promise<ThreadCpu> {
  const before = await threadCpu(server.pid);
  const load = { url: server.url, connections: CONNECTIONS, paths, body: '{"amount":1}' };
  const { requests } = await runLoad({ ...load, seconds: SECONDS, warmupSeconds: 0 });
  const { main, workers, pool, helpers } = cpuBetween(before, await threadCpu(server.pid));
  return { main: main / requests, workers: workers / requests, pool: pool / requests, helpers: helpers / requests };
}
