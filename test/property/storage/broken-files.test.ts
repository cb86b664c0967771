import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { silentLogger } from '../../../src/base/log.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { FailingRecords } from '../../../src/checkpoint/failing-records.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { GroupOffsets } from '../../../src/connectors/log/group-offsets.js';
import type { Culprit } from '../../../src/protocol/culprit.js';
import { OutcomeDirectory } from '../../../src/workers/outcome-file.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';
import { withMemoryDirectory } from '../../helpers/temporary-directory.js';

// Segments of the log and of state, and bases, are broken in tests of their own: here is everything that is kept beside them.

interface Subject {
  /** The file that is broken, in the folder that it was written to. */
  readonly file: string;
  readonly write: (folder: string) => Promise<void>;
  /** What is read of it, as something to compare. */
  readonly read: (folder: string) => Promise<unknown>;
  /** What may be read in place of the truth, where nobody is to be held up by a damaged file. */
  readonly mayBe?: (read: unknown, truth: unknown) => boolean;
}

const records: readonly Culprit[] = [0, 1, 2].map((offset) => ({
  kind: 'record',
  record: { sourceId: 'orders', topic: 'orders', partition: 0, offset },
  isDeadly: false,
}));
const outcome = { number: 1, worker: 0 };

const subjects: Record<string, Subject> = {
  'a manifest': {
    file: 'manifest-1.ckpt',
    write: async (folder) => (await openStore(folder)).commit(aManifest(1)),
    read: async (folder) => (await openStore(folder)).retained,
  },
  'what is kept of a topic': {
    file: 'topics/orders/topic',
    write: writeTopic,
    read: readTopic,
  },
  'what is kept of the transactions of a topic': {
    file: 'topics/orders/transactions',
    write: writeTopic,
    read: readTopic,
  },
  'the offsets of a group': {
    file: 'readers/orders/offsets',
    write: async (folder) => {
      const offsets = new GroupOffsets(folder);
      await offsets.commit(
        'readers',
        'orders',
        new Map([0, 1, 2].map((partition) => [partition, { offset: 7, metadata: 'm' }])),
      );
    },
    read: async (folder) => [...(await new GroupOffsets(folder).read('readers', 'orders'))],
  },
  'outcomes of asynchronous requests': {
    file: 'outcomes-1-0.log',
    write: (folder) =>
      new OutcomeDirectory(folder).rewrite(
        outcome,
        Array.from({ length: 20 }, (_, index) => Buffer.from(`outcome ${String(index)} `.repeat(9))),
      ),
    read: async (folder) => (await new OutcomeDirectory(folder).read(outcome)).map((frame) => frame.toString()),
    // They were synced one after the other: an end that is missing is one that was torn.
    mayBe: (read, truth) =>
      JSON.stringify((truth as unknown[]).slice(0, (read as unknown[]).length)) === JSON.stringify(read),
  },
  'the counts of failing records': {
    file: 'failing-records',
    write: async (folder) => {
      const failing = await openFailing(folder);
      for (const culprit of records) failing.onFailure(culprit);
      await failing.settled();
    },
    read: async (folder) => {
      const failing = await openFailing(folder);
      const counts = records.map((culprit) => failing.onFailure(culprit).failureCount);
      await failing.settled();
      return counts;
    },
    // Some restarts more are the worst that follows.
    mayBe: (read) => JSON.stringify(read) === '[1,1,1]',
  },
};

function openStore(folder: string): Promise<CheckpointStore> {
  return CheckpointStore.open({ checkpointDir: folder, segmentDir: folder, retainedCount: 1, logger: silentLogger });
}

function openFailing(folder: string): Promise<FailingRecords> {
  return FailingRecords.open({ path: join(folder, 'failing-records'), failuresMax: 9, logger: silentLogger });
}

async function writeTopic(folder: string): Promise<void> {
  const log = await EmbeddedLog.open({ dataDir: folder, preallocateBytes: 0 });
  await log.createTopic('orders', { partitions: 2, retentionMs: Infinity, retentionBytes: 1e9 });
  const output = { transactionalId: 'job', topics: ['orders'], committed: null, nextCheckpointId: 1 };
  const producer = await log.openTransactionalProducer(output);
  producer.append('orders', { partition: 0, timestamp: 1, key: null, value: Buffer.from('v'), headers: [] }, null);
  await producer.prepare(1);
  await log.openTransactionalProducer(output);
  await log.close();
}

async function readTopic(folder: string): Promise<unknown> {
  const log = await EmbeddedLog.open({ dataDir: folder, preallocateBytes: 0 });
  try {
    const reader = log.openReader('orders', {
      positions: new Map([[0, 0]]),
      visibility: 'committed',
      onReadable: () => undefined,
    });
    return [await log.describe('orders'), reader.poll(10, () => true)];
  } finally {
    await log.close();
  }
}

const where = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
/** A byte changed, the end missing, or something put in the place of a part. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), where, bits: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), where }),
  fc.record({ kind: fc.constant('other' as const), where, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function broken(intact: Buffer, how: Damage): Buffer {
  const at = Math.floor(how.where * intact.length);
  if (how.kind === 'cut') return intact.subarray(0, at);
  const bytes = Buffer.from(intact);
  if (how.kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ how.bits;
  else bytes.set(how.bytes.subarray(0, bytes.length - at), at);
  return bytes;
}

it.each(Object.entries(subjects))(
  'reads %s exactly, or names the file, however that is broken',
  async (_name, { file, write, read, mayBe }) => {
    await withMemoryDirectory(async (parent) => {
      const original = join(parent, 'original');
      await mkdir(original);
      await write(original);
      const copy = async (name: string): Promise<string> => {
        await cp(original, join(parent, name), { recursive: true });
        return join(parent, name);
      };
      const truth = await read(await copy('truth'));
      const intact = await readFile(join(original, file));
      let copies = 0;
      await fc.assert(
        fc.asyncProperty(damage, async (how) => {
          const folder = await copy(String(copies++));
          const path = join(folder, file);
          await writeFile(path, broken(intact, how));
          try {
            const found = await read(folder);
            if (mayBe?.(found, truth) !== true) expect(found).toEqual(truth);
          } catch (error) {
            if (!MillraceError.is(error)) throw error;
            expect(error.code).toMatch(/_CORRUPT$/);
            expect(`${error.message} ${JSON.stringify(error.details)}`).toContain(folder);
          }
        }),
        { numRuns: 150 },
      );
    });
  },
);
