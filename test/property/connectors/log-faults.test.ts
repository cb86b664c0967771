import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { SeededPrng } from '../../../src/base/prng.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { fileKinds } from '../../../src/storage/frame-codec.js';
import { SystemJournalDisk } from '../../../src/storage/journal-file.js';
import { FaultyDisk, noFaults, type FaultRates } from '../../helpers/faulty-disk.js';
import { simulationSeeds } from '../../helpers/simulation-seeds.js';
import { withMemoryDirectory } from '../../helpers/temporary-directory.js';
import { appendDurably, positionsFrom, producerRecord, TopicClient } from '../../helpers/topic-client.js';

const PARTITIONS = 3;
const TOPIC = 'faults';

/** What must be found, per partition, and what may be found behind it. */
class Expectation {
  readonly acknowledged: string[][] = Array.from({ length: PARTITIONS }, () => []);
  /** Appended, and neither acknowledged nor refused for want of room: a crash may keep them or not. */
  readonly uncertain = new Set<string>();
  /** Whether a record refused for want of room must never be seen again: so it is unless cutting the file back fails too. */
  readonly isFullFinal: boolean;
  /** Every value is another one. */
  lastValue = 0;

  constructor(isFullFinal: boolean) {
    this.isFullFinal = isFullFinal;
  }

  /** Takes what was found after a crash as the new truth, once it is checked. */
  adopt(found: readonly (readonly string[])[]): void {
    for (const [partition, values] of found.entries()) {
      const acknowledged = this.acknowledged[partition] ?? [];
      expect(values.slice(0, acknowledged.length)).toEqual(acknowledged);
      const extra = values.slice(acknowledged.length);
      expect(extra.filter((value) => !this.uncertain.has(value))).toEqual([]);
      expect(new Set(extra).size).toBe(extra.length);
      this.acknowledged[partition] = [...values];
    }
    this.uncertain.clear();
  }
}

/** One life of the process: opens, appends in bursts until the power goes or the bursts are over. */
async function live(dataDir: string, prng: SeededPrng, rates: FaultRates, expectation: Expectation): Promise<void> {
  const inner = new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes: prng.below(2) * 4096 });
  const disk = new FaultyDisk(inner, prng);
  const log = await EmbeddedLog.open({
    dataDir,
    disk,
    segmentBytes: 8192,
    cacheBytes: prng.below(2) << 16,
    retentionCheckMs: 0,
  });
  await log.createTopic(TOPIC, { partitions: PARTITIONS, retentionMs: Infinity, retentionBytes: Infinity });
  expectation.adopt(await readAll(log));
  disk.rates = rates;
  const ends = new Map((await log.describe(TOPIC)).endOffsets.entries());
  const tail = new TopicClient(log, TOPIC, ends);
  const early = new TopicClient(log, TOPIC, ends, { visibility: 'appended' });
  void early.read(Infinity);
  const startCounts = expectation.acknowledged.map((values) => values.length);

  for (let burst = 0; burst < 12 && !disk.isStopped; burst++) {
    await Promise.race([appendBurst(log, prng, expectation), disk.crashed]);
  }
  const acknowledgedCount = expectation.acknowledged.reduce(
    (sum, values, index) => sum + values.length - (startCounts[index] ?? 0),
    0,
  );
  await tail.read(acknowledgedCount);
  void early.read(Infinity);
  for (const [partition, values] of expectation.acknowledged.entries()) {
    const acknowledged = values.slice(startCounts[partition]);
    expect(valuesOf(tail, partition)).toEqual(acknowledged);
    const isAcknowledged = new Set(acknowledged);
    expect(valuesOf(early, partition).filter((value) => isAcknowledged.has(value))).toEqual(acknowledged);
  }
  disk.rates = noFaults;
  if (disk.isStopped) await disk.tear();
  else if (prng.below(2) === 0) await log.close();
  else disk.stop();
}

function valuesOf(client: TopicClient, partition: number): string[] {
  return client.records.filter((record) => record.partition === partition).map((record) => record.value ?? '');
}

async function appendBurst(log: EmbeddedLog, prng: SeededPrng, expectation: Expectation): Promise<void> {
  const appends: Promise<void>[] = [];
  const count = 1 + prng.below(12);
  for (let index = 0; index < count; index++) {
    const partition = prng.below(PARTITIONS);
    const padding = prng.below(10) === 0 ? prng.below(20_000) : prng.below(100);
    expectation.lastValue += 1;
    const value = `${expectation.lastValue}:${'x'.repeat(padding)}`;
    expectation.uncertain.add(value);
    appends.push(appendOne(log, partition, value, expectation));
    if (prng.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(appends);
}

async function appendOne(log: EmbeddedLog, partition: number, value: string, expectation: Expectation): Promise<void> {
  try {
    const offset = await appendDurably(log, TOPIC, producerRecord({ partition, value: Buffer.from(value) }));
    const acknowledged = expectation.acknowledged[partition] ?? [];
    expect(offset).toBe(acknowledged.length);
    acknowledged.push(value);
    expectation.uncertain.delete(value);
  } catch (error) {
    const isFull = MillraceError.is(error, 'MILLRACE_STORAGE_FULL');
    if (!isFull && !MillraceError.is(error, 'MILLRACE_STORAGE_FAILED')) throw error;
    if (isFull && expectation.isFullFinal) expectation.uncertain.delete(value);
  }
}

async function readAll(log: EmbeddedLog): Promise<string[][]> {
  const { beginOffsets, endOffsets } = await log.describe(TOPIC);
  expect(beginOffsets).toEqual([0, 0, 0]);
  const client = new TopicClient(log, TOPIC, positionsFrom(0, PARTITIONS), { maxRecords: 7 });
  const records = await client.read(endOffsets.reduce((sum, end) => sum + end, 0));
  client.reader.close();
  const found: string[][] = Array.from({ length: PARTITIONS }, () => []);
  for (const record of records) {
    expect(record.offset).toBe(found[record.partition]?.length);
    found[record.partition]?.push(record.value ?? '');
  }
  return found;
}

/** Several lives over one data folder. */
async function run(seed: number, rates: FaultRates): Promise<void> {
  const prng = new SeededPrng(seed);
  await withMemoryDirectory(async (dataDir) => {
    const expectation = new Expectation(rates.other === 0);
    for (let life = 0; life < 4; life++) await live(dataDir, prng, rates, expectation);
    await live(dataDir, prng, noFaults, expectation);
  });
}

async function runSeeds(rates: FaultRates): Promise<void> {
  for (const seed of simulationSeeds('log-faults', 15)) {
    await run(seed, rates).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
}

describe('embedded log under faults', () => {
  it('loses no acknowledged record, and shows no half one, when power is lost in any write', async () => {
    await runSeeds({ ...noFaults, crash: 0.15 });
  });

  it('refuses exactly the records of a write that found the disk full: none of them is ever seen', async () => {
    await runSeeds({ ...noFaults, full: 0.3, crash: 0.05 });
  });

  it('keeps offsets dense and goes on when writes, syncs, new segments and removals fail', async () => {
    await runSeeds({ full: 0.15, failed: 0.1, crash: 0.05, other: 0.1 });
  });

  it('loses nothing when a segment may or may not have been begun before the crash', async () => {
    await runSeeds({ full: 0.1, failed: 0, crash: 0.1, other: 0.5 });
  });
});
