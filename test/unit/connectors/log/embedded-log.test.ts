import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../src/base/errors.js';
import type { Logger } from '../../../../src/base/log.js';
import { silentLogger } from '../../../../src/base/log.js';
import { SeededPrng } from '../../../../src/base/prng.js';
import { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import { fileKinds } from '../../../../src/storage/frame-codec.js';
import { SystemJournalDisk } from '../../../../src/storage/journal-file.js';
import { keepAll, withLog } from '../../../helpers/embedded-log.js';
import { FaultyDisk, noFaults } from '../../../helpers/faulty-disk.js';
import { withMemoryDirectory } from '../../../helpers/temporary-directory.js';
import { appendDurably, producerRecord, rejection, textRecord } from '../../../helpers/topic-client.js';
import { openLogSubject } from '../../../helpers/log-subject.js';
import { describeTopicContract } from '../../../helpers/topic-contract.js';

describeTopicContract('embedded log', openLogSubject);

const TOPIC = 't';

async function expectCode(promise: Promise<unknown>, code: string): Promise<MillraceError> {
  const error = await rejection(promise);
  if (!MillraceError.is(error) || error.code !== code) throw new Error(`expected ${code}`, { cause: error });
  return error;
}

function faultyDisk(): FaultyDisk {
  return new FaultyDisk(new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes: 0 }), new SeededPrng(1));
}

describe('embedded log: what it refuses', () => {
  it.each(['', '.', '..', '../up', 'a/b', 'a\\b', 'nul\0', 'blank name', 'ü', 'x'.repeat(250)])(
    'the topic and group name %j',
    async (name) => {
      await withLog({}, async (log) => {
        await expectCode(log.createTopic(name, keepAll), 'MILLRACE_CONFIG_INVALID');
        await log.createTopic(TOPIC, keepAll);
        await expectCode(log.commitOffsets(name, TOPIC, new Map()), 'MILLRACE_CONFIG_INVALID');
        await expectCode(log.committedOffsets(name, TOPIC), 'MILLRACE_CONFIG_INVALID');
        expect(log.topics()).toEqual([TOPIC]);
      });
    },
  );

  it('a topic without partitions, or that keeps nothing', async () => {
    await withLog({}, async (log) => {
      for (const wrong of [
        { partitions: 0 },
        { partitions: 1.5 },
        { partitions: 5000 },
        { retentionMs: 0 },
        { retentionBytes: -1 },
      ]) {
        await expectCode(log.createTopic(TOPIC, { ...keepAll, ...wrong }), 'MILLRACE_CONFIG_INVALID');
      }
    });
  });

  it('an append, a reader and a commit on a topic that is not there', async () => {
    await withLog({}, async (log) => {
      const append = (): void => log.append(TOPIC, textRecord(0, 'x'), null);
      const read = (): unknown =>
        log.openReader(TOPIC, { positions: new Map(), visibility: 'durable', onReadable: () => undefined });
      for (const call of [append, read])
        expect(call).toThrow(expect.objectContaining({ code: 'MILLRACE_TOPIC_NOT_FOUND' }));
      await expectCode(log.commitOffsets('g', TOPIC, new Map()), 'MILLRACE_TOPIC_NOT_FOUND');
      await expectCode(log.committedOffsets('g', TOPIC), 'MILLRACE_TOPIC_NOT_FOUND');
    });
  });

  it('a partition that is not there, and the offset of no record', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      for (const partition of [-1, 2, 0.5]) {
        expect(() => log.append(TOPIC, textRecord(partition, 'x'), null)).toThrow(
          expect.objectContaining({ code: 'MILLRACE_TOPIC_PARTITIONS_MISMATCH' }),
        );
        const offsets = new Map([[partition, { offset: 0, metadata: '' }]]);
        await expectCode(log.commitOffsets('g', TOPIC, offsets), 'MILLRACE_OFFSET_OUT_OF_RANGE');
      }
      await expectCode(
        log.commitOffsets('g', TOPIC, new Map([[0, { offset: -1, metadata: '' }]])),
        'MILLRACE_OFFSET_OUT_OF_RANGE',
      );
    });
  });

  it('a record over the limit, with its size, and takes the next one', async () => {
    await withLog({ recordBytesMax: 1000 }, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const large = producerRecord({ key: Buffer.alloc(500), value: Buffer.alloc(500) });
      const error = await expectCode(appendDurably(log, TOPIC, large), 'MILLRACE_RECORD_TOO_LARGE');
      expect(error.details).toEqual({ topic: TOPIC, sizeBytes: 1036 });
      const longName = producerRecord({ headers: [['n'.repeat(70_000), Buffer.alloc(0)]] });
      await expectCode(appendDurably(log, TOPIC, longName), 'MILLRACE_RECORD_TOO_LARGE');
      expect(await appendDurably(log, TOPIC, textRecord(0, 'x'))).toBe(0);
    });
  });

  it('more than may wait for the disk, until the disk has caught up', async () => {
    await withLog({ pendingBytesMax: 10_000 }, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const outcomes = Array.from({ length: 20 }, () =>
        appendDurably(log, TOPIC, producerRecord({ value: Buffer.alloc(1000) })).then(
          () => 'kept',
          (error: unknown) => (MillraceError.is(error) ? error.code : 'other'),
        ),
      );
      expect(log.pendingBytes(TOPIC)).toBeLessThanOrEqual(10_000);
      const settled = await Promise.all(outcomes);
      expect(settled.filter((outcome) => outcome === 'kept')).toHaveLength(9);
      expect(settled.filter((outcome) => outcome === 'MILLRACE_BACKPRESSURE')).toHaveLength(11);
      expect(log.pendingBytes(TOPIC)).toBe(0);
      expect(await appendDurably(log, TOPIC, textRecord(0, 'x'))).toBe(9);
    });
  });

  it('everything once it is closed', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      await log.close();
      await expectCode(appendDurably(log, TOPIC, textRecord(0, 'x')), 'MILLRACE_SHUTTING_DOWN');
      await expectCode(log.createTopic('another', keepAll), 'MILLRACE_SHUTTING_DOWN');
      await expectCode(log.commitOffsets('g', TOPIC, new Map()), 'MILLRACE_SHUTTING_DOWN');
      expect(() =>
        log.openReader(TOPIC, { positions: new Map(), visibility: 'durable', onReadable: () => undefined }),
      ).toThrow(expect.objectContaining({ code: 'MILLRACE_SHUTTING_DOWN' }));
    });
  });

  it('a data folder that is a file, or that it may not write', async () => {
    await withMemoryDirectory(async (parent) => {
      const file = join(parent, 'file');
      await writeFile(file, '');
      const error = await expectCode(EmbeddedLog.open({ dataDir: file }), 'MILLRACE_DATA_DIR_UNUSABLE');
      expect(error.message).toContain(file);
      if (process.getuid?.() === 0) return; // root may write anywhere
      const readOnly = join(parent, 'read-only');
      await mkdir(readOnly, { mode: 0o500 });
      await expectCode(EmbeddedLog.open({ dataDir: readOnly }), 'MILLRACE_DATA_DIR_UNUSABLE');
      await chmod(readOnly, 0o700);
    });
  });
});

describe('embedded log: what it reports', () => {
  it('a refusal that no listener heard, with the next flush', async () => {
    await withMemoryDirectory(async (dataDir) => {
      const disk = faultyDisk();
      const log = await EmbeddedLog.open({ dataDir, disk, recordBytesMax: 1000 });
      await log.createTopic(TOPIC, keepAll);
      log.append(TOPIC, producerRecord({ value: Buffer.alloc(2000) }), null);
      await expectCode(log.flush(), 'MILLRACE_RECORD_TOO_LARGE');
      await log.flush();
      disk.rates = { ...noFaults, full: 1 };
      log.append(TOPIC, textRecord(0, 'x'), null);
      const flushed = expectCode(log.flush(), 'MILLRACE_STORAGE_FULL');
      await flushed;
      disk.rates = noFaults;
      log.append(TOPIC, textRecord(0, 'y'), null);
      await log.flush();
      await log.close();
    });
  });

  it('a listener that throws, to the log, and goes on telling the others', async () => {
    const errors: string[] = [];
    const logger: Logger = { ...silentLogger, error: (_, text) => void errors.push(text) };
    await withLog({ logger }, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const thrower = {
        onAppended: () => {
          throw new Error('from the listener');
        },
        onAppendFailed: () => undefined,
      };
      log.append(TOPIC, textRecord(0, 'a'), thrower);
      expect(await appendDurably(log, TOPIC, textRecord(0, 'b'))).toBe(1);
      expect(errors).toEqual(['append listener threw']);
    });
  });

  it('refusals to the log once when they begin and once when they end', async () => {
    const lines: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (_, text) => void lines.push(text),
      info: (fields, text) => void lines.push(`${text}: ${JSON.stringify(fields)}`),
    };
    await withMemoryDirectory(async (dataDir) => {
      const disk = faultyDisk();
      const log = await EmbeddedLog.open({ dataDir, disk, logger });
      await log.createTopic(TOPIC, keepAll);
      disk.rates = { ...noFaults, full: 1 };
      for (let index = 0; index < 3; index++) await rejection(appendDurably(log, TOPIC, textRecord(0, 'x')));
      disk.rates = noFaults;
      for (let index = 0; index < 3; index++) await appendDurably(log, TOPIC, textRecord(0, 'x'));
      await log.close();
    });
    expect(lines).toEqual(['appends are refused', 'appends succeed again: {"topic":"t","refused":3}']);
  });

  it('appends to the listeners in order, those of one commit together', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const told: string[] = [];
      for (let index = 0; index < 10; index++) {
        const listener = {
          onAppended: (offset: number) => void told.push(`${index % 2}:${offset}`),
          onAppendFailed: () => undefined,
        };
        log.append(TOPIC, textRecord(index % 2, 'x'), listener);
      }
      await log.flush();
      expect(told).toEqual(['0:0', '1:0', '0:1', '1:1', '0:2', '1:2', '0:3', '1:3', '0:4', '1:4']);
    });
  });

  it('the group offsets of the last commit when many are under way', async () => {
    await withLog({}, async (log, dataDir) => {
      await log.createTopic(TOPIC, keepAll);
      const commits = Array.from({ length: 50 }, (_, index) =>
        log.commitOffsets('g', TOPIC, new Map([[index % 2, { offset: index, metadata: `${index}` }]])),
      );
      await Promise.all(commits);
      await log.close();
      const again = await EmbeddedLog.open({ dataDir });
      expect(await again.committedOffsets('g', TOPIC)).toEqual(
        new Map([
          [0, { offset: 48, metadata: '48' }],
          [1, { offset: 49, metadata: '49' }],
        ]),
      );
      await again.close();
    });
  });
});

describe('embedded log: several topics', () => {
  it('commit each by itself: one that cannot write holds up no other', async () => {
    await withMemoryDirectory(async (dataDir) => {
      const disk = faultyDisk();
      const log = await EmbeddedLog.open({ dataDir, disk });
      await log.createTopic('a', keepAll);
      await log.createTopic('b', keepAll);
      disk.stopPath = join(dataDir, 'topics', 'a');
      log.append('a', textRecord(0, 'never'), null);
      for (let offset = 0; offset < 5; offset++) expect(await appendDurably(log, 'b', textRecord(0, 'x'))).toBe(offset);
      expect((await log.describe('a')).endOffsets).toEqual([0, 0]);
    });
  });

  it('ignores what is no topic in its folder', async () => {
    await withMemoryDirectory(async (dataDir) => {
      await mkdir(join(dataDir, 'topics', 'half-created'), { recursive: true });
      await writeFile(join(dataDir, 'topics', 'a-file'), '');
      const log = await EmbeddedLog.open({ dataDir });
      expect(log.topics()).toEqual([]);
      await log.createTopic('half-created', keepAll);
      expect(await appendDurably(log, 'half-created', textRecord(0, 'x'))).toBe(0);
      await log.close();
    });
  });
});
