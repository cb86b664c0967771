import { describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../../src/connectors/log/embedded-log.js';
import type { OutputEnds, TransactionalProducer } from '../../../../src/connectors/topic.js';
import { keepAll, smallSizes, withLog } from '../../../helpers/embedded-log.js';
import { openLogSubject } from '../../../helpers/log-subject.js';
import { withMemoryDirectory } from '../../../helpers/temporary-directory.js';
import { positionsFrom, textRecord, TopicClient } from '../../../helpers/topic-client.js';
import { describeTransactionContract } from '../../../helpers/transaction-contract.js';

describeTransactionContract('embedded log', openLogSubject);

const TOPIC = 't';

function open(
  log: EmbeddedLog,
  nextCheckpointId: number,
  committed: { readonly checkpointId: number; readonly outputs: OutputEnds } | null,
): Promise<TransactionalProducer> {
  return log.openTransactionalProducer({ transactionalId: 'job', topics: [TOPIC], committed, nextCheckpointId });
}

function append(producer: TransactionalProducer, values: readonly string[]): void {
  for (const value of values) producer.append(TOPIC, textRecord(0, value), null);
}

async function committedValues(log: EmbeddedLog, count: number): Promise<readonly (string | null)[]> {
  const client = new TopicClient(log, TOPIC, positionsFrom(0, 2), { visibility: 'committed' });
  await client.read(count);
  expect(client.reader.poll(10, () => true)).toBe(0);
  client.reader.close();
  return client.values;
}

describe('exactly-once output in the embedded log', () => {
  it('follows the manifest that is found, when a commit seemed to fail and had not', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const first = await open(log, 1, null);
      append(first, ['1']);
      const one = { checkpointId: 1, outputs: await first.prepare(1) };
      await first.commit({ ...one, group: 'job', offsets: new Map() });
      append(first, ['2']);
      const two = { checkpointId: 2, outputs: await first.prepare(2) };
      // The write of manifest 2 failed, it seems: the job starts again from 1, and replays into the same topic.
      const second = await open(log, 3, one);
      append(second, ['2, once more']);
      await second.prepare(3);
      // A crash; manifest 2 is there after all. What it covers counts, the replay does not.
      const third = await open(log, 3, two);
      append(third, ['3']);
      const three = { checkpointId: 3, outputs: await third.prepare(3) };
      await third.commit({ ...three, group: 'job', offsets: new Map() });
      expect(await committedValues(log, 3)).toEqual(['1', '2', '3']);
      await open(log, 4, three);
      expect(await committedValues(log, 3)).toEqual(['1', '2', '3']);
    });
  });

  it('is read from files as it is from memory', async () => {
    await withLog(smallSizes, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      let producer = await open(log, 1, null);
      let committed: { checkpointId: number; outputs: OutputEnds } | null = null;
      const expected: string[] = [];
      for (let id = 1; id <= 12; id++) {
        const values = Array.from({ length: 40 }, (_, index) => `${String(id)}:${String(index)} ${'x'.repeat(50)}`);
        append(producer, values);
        const outputs = await producer.prepare(id);
        if (id % 3 === 0) producer = await open(log, id + 1, committed);
        else {
          committed = { checkpointId: id, outputs };
          await producer.commit({ ...committed, group: 'job', offsets: new Map() });
          expected.push(...values);
        }
      }
      expect(await committedValues(log, expected.length)).toEqual(expected);
    });
  });

  it('says so when output that was committed is not in the topic', async () => {
    await withLog({}, async (log) => {
      await log.createTopic(TOPIC, keepAll);
      const producer = await open(log, 1, null);
      append(producer, ['1']);
      await producer.prepare(1);
      await expect(open(log, 2, { checkpointId: 1, outputs: { [TOPIC]: { 0: 7 } } })).rejects.toMatchObject({
        code: 'MILLRACE_LOG_CORRUPT',
        message: expect.stringContaining("topic 't', partition 0") as string,
      });
    });
  });

  it('shows what was committed, and nothing more, while no job runs', async () => {
    await withMemoryDirectory(async (dataDir) => {
      let log = await EmbeddedLog.open({ dataDir });
      await log.createTopic(TOPIC, keepAll);
      const producer = await open(log, 1, null);
      append(producer, ['kept']);
      const one = { checkpointId: 1, outputs: await producer.prepare(1) };
      await producer.commit({ ...one, group: 'job', offsets: new Map() });
      const again = await open(log, 2, one);
      append(again, ['open']);
      await log.close();
      log = await EmbeddedLog.open({ dataDir });
      expect(await committedValues(log, 1)).toEqual(['kept']);
      await log.close();
    });
  });
});
