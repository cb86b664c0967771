import { expect, it } from 'vitest';
import type { ProducerRecord, TopicPort } from '../../src/connectors/topic.js';
import { describeOnKafka, openTopics, sharedCluster } from '../helpers/kafka.js';
import { withInstances } from '../helpers/instances.js';
import { type RetriedRequest, RetryingClients } from '../helpers/retrying-clients.js';
import { appendDurably, positionsFrom, producerRecord, TopicClient } from '../helpers/topic-client.js';

const CONNECTIONS = 16;
const USERS = Array.from({ length: 30 }, (_, index) => `user-${index}`);
const WORDS = Array.from({ length: 23 }, (_, index) => `word-${index}`);

interface Said {
  readonly user: string;
  readonly word: string;
  readonly amount: number;
  readonly ofUser: number;
  readonly ofWord: number;
}

/** Amounts differ, so that one that is lost and another that counts twice do not cancel out. */
function additions(count: number): RetriedRequest[] {
  return Array.from({ length: count }, (_, index) =>
    said(USERS[index % 30] ?? '', WORDS[index % 23] ?? '', (index % 7) + 1),
  );
}

function said(user: string, word: string, amount: number): RetriedRequest {
  return { path: `/users/${user}/words/${word}`, body: { amount } };
}

function sums(answers: readonly Said[], name: 'user' | 'word'): Map<string, number> {
  const totals = new Map<string, number>();
  for (const answer of answers) totals.set(answer[name], (totals.get(answer[name]) ?? 0) + answer.amount);
  return totals;
}

/** A sale in every partition: event time is the least of all of them. */
function salesAt(second: number, amount: number): ProducerRecord[] {
  return Array.from({ length: 16 }, (_, partition) => {
    const sale = {
      shop: `shop-${partition}`,
      article: `article-${partition % 5}`,
      at: second * 1000 + partition,
      amount,
    };
    return producerRecord({ partition, value: Buffer.from(JSON.stringify(sale)), timestamp: Date.now() });
  });
}

async function sell(topics: TopicPort, topic: string, seconds: readonly number[]): Promise<void> {
  for (const second of seconds) {
    await Promise.all(salesAt(second, second + 1).map((record) => appendDurably(topics, topic, record)));
  }
}

/** As many sales of each article as partitions have it. */
function sumsOf(seconds: readonly number[]): string[] {
  return seconds.flatMap((second) =>
    [0, 1, 2, 3, 4].map((article) => {
      const partitions = [4, 3, 3, 3, 3][article] ?? 0;
      return `article-${article} ${second} ${partitions * (second + 1)}`;
    }),
  );
}

describeOnKafka('A second key over several instances', () => {
  it('is counted by all of them, and callers get their answers', async () => {
    await withInstances({ fixture: 'kafka-words' }, async (group) => {
      const first = await group.join();
      const second = await group.join();
      expect(await group.settled([first, second])).toEqual([8, 8]);
      const clients = new RetryingClients([first, second]);
      const answers = (await clients.run(additions(300), CONNECTIONS)) as Said[];
      const ofUser = sums(answers, 'user');
      const ofWord = sums(answers, 'word');
      for (const [user, total] of ofUser) {
        expect(Math.max(...answers.filter((each) => each.user === user).map((each) => each.ofUser))).toBe(total);
      }
      for (const [word, total] of ofWord) {
        expect(Math.max(...answers.filter((each) => each.word === word).map((each) => each.ofWord))).toBe(total);
      }
      const { bootstrap } = await sharedCluster();
      const topics = await openTopics(bootstrap);
      const { endOffsets } = await topics.describe(`${group.name}-${group.name}.of-word-repartition`);
      expect(endOffsets).toHaveLength(16);
      await topics.close();
    });
  });

  it('loses and doubles nothing when one joins, one is killed, one leaves', async () => {
    await withInstances({ fixture: 'kafka-words' }, async (group) => {
      const first = await group.join();
      const second = await group.join();
      const clients = new RetryingClients([first, second]);
      const requests = additions(800);
      const running = clients.run(requests, CONNECTIONS);
      await clients.until(150);
      const third = await group.join();
      clients.use([first, second, third]);
      await clients.until(400);
      clients.use([first, third]);
      await second.kill();
      await clients.until(600);
      clients.use([third]);
      await first.stop();
      const answers = (await running) as Said[];
      const finals = (await clients.run(
        WORDS.flatMap((word, index) => [said(USERS[index] ?? '', word, 0)]),
        1,
      )) as Said[];
      const ofWord = sums(answers, 'word');
      expect(finals.map(({ word, ofWord: total }) => [word, total])).toEqual(
        finals.map(({ word }) => [word, ofWord.get(word)]),
      );
      const ofUser = sums(answers, 'user');
      expect(finals.map(({ user, ofUser: total }) => [user, total])).toEqual(
        finals.map(({ user }) => [user, ofUser.get(user)]),
      );
    });
  });

  it('keeps event time: each window of the other key fires once, when all instances have come as far', async () => {
    const { bootstrap } = await sharedCluster();
    const topics = await openTopics(bootstrap);
    await withInstances({ fixture: 'kafka-sales' }, async (group) => {
      const first = await group.join();
      const second = await group.join();
      await group.settled([first, second]);
      await sell(topics, `${group.name}-sales`, range(0, 5));
      const client = new TopicClient(topics, `${group.name}-sums`, positionsFrom(0, 16), { visibility: 'committed' });
      const third = await group.join();
      await group.settled([first, second, third]);
      await sell(topics, `${group.name}-sales`, range(5, 10));
      await second.kill();
      await sell(topics, `${group.name}-sales`, range(10, 15));
      await group.settled([first, third]);
      // Those who took over know no event time until they have read a record. The windows of this second stay open.
      await sell(topics, `${group.name}-sales`, [15]);
      const closed = range(0, 15);
      await client.read(closed.length * 5);
      const seen = client.values.map(
        (value) => JSON.parse(value ?? '') as { article: string; second: number; amount: number },
      );
      const texts = seen.map(({ article, second: at, amount }) => `${article} ${at} ${amount}`);
      expect(new Set(texts)).toEqual(new Set(sumsOf(closed)));
      client.reader.close();
    });
    await topics.close();
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
