import type { SourceOffsets } from './job-attempt.js';
import type { RestorePoint } from './job-checkpoints.js';
import type { JobTopics } from './job-topics.js';

/**
 * Where each source begins: at the checkpoint's offsets, else where its definition says.
 *
 * State that was brought from elsewhere may have read topics that did not come with it, as those of the embedded log of
 * another machine: its sources then begin at the end of the topics that are here.
 */
export function startPositions(
  restorePoint: RestorePoint | null,
  { defaultPositions, endPositions }: Pick<JobTopics, 'defaultPositions' | 'endPositions'>,
): SourceOffsets {
  return new Map(
    [...defaultPositions].map(([uid, defaults]) => {
      const restored = [...(restorePoint?.offsets.get(uid) ?? [])];
      const ends = restorePoint?.isFromElsewhere === true ? endPositions.get(uid) : undefined;
      const begins = restored.map(
        ([partition, offset]) => [partition, Math.min(offset, ends?.get(partition) ?? offset)] as const,
      );
      return [uid, new Map([...defaults, ...begins])];
    }),
  );
}
