import { expect, it } from 'vitest';
import { KafkaConnection } from '../../src/connectors/kafka/kafka-connection.js';
import type { KafkaTopics } from '../../src/connectors/kafka/kafka-topics.js';
import { claimPartitions, encodeClaim } from '../../src/connectors/kafka/partition-claims.js';
import { clientOptions, describeOnKafka, openTopics, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { rejection, textRecord } from '../helpers/topic-client.js';

const config = { partitions: 4, retentionMs: 3_600_000, retentionBytes: 1 << 30 };

describeOnKafka('Claims of partitions', () => {
  async function withGroup(use: (group: GroupUnderTest) => Promise<void>): Promise<void> {
    const { bootstrap } = await sharedCluster();
    const topics = await openTopics(bootstrap);
    const connection = new KafkaConnection(clientOptions(bootstrap));
    await connection.refreshAll();
    const topic = uniqueName('claims');
    await topics.createTopic(topic, config);
    await use(new GroupUnderTest(topics, connection, topic, uniqueName('group')));
    await Promise.all([topics.close(), connection.close()]);
  }

  it('begin where told, go on where the owner committed, and name the checkpoint', async () => {
    await withGroup(async (group) => {
      expect(await group.claim('a', 1, [0, 1])).toMatchObject([
        [0, { owner: group.id('a'), offset: 5, checkpoint: null }],
        [1, { owner: group.id('a'), offset: 5, checkpoint: null }],
      ]);
      await group.commit('a', 1, 0, 17);
      expect(await group.claim('b', 2, [0])).toMatchObject([
        [0, { owner: group.id('b'), offset: 17, checkpoint: 'checkpoint at 17' }],
      ]);
    });
  });

  it('shut the owner before out: it can commit nothing more, of its other partitions neither', async () => {
    await withGroup(async (group) => {
      await group.claim('a', 1, [0, 1]);
      const paused = await group.open('a');
      paused.append(group.topic, textRecord(2, 'late'), null);
      await group.claim('b', 2, [0]);
      await paused.prepare(1);
      const late = { checkpointId: 1, outputs: {}, group: group.name, offsets: group.offsets('a', 1, 0, 99) };
      expect(await rejection(paused.commit(late).then(() => undefined))).toMatchObject({
        code: 'MILLRACE_PRODUCER_FENCED',
      });
      expect(await group.claim('b', 2, [0])).toMatchObject([[0, { owner: group.id('b'), offset: 5 }]]);
      await paused.close();
    });
  });

  it('come true for all when several take over from one owner at the same time', async () => {
    await withGroup(async (group) => {
      await group.claim('a', 1, [0, 1, 2, 3]);
      await group.commit('a', 1, 2, 30);
      const claims = await Promise.all(
        [0, 1, 2, 3].map((partition) => group.claim(`heir ${partition}`, 2, [partition])),
      );
      expect(claims.flat().map(([partition, { owner }]) => [partition, owner])).toEqual(
        [0, 1, 2, 3].map((partition) => [partition, group.id(`heir ${partition}`)]),
      );
      expect(claims[2]).toMatchObject([[2, { offset: 30 }]]);
    });
  });

  it('are refused to a member of an earlier generation', async () => {
    await withGroup(async (group) => {
      await group.claim('b', 7, [0]);
      expect(await rejection(group.claim('zombie', 6, [0]))).toMatchObject({ code: 'MILLRACE_PRODUCER_FENCED' });
    });
  });
});

class GroupUnderTest {
  readonly topics: KafkaTopics;
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly name: string;

  constructor(topics: KafkaTopics, connection: KafkaConnection, topic: string, name: string) {
    this.topics = topics;
    this.connection = connection;
    this.topic = topic;
    this.name = name;
  }

  id(owner: string): string {
    return `${this.name}.${owner}`;
  }

  async claim(owner: string, generation: number, partitions: readonly number[]) {
    const claims = await claimPartitions({
      connection: this.connection,
      group: this.name,
      transactionalId: this.id(owner),
      generation,
      transactionTimeoutMs: 60_000,
      partitions: new Map([[this.topic, new Map(partitions.map((partition) => [partition, 5]))]]),
      committedOffsets: (topic) => this.topics.committedOffsets(this.name, topic),
    });
    return [...(claims.get(this.topic) ?? [])];
  }

  open(owner: string) {
    return this.topics.openTransactionalProducer({
      transactionalId: this.id(owner),
      topics: [this.topic],
      committed: null,
      nextCheckpointId: 1,
    });
  }

  offsets(owner: string, generation: number, partition: number, offset: number) {
    const metadata = encodeClaim({ owner: this.id(owner), checkpoint: `checkpoint at ${offset}`, generation });
    return new Map([[this.topic, new Map([[partition, { offset, metadata }]])]]);
  }

  async commit(owner: string, generation: number, partition: number, offset: number): Promise<void> {
    const producer = await this.open(owner);
    await producer.prepare(1);
    const offsets = this.offsets(owner, generation, partition, offset);
    await producer.commit({ checkpointId: 1, outputs: {}, group: this.name, offsets });
    await producer.close();
  }
}
