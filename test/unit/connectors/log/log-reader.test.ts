import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../src/base/errors.js';
import { SeededPrng } from '../../../../src/base/prng.js';
import { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import { fileKinds } from '../../../../src/storage/frame-codec.js';
import { SystemJournalDisk } from '../../../../src/storage/journal-file.js';
import type { ReadVisibility, TopicReader, TopicRecord } from '../../../../src/connectors/topic.js';
import { keepAll, smallSizes, withLog } from '../../../helpers/embedded-log.js';
import { FaultyDisk, noFaults } from '../../../helpers/faulty-disk.js';
import { withMemoryDirectory } from '../../../helpers/temporary-directory.js';
import {
  keep,
  positionsFrom,
  producerRecord,
  rejection,
  textRecord,
  TopicClient,
} from '../../../helpers/topic-client.js';

const TOPIC = 't';

/** A reader that a test polls by itself. */
function open(log: EmbeddedLog, visibility: ReadVisibility, positions: ReadonlyMap<number, number>): TopicReader {
  return log.openReader(TOPIC, { positions, visibility, onReadable: () => undefined });
}

async function append(log: EmbeddedLog, from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; index++) {
    log.append(TOPIC, textRecord(index % 2, `r${index}:`.padEnd(100, '.')), null);
    if (index % 5 === 0) await log.flush();
  }
  await log.flush();
}

function expectAll(client: TopicClient, count: number): void {
  const numbers = client.values.map((value) => Number(value?.slice(1).split(':')[0]));
  expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index));
}

describe('log reader', () => {
  it('reads old records from the files and new ones from memory, in one order, without a gap between the two', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      await append(log, 0, 500);
      const client = new TopicClient(log, TOPIC, positionsFrom(0, 2), { maxRecords: 3 });
      const reading = client.read(1000);
      await append(log, 500, 500);
      await reading;
      expectAll(client, 1000);
    });
  });

  it('falls behind the memory and catches up again as often as need be', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const client = new TopicClient(log, TOPIC, positionsFrom(0, 2), { maxRecords: 7 });
      for (let round = 0; round < 10; round++) {
        await append(log, round * 100, 100);
        await client.read(round * 100 + 90);
      }
      await client.read(1000);
      expectAll(client, 1000);
    });
  });

  it('keeps the records of its last poll intact while the memory behind them is given up', async () => {
    await withLog({ ...smallSizes, cacheBytes: 8192 }, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const reader = open(log, 'durable', positionsFrom(0, 2));
      await append(log, 0, 10);
      const held: (Uint8Array | null)[] = [];
      expect(reader.poll(10, (record) => held.push(record.value) > 0)).toBe(10);
      const before = held.map((value) => Buffer.from(value ?? []).toString());
      await append(log, 10, 500);
      expect(held.map((value) => Buffer.from(value ?? []).toString())).toEqual(before);
      reader.close();
    });
  });

  it('may append and close within a visit', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      await append(log, 0, 20);
      const reader = open(log, 'appended', positionsFrom(0, 2));
      let visits = 0;
      const accepted = reader.poll(100, () => {
        visits += 1;
        log.append(TOPIC, textRecord(0, 'more'), null);
        if (visits === 15) reader.close();
        return true;
      });
      expect([accepted, visits]).toEqual([15, 15]);
      expect(reader.poll(100, () => true)).toBe(0);
    });
  });

  it('reads on when what a visit appends drives the record being visited out of memory', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      await append(log, 0, 50);
      const seen: number[] = [];
      await new Promise<void>((resolve) => {
        const poll = (): void => {
          while (reader.poll(10, visit) > 0);
        };
        const visit = (record: TopicRecord): boolean => {
          const { offset } = record;
          if (record.partition === 0) seen.push(offset);
          if (seen.length === 200) resolve();
          if (seen.length < 200) log.append(TOPIC, textRecord(0, 'x'.repeat(3000)), null);
          return record.offset === offset;
        };
        const reader = log.openReader(TOPIC, {
          positions: positionsFrom(0, 2),
          visibility: 'durable',
          onReadable: poll,
        });
        poll();
      });
      expect(seen.slice(0, 200)).toEqual(Array.from({ length: 200 }, (_, offset) => offset));
    });
  });

  it('sees with visibility appended what is not durable yet, and with durable only what is', async () => {
    await withMemoryDirectory(async (dataDir) => {
      const disk = new FaultyDisk(
        new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes: 0 }),
        new SeededPrng(1),
      );
      const log = await EmbeddedLog.open({ dataDir, disk });
      await log.createTopic(TOPIC, keepAll);
      const early = new TopicClient(log, TOPIC, positionsFrom(0, 2), { visibility: 'appended' });
      const durable = new TopicClient(log, TOPIC, positionsFrom(0, 2));
      disk.stop(); // from now on no write ends
      const reading = early.read(3);
      for (let index = 0; index < 3; index++) log.append(TOPIC, textRecord(0, `r${index}`), null);
      expect((await reading).map((record) => [record.offset, record.value])).toEqual([[0, 'r0'], [1, 'r1'], [2, 'r2']]); // prettier-ignore
      expect(durable.reader.poll(10, () => true)).toBe(0);
      expect((await log.describe(TOPIC)).endOffsets).toEqual([0, 0]);
    });
  });

  it('with visibility appended goes on with the records that took the place of refused ones', async () => {
    await withMemoryDirectory(async (dataDir) => {
      const disk = new FaultyDisk(
        new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes: 0 }),
        new SeededPrng(1),
      );
      const log = await EmbeddedLog.open({ dataDir, disk });
      await log.createTopic(TOPIC, keepAll);
      await append(log, 0, 2);
      const client = new TopicClient(log, TOPIC, positionsFrom(0, 2), { visibility: 'appended' });
      await client.read(2);
      disk.rates = { ...noFaults, full: 1 };
      const refused = rejection(new Promise((resolve, reject) => {
        log.append(TOPIC, textRecord(0, 'refused'), { onAppended: resolve, onAppendFailed: reject });
      })); // prettier-ignore
      await client.read(3);
      expect(MillraceError.is(await refused, 'MILLRACE_STORAGE_FULL')).toBe(true);
      expect(client.reader.position(0)).toBe(1);
      disk.rates = noFaults;
      log.append(TOPIC, textRecord(0, 'kept'), null);
      await client.read(4);
      expect(client.records.slice(2).map((record) => [record.offset, record.value])).toEqual([[1, 'refused'], [1, 'kept']]); // prettier-ignore
      await log.close();
    });
  });

  it('holds up no one else when it is not polled', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const idle = new TopicClient(log, TOPIC, positionsFrom(0, 2));
      await append(log, 0, 1);
      await idle.read(1);
      const busy = new TopicClient(log, TOPIC, positionsFrom(0, 2));
      await append(log, 1, 999);
      await busy.read(1000);
      await idle.read(1000);
      expectAll(idle, 1000);
    });
  });

  it('reads a record that is larger than its read-ahead, and one that is larger than a segment', async () => {
    await withLog({ ...smallSizes, recordBytesMax: 4 << 20 }, async (log, dataDir) => {
      await log.createTopic(TOPIC, keepAll);
      const values = [Buffer.alloc(10, 1), Buffer.alloc(3 << 20, 2), Buffer.alloc(10, 3), Buffer.alloc(20_000, 4)];
      for (const value of values) log.append(TOPIC, producerRecord({ value }), null);
      await log.close();
      const again = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const reader = new TopicClient(again, TOPIC, positionsFrom(0, 1));
      const found = await reader.read(4);
      expect(found.map(({ value }) => value)).toEqual(values.map((value) => value.toString('latin1')));
      await again.close();
    });
  });

  it('finds a record among tens of thousands of other partitions, without looking at all of them in one poll', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const client = new TopicClient(log, TOPIC, new Map([[1, 0]]));
      for (let index = 0; index < 45_000; index++) log.append(TOPIC, textRecord(0, ''), null);
      log.append(TOPIC, textRecord(1, 'rare'), null);
      await log.flush();
      expect(client.reader.poll(1, () => true)).toBe(0);
      expect((await client.read(1))[0]?.value).toBe('rare');
    });
  });

  it('refuses to be opened at what is no offset, and to tell the position of a partition it does not read', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      for (const [partition, offset] of [
        [2, 0],
        [-1, 0],
        [0, -1],
        [0, 0.5],
      ] as const) {
        // prettier-ignore
        const opening = (): unknown =>
          open(log, 'durable', new Map([[partition, offset]]));
        expect(opening).toThrow(expect.objectContaining({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' }));
      }
      const reader = open(log, 'durable', positionsFrom(0, 1));
      expect(() => reader.position(1)).toThrow(expect.objectContaining({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' }));
    });
  });

  it('says again with every poll that its offset is not stored', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const reader = open(log, 'durable', positionsFrom(9, 1));
      for (let attempt = 0; attempt < 2; attempt++) {
        expect(() => reader.poll(1, (record) => keep(record).offset >= 0)).toThrow(
          expect.objectContaining({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' }),
        );
      }
    });
  });
});
