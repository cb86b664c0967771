import { expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { SeededPrng } from '../../../src/base/prng.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { createDirectory, listDirectory } from '../../../src/storage/disk.js';
import { OutcomeDirectory } from '../../../src/workers/outcome-file.js';
import { OutcomeJournal } from '../../../src/workers/outcome-journal.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';
import { useDisk } from './present-disk.js';
import { SimulatedDisk } from './simulated-disk.js';

vi.mock('node:fs', () => import('./node-fs.js'));
vi.mock('node:fs/promises', () => import('./node-fs-promises.js'));

const SEEDS = 400;
const CALLS_MAX = 60;
const FAULT_RATE = 0.05;
const DATA_DIR = '/data';

interface Subject {
  /** Made in processes, up to three, that are killed at some call of the file system; some of their calls fail. */
  readonly make: () => Promise<unknown>;
  /** What the next process finds, as a number of things: what follows from them is about to be seen. */
  readonly find: () => Promise<number>;
}

const subjects: Record<string, Subject> = {
  'a folder': {
    make: () => createDirectory(`${DATA_DIR}/topics/orders`),
    find: async () => {
      const found = await listDirectory(`${DATA_DIR}/topics`);
      await createDirectory(`${DATA_DIR}/topics/orders`);
      return found.length;
    },
  },
  'records of a topic': {
    make: async () => {
      const log = await openLog();
      await log.createTopic('orders', { partitions: 1, retentionMs: Infinity, retentionBytes: Infinity });
      const value = Buffer.alloc(700, 'x');
      for (let count = 0; count < 10; count++) {
        log.append('orders', { partition: 0, timestamp: 0, key: null, value, headers: [] }, null);
        await log.flush().catch(() => undefined);
      }
    },
    find: async () => {
      const log = await openLog();
      return log.topics().length === 0 ? 0 : ((await log.describe('orders')).endOffsets[0] ?? 0);
    },
  },
  'a checkpoint': {
    make: async () => {
      const store = await openStore();
      for (let count = 0; count < 5; count++) {
        await store.commit(aManifest(store.nextCheckpointId)).catch(() => undefined);
      }
    },
    find: async () => (await openStore()).latest?.checkpointId ?? 0,
  },
  'outcomes of asynchronous requests': {
    make: async () => {
      const outcomes = (await openOutcomes()).of('ask', () => 0);
      for (let offset = 0; offset < 5; offset++) {
        await new Promise((resolve) => outcomes.record(recordAt(offset), 'value', [offset], resolve));
      }
    },
    find: async () => {
      const outcomes = (await openOutcomes()).of('ask', () => 0);
      return [0, 1, 2, 3, 4].filter((offset) => outcomes.recall(recordAt(offset), 'value') !== null).length;
    },
  },
};

function openLog(): Promise<EmbeddedLog> {
  return EmbeddedLog.open({ dataDir: DATA_DIR, segmentBytes: 2_000, preallocateBytes: 512, retentionCheckMs: 0 });
}

function openStore(): Promise<CheckpointStore> {
  const checkpointDir = `${DATA_DIR}/checkpoints`;
  return CheckpointStore.open({ checkpointDir, segmentDir: DATA_DIR, retainedCount: 1, logger: silentLogger });
}

function openOutcomes(): Promise<OutcomeJournal> {
  const folder = new OutcomeDirectory(`${DATA_DIR}/outcomes`);
  return OutcomeJournal.open({ folder, worker: 0, sources: ['orders'] });
}

function recordAt(originOffset: number): { originSource: number; originPartition: number; originOffset: number } {
  return { originSource: 0, originPartition: 0, originOffset };
}

it.each(Object.entries(subjects))(
  'keeps %s that a start has found over a loss of power, however its writer ended',
  async (_name, { make, find }) => {
    const founds = new Set<number>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const disk = new SimulatedDisk();
      const prng = new SeededPrng(seed);
      useDisk(disk);
      for (let processes = 1 + prng.below(3); processes > 0; processes--) {
        const faultRate = prng.below(2) * FAULT_RATE;
        await disk.runUntil(make(), prng, { callsMax: prng.below(CALLS_MAX), faultRate });
        await disk.abandon('/', prng);
      }
      const finding = find();
      await disk.runUntil(finding, prng);
      const found = await finding;
      await disk.abandon('/', prng);
      disk.losePower(prng);
      const findingAgain = find();
      await disk.runUntil(findingAgain, prng);
      expect(await findingAgain, `seed ${String(seed)}`).toBeGreaterThanOrEqual(found);
      founds.add(found);
    }
    expect(founds.size).toBeGreaterThan(1);
  },
);
