import { expect, it, vi } from 'vitest';
import type { TopicPort } from '../../src/connectors/topic.js';
import { withInstances } from '../helpers/instances.js';
import { describeOnKafka, openTopics, sharedCluster } from '../helpers/kafka.js';
import { RetryingClients } from '../helpers/retrying-clients.js';
import type { ServiceProcess } from '../helpers/service-process.js';
import { appendDurably, producerRecord } from '../helpers/topic-client.js';

const ACCOUNTS = Array.from({ length: 60 }, (_, index) => `account-${index}`);
/** A bound against hanging. */
const WAIT_MS = 120_000;

interface Account {
  readonly name: string;
  readonly balance: number;
  readonly granted: number;
}

/** Amounts differ, so that one that is lost and another that counts twice do not cancel out. @returns their sum */
async function grant(topics: TopicPort, topic: string, amounts: readonly number[]): Promise<number> {
  for (const amount of amounts) {
    const value = Buffer.from(JSON.stringify({ amount }));
    await appendDurably(topics, topic, producerRecord({ partition: amount % 16, value, timestamp: Date.now() }));
  }
  return amounts.reduce((sum, amount) => sum + amount, 0);
}

async function accountsAt(instance: ServiceProcess): Promise<Account[]> {
  return Promise.all(
    ACCOUNTS.map(async (name) => (await (await instance.fetch(`/accounts/${name}`)).json()) as Account),
  );
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

describeOnKafka('A broadcast over several instances', () => {
  it.each(['heap', 'lmdb'])(
    'reaches every key of all of them once, although one joins, one is killed, one leaves: on %s',
    async (backend) => {
      const { bootstrap } = await sharedCluster();
      const topics = await openTopics(bootstrap);
      await withInstances({ fixture: 'kafka-grants', args: ['--state-backend', backend] }, async (group) => {
        const topic = `${group.name}-grants`;
        const first = await group.join();
        const second = await group.join();
        expect(await group.settled([first, second]), 'both have shards').toEqual([8, 8]);
        const clients = new RetryingClients([first, second]);
        await clients.run(
          ACCOUNTS.map((name) => ({ path: `/accounts/${name}`, body: { amount: 1 } })),
          8,
        );
        let sum = await grant(topics, topic, range(1, 20));
        const third = await group.join();
        sum += await grant(topics, topic, range(20, 40));
        await second.kill();
        sum += await grant(topics, topic, range(40, 60));
        await group.settled([first, third]);
        await first.stop();
        sum += await grant(topics, topic, range(60, 80));
        const expected = ACCOUNTS.map((name) => ({ name, balance: sum + 1, granted: sum }));
        const haveAll = async (): Promise<boolean> => (await accountsAt(third)).every(({ granted }) => granted >= sum);
        await vi.waitUntil(haveAll, { timeout: WAIT_MS, interval: 200 });
        expect(await accountsAt(third)).toEqual(expected);
      });
      await topics.close();
    },
  );
});
