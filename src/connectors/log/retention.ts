import type { Logger } from '../../base/log.js';
import type { TopicConfig } from '../topic.js';
import type { TopicJournal } from './topic-journal.js';

/**
 * Drops what a topic need not keep, whole segments at a time, oldest first. Within `journal.exclusively`. Main thread.
 *
 * - Age goes by the latest timestamp in a segment. When everything in the active segment is too old, it is sealed first.
 * - Bytes: as in Kafka, a segment goes only if at least `retentionBytes` stay.
 *
 * @returns how many segments were dropped
 */
export async function applyRetention(
  journal: TopicJournal,
  config: TopicConfig,
  now: number,
  logger: Logger,
): Promise<number> {
  const keepFrom = now - config.retentionMs;
  const active = journal.segments.at(-1);
  if (active !== undefined && !active.isEmpty && active.maxTimestamp < keepFrom) await journal.rotate();
  let count = 0;
  while (journal.segments.length > 1) {
    const oldest = journal.segments[0];
    if (oldest === undefined) break;
    const isOld = oldest.maxTimestamp < keepFrom;
    const isSurplus = journal.sizeBytes - oldest.lengthBytes >= config.retentionBytes;
    if (!isOld && !isSurplus) break;
    await journal.dropOldest();
    count += 1;
  }
  if (count > 0) logger.info({ topic: journal.topic, segments: count }, 'old log segments dropped');
  return count;
}
