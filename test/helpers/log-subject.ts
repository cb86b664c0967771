import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '../../src/connectors/log/embedded-log.js';
import type { TopicContractSubject } from './topic-contract.js';

/** The embedded log as a subject of the contracts of the topic port. */
export async function openLogSubject(): Promise<TopicContractSubject> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-log-'));
  let log = await EmbeddedLog.open({ dataDir });
  return {
    port: log,
    reopen: async () => {
      await log.close();
      log = await EmbeddedLog.open({ dataDir });
      return log;
    },
    dispose: async () => {
      await log.close();
      await rm(dataDir, { recursive: true });
    },
  };
}
