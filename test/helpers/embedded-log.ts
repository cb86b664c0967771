import { EmbeddedLog, type EmbeddedLogOptions } from '../../src/connectors/log/embedded-log.js';
import type { TopicConfig } from '../../src/connectors/topic.js';
import { withMemoryDirectory } from './temporary-directory.js';

/** A topic that keeps everything. */
export const keepAll: TopicConfig = {
  partitions: 2,
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
};

/** Small segments and little cache, so that a test of a few hundred records sees many of both. */
export const smallSizes = { segmentBytes: 8192, cacheBytes: 0, preallocateBytes: 4096, retentionCheckMs: 0 } as const;

/** Opens a log in a folder of its own and closes it afterwards. */
export async function withLog(
  options: Omit<EmbeddedLogOptions, 'dataDir'>,
  use: (log: EmbeddedLog, dataDir: string) => Promise<void>,
): Promise<void> {
  await withMemoryDirectory(async (dataDir) => {
    const log = await EmbeddedLog.open({ dataDir, ...options });
    try {
      await use(log, dataDir);
    } finally {
      await log.close();
    }
  });
}
