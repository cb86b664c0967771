import { appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import type { OutcomeOrigin, OutcomeRecall } from '../../../src/operators/operator.js';
import { OutcomeDirectory } from '../../../src/workers/outcome-file.js';
import { OutcomeJournal } from '../../../src/workers/outcome-journal.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const SOURCES = ['orders', 'returns'];

function recordAt(originOffset: number, originPartition = 0, originSource = 0): OutcomeOrigin {
  return { originSource, originPartition, originOffset };
}

/** How far the sources were read, the first topic partition of the first one. */
function upTo(offset: number): ReadonlyMap<string, ReadonlyMap<number, number>> {
  return new Map([['orders', new Map([[0, offset]])]]);
}

/** Resolves when the results are durable. */
function recorded(recall: OutcomeRecall, origin: OutcomeOrigin, value: unknown, results: unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    recall.record(origin, value, results, (error) => (error === null ? resolve() : reject(error)));
  });
}

interface Attempt {
  readonly journal: OutcomeJournal;
  /** Of the operator "prices", which has seen the barrier of this checkpoint. */
  readonly prices: OutcomeRecall;
  barrier: number;
}

async function attemptIn(segmentDir: string, worker = 0): Promise<Attempt> {
  const journal = await OutcomeJournal.open({
    folder: new OutcomeDirectory(join(segmentDir, 'outcomes')),
    worker,
    sources: SOURCES,
  });
  const attempt: Attempt = { journal, prices: journal.of('prices', () => attempt.barrier), barrier: 0 };
  return attempt;
}

async function filesIn(segmentDir: string): Promise<string[]> {
  return (await readdir(join(segmentDir, 'outcomes'))).toSorted();
}

describe('outcomes of asynchronous requests', () => {
  it('are known to the next attempt, by record, operator and value, each once', async () => {
    await withTemporaryDirectory(async (directory) => {
      const first = await attemptIn(directory);
      await Promise.all([
        recorded(first.prices, recordAt(5), { item: 'tea' }, [1, 2]),
        recorded(first.prices, recordAt(5), { item: 'milk' }, []),
        recorded(first.prices, recordAt(5), { item: 'tea' }, [3]),
        recorded(first.prices, recordAt(5, 1, 1), { item: 'tea' }, [new Map([['a', 4n]])]),
      ]);
      // Nothing of an attempt is known to itself: it has asked for it just now.
      expect(first.prices.recall(recordAt(5), { item: 'tea' })).toBeNull();

      const { journal, prices } = await attemptIn(directory);
      expect(journal.of('weights', () => 0).recall(recordAt(5), { item: 'tea' })).toBeNull();
      expect(prices.recall(recordAt(6), { item: 'tea' })).toBeNull();
      expect(prices.recall(recordAt(5, -1), { item: 'tea' })).toBeNull();
      expect(prices.recall(recordAt(5), { item: 'coffee' })).toBeNull();
      expect(prices.recall(recordAt(5), { item: 'tea' })).toEqual([1, 2]);
      expect(prices.recall(recordAt(5), { item: 'tea' })).toEqual([3]);
      expect(prices.recall(recordAt(5), { item: 'tea' })).toBeNull();
      expect(prices.recall(recordAt(5), { item: 'milk' })).toEqual([]);
      expect(prices.recall(recordAt(5, 1, 1), { item: 'tea' })).toEqual([new Map([['a', 4n]])]);
      await first.journal.close();
    });
  });

  it('of records from no topic are used at once and kept nowhere', async () => {
    await withTemporaryDirectory(async (directory) => {
      const { journal, prices } = await attemptIn(directory);
      await recorded(prices, recordAt(0, -1), 'tea', [1]);
      await journal.close();
      await expect(filesIn(directory)).rejects.toThrow('ENOENT');
    });
  });

  it('are forgotten when a checkpoint is complete whose barrier came behind them', async () => {
    await withTemporaryDirectory(async (directory) => {
      const attempt = await attemptIn(directory);
      const { journal, prices } = attempt;
      await recorded(prices, recordAt(5), 'a', [1]);
      attempt.barrier = 7;
      await recorded(prices, recordAt(6), 'b', [2]);
      // The file holds an outcome from behind the barrier.
      journal.onCheckpointComplete(7 as CheckpointId, upTo(6));
      await recorded(prices, recordAt(7), 'c', [3]);
      await expect.poll(() => filesIn(directory)).toEqual(['outcomes-1-0.log', 'outcomes-2-0.log']);
      attempt.barrier = 8;
      await recorded(prices, recordAt(8), 'd', [4]);
      journal.onCheckpointComplete(8 as CheckpointId, upTo(8));
      await expect.poll(() => filesIn(directory)).toEqual(['outcomes-2-0.log']);
      await journal.close();
      expect((await attemptIn(directory)).prices.recall(recordAt(8), 'd')).toEqual([4]);
    });
  });

  it('of earlier attempts are kept until a checkpoint has read past them, and removed by one worker', async () => {
    await withTemporaryDirectory(async (directory) => {
      const first = await attemptIn(directory, 1);
      await recorded(first.prices, recordAt(5), 'a', [1]);
      await recorded(first.prices, recordAt(9), 'b', [2]);
      await first.journal.close();

      const [zero, one] = [await attemptIn(directory, 0), await attemptIn(directory, 1)];
      for (const { journal } of [zero, one]) journal.onCheckpointComplete(7 as CheckpointId, upTo(9));
      expect(zero.prices.recall(recordAt(5), 'a')).toBeNull();
      // The record was not read again yet: the crash that follows finds its outcome once more.
      expect(await filesIn(directory)).toEqual(['outcomes-1-1.log']);
      const second = await attemptIn(directory, 0);
      expect(second.prices.recall(recordAt(9), 'b')).toEqual([2]);
      one.journal.onCheckpointComplete(8 as CheckpointId, upTo(10));
      await one.journal.close();
      expect(await filesIn(directory)).toEqual(['outcomes-1-1.log']);
      zero.journal.onCheckpointComplete(8 as CheckpointId, upTo(10));
      await zero.journal.close();
      expect(await filesIn(directory)).toEqual([]);
    });
  });

  it('survive a last write that was cut short, which nobody was told of', async () => {
    await withTemporaryDirectory(async (directory) => {
      const { journal, prices } = await attemptIn(directory);
      await recorded(prices, recordAt(5), 'a', [1]);
      await journal.close();
      await appendFile(join(directory, 'outcomes', 'outcomes-1-0.log'), Buffer.from([9, 0, 0, 0, 1, 2, 3]));
      const next = await attemptIn(directory);
      expect(next.prices.recall(recordAt(5), 'a')).toEqual([1]);
      await recorded(next.prices, recordAt(6), 'b', [2]);
      expect(await filesIn(directory)).toEqual(['outcomes-1-0.log', 'outcomes-2-0.log']);
      await next.journal.close();
    });
  });

  it('that cannot be written are not used, and are refused when they have no bytes', async () => {
    await withTemporaryDirectory(async (directory) => {
      const { journal, prices } = await attemptIn(join(directory, 'file'));
      await appendFile(join(directory, 'file'), 'where a folder should be');
      await expect(recorded(prices, recordAt(5), 'a', [1])).rejects.toMatchObject({
        code: 'MILLRACE_DATA_DIR_UNUSABLE',
      });
      expect(() => prices.record(recordAt(5), 'a', [() => 1], () => undefined)).toThrow('has no MessagePack form');
      await journal.close();
    });
  });
});
