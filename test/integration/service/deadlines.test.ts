import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { readTopic } from '../../helpers/read-topic.js';
import { ServiceProcess, withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const BLOCKERS = 24;

describe('a request whose deadline passes before it runs', () => {
  it('is dropped, and a replay after kill -9 drops the same requests and no other', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      // Small rings and no checkpoint: everything is replayed.
      const args = ['--parallelism', '1', '--ring-bytes', '64KiB', '--checkpoint-interval-ms', '1h'];
      const options = { dataDir, job: 'slow-counter', args: [...args, '--state-backend', 'heap'] };
      const service = await ServiceProcess.start(options);
      let counted = 0;
      try {
        // Large bodies fill the ring, so that what follows waits in the topic, where deadlines are looked at.
        const padding = 'x'.repeat(16_000);
        const blockers = Array.from({ length: BLOCKERS }, () => service.post('/slow-count', { ms: 40, padding }));
        const late = Array.from({ length: 10 }, () =>
          service.post('/slow-count', { ms: 0 }, { 'millrace-timeout-ms': '200' }),
        );
        for (const answer of await Promise.all(late)) {
          expect(answer.status).toBe(504);
          await answer.arrayBuffer();
        }
        for (const answer of await Promise.all(blockers)) expect(answer.status).toBe(200);
        counted = await countOf(service);
        await service.kill();
      } finally {
        await service.dispose();
      }
      const dropped = await journalOf(dataDir);
      expect(dropped.length).toBeGreaterThan(0);
      // Each request was counted or dropped, the reading one included.
      expect(counted + dropped.length).toBe(BLOCKERS + 10 + 1);

      await withService(options, async (next) => {
        expect(await countOf(next)).toBe(counted + 1);
        await next.kill();
      });
      expect(await journalOf(dataDir)).toEqual(dropped);
    });
  });
});

async function countOf(service: ServiceProcess): Promise<number> {
  const response = await service.post('/slow-count', { ms: 0 });
  expect(response.status).toBe(200);
  return ((await response.json()) as { count: number }).count;
}

/** The offsets of the requests that were dropped. */
async function journalOf(dataDir: string): Promise<string[]> {
  const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
  try {
    const topic = log.topics().find((name) => name.endsWith('.expired'));
    return (await readTopic(log, topic ?? '')).map(({ partition, value }) => `${String(partition)}:${value}`);
  } finally {
    await log.close();
  }
}
