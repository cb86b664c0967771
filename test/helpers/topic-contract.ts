import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/base/errors.js';
import type { TopicConfig, TopicPort } from '../../src/connectors/topic.js';
import {
  appendDurably,
  keep,
  positionsFrom,
  producerRecord,
  rejection,
  textRecord,
  TopicClient,
  type KeptRecord,
} from './topic-client.js';

/** What a test of the topic port is run against. */
export interface TopicContractSubject {
  readonly port: TopicPort;
  /** Closes the port and opens another one over the same topics. */
  reopen(): Promise<TopicPort>;
  dispose(): Promise<void>;
}

const config: TopicConfig = { partitions: 4, retentionMs: Number.POSITIVE_INFINITY, retentionBytes: 1 << 30 };

/** Registers the tests that every adapter of the topic port passes, whatever is behind it. */
export function describeTopicContract(name: string, open: () => Promise<TopicContractSubject>): void {
  describe(`topic contract: ${name}`, () => {
    let subject: TopicContractSubject;
    let port: TopicPort;
    let topic: string;
    let topicCount = 0;

    beforeEach(async () => {
      subject = await open();
      port = subject.port;
      topicCount += 1;
      topic = `contract-${process.pid}-${Date.now()}-${topicCount}`; // a broker may remember those of earlier runs
      await port.createTopic(topic, config);
    });
    afterEach(() => subject.dispose());

    const read = (count: number, partitions = 4): Promise<readonly KeptRecord[]> => {
      const client = new TopicClient(port, topic, positionsFrom(0, partitions));
      return client.read(count).finally(() => client.reader.close());
    };

    it('gives back key, value, headers, timestamp and offset exactly as they were appended', async () => {
      const record = producerRecord({
        partition: 2,
        key: Buffer.from('key'),
        value: Buffer.from([0, 255, 10]),
        headers: [
          ['a', Buffer.from('1')],
          ['a', Buffer.from('2')],
          ['leer', Buffer.alloc(0)],
          ['schlüssel', Buffer.from([0, 128])],
        ],
        timestamp: 1_700_000_000_123,
      });
      expect(await appendDurably(port, topic, record)).toBe(0);
      expect(await read(1)).toEqual([
        {
          partition: 2,
          offset: 0,
          timestamp: 1_700_000_000_123,
          key: 'key',
          value: '\u0000\u00ff\n',
          headers: [
            ['a', '1'],
            ['a', '2'],
            ['leer', ''],
            ['schlüssel', '\u0000\u0080'],
          ],
        },
      ]);
    });

    it('keeps null apart from empty, in key and in value', async () => {
      const empty = Buffer.alloc(0);
      await appendDurably(port, topic, producerRecord({ key: null, value: empty }));
      await appendDurably(port, topic, producerRecord({ key: empty, value: null }));
      const [first, second] = await read(2);
      expect([first?.key, first?.value, second?.key, second?.value]).toEqual([null, '', '', null]);
    });

    it('numbers each partition from 0 without gaps, in the order of the appends', async () => {
      const offsets: number[][] = [[], [], [], []];
      const appends = Array.from({ length: 200 }, async (_, index) => {
        const partition = index % 3;
        offsets[partition]?.push(await appendDurably(port, topic, textRecord(partition, `r${index}`)));
      });
      await Promise.all(appends);
      const dense = (count: number): number[] => Array.from({ length: count }, (_, offset) => offset);
      expect(offsets).toEqual([dense(67), dense(67), dense(66), []]);
      const records = await read(200);
      for (const partition of [0, 1, 2]) {
        const values = records.filter((record) => record.partition === partition).map((record) => record.value);
        expect(values).toEqual(values.map((_, index) => `r${index * 3 + partition}`));
      }
    });

    it('does not keep the memory of a record that was handed in', async () => {
      const value = Buffer.from('before');
      const appended = appendDurably(port, topic, producerRecord({ value }));
      value.fill('x');
      await appended;
      expect((await read(1))[0]?.value).toBe('before');
    });

    it('starts each partition at its own offset and reads no other partition', async () => {
      for (let index = 0; index < 5; index++) {
        for (const partition of [0, 1, 2])
          await appendDurably(port, topic, textRecord(partition, `${partition}:${index}`));
      }
      const client = new TopicClient(port, topic, new Map([[0, 3], [2, 0]])); // prettier-ignore
      await client.read(7);
      expect(new Set(client.values)).toEqual(new Set(['0:3', '0:4', '2:0', '2:1', '2:2', '2:3', '2:4']));
      expect([client.reader.position(0), client.reader.position(2)]).toEqual([5, 5]);
      client.reader.close();
    });

    it('wakes a reader at the tail for every single record: none is lost in 300 rounds', async () => {
      const client = new TopicClient(port, topic, positionsFrom(0, 4));
      for (let round = 1; round <= 300; round++) {
        const reading = client.read(round);
        port.append(topic, textRecord(round % 4, `round ${round}`), null);
        await reading;
      }
      expect(client.values).toEqual(Array.from({ length: 300 }, (_, index) => `round ${index + 1}`));
      client.reader.close();
    });

    it('hands a refused record out again with the next poll, and ends the poll at it', async () => {
      for (let index = 0; index < 5; index++) await appendDurably(port, topic, textRecord(0, `r${index}`));
      const client = new TopicClient(port, topic, positionsFrom(0, 1));
      await client.read(1);
      const seen: (string | null)[] = [];
      const accepted = client.reader.poll(10, (record) => {
        seen.push(keep(record).value);
        return seen.length < 3;
      });
      expect(accepted).toBe(2);
      expect(seen).toEqual(['r1', 'r2', 'r3']);
      expect(client.reader.position(0)).toBe(3);
      await client.read(3);
      expect(client.values).toEqual(['r0', 'r3', 'r4']);
      client.reader.close();
    });

    it('keeps the records of one poll readable until the next', async () => {
      for (let index = 0; index < 20; index++) await appendDurably(port, topic, textRecord(index % 2, `r${index}`));
      const client = new TopicClient(port, topic, positionsFrom(0, 2));
      await client.read(1);
      const held: (Uint8Array | null)[] = [];
      client.reader.poll(100, (record) => {
        held.push(record.value);
        return true;
      });
      const values = held.map((value) => (value === null ? '' : Buffer.from(value).toString()));
      expect(new Set(values).size).toBe(values.length);
      expect(values.every((value) => /^r\d+$/.test(value))).toBe(true);
      client.reader.close();
    });

    it('serves many readers, each at its own pace', async () => {
      const fast = new TopicClient(port, topic, positionsFrom(0, 4));
      const slow = new TopicClient(port, topic, positionsFrom(0, 4), { maxRecords: 1 });
      const idle = new TopicClient(port, topic, positionsFrom(0, 4));
      const reading = Promise.all([fast.read(500), slow.read(500)]);
      for (let index = 0; index < 500; index++) port.append(topic, textRecord(index % 4, `r${index}`), null);
      await reading;
      expect(inOrder(slow.records)).toEqual(inOrder(fast.records));
      await idle.read(500);
      expect(inOrder(idle.records)).toEqual(inOrder(fast.records));
      for (const client of [fast, slow, idle]) client.reader.close();
    });

    it('reads with visibility appended what it reads with durable, at the same offsets', async () => {
      const client = new TopicClient(port, topic, positionsFrom(0, 4), { visibility: 'appended' });
      const reading = client.read(50);
      for (let index = 0; index < 50; index++) port.append(topic, textRecord(0, `r${index}`), null);
      await reading;
      expect(client.records.map((record) => record.offset)).toEqual(Array.from({ length: 50 }, (_, offset) => offset));
      client.reader.close();
    });

    it('resolves a flush once everything before it is durable', async () => {
      let acknowledged = 0;
      const listener = { onAppended: () => void (acknowledged += 1), onAppendFailed: () => undefined };
      for (let index = 0; index < 100; index++) port.append(topic, textRecord(index % 4, 'x'), listener);
      await port.flush();
      expect(acknowledged).toBe(100);
      expect((await port.describe(topic)).endOffsets).toEqual([25, 25, 25, 25]);
    });

    it('describes a topic: partitions, first and next offsets', async () => {
      await appendDurably(port, topic, textRecord(1, 'x'));
      const description = await port.describe(topic);
      expect(description).toMatchObject({
        name: topic,
        partitions: 4,
        beginOffsets: [0, 0, 0, 0],
        endOffsets: [0, 1, 0, 0],
      });
      expect(port.topics()).toContain(topic);
    });

    it('creates a topic that exists without touching it, and refuses another number of partitions', async () => {
      await appendDurably(port, topic, textRecord(0, 'kept'));
      await port.createTopic(topic, config);
      expect((await read(1))[0]?.value).toBe('kept');
      const error = await rejection(port.createTopic(topic, { ...config, partitions: 5 }));
      expect(MillraceError.is(error, 'MILLRACE_TOPIC_PARTITIONS_MISMATCH')).toBe(true);
    });

    it('names a topic that does not exist', async () => {
      const error = await rejection(port.describe('contract-no-such-topic'));
      expect(MillraceError.is(error, 'MILLRACE_TOPIC_NOT_FOUND')).toBe(true);
    });

    it('says so when an offset beyond the end is read', async () => {
      await appendDurably(port, topic, textRecord(0, 'x'));
      const client = new TopicClient(port, topic, positionsFrom(7, 1));
      const error = await rejection(client.read(1));
      expect(MillraceError.is(error, 'MILLRACE_OFFSET_OUT_OF_RANGE')).toBe(true);
      client.reader.close();
    });

    it('keeps the offsets of each group and topic apart, with their metadata', async () => {
      const group = `${topic}-g`;
      expect(await port.committedOffsets(group, topic)).toEqual(new Map());
      await port.commitOffsets(group, topic, new Map([[0, { offset: 5, metadata: 'checkpoint 1' }], [1, { offset: 7, metadata: '' }]])); // prettier-ignore
      await port.commitOffsets(group, topic, new Map([[1, { offset: 9, metadata: 'checkpoint 2' }]]));
      expect(await port.committedOffsets(group, topic)).toEqual(
        new Map([
          [0, { offset: 5, metadata: 'checkpoint 1' }],
          [1, { offset: 9, metadata: 'checkpoint 2' }],
        ]),
      );
      expect(await port.committedOffsets(`${group}-other`, topic)).toEqual(new Map());
    });

    it('has everything that was acknowledged after it was closed and opened again', async () => {
      for (let index = 0; index < 50; index++) port.append(topic, textRecord(index % 4, `r${index}`), null);
      await port.flush();
      await port.commitOffsets('contract', topic, new Map([[0, { offset: 3, metadata: 'm' }]]));
      port = await subject.reopen();
      expect(port.topics()).toContain(topic);
      const records = await read(50);
      expect(new Set(records.map((record) => record.value)).size).toBe(50);
      expect(await port.committedOffsets('contract', topic)).toEqual(new Map([[0, { offset: 3, metadata: 'm' }]]));
      expect(await appendDurably(port, topic, textRecord(0, 'next'))).toBe(13);
    });

    it('makes everything durable when it is closed, and may be closed twice', async () => {
      for (let index = 0; index < 20; index++) port.append(topic, textRecord(0, `r${index}`), null);
      await port.close();
      await port.close();
      port = await subject.reopen();
      expect((await port.describe(topic)).endOffsets[0]).toBe(20);
    });

    it('reads nothing from a closed reader', async () => {
      await appendDurably(port, topic, textRecord(0, 'x'));
      const client = new TopicClient(port, topic, positionsFrom(0, 1));
      client.reader.close();
      client.reader.close();
      expect(client.reader.poll(10, () => true)).toBe(0);
    });
  });
}

/** By partition; within one, as they were read. */
function inOrder(records: readonly KeptRecord[]): readonly KeptRecord[] {
  return [...records].sort((left, right) => left.partition - right.partition);
}
