import { describe, expect, it } from 'vitest';
import type { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { EgressCollector } from '../../../src/main/egress-collector.js';
import { TransactionalOutput } from '../../../src/main/transactional-output.js';
import type { EgressChannel } from '../../../src/graph/execution-plan.js';
import { ChannelOutput } from '../../../src/protocol/channel-output.js';
import { TOPIC_BATCH } from '../../../src/protocol/stream-element.js';
import { ANY_PARTITION, encodeTopicRecord } from '../../../src/protocol/topic-record-codec.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { makeDuplex } from '../../helpers/shared-memory.js';
import { keepAll, withTemporaryLog } from '../../helpers/temporary-log.js';
import { positionsFrom, TopicClient } from '../../helpers/topic-client.js';

const ONCE = 0;
const PLAIN = 1;

/** Two subtasks that write to both sinks, and one that writes to the plain one alone. */
async function setUp(log: EmbeddedLog) {
  await log.createTopic('once', { partitions: 4, ...keepAll });
  await log.createTopic('plain', { partitions: 4, ...keepAll });
  const producer = await log.openTransactionalProducer({
    transactionalId: 'job',
    topics: ['once'],
    committed: null,
    nextCheckpointId: 1,
  });
  const events: string[] = [];
  const output = new TransactionalOutput(producer, 2);
  const rings = [0, 1, 2].map((index) => {
    const { a, b, aToB } = makeDuplex(1 << 20);
    const channel = new ChannelOutput(new ChannelWriter(aToB, { consumer: new Doorbell(b) }), TOPIC_BATCH);
    const reader = new ChannelReader(aToB, { producer: new Doorbell(a) });
    const topicSinks = index < 2 ? [ONCE, PLAIN] : [PLAIN];
    return { channel, reader, plan: { kind: 'egress', index, topicSinks } as unknown as EgressChannel };
  });
  const collector = new EgressCollector(rings, {
    port: log,
    output,
    sinkTopics: [
      { topic: 'once', partitionCount: 4, isTransactional: true },
      { topic: 'plain', partitionCount: 4, isTransactional: false },
    ],
    responseTopic: null,
    onBarrierDurable: (channel, id) => void events.push(`${String(channel)} durable ${String(id)}`),
    onBarrierFailed: (channel, id, cause) =>
      void events.push(`${String(channel)} failed ${String(id)} ${cause.message}`),
    onFailure: (error) => void events.push(`job ${error.message}`),
  });
  const send = (subtask: number, sink: number, value: string): void => {
    const channel = rings[subtask]?.channel;
    if (channel === undefined) throw new Error('no such subtask');
    const fields = { partition: ANY_PARTITION, timestamp: 5, key: Buffer.from(value), headers: [] };
    encodeTopicRecord(channel.batch, { ...fields, offset: sink, value: Buffer.from(value) });
    channel.recordWritten();
    channel.flush();
  };
  const barrier = (subtask: number, id: number): void => rings[subtask]?.channel.emitBarrier(id);
  const drain = (): void => {
    while (collector.drain());
  };
  const commit = (checkpointId: number): Promise<void> =>
    output.commit({ checkpointId, outputs: output.outputsOf(checkpointId), group: 'job', offsets: new Map() });
  return { collector, output, events, send, barrier, drain, commit };
}

async function committed(log: EmbeddedLog, topic: string, count: number): Promise<readonly string[]> {
  const client = new TopicClient(log, topic, positionsFrom(0, 4), { visibility: 'committed' });
  await client.read(count);
  expect(client.reader.poll(10, () => true)).toBe(0);
  client.reader.close();
  return client.values.map(String).sort();
}

describe('exactly-once output of several subtasks', () => {
  it('ends where the last of them has delivered its barrier: nothing of what comes after is in the checkpoint', async () => {
    await withTemporaryLog(async (log) => {
      const { events, send, barrier, drain, commit, collector } = await setUp(log);
      send(0, ONCE, 'before 0');
      barrier(0, 1);
      send(0, ONCE, 'after 0');
      send(1, ONCE, 'before 1');
      drain();
      expect(collector.hasWork()).toBe(false);
      send(1, ONCE, 'before 1, late');
      barrier(1, 1);
      send(1, ONCE, 'after 1');
      drain();
      await expect.poll(() => events.toSorted()).toEqual(['0 durable 1', '1 durable 1']);
      await commit(1);
      expect(await committed(log, 'once', 3)).toEqual(['before 0', 'before 1', 'before 1, late']);
      barrier(0, 2);
      barrier(1, 2);
      drain();
      await expect.poll(() => events.length).toBe(4);
      await commit(2);
      expect(await committed(log, 'once', 5)).toContain('after 0');
    });
  });

  it('does not hold up subtasks that have no such sink', async () => {
    await withTemporaryLog(async (log) => {
      const { events, send, barrier, drain } = await setUp(log);
      barrier(0, 1);
      send(2, PLAIN, 'a');
      barrier(2, 1);
      send(2, PLAIN, 'b');
      drain();
      await expect.poll(() => events).toEqual(['2 durable 1']);
      expect(await committed(log, 'plain', 2)).toEqual(['a', 'b']);
    });
  });

  it('flows on when the checkpoint is given up, and belongs to the next one', async () => {
    await withTemporaryLog(async (log) => {
      const { output, events, send, barrier, drain, commit } = await setUp(log);
      send(0, ONCE, 'a');
      barrier(0, 1);
      send(0, ONCE, 'b');
      drain();
      output.abort(1);
      barrier(0, 2);
      barrier(1, 1);
      send(1, ONCE, 'c');
      barrier(1, 2);
      drain();
      await expect.poll(() => events.toSorted()).toEqual(['0 durable 2', '1 durable 2']);
      await commit(2);
      expect(await committed(log, 'once', 3)).toEqual(['a', 'b', 'c']);
    });
  });

  it('is not committed by a checkpoint that did not prepare it', async () => {
    await withTemporaryLog(async (log) => {
      const { output, barrier, drain } = await setUp(log);
      barrier(0, 1);
      barrier(1, 1);
      drain();
      output.abort(1);
      expect(() => output.outputsOf(1)).toThrow('prepared');
    });
  });
});
