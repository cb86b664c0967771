import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { UserFunctionError } from '../../../src/base/errors.js';
import { type Logger, silentLogger } from '../../../src/base/log.js';
import { FailingRecords, givenUp } from '../../../src/checkpoint/failing-records.js';
import type { Culprit } from '../../../src/protocol/culprit.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const record = (offset: number, partition = 0, isDeadly = false): Culprit => ({
  kind: 'record',
  record: { sourceId: 'orders', topic: 'orders-topic', partition, offset },
  isDeadly,
});
const timer = (timestamp: number, keyHash = -7): Culprit => ({
  kind: 'timer',
  timer: { operatorId: 'reminders', keyHash, timestamp },
});
const covering = (offsets: Record<number, number>): Parameters<FailingRecords['onCheckpoint']>[0] => ({
  orders: { topic: 'orders-topic', offsets },
});

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  await withTemporaryDirectory((directory) => use(`${directory}/failing-records`));
}

const open = (path: string, failuresMax = 2, logger: Logger = silentLogger): Promise<FailingRecords> =>
  FailingRecords.open({ path, failuresMax, logger });

describe('records that make the job fail', () => {
  it('are counted each for itself, and given up at the limit', async () => {
    await withPath(async (path) => {
      const records = await open(path);
      expect(records.onFailure(record(5))).toEqual({ failureCount: 1, isGivenUp: false });
      expect(records.onFailure(record(5, 1))).toEqual({ failureCount: 1, isGivenUp: false });
      expect(records.givenUp()).toEqual([]);
      expect(records.onFailure(record(5))).toEqual({ failureCount: 2, isGivenUp: true });
      expect(records.givenUp()).toEqual([record(5)]);
      await records.settled();
    });
  });

  it('count on in the next process', async () => {
    await withPath(async (path) => {
      const first = await open(path);
      first.onFailure(record(5));
      await first.settled();
      const second = await open(path);
      expect(second.onFailure(record(5))).toEqual({ failureCount: 2, isGivenUp: true });
      await second.settled();
      expect((await open(path)).givenUp()).toEqual([record(5)]);
    });
  });

  it('are forgotten once a completed checkpoint lies behind them, and not before', async () => {
    await withPath(async (path) => {
      const records = await open(path, 1);
      records.onFailure(record(5));
      records.onFailure(record(7));
      records.onFailure(record(5, 1));
      records.onCheckpoint(covering({ 0: 6 }));
      expect(records.givenUp()).toEqual([record(7), record(5, 1)]);
      records.onCheckpoint(covering({ 0: 7, 1: 5 }));
      expect(records.givenUp()).toEqual([record(7), record(5, 1)]);
      records.onCheckpoint(covering({ 0: 8, 1: 6 }));
      await records.settled();
      expect((await open(path, 1)).givenUp()).toEqual([]);
    });
  });

  it('are timers as well, which no checkpoint covers, and which count on in the next process', async () => {
    await withPath(async (path) => {
      const records = await open(path);
      records.onFailure(timer(1_000));
      records.onFailure(timer(1_000, 8));
      records.onFailure(record(5, 0, true));
      records.onCheckpoint(covering({ 0: 1_001 }));
      await records.settled();
      const second = await open(path);
      expect(second.onFailure(timer(1_000))).toEqual({ failureCount: 2, isGivenUp: true });
      expect(second.onFailure(timer(1_001))).toEqual({ failureCount: 1, isGivenUp: false });
      expect(second.givenUp()).toEqual([timer(1_000)]);
      await second.settled();
    });
  });

  it('may throw once and end their thread the next time: it is the same record, and as dangerous as it was last', async () => {
    await withPath(async (path) => {
      const records = await open(path);
      records.onFailure(record(5));
      expect(records.onFailure(record(5, 0, true))).toEqual({ failureCount: 2, isGivenUp: true });
      await records.settled();
      expect((await open(path)).givenUp()).toEqual([record(5, 0, true)]);
    });
  });

  it('are never given up without a limit, and at most 1,024 of them are remembered', async () => {
    await withPath(async (path) => {
      const records = await open(path, Infinity);
      for (let offset = 0; offset < 1025; offset++) records.onFailure(record(offset));
      expect(records.givenUp()).toEqual([]);
      expect(records.onFailure(record(0)).failureCount).toBe(1);
      expect(records.onFailure(record(1024)).failureCount).toBe(2);
      await records.settled();
    });
  });

  it('begin to count anew, with a warning, when their file is damaged', async () => {
    await withPath(async (path) => {
      await writeFile(path, 'damaged');
      const warnings: string[] = [];
      const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
      const records = await open(path, 2, logger);
      expect(warnings).toEqual(['the counts of failing records cannot be read and begin anew']);
      expect(records.onFailure(record(5)).failureCount).toBe(1);
      await records.settled();
    });
  });

  it('end the job with an error that leads to them', () => {
    const cause = new UserFunctionError('map failed', { details: { operator: 'totals', key: 'a' } });
    const error = givenUp(cause, record(5), 3);
    expect(error.message).toBe(
      `record 5 of topic partition orders-topic-0 has failed 3 times in a row, in operator "totals", with the key 'a'`,
    );
    expect(error).toMatchObject({
      code: 'MILLRACE_RECORD_POISONOUS',
      details: { operator: 'totals', key: 'a', topic: 'orders-topic', partition: 0, offset: 5, failureCount: 3 },
      cause,
    });
    expect(givenUp(cause, timer(1_000), 3)).toMatchObject({
      message: `a timer for 1000 has failed 3 times in a row, in operator "totals", with the key 'a'`,
      details: { operator: 'totals', key: 'a', timestamp: 1_000, failureCount: 3 },
    });
  });
});
