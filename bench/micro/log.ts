/**
 * The embedded log beside the least that durability costs on this disk: a bare write and fdatasync of the same bytes, in the
 * same run, taking turns. Also what was decided by measuring: one journal per topic against one file per partition, and room
 * allotted ahead against none.
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as embeddedLogModule from '../../src/connectors/log/embedded-log.js';
import type { TopicConfig } from '../../src/connectors/topic.js';
import { median, type Row } from '../lib/report.js';

export interface LogBenchOptions {
  /** Appends of each throughput round. @defaultValue 60,000 */
  readonly appendCount?: number;
  /** Appends of each latency round. @defaultValue 600 */
  readonly latencyCount?: number;
  /** @defaultValue 3 */
  readonly rounds?: number;
}

const PARTITIONS = 16;
const OUTSTANDING = 64;
const VALUE_BYTES = 100;
/** What a record of 100 B takes in the file when it is committed alone. */
const FRAME_BYTES = VALUE_BYTES + 68;
const config: TopicConfig = { partitions: PARTITIONS, retentionMs: Infinity, retentionBytes: Infinity };
const value = Buffer.alloc(VALUE_BYTES, 7);

type EmbeddedLogModule = typeof embeddedLogModule;
type EmbeddedLog = embeddedLogModule.EmbeddedLog;

/** Compiled, this file lies in build/bench/micro; what it measures is the built product. */
const dist = new URL('../../../dist/', import.meta.url);

interface Figures {
  readonly bareMs: number[];
  readonly bareP99Ms: number[];
  readonly oneMs: number[];
  readonly oneP99Ms: number[];
  readonly plainMs: number[];
  readonly shared: number[];
  readonly perPartition: number[];
  readonly tail: number[];
  readonly cold: number[];
  readonly openMs: number[];
}

/** Runs for some fifteen seconds. Figures are medians over the rounds. */
export async function run(options: LogBenchOptions = {}): Promise<Row[]> {
  const appendCount = options.appendCount ?? 60_000;
  const latencyCount = options.latencyCount ?? 600;
  const { EmbeddedLog } = (await import(new URL('connectors/log/embedded-log.js', dist).href)) as EmbeddedLogModule;
  const figures: Figures = {
    bareMs: [], bareP99Ms: [], oneMs: [], oneP99Ms: [], plainMs: [],
    shared: [], perPartition: [], tail: [], cold: [], openMs: [],
  }; // prettier-ignore
  for (let round = 0; round < (options.rounds ?? 3); round++) {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
    try {
      await measureRound(EmbeddedLog, dataDir, { appendCount, latencyCount, figures });
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }
  return rowsOf(figures);
}

interface Round {
  readonly appendCount: number;
  readonly latencyCount: number;
  readonly figures: Figures;
}

async function measureRound(Log: EmbeddedLogModule['EmbeddedLog'], dataDir: string, round: Round): Promise<void> {
  const { appendCount, latencyCount, figures } = round;
  const bare = await measureBare(join(dataDir, 'bare'), latencyCount);
  figures.bareMs.push(quantile(bare, 0.5));
  figures.bareP99Ms.push(quantile(bare, 0.99));

  const plain = await Log.open({ dataDir: join(dataDir, 'plain'), preallocateBytes: 0 });
  await plain.createTopic('t', config);
  figures.plainMs.push(quantile(await measureLatency(plain, latencyCount), 0.5));
  await plain.close();

  const log = await Log.open({ dataDir: join(dataDir, 'log') });
  await log.createTopic('one', config);
  const one = await measureLatency(log, latencyCount, 'one');
  figures.oneMs.push(quantile(one, 0.5));
  figures.oneP99Ms.push(quantile(one, 0.99));
  await log.createTopic('t', config);
  figures.shared.push(
    await measureAppends(
      log,
      appendCount,
      () => 't',
      (index) => index % PARTITIONS,
    ),
  );
  figures.tail.push(await measureReads(log, appendCount));
  for (let topic = 0; topic < PARTITIONS; topic++) await log.createTopic(`p${topic}`, { ...config, partitions: 1 });
  figures.perPartition.push(
    await measureAppends(
      log,
      appendCount,
      (index) => `p${index % PARTITIONS}`,
      () => 0,
    ),
  );
  await log.close();

  const startMs = performance.now();
  const again = await Log.open({ dataDir: join(dataDir, 'log') });
  figures.openMs.push(performance.now() - startMs);
  figures.cold.push(await measureReads(again, appendCount));
  await again.close();
}

/** One frame's bytes written at the end of a file and synced, one after another. */
export async function measureBare(path: string, count: number): Promise<number[]> {
  const bytes = Buffer.alloc(FRAME_BYTES, 7);
  const file = await open(path, 'w');
  const latencies: number[] = [];
  for (let index = 0; index < count; index++) {
    const startMs = performance.now();
    await file.write(bytes, 0, FRAME_BYTES, index * FRAME_BYTES);
    await file.datasync();
    latencies.push(performance.now() - startMs);
  }
  await file.close();
  return latencies;
}

/** One append at a time, from the call to the listener. */
function measureLatency(log: EmbeddedLog, count: number, topic = 't'): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    let startMs = 0;
    const next = (): void => {
      startMs = performance.now();
      log.append(topic, { partition: 0, key: null, value, headers: [], timestamp: 0 }, listener);
    };
    const listener = {
      onAppended: () => {
        latencies.push(performance.now() - startMs);
        if (latencies.length === count) resolve(latencies);
        else setImmediate(next);
      },
      onAppendFailed: reject,
    };
    next();
  });
}

/** Appends per second with 64 under way. */
function measureAppends(
  log: EmbeddedLog,
  count: number,
  topicOf: (index: number) => string,
  partitionOf: (index: number) => number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let sent = 0;
    let acknowledged = 0;
    const next = (): void => {
      const partition = partitionOf(sent);
      const topic = topicOf(sent);
      sent += 1;
      log.append(topic, { partition, key: null, value, headers: [], timestamp: 0 }, listener);
    };
    const listener = {
      onAppended: () => {
        acknowledged += 1;
        if (sent < count) next();
        else if (acknowledged === count) resolve((count * 1000) / (performance.now() - startMs));
      },
      onAppendFailed: reject,
    };
    for (let index = 0; index < OUTSTANDING; index++) next();
  });
}

/** Records per second read from topic `t`, from its first to its last. */
function measureReads(log: EmbeddedLog, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let recordCount = 0;
    let byteCount = 0;
    const poll = (): void => {
      const accepted = reader.poll(1000, (record) => {
        byteCount += record.value?.length ?? 0;
        return true;
      });
      recordCount += accepted;
      if (recordCount === count) {
        reader.close();
        if (byteCount !== count * VALUE_BYTES) reject(new Error('the log lost or changed records'));
        else resolve((count * 1000) / (performance.now() - startMs));
      } else if (accepted > 0) setImmediate(poll);
    };
    const positions = new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, 0]));
    const reader = log.openReader('t', { positions, visibility: 'durable', onReadable: () => setImmediate(poll) });
    poll();
  });
}

function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

function rowsOf(figures: Figures): Row[] {
  const bareMs = median(figures.bareMs);
  const oneMs = median(figures.oneMs);
  const plainMs = median(figures.plainMs);
  const shared = median(figures.shared);
  const perPartition = median(figures.perPartition);
  const bare = 'bare write and fdatasync';
  return [
    { name: 'bare write and fdatasync, p50', value: bareMs, unit: 'ms' },
    { name: 'bare write and fdatasync, p99', value: median(figures.bareP99Ms), unit: 'ms' },
    { name: 'one append, p50', value: oneMs, unit: 'ms', against: { name: bare, ratio: oneMs / bareMs } },
    { name: 'one append, p99', value: median(figures.oneP99Ms), unit: 'ms' },
    { name: 'one append, no room allotted ahead, p50', value: plainMs, unit: 'ms', against: { name: bare, ratio: plainMs / bareMs } }, // prettier-ignore
    { name: `appends of ${VALUE_BYTES} B, ${OUTSTANDING} under way, one journal for ${PARTITIONS} partitions`, value: shared, unit: 'appends/s', against: { name: 'bare write and fdatasync each', ratio: (shared * bareMs) / 1000 } }, // prettier-ignore
    { name: 'the same, a journal for each partition', value: perPartition, unit: 'appends/s', against: { name: 'one journal', ratio: perPartition / shared } }, // prettier-ignore
    { name: 'reads at the tail, from memory', value: median(figures.tail), unit: 'records/s' },
    { name: 'reads from files', value: median(figures.cold), unit: 'records/s' },
    { name: 'opening 18 topics', value: median(figures.openMs), unit: 'ms' },
  ];
}
