import { describe, expect, it } from 'vitest';
import type { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { EgressCollector } from '../../../src/main/egress-collector.js';
import type { EgressChannel } from '../../../src/graph/execution-plan.js';
import { ChannelOutput } from '../../../src/protocol/channel-output.js';
import { TOPIC_BATCH } from '../../../src/protocol/stream-element.js';
import { ANY_PARTITION, encodeTopicRecord, RESPONSE_SINK } from '../../../src/protocol/topic-record-codec.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { readTopic } from '../../helpers/read-topic.js';
import { makeDuplex } from '../../helpers/shared-memory.js';
import { keepAll, withTemporaryLog } from '../../helpers/temporary-log.js';

const CHANNEL = 4;

function setUp(log: EmbeddedLog, ringBytes = 1 << 20) {
  const { a, b, aToB } = makeDuplex(ringBytes);
  const output = new ChannelOutput(new ChannelWriter(aToB, { consumer: new Doorbell(b) }), TOPIC_BATCH);
  const events: string[] = [];
  const collector = new EgressCollector(
    [
      {
        plan: { index: CHANNEL, topicSinks: [0] as readonly number[] } as EgressChannel,
        reader: new ChannelReader(aToB, { producer: new Doorbell(a) }),
      },
    ],
    {
      port: log,
      output: null,
      sinkTopics: [{ topic: 'out', partitionCount: 4, isTransactional: false }],
      responseTopic: 'replies',
      onBarrierDurable: (channel, id) => void events.push(`durable ${String(channel)} ${String(id)}`),
      onBarrierFailed: (_channel, id, cause) => void events.push(`failed ${String(id)} ${cause.message}`),
      onFailure: (error) => void events.push(`job ${error.message}`),
    },
  );
  const send = (value: string, options: { sink?: number; key?: string; replyTo?: string } = {}): void => {
    encodeTopicRecord(output.batch, {
      partition: ANY_PARTITION,
      offset: options.sink ?? 0,
      timestamp: 5,
      key: options.key === undefined ? null : Buffer.from(options.key),
      value: Buffer.from(value),
      headers: options.replyTo === undefined ? [] : [['millrace-reply-to', Buffer.from(options.replyTo)]],
    });
    output.recordWritten();
  };
  return { collector, output, events, send };
}

async function createTopics(log: EmbeddedLog): Promise<void> {
  await log.createTopic('out', { partitions: 4, ...keepAll });
  await log.createTopic('replies', { partitions: 1, ...keepAll });
}

describe('what workers send to topics', () => {
  it('is durable when its barrier is acknowledged, and keeps a key in one partition', async () => {
    await withTemporaryLog(async (log) => {
      await createTopics(log);
      const { collector, output, events, send } = setUp(log);
      for (let index = 0; index < 100; index++) send(String(index), { key: `k${String(index % 5)}` });
      output.emitBarrier(9);
      expect(collector.hasWork()).toBe(true);
      expect(collector.drain()).toBe(true);
      expect(events).toEqual([]);
      await expect.poll(() => events).toEqual([`durable ${String(CHANNEL)} 9`]);
      const records = await readTopic(log, 'out');
      expect(records).toHaveLength(100);
      for (let key = 0; key < 5; key++) {
        const ofKey = records.filter((record) => record.key === `k${String(key)}`);
        expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1);
        expect(ofKey.map(({ value }) => Number(value))).toEqual(ofKey.map((_, index) => index * 5 + key));
      }
      expect(collector.drain()).toBe(false);
    });
  });

  it('goes to the reply address that the request named; an address of nobody harms no one else', async () => {
    await withTemporaryLog(async (log) => {
      await createTopics(log);
      const { collector, output, events, send } = setUp(log);
      send('lost', { sink: RESPONSE_SINK, replyTo: 'no-such-topic:0' });
      send('lost', { sink: RESPONSE_SINK, replyTo: 'replies:77' });
      send('kept', { sink: RESPONSE_SINK, replyTo: 'replies:0' });
      output.emitBarrier(1);
      collector.drain();
      await expect.poll(() => events).toEqual([`durable ${String(CHANNEL)} 1`]);
      expect((await readTopic(log, 'replies')).map(({ value }) => value)).toEqual(['kept']);
    });
  });

  it('is left in the ring while too much waits for the disk, and taken afterwards', async () => {
    await withTemporaryLog(async (log) => {
      await createTopics(log);
      const { collector, output, send } = setUp(log, 16 << 20);
      const value = 'x'.repeat(100_000);
      for (let index = 0; index < 150; index++) send(value);
      output.flush();
      collector.drain();
      expect(collector.isThrottled).toBe(true);
      expect(collector.hasWork()).toBe(false);
      await expect
        .poll(() => {
          output.drainOverflow();
          collector.drain();
          return !collector.isThrottled && !output.hasOverflow && !collector.hasWork();
        })
        .toBe(true);
      await log.flush();
      const { endOffsets } = await log.describe('out');
      expect(endOffsets.reduce((sum, end) => sum + end, 0)).toBe(150);
    });
  });

  it('is counted as synced once, however many barriers wait for the disk at one time', async () => {
    await withTemporaryLog(async (log) => {
      await createTopics(log);
      const { collector, output, events, send } = setUp(log, 16 << 20);
      const value = 'x'.repeat(100_000);
      let barriers = 0;
      const sendBarriers = async (recordsBefore: readonly number[]): Promise<void> => {
        for (const records of recordsBefore) {
          for (let index = 0; index < records; index++) send(value);
          output.emitBarrier(++barriers);
          collector.drain();
        }
        await expect.poll(() => events).toHaveLength(barriers);
      };
      // Their flushes overlap: with bytes between them, and then with none.
      await sendBarriers([30, 30, 0]);
      await sendBarriers([0, 0]);
      expect(collector.isThrottled).toBe(false);
      expect(collector.hasWork()).toBe(false);
    });
  });
});
