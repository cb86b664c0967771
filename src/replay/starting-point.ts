import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { silentLogger } from '../base/log.js';
import type { CheckpointManifest } from '../checkpoint/checkpoint-manifest.js';
import { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import type { TopicPort } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { RecordedRequest } from './recorded-requests.js';

/** Makes a copied folder one whose newest checkpoint lies before all of the requests; one without checkpoints if there is none such. */
export async function goBackBefore(requests: readonly RecordedRequest[], copyDir: string): Promise<void> {
  const checkpointDir = join(copyDir, 'checkpoints');
  const store = await CheckpointStore.open({
    checkpointDir,
    segmentDir: join(checkpointDir, 'segments'),
    retainedCount: Number.MAX_SAFE_INTEGER,
    logger: silentLogger,
  });
  const start = store.retained.findLast((manifest) => requests.every((request) => isBefore(manifest, request)));
  await store.dropNewer(start?.checkpointId ?? 0);
  if (start === undefined) await rm(join(copyDir, 'state'), { recursive: true, force: true });
}

/** Whether the request had not been read when the checkpoint was taken. */
export function isBefore({ sources }: CheckpointManifest, request: RecordedRequest): boolean {
  const { sourceId, partition, offset } = request;
  return (sources[sourceId]?.offsets[partition] ?? 0) <= offset;
}

/**
 * Without a checkpoint a replay begins with the first record of each topic, which must still be there.
 *
 * @throws MillraceError `MILLRACE_OFFSET_OUT_OF_RANGE` when it is not
 */
export async function requireWholeTopics(port: TopicPort, { topicSources }: ExecutionPlan): Promise<void> {
  for (const { topic } of topicSources) {
    const { beginOffsets } = await port.describe(topic);
    const partition = beginOffsets.findIndex((offset) => offset > 0);
    if (partition < 0) continue;
    throw new MillraceError(
      'MILLRACE_OFFSET_OUT_OF_RANGE',
      `no checkpoint lies before the request, and topic partition ${topic}-${String(partition)} begins with record ${String(beginOffsets[partition])}`,
      {
        details: { topic, partition, beginOffset: beginOffsets[partition] },
        hint: 'Name a savepoint that was taken before the request: --from-savepoint. Take them regularly to be able to go back further.',
      },
    );
  }
}
