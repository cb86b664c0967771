import type { Logger } from '../../base/log.js';
import type { TopicConfig } from '../topic.js';
import type { Segment } from './segment.js';
import type { TopicJournal } from './topic-journal.js';

/**
 * Drops what a topic need not keep, whole segments at a time, oldest first. Main thread.
 *
 * - Age goes by the latest timestamp in a segment. When everything in the active segment is too old, it is sealed first.
 * - Bytes: as in Kafka, a segment goes only if at least `retentionBytes` stay.
 *
 * Resolves when the files are removed. Commits go on meanwhile.
 */
export async function applyRetention(
  journal: TopicJournal,
  config: TopicConfig,
  now: number,
  logger: Logger,
): Promise<void> {
  const keepFrom = now - config.retentionMs;
  if (isOld(journal.segments.at(-1), keepFrom)) {
    await journal.exclusively(async () => {
      if (isOld(journal.segments.at(-1), keepFrom)) await journal.rotate();
    });
  }
  let count = 0;
  while (journal.segments.length > 1) {
    const oldest = journal.segments[0];
    if (oldest === undefined) break;
    const isSurplus = journal.sizeBytes - oldest.lengthBytes >= config.retentionBytes;
    if (oldest.maxTimestamp >= keepFrom && !isSurplus) break;
    journal.dropOldest();
    count += 1;
  }
  if (count > 0) logger.info({ topic: journal.topic, segments: count }, 'old log segments dropped');
  await journal.removeDropped();
}

/** Whether a segment holds records, and none that must be kept. */
function isOld(segment: Segment | undefined, keepFrom: number): boolean {
  return segment !== undefined && !segment.isEmpty && segment.maxTimestamp < keepFrom;
}
