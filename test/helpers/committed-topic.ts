import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckpointManifest, decodeManifest } from '../../src/checkpoint/checkpoint-manifest.js';
import { EmbeddedLog } from '../../src/connectors/log/embedded-log.js';
import { readAtomicFile } from '../../src/storage/atomic-file.js';
import { readTopic } from './read-topic.js';
import { positionsFrom, TopicClient } from './topic-client.js';

/** What a stopped service has left in a topic. */
export interface StoredTopic {
  /** Every record, those included that were never committed. */
  readonly all: readonly string[];
  /** What readers of committed records see, in the order of their partitions. */
  readonly committed: readonly string[];
}

/** Opens the topics of a stopped service as its next start would, and reads one of them. */
export async function readStoredTopic(
  dataDir: string,
  place: { readonly jobName: string; readonly topic: string; readonly committedCount: number },
): Promise<StoredTopic> {
  const { jobName, topic, committedCount } = place;
  const manifest = await newestManifest(join(dataDir, 'checkpoints'));
  const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
  try {
    const all = (await readTopic(log, topic)).map(({ value }) => value);
    await log.openTransactionalProducer({
      transactionalId: jobName,
      topics: [topic],
      committed: manifest,
      nextCheckpointId: manifest.checkpointId + 1,
    });
    const { partitions } = await log.describe(topic);
    const client = new TopicClient(log, topic, positionsFrom(0, partitions), { visibility: 'committed' });
    await client.read(committedCount);
    // One more than there should be would be found here.
    client.reader.poll(1, (record) => {
      throw new Error(`one record too many: ${String(record.value === null ? '' : Buffer.from(record.value))}`);
    });
    client.reader.close();
    return { all, committed: client.values.map(String) };
  } finally {
    await log.close();
  }
}

async function newestManifest(directory: string): Promise<CheckpointManifest> {
  const ids = (await readdir(directory)).flatMap((name) => /^manifest-(\d+)\.ckpt$/.exec(name)?.[1] ?? []).map(Number);
  const path = join(directory, `manifest-${String(Math.max(...ids))}.ckpt`);
  const bytes = await readAtomicFile(path);
  if (bytes === null) throw new Error(`no manifest at ${path}`);
  return decodeManifest(bytes, path);
}
