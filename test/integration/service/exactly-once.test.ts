import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { readStoredTopic } from '../../helpers/committed-topic.js';
import { readTopic } from '../../helpers/read-topic.js';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const ACCOUNTS = ['ada', 'ben', 'cleo', 'dan', 'eve'];

interface Entry {
  readonly account: string;
  readonly sequence: number;
}

/** One caller per account, each its own requests one after the other, until `count` answers in all or the service is gone. */
async function callUntil(service: ServiceProcess, count: number): Promise<void> {
  let answered = 0;
  const call = async (account: string): Promise<void> => {
    while (answered < count) {
      try {
        const response = await service.post(`/entries/${account}`, {});
        await response.arrayBuffer();
        answered++;
      } catch {
        return;
      }
    }
  };
  await Promise.all(ACCOUNTS.map(call));
}

describe('a topic that a job writes exactly once', () => {
  it('has each record once and in order after several kill -9, where the other one has records twice', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const options = {
        dataDir,
        job: 'exactly-once',
        args: ['--parallelism', '2', '--checkpoint-interval-ms', '200ms'],
      };
      for (let kill = 0; kill < 4; kill++) {
        const service = await ServiceProcess.start(options);
        try {
          const calls = callUntil(service, 400);
          await Promise.race([calls, callUntil(service, 150)]);
          await service.kill();
          await calls;
        } finally {
          await service.dispose();
        }
      }
      const last = await ServiceProcess.start(options);
      try {
        await callUntil(last, 50);
        expect(await last.stop(), last.stderr).toEqual({ code: 0, signal: null });
      } finally {
        await last.dispose();
      }
      await expectEachOnce(dataDir);
    });
  });

  it('has all of it once the job has ended', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const { end } = await ServiceProcess.run({ dataDir, job: 'exactly-once-finite', args: ['--parallelism', '2'] });
      expect(end).toEqual({ code: 0, signal: null });
      const place = { jobName: 'exactly-once-finite', topic: 'numbers', committedCount: 1_000 };
      const { committed } = await readStoredTopic(dataDir, place);
      expect(new Set(committed.map(Number)).size).toBe(1_000);
    });
  });
});

async function expectEachOnce(dataDir: string): Promise<void> {
  const log = await EmbeddedLog.open({ dataDir: join(dataDir, 'log') });
  const seen = (await readTopic(log, 'entries-seen')).map(({ value }) => value);
  await log.close();
  const distinct = new Set(seen);
  expect(seen.length, 'records were replayed').toBeGreaterThan(distinct.size);

  const place = { jobName: 'exactly-once', topic: 'entries', committedCount: distinct.size };
  const { all, committed } = await readStoredTopic(dataDir, place);
  const entries = committed.map((value) => JSON.parse(value) as Entry);
  for (const account of ACCOUNTS) {
    const sequences = entries.filter((entry) => entry.account === account).map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  }
  expect(all.length, 'what was left uncommitted lies in the topic, unseen').toBeGreaterThan(entries.length);
}
