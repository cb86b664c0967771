import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { projectDir, type RunningServer, startMillrace, startPeer } from './lib/child.js';
import { type LoadResult, type ProbeResult, runLoad, runProbe } from './lib/load.js';
import { atLeast, atMost, median, type Row } from './lib/report.js';

/**
 * The same work on a real broker by Millrace and by services written by hand with fastify and kafkajs (bench/peers): echo over HTTP
 * through two topics, and a stream from one topic to another. Broker, service and load share the machine, and the two of a pair take turns.
 */

const BROKER_PORT = 19_392;
const CONNECTIONS = 64;
const ROUNDS = 3;
const SECONDS = 4;
const PROBES = 1_500;
const STREAM_RECORDS = 400_000;
const PARTITIONS = 16;
/** Of the records of a stream, what has gone by before the measurement begins. */
const WARM_UP_SHARE = 0.2;
const LOOK_EVERY_MS = 50;
/** A bound against hanging. */
const STREAM_SECONDS_MAX = 60;

interface Cluster {
  readonly bootstrap: string;
  dispose(): Promise<void>;
}

export async function run(): Promise<Row[]> {
  const module = new URL('../../tools/kafka/cluster.mjs', import.meta.url).href;
  const { KafkaCluster } = (await import(module)) as {
    readonly KafkaCluster: { start(dir: string, shape: { readonly port: number }): Promise<Cluster> };
  };
  const cluster = await KafkaCluster.start(await mkdtemp(join(tmpdir(), 'millrace-bench-kafka-')), {
    port: BROKER_PORT,
  });
  const kafka = new Kafka({ clientId: 'bench', brokers: cluster.bootstrap.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return [...(await echo(cluster.bootstrap)), ...(await stream(cluster.bootstrap, kafka, admin))];
  } finally {
    await admin.disconnect();
    await cluster.dispose();
  }
}

// ----------------------------------------------------------------------------------------------------------------- echo

function startOurs(
  {
    brokers,
    group,
    args = [],
  }: { readonly brokers: string; readonly group: string; readonly args?: readonly string[] },
  options: Parameters<typeof startMillrace>[1],
): Promise<RunningServer> {
  const kafka = ['--transport', 'kafka', '--brokers', brokers, '--group', group, '--parallelism', '1'];
  return startMillrace([...kafka, '--log-level', 'error', ...args], options);
}

async function echo(brokers: string): Promise<Row[]> {
  // A round goes on where the one before it has ended.
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const start = {
    ours: () => startOurs({ brokers, group: 'bench' }, { dataDir }),
    batched: () => startPeer('fastify-kafka', ['--brokers', brokers, '--sends', 'batched']),
    each: () => startPeer('fastify-kafka', ['--brokers', brokers, '--sends', 'each']),
  };
  const loads: Record<'ours' | 'batched', LoadResult[]> = { ours: [], batched: [] };
  const probes: Record<'ours' | 'each', ProbeResult[]> = { ours: [], each: [] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await whileRunning(start.batched, async ({ url }) => void loads.batched.push(await loadOf(url)));
      await whileRunning(start.ours, async ({ url }) => {
        loads.ours.push(await loadOf(url));
        probes.ours.push(await probeOf(url));
      });
      await whileRunning(start.each, async ({ url }) => void probes.each.push(await probeOf(url)));
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
  const medianOf = <T>(results: readonly T[], figure: (result: T) => number): number => median(results.map(figure));
  const [ours, batched] = [medianOf(loads.ours, (each) => each.requestsPerSecond), medianOf(loads.batched, (each) => each.requestsPerSecond)]; // prettier-ignore
  const [p50, p50Each] = [medianOf(probes.ours, (each) => each.p50Ms), medianOf(probes.each, (each) => each.p50Ms)];
  const p99 = medianOf(probes.ours, (each) => each.p99Ms);
  const name = `echo, ${String(CONNECTIONS)} conn`;
  return [
    { name: `by hand, batching: ${name}`, value: batched, unit: 'requests/s' },
    { name, value: ours, unit: 'requests/s', against: { name: 'by hand, batching', ratio: ours / batched }, target: atLeast(ours / batched, 1.2, '1.2 × by hand') }, // prettier-ignore
    { name: `${name}, p50`, value: medianOf(loads.ours, (each) => each.p50Ms), unit: 'ms' },
    { name: `${name}, p99`, value: medianOf(loads.ours, (each) => each.p99Ms), unit: 'ms' },
    { name: 'by hand, a send each: echo, 1 conn, p50', value: p50Each, unit: 'ms' },
    { name: 'by hand, a send each: echo, 1 conn, p99', value: medianOf(probes.each, (each) => each.p99Ms), unit: 'ms' },
    { name: 'echo, 1 conn, p50', value: p50, unit: 'ms', target: atMost(p50, p50Each, 'by hand') },
    { name: 'echo, 1 conn, p99', value: p99, unit: 'ms', target: atMost(p99, 5 * p50, '5 × p50') },
  ];
}

function loadOf(url: string): Promise<LoadResult> {
  const plan = { url, paths: ['/event'], body: '{"a":1}' };
  return runLoad({ ...plan, connections: CONNECTIONS, seconds: SECONDS, warmupSeconds: 3 });
}

function probeOf(url: string): Promise<ProbeResult> {
  return runProbe({ url, paths: ['/event'], body: '{"a":1}', requests: PROBES, warmupRequests: PROBES / 2 });
}

async function whileRunning(
  start: () => Promise<RunningServer>,
  use: (server: RunningServer) => Promise<void>,
): Promise<void> {
  const server = await start();
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

// --------------------------------------------------------------------------------------------------------------- stream

async function stream(brokers: string, kafka: Kafka, admin: Admin): Promise<Row[]> {
  const from = 'bench-orders';
  const names = Array.from({ length: ROUNDS }, (_, round) => ({
    ours: `ours-${String(round)}`,
    peer: `peer-${String(round)}`,
  }));
  const topics = [from, ...names.flatMap(({ ours, peer }) => [ours, peer])];
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions: PARTITIONS })),
    waitForLeaders: true,
  });
  await fill(kafka, from);
  const rates: Record<'ours' | 'peer', number[]> = { ours: [], peer: [] };
  for (const { ours, peer } of names) {
    const loop = startLoop(brokers, from, peer);
    try {
      rates.peer.push(await rateInto(admin, peer));
    } finally {
      await stopped(loop);
    }
    const args = ['--job', 'build/bench/jobs/topic-map-job.js'];
    await whileRunning(
      () => startOurs({ brokers, group: ours, args }, { env: { BENCH_FROM: from, BENCH_TO: ours } }),
      async () => void rates.ours.push(await rateInto(admin, ours)),
    );
  }
  const [ours, peer] = [median(rates.ours), median(rates.peer)];
  return [
    { name: 'by hand: topic → map → topic, 100 B', value: peer, unit: 'records/s' },
    { name: 'topic → map → topic, 100 B', value: ours, unit: 'records/s', against: { name: 'by hand', ratio: ours / peer }, target: atLeast(ours / peer, 0.8, '0.8 × by hand') }, // prettier-ignore
  ];
}

/** A hundred bytes each. */
async function fill(kafka: Kafka, topic: string): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  const batch = 5_000;
  for (let first = 0; first < STREAM_RECORDS; first += batch) {
    const messages = Array.from({ length: batch }, (_, index) => {
      const id = String(first + index);
      return { key: id, value: JSON.stringify({ id, amount: index, note: 'x'.repeat(66 - id.length) }) };
    });
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
}

function startLoop(brokers: string, from: string, to: string): ChildProcess {
  const args = ['build/bench/peers/kafka-map.js', '--brokers', brokers, '--from', from, '--to', to];
  return spawn(process.execPath, args, { cwd: projectDir, stdio: 'inherit' });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Records per second that come into a topic, from a fifth of them to the last. */
async function rateInto(admin: Admin, topic: string): Promise<number> {
  const count = async (): Promise<number> => {
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { offset }) => sum + Number(offset), 0);
  };
  let begin: { readonly atMs: number; readonly records: number } | null = null;
  const startedAtMs = performance.now();
  for (;;) {
    const records = await count();
    const atMs = performance.now();
    if (atMs - startedAtMs > STREAM_SECONDS_MAX * 1000) {
      throw new Error(`topic ${topic} has ${String(records)} of ${String(STREAM_RECORDS)} records`);
    }
    if (begin === null && records >= STREAM_RECORDS * WARM_UP_SHARE) begin = { atMs, records };
    if (begin !== null && records >= STREAM_RECORDS) return ((records - begin.records) * 1000) / (atMs - begin.atMs);
    await delay(LOOK_EVERY_MS);
  }
}
