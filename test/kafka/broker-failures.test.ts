import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { KafkaTopics } from '../../src/connectors/kafka/kafka-topics.js';
import { KafkaCluster } from '../../tools/kafka/cluster.mjs';
import { freePort } from '../helpers/free-port.js';
import { describeOnKafka, openTopics } from '../helpers/kafka.js';
import { positionsFrom, textRecord, TopicClient } from '../helpers/topic-client.js';

const PARTITIONS = 4;
const config = { partitions: PARTITIONS, retentionMs: 3_600_000, retentionBytes: 1 << 30 };
const clusters: KafkaCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.dispose();
});

async function startCluster(nodes: number): Promise<KafkaCluster> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-kafka-failing-'));
  const cluster = await KafkaCluster.start(dir, { nodes, port: await freePort(2 * nodes) });
  clusters.push(cluster);
  return cluster;
}

/** Appends numbered records, a few hundred on their way at a time, until told to stop; keeps what was acknowledged, in order. */
class Load {
  readonly acknowledged: string[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly refused: Error[] = [];
  #count = 0;
  #onTheirWay = 0;
  #isStopped = false;
  #waiting: { count: number; resolve: () => void }[] = [];
  readonly #topics: KafkaTopics;

  constructor(topics: KafkaTopics) {
    this.#topics = topics;
  }

  start(): void {
    while (this.#onTheirWay < 200 && !this.#isStopped) this.#appendOne();
  }

  get acknowledgedCount(): number {
    return this.acknowledged.reduce((sum, values) => sum + values.length, 0);
  }

  /** Resolves when so many more are acknowledged. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count: this.acknowledgedCount + count, resolve }));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#topics.flush();
  }

  #appendOne(): void {
    const number = this.#count++;
    const partition = number % PARTITIONS;
    this.#onTheirWay++;
    this.#topics.append('load', textRecord(partition, String(number)), {
      onAppended: () => {
        this.acknowledged[partition]?.push(String(number));
        this.#ended();
      },
      onAppendFailed: (error) => {
        this.refused.push(error);
        this.#ended();
      },
    });
  }

  #ended(): void {
    this.#onTheirWay--;
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.acknowledgedCount < count) return true;
      resolve();
      return false;
    });
    setImmediate(() => this.start());
  }
}

describeOnKafka('Brokers that are lost under load', () => {
  it.each([
    [1, 'killed and started again'],
    [3, 'of which one is killed'],
  ])('%d, %s: nothing acknowledged is lost, nothing is stored twice, and the order stays', async (nodes) => {
    const cluster = await startCluster(nodes);
    const topics = await openTopics(cluster.bootstrap);
    await topics.createTopic('load', config);
    const client = new TopicClient(topics, 'load', positionsFrom(0, PARTITIONS));
    const load = new Load(topics);
    load.start();
    await load.more(2000);
    await cluster.stopNode(1, 'SIGKILL');
    if (nodes === 1) await cluster.startNode(1);
    await load.more(2000);
    await load.stop();
    expect(load.refused).toEqual([]);
    const records = await client.read(load.acknowledgedCount);
    const stored = Array.from({ length: PARTITIONS }, (_, partition) =>
      records.filter((record) => record.partition === partition).map(({ value }) => value),
    );
    expect(stored).toEqual(load.acknowledged);
    expect(client.reader.poll(1, () => true)).toBe(0);
    client.reader.close();
    await topics.close();
  });
});
