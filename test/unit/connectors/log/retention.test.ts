import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../src/base/errors.js';
import { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import { SeededPrng } from '../../../../src/base/prng.js';
import { fileKinds } from '../../../../src/storage/frame-codec.js';
import { SystemJournalDisk } from '../../../../src/storage/journal-file.js';
import { FaultyDisk, noFaults } from '../../../helpers/faulty-disk.js';
import { withMemoryDirectory } from '../../../helpers/temporary-directory.js';
import { smallSizes, withLog } from '../../../helpers/embedded-log.js';
import { positionsFrom, producerRecord, rejection, TopicClient } from '../../../helpers/topic-client.js';

const TOPIC = 't';
const config = { partitions: 2, retentionMs: Infinity, retentionBytes: Infinity };

/** About 1 KiB each, in partition 0; a segment of 8 KiB holds seven. */
async function append(log: EmbeddedLog, count: number, timestamp: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    log.append(TOPIC, producerRecord({ value: Buffer.alloc(1000, 1), timestamp }), null);
    await log.flush();
  }
}

describe('retention', () => {
  it('by bytes drops the oldest segments, and keeps at least as many bytes as were asked for', async () => {
    await withLog(smallSizes, async (log, dataDir) => {
      await log.createTopic(TOPIC, { ...config, retentionBytes: 20_000 });
      await append(log, 100, 0);
      await log.applyRetention();
      const { beginOffsets, endOffsets, sizeBytes } = await log.describe(TOPIC);
      expect(endOffsets).toEqual([100, 0]);
      expect(beginOffsets[0]).toBeGreaterThan(60);
      expect(sizeBytes).toBeGreaterThanOrEqual(20_000);
      expect(sizeBytes).toBeLessThan(20_000 + 8192);
      expect((await readdir(join(dataDir, 'topics', TOPIC))).filter((name) => name.endsWith('.log'))).toHaveLength(4);
    });
  });

  it('by age drops what is older, the active segment included, and keeps the offsets going', async () => {
    let now = 1_000_000;
    await withLog({ ...smallSizes, clock: { now: () => now } }, async (log, dataDir) => {
      await log.createTopic(TOPIC, { ...config, retentionMs: 1000 });
      await append(log, 20, now);
      await log.applyRetention();
      expect((await log.describe(TOPIC)).beginOffsets).toEqual([0, 0]);
      now += 500;
      await append(log, 10, now);
      now += 800;
      await log.applyRetention();
      const first = (await log.describe(TOPIC)).beginOffsets[0] ?? 0;
      expect(first).toBeGreaterThan(0);
      expect(first).toBeLessThanOrEqual(20);
      now += 1000;
      await log.applyRetention();
      expect((await log.describe(TOPIC)).beginOffsets).toEqual([30, 0]);
      await append(log, 1, now);
      await log.close();

      const again = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const description = await again.describe(TOPIC);
      expect([description.beginOffsets, description.endOffsets]).toEqual([[30, 0], [31, 0]]); // prettier-ignore
      await again.close();
    });
  });

  it('is applied by itself when a segment is full', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, { ...config, retentionBytes: 20_000 });
      await append(log, 100, 0);
      expect((await log.describe(TOPIC)).beginOffsets[0]).toBeGreaterThan(60);
    });
  });

  it('tells a reader whose place was dropped, and lets one that lost nothing go on', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, { ...config, retentionBytes: 10_000 });
      await append(log, 1, 0);
      const late = new TopicClient(log, TOPIC, new Map([[0, 0]]));
      const other = new TopicClient(log, TOPIC, new Map([[1, 0]]));
      await append(log, 100, 0);
      await log.applyRetention();
      const error = await rejection(late.read(101));
      if (!MillraceError.is(error, 'MILLRACE_OFFSET_OUT_OF_RANGE'))
        throw new Error('refused otherwise', { cause: error });
      expect(error.details).toMatchObject({ topic: TOPIC, partition: 0, offset: 0 });
      const reading = other.read(1);
      log.append(TOPIC, producerRecord({ partition: 1, value: Buffer.from('x') }), null);
      expect((await reading)[0]?.offset).toBe(0);
    });
  });

  it('does not disturb a reader in the middle of a file that is dropped, until its offsets are gone', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, config);
      await append(log, 50, 0);
      const client = new TopicClient(log, TOPIC, positionsFrom(0, 1), { maxRecords: 1 });
      await client.read(30);
      await log.createTopic(TOPIC, { ...config, retentionBytes: 20_000 });
      await log.applyRetention();
      const begin = (await log.describe(TOPIC)).beginOffsets[0] ?? 0;
      expect(begin).toBeLessThanOrEqual(30);
      expect(begin).toBeGreaterThan(7);
      await client.read(50);
      expect(client.records.map((record) => record.offset)).toEqual(Array.from({ length: 50 }, (_, offset) => offset));
    });
  });

  it('follows the configuration that a topic was last created with, also after a restart', async () => {
    await withLog(smallSizes, async (log, dataDir) => {
      await log.createTopic(TOPIC, config);
      await log.createTopic(TOPIC, { ...config, retentionMs: 5, retentionBytes: 7 });
      await log.close();
      const again = await EmbeddedLog.open({ dataDir, ...smallSizes });
      expect(await again.describe(TOPIC)).toMatchObject({ retentionMs: 5, retentionBytes: 7 });
      await again.close();
    });
  });
});

describe('retention on a disk that fails', () => {
  it('removes files strictly oldest first, and what could not be removed later: no gap is left', async () => {
    await withMemoryDirectory(async (dataDir) => {
      const disk = new FaultyDisk(
        new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes: 0 }),
        new SeededPrng(7),
      );
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes, disk });
      await log.createTopic(TOPIC, config);
      await append(log, 100, 0);
      await log.createTopic(TOPIC, { ...config, retentionBytes: 20_000 });
      disk.rates = { ...noFaults, other: 0.5 };
      const numbersLeft = async (): Promise<number[]> => {
        const names = await readdir(join(dataDir, 'topics', TOPIC));
        return names.filter((name) => name.endsWith('.log')).map((name) => Number.parseInt(name, 10));
      };
      for (let round = 0; round < 6; round++) {
        await log.applyRetention();
        const left = (await numbersLeft()).sort((a, b) => a - b);
        const first = left[0] ?? 0;
        expect(left).toEqual(left.map((_, index) => first + index));
      }
      disk.rates = noFaults;
      await log.applyRetention();
      expect(await numbersLeft()).toHaveLength(4);
      await log.close();
      await (await EmbeddedLog.open({ dataDir, ...smallSizes })).close();
    });
  });
});
