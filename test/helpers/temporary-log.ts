import { EmbeddedLog } from '../../src/connectors/log/embedded-log.js';
import { withTemporaryDirectory } from './temporary-directory.js';

/** Opens an embedded log in an empty directory and hands it to `use`; nothing of it is left afterwards. */
export async function withTemporaryLog<T>(use: (log: EmbeddedLog, dataDir: string) => Promise<T>): Promise<T> {
  return withTemporaryDirectory(async (dataDir) => {
    const log = await EmbeddedLog.open({ dataDir });
    try {
      return await use(log, dataDir);
    } finally {
      await log.close();
    }
  });
}

/** For topics of tests. */
export const keepAll = { retentionMs: Infinity, retentionBytes: Infinity };
