import kafkajs from 'kafkajs';
import { expect, it } from 'vitest';
import { keyGroupOfBytes, shardOfKeyGroup } from '../../src/api/internal/key-groups.js';
import { codecNames } from '../../src/connectors/kafka/compression.js';
import { describeOnKafka, openTopics, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { appendDurably, positionsFrom, producerRecord, TopicClient } from '../helpers/topic-client.js';

const SHARDS = 16;
const config = { partitions: SHARDS, retentionMs: Number.POSITIVE_INFINITY, retentionBytes: 1 << 30 };
/** Lengths around the four bytes that murmur2 takes at a time, and letters beyond ASCII. */
const keys = Array.from({ length: 40 }, (_, index) => `${'ключ-é-key'.slice(0, index % 11)}${String(index)}`);
/** Long enough, and alike enough, to be worth compressing. */
const valueOf = (key: string): string => `value of ${key} `.repeat(20);

describeOnKafka("Kafka's own Java clients", () => {
  it.each(codecNames)(
    'write with the codec %s what Millrace reads, at the partition that is the shard of the key',
    async (codec) => {
      const cluster = await sharedCluster();
      const topics = await openTopics(cluster.bootstrap);
      const topic = uniqueName('java');
      await topics.createTopic(topic, config);
      await cluster.runTool(
        'org.apache.kafka.tools.ConsoleProducer',
        [
          '--bootstrap-server',
          cluster.bootstrap,
          '--topic',
          topic,
          '--compression-codec',
          codec,
          '--reader-property',
          'parse.key=true',
          '--reader-property',
          'key.separator=|',
        ],
        keys.map((key) => `${key}|${valueOf(key)}\n`).join(''),
      );
      const client = new TopicClient(topics, topic, positionsFrom(0, SHARDS));
      const records = await client.read(keys.length);
      const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
      const shardOf = (key: Buffer): number => shardOfKeyGroup(keyGroupOfBytes(key, 0, key.length), SHARDS);
      const expected = keys.map(
        (key) =>
          `${bytesOf(key).toString('latin1')}|${shardOf(bytesOf(key))}|${bytesOf(valueOf(key)).toString('latin1')}`,
      );
      expect(new Set(records.map(({ key, partition, value }) => `${key}|${partition}|${value}`))).toEqual(
        new Set(expected),
      );
      await topics.close();
    },
  );

  it('read what Millrace writes with every codec', async () => {
    const cluster = await sharedCluster();
    const topic = uniqueName('java');
    for (const codec of codecNames) {
      const topics = await openTopics(cluster.bootstrap, { compression: codec });
      await topics.createTopic(topic, { ...config, partitions: 1 });
      const headers = [['name', Buffer.from(codec)]] as const;
      for (const key of ['a', 'b']) {
        topics.append(
          topic,
          producerRecord({ key: Buffer.from(key), value: Buffer.from(valueOf(codec)), headers, timestamp: 5 }),
          null,
        );
      }
      await topics.close();
    }
    const printed = await cluster.runTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      '--bootstrap-server',
      cluster.bootstrap,
      '--topic',
      topic,
      '--from-beginning',
      '--max-messages',
      '10',
      '--formatter-property',
      'print.key=true',
      '--formatter-property',
      'print.headers=true',
    ]);
    const expected = codecNames.flatMap((codec) => ['a', 'b'].map((key) => `name:${codec}\t${key}\t${valueOf(codec)}`));
    expect(
      printed
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
    ).toEqual(expected.map((line) => line.trimEnd()));
  });
});

describeOnKafka('Records of a size that Kafka limits', () => {
  it('are refused one by one, and take no other record down with them', async () => {
    const { bootstrap } = await sharedCluster();
    const topics = await openTopics(bootstrap);
    const topic = uniqueName('sizes');
    await topics.createTopic(topic, { ...config, partitions: 1 });
    const value = Buffer.alloc(2 * 1024 * 1024, 'x');
    const small = (text: string) => appendDurably(topics, topic, producerRecord({ value: Buffer.from(text) }));
    const before = small('before');
    const large = appendDurably(topics, topic, producerRecord({ value }));
    const behind = small('behind');
    await expect(large).rejects.toMatchObject({ code: 'MILLRACE_RECORD_TOO_LARGE', details: { topic } });
    expect([await before, await behind]).toEqual([0, 1]);
    await topics.close();
  });

  it('fit when a batch of them did not', async () => {
    const cluster = await sharedCluster();
    const topics = await openTopics(cluster.bootstrap);
    const topic = uniqueName('sizes');
    await topics.createTopic(topic, { ...config, partitions: 1 });
    await setTopicConfig(cluster.bootstrap, topic, 'max.message.bytes', '20000');
    const appends = Array.from({ length: 50 }, (_, index) =>
      appendDurably(topics, topic, producerRecord({ key: Buffer.from(String(index)), value: Buffer.alloc(4000, 'x') })),
    );
    expect(await Promise.all(appends)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    const client = new TopicClient(topics, topic, positionsFrom(0, 1));
    const records = await client.read(50);
    expect(records.map(({ key }) => key)).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    await topics.close();
  });
});

async function setTopicConfig(brokers: string, topic: string, name: string, value: string): Promise<void> {
  const { Kafka, logLevel } = kafkajs;
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
  });
  await admin.disconnect();
}
