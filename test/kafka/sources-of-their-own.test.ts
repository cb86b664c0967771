import { expect, it } from 'vitest';
import { shardsOf, withInstances } from '../helpers/instances.js';
import { describeOnKafka, openTopics, sharedCluster } from '../helpers/kafka.js';
import { positionsFrom, TopicClient } from '../helpers/topic-client.js';

const LAST = 4_000;

describeOnKafka('A source without topic', () => {
  it('runs at one instance of the group, and goes on at another where that one had committed', async () => {
    const { bootstrap } = await sharedCluster();
    const topics = await openTopics(bootstrap);
    await withInstances({ fixture: 'kafka-ticks' }, async (group) => {
      const first = await group.join();
      const second = await group.join({ standsBy: true });
      const topic = `${group.name}-ticks`;
      const client = new TopicClient(topics, topic, positionsFrom(0, 16), { visibility: 'committed' });
      await client.read(500);
      expect([shardsOf(first).length, shardsOf(second).length], 'one runs it').toEqual([16, 0]);
      await first.kill();
      expect(await second.ended, 'the other takes over, and ends with the source').toMatchObject({ code: 0 });
      await client.read(LAST);
      const numbers = client.values.map((value) => Number(value)).sort((a, b) => a - b);
      expect(numbers).toEqual(Array.from({ length: LAST }, (_, index) => index));
      client.reader.close();
    });
    await topics.close();
  });
});
