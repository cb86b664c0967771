import { appendFile, copyFile, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../src/base/errors.js';
import { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import { keepAll, smallSizes } from '../../../helpers/embedded-log.js';
import { withMemoryDirectory } from '../../../helpers/temporary-directory.js';
import { positionsFrom, producerRecord, rejection, TopicClient } from '../../../helpers/topic-client.js';

const TOPIC = 't';
const RECORDS = 60;

function segment(dataDir: string, number: number): string {
  return join(dataDir, 'topics', TOPIC, `${String(number).padStart(12, '0')}.log`);
}

async function segmentCount(dataDir: string): Promise<number> {
  return (await readdir(join(dataDir, 'topics', TOPIC))).filter((name) => name.endsWith('.log')).length;
}

async function segmentBytes(dataDir: string): Promise<number> {
  let sum = 0;
  for (let number = await segmentCount(dataDir); number > 0; number--)
    sum += (await stat(segment(dataDir, number))).size;
  return sum;
}

/** A log of several segments with 60 records of 1 KB, closed in order. */
async function writeLog(dataDir: string): Promise<void> {
  const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
  await log.createTopic(TOPIC, keepAll);
  for (let index = 0; index < RECORDS; index++) {
    log.append(TOPIC, producerRecord({ partition: index % 2, value: Buffer.alloc(1000, index) }), null);
    await log.flush();
  }
  await log.close();
}

/** Opens the log and reads everything in it. */
async function readAll(dataDir: string): Promise<readonly number[]> {
  const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
  try {
    const { endOffsets } = await log.describe(TOPIC);
    const client = new TopicClient(log, TOPIC, positionsFrom(0, 2));
    const records = await client.read(endOffsets.reduce((sum, end) => sum + end, 0));
    return records.map(({ value }) => value?.charCodeAt(0) ?? -1);
  } finally {
    await log.close();
  }
}

const everything = Array.from({ length: RECORDS }, (_, index) => index);

async function expectDamage(dataDir: string, path: string): Promise<MillraceError> {
  const error = await rejection(readAll(dataDir));
  if (!MillraceError.is(error, 'MILLRACE_LOG_CORRUPT'))
    throw new Error('expected damage to be found', { cause: error });
  expect(error.details?.['path']).toBe(path);
  expect(error.message).toContain(path);
  return error;
}

async function withWrittenLog(use: (dataDir: string) => Promise<void>): Promise<void> {
  await withMemoryDirectory(async (dataDir) => {
    await writeLog(dataDir);
    expect(await segmentCount(dataDir)).toBeGreaterThan(5);
    await use(dataDir);
  });
}

describe('opening a log', () => {
  it('finds everything again, and opening it many times changes nothing', async () => {
    await withWrittenLog(async (dataDir) => {
      const count = await segmentCount(dataDir);
      for (let round = 0; round < 3; round++) expect(await readAll(dataDir)).toEqual(everything);
      expect(await segmentCount(dataDir)).toBe(count);
    });
  });

  it('removes a segment whose creation a crash cut short, and appends to the one before it', async () => {
    for (const leftover of [Buffer.alloc(0), Buffer.alloc(10, 1), Buffer.alloc(4096)]) {
      await withWrittenLog(async (dataDir) => {
        const count = await segmentCount(dataDir);
        await writeFile(segment(dataDir, count + 1), leftover);
        expect(await readAll(dataDir)).toEqual(everything);
        expect(await segmentCount(dataDir)).toBe(count);
      });
    }
  });

  it('removes one that has a header and half of its first frame', async () => {
    await withWrittenLog(async (dataDir) => {
      const count = await segmentCount(dataDir);
      await copyFile(segment(dataDir, count), segment(dataDir, count + 1));
      await truncate(segment(dataDir, count + 1), 50);
      expect(await readAll(dataDir)).toEqual(everything);
    });
  });

  it('counts of a sealed segment only as many bytes as its successor says', async () => {
    await withWrittenLog(async (dataDir) => {
      await appendFile(segment(dataDir, 2), Buffer.alloc(5000, 0xab));
      expect(await readAll(dataDir)).toEqual(everything);
    });
  });

  it('cuts off a torn tail for good: the next record follows the last whole one', async () => {
    await withWrittenLog(async (dataDir) => {
      const last = segment(dataDir, await segmentCount(dataDir));
      const { size } = await stat(last);
      await truncate(last, size - 10); // the last record's write lost its end
      expect(await readAll(dataDir)).toEqual(everything.slice(0, -1));
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      log.append(TOPIC, producerRecord({ partition: 1, value: Buffer.alloc(10, 200) }), null);
      await log.close();
      expect(await readAll(dataDir)).toEqual([...everything.slice(0, -1), 200]);
    });
  });

  it('leaves nothing of a torn write in the file, where a later crash could take it for data', async () => {
    await withWrittenLog(async (dataDir) => {
      const last = segment(dataDir, await segmentCount(dataDir));
      const { size } = await stat(last);
      await truncate(last, size - 10);
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const { sizeBytes } = await log.describe(TOPIC);
      expect((await stat(last)).size).toBeLessThan(size - 1000);
      expect(await segmentBytes(dataDir)).toBe(sizeBytes);
      await log.close();
    });
  });

  it('gives back on close the room that was allotted ahead', async () => {
    await withWrittenLog(async (dataDir) => {
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      log.append(TOPIC, producerRecord({ value: Buffer.alloc(10) }), null);
      await log.flush();
      const { sizeBytes } = await log.describe(TOPIC);
      expect(await segmentBytes(dataDir)).toBeGreaterThan(sizeBytes);
      await log.close();
      expect(await segmentBytes(dataDir)).toBe(sizeBytes);
    });
  });

  it('names a segment that is missing between others', async () => {
    await withWrittenLog(async (dataDir) => {
      await rm(segment(dataDir, 3));
      const error = await expectDamage(dataDir, segment(dataDir, 3));
      expect(error.message).toMatch(/missing/);
    });
  });

  it('takes missing oldest segments for ones that retention dropped', async () => {
    await withWrittenLog(async (dataDir) => {
      await rm(segment(dataDir, 1));
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const { beginOffsets, endOffsets } = await log.describe(TOPIC);
      expect(beginOffsets[0]).toBeGreaterThan(0);
      expect(endOffsets).toEqual([30, 30]);
      await log.close();
    });
  });

  it('names a sealed segment that is shorter than it was', async () => {
    await withWrittenLog(async (dataDir) => {
      const { size } = await stat(segment(dataDir, 2));
      await truncate(segment(dataDir, 2), size - 1);
      const error = await expectDamage(dataDir, segment(dataDir, 2));
      expect(error.details?.['position']).toBe(size - 1);
    });
  });

  it('names a segment that is another one under its name', async () => {
    await withWrittenLog(async (dataDir) => {
      await copyFile(segment(dataDir, 2), segment(dataDir, 4));
      await expectDamage(dataDir, segment(dataDir, 4));
    });
  });

  it('names the file and the place of a changed byte, in a sealed segment when it is read', async () => {
    await withWrittenLog(async (dataDir) => {
      const file = await open(segment(dataDir, 3), 'r+');
      await file.write(Buffer.of(0xee), 0, 1, 3000);
      await file.close();
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const client = new TopicClient(log, TOPIC, positionsFrom(0, 2));
      const error = await rejection(client.read(RECORDS));
      if (!MillraceError.is(error, 'MILLRACE_LOG_CORRUPT')) throw new Error('expected damage', { cause: error });
      expect(error.details?.['path']).toBe(segment(dataDir, 3));
      expect(error.details?.['position']).toBeLessThanOrEqual(3000);
      expect(client.records.length).toBeGreaterThan(10); // what lies before is read
      await log.close();
    });
  });

  it('names metadata of a topic, and offsets of a group, that were changed', async () => {
    await withWrittenLog(async (dataDir) => {
      const metadata = join(dataDir, 'topics', TOPIC, 'topic');
      const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
      await log.commitOffsets('g', TOPIC, new Map([[0, { offset: 1, metadata: '' }]]));
      await log.close();
      const offsets = join(dataDir, 'groups', 'g', TOPIC, 'offsets');
      await writeFile(offsets, 'nonsense');
      const again = await EmbeddedLog.open({ dataDir, ...smallSizes });
      const error = await rejection(again.committedOffsets('g', TOPIC));
      expect(MillraceError.is(error, 'MILLRACE_LOG_CORRUPT') && error.details?.['path']).toBe(offsets);
      await again.close();
      await writeFile(metadata, 'nonsense');
      await expectDamage(dataDir, metadata);
    });
  });

  it('gives the files back that it had open when it refuses', async () => {
    await withWrittenLog(async (dataDir) => {
      const before = await openFileCount();
      await rm(segment(dataDir, 3));
      for (let round = 0; round < 5; round++) await rejection(readAll(dataDir));
      expect(await openFileCount()).toBeLessThanOrEqual(before);
    });
  });
});

async function openFileCount(): Promise<number> {
  return process.platform === 'linux' ? (await readdir('/proc/self/fd')).length : 0;
}
