import { join } from 'node:path';
import { readAtomicFile, writeAtomicFile } from '../../storage/atomic-file.js';
import { corruptError } from '../../storage/framed-file.js';
import type { TopicConfig } from '../topic.js';

const FILE_NAME = 'topic';
const FORMAT_VERSION = 1;

/** What a topic's folder says about the topic; `null` when its creation never came so far. */
export async function readTopicConfig(directory: string): Promise<TopicConfig | null> {
  const path = join(directory, FILE_NAME);
  const payload = await readAtomicFile(path);
  return payload === null ? null : parse(payload.toString('utf8'), path);
}

/** Durable when it resolves. */
export async function writeTopicConfig(directory: string, config: TopicConfig): Promise<void> {
  const text = JSON.stringify({
    version: FORMAT_VERSION,
    partitions: config.partitions,
    retentionMs: finiteOrNull(config.retentionMs),
    retentionBytes: finiteOrNull(config.retentionBytes),
  });
  await writeAtomicFile(join(directory, FILE_NAME), Buffer.from(text, 'utf8'));
}

/** JSON has no Infinity. */
function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function parse(text: string, path: string): TopicConfig {
  const data = JSON.parse(text) as Partial<Record<string, unknown>>; // the checksum held: this is what was written
  const { version, partitions, retentionMs, retentionBytes } = data;
  if (version !== FORMAT_VERSION || typeof partitions !== 'number') {
    throw corruptError(
      'MILLRACE_LOG_CORRUPT',
      path,
      0,
      `format version ${String(version)} is not known to this release`,
    );
  }
  return { partitions, retentionMs: numberOrInfinity(retentionMs), retentionBytes: numberOrInfinity(retentionBytes) };
}

function numberOrInfinity(value: unknown): number {
  return typeof value === 'number' ? value : Number.POSITIVE_INFINITY;
}
