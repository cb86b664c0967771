import { describe, expect, it } from 'vitest';
import type { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import { keepAll, withTemporaryLog } from '../../../helpers/temporary-log.js';

/** Longer than any test may take: what is written within a test was not written because of the delay. */
const DELAY_MS = 3_600_000;

const record = (value: string) => ({
  partition: 0,
  key: null,
  value: Buffer.from(value),
  headers: [],
  timestamp: 1,
});

async function durableCount(log: EmbeddedLog): Promise<number> {
  const { endOffsets } = await log.describe('late');
  return endOffsets[0] ?? 0;
}

describe('a topic whose appends may wait for company', () => {
  it('shows them at once to a reader of what is appended, and writes them when somebody flushes', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('late', { partitions: 1, ...keepAll, commitDelayMs: DELAY_MS });
      const seen: string[] = [];
      const pump = (): void => {
        while (reader.poll(10, ({ value }) => seen.push(Buffer.from(value ?? []).toString()) > 0) > 0);
      };
      const reader = log.openReader('late', {
        positions: new Map([[0, 0]]),
        visibility: 'appended',
        onReadable: pump,
      });
      pump();
      log.append('late', record('a'), null);
      log.append('late', record('b'), null);
      await expect.poll(() => seen).toEqual(['a', 'b']);
      expect(await durableCount(log)).toBe(0);
      await log.flush();
      expect(await durableCount(log)).toBe(2);
      log.append('late', record('c'), null);
      await expect.poll(() => seen).toEqual(['a', 'b', 'c']);
      expect(await durableCount(log)).toBe(2);
      reader.close();
    });
  });

  it('writes them when their time is over', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('late', { partitions: 1, ...keepAll, commitDelayMs: 1 });
      log.append('late', record('a'), null);
      await expect.poll(() => durableCount(log)).toBe(1);
    });
  });

  it('stops to wait when the topic is opened without a delay, and closes with everything written', async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('late', { partitions: 1, ...keepAll, commitDelayMs: DELAY_MS });
      await log.createTopic('late', { partitions: 1, ...keepAll });
      log.append('late', record('a'), null);
      await expect.poll(() => durableCount(log)).toBe(1);
    });
  });
});
