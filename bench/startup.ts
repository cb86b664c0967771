import { residentMiB, startBareFastify, startMillrace } from './lib/child.js';
import { runLoad } from './lib/load.js';
import { atMost, median, type Row } from './lib/report.js';

const STARTS = 5;

/** From the start of the process to the first answer, and memory: idle with two workers, and under load. */
export async function run(): Promise<Row[]> {
  const starts: number[] = [];
  for (let count = 0; count < STARTS; count++) starts.push(await timeToFirstAnswer());
  const startMs = median(starts);

  const server = await startMillrace(['--parallelism', '2']);
  const bare = await startBareFastify();
  try {
    await post(server.url);
    const idle = await residentMiB(server.pid);
    const bareIdle = await residentMiB(bare.pid);
    await runLoad({
      url: server.url,
      connections: 64,
      seconds: 3,
      warmupSeconds: 1,
      paths: ['/counters/a', '/counters/b'],
      body: '{"amount":1}',
    });
    const loaded = await residentMiB(server.pid);
    return [
      { name: 'start to first answer', value: startMs, unit: 'ms', target: atMost(startMs, 1000, '1,000 ms') },
      {
        name: 'idle memory, 2 workers',
        value: idle,
        unit: 'MiB',
        against: { name: 'bare fastify', ratio: idle / bareIdle },
        target: atMost(idle, 180, '180 MiB'),
      },
      { name: 'memory under load, 2 workers', value: loaded, unit: 'MiB' },
    ];
  } finally {
    await server.stop();
    await bare.stop();
  }
}

async function timeToFirstAnswer(): Promise<number> {
  const startedAt = performance.now();
  const server = await startMillrace([]);
  await post(server.url);
  const elapsedMs = performance.now() - startedAt;
  await server.stop();
  return elapsedMs;
}

async function post(url: string): Promise<void> {
  const response = await fetch(`${url}/counters/first`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"amount":1}',
  });
  if (!response.ok) throw new Error(`${url} answered ${String(response.status)}`);
  await response.arrayBuffer();
}
