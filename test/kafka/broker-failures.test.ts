import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import type { KafkaTopics } from '../../src/connectors/kafka/kafka-topics.js';
import { KafkaCluster } from '../../tools/kafka/cluster.mjs';
import { freePort } from '../helpers/free-port.js';
import { describeOnKafka, kafkaService, openTopics, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { RetryingClients } from '../helpers/retrying-clients.js';
import { ServiceProcess, withService } from '../helpers/service-process.js';
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

describeOnKafka('A service whose broker is lost', () => {
  it('says so to its callers, keeps what they were told, and counts each of their requests once when it is back', async () => {
    const cluster = await startCluster(1);
    const options = await kafkaService(uniqueName('outage'), {
      brokers: cluster.bootstrap,
      args: ['--request-timeout-ms', '2000'],
    });
    await withService(options, async (service) => {
      const clients = new RetryingClients([service]);
      const counting = clients.run(
        Array.from({ length: 600 }, (_, index) => ({ path: `/counters/c${index % 7}`, body: { amount: 1 } })),
        16,
      );
      await clients.until(200);
      await cluster.stopNode(1, 'SIGKILL');
      const refused = await service.post('/counters/lost', { amount: 1 }, { 'idempotency-key': '"lost"' });
      expect([503, 504]).toContain(refused.status);
      expect(refused.headers.get('content-type')).toContain('application/problem+json');
      expect(await refused.json()).toMatchObject({ code: expect.stringMatching(/^MILLRACE_/) as unknown });
      expect((await service.fetch('/healthz')).status).toBe(200);
      await cluster.startNode(1);
      await counting;
      const values = await Promise.all(
        Array.from({ length: 7 }, async (_, index) => {
          const { value } = (await (await service.fetch(`/counters/c${index}`)).json()) as { value: number };
          return value;
        }),
      );
      expect(values).toEqual(Array.from({ length: 7 }, (_, index) => Math.ceil((600 - index) / 7)));
      // Whether it was accepted or not, said again it counts once.
      const [again] = await new RetryingClients([service]).run([{ path: '/counters/after', body: { amount: 3 } }], 1);
      expect(again).toEqual({ name: 'after', value: 3 });
    });
  });
});

describeOnKafka('A service on Kafka ends with the reason', () => {
  it('when a topic that it reads is deleted', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('deleted');
    const service = await ServiceProcess.start(await kafkaService(job));
    const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin();
    try {
      await service.post('/counters/a', { amount: 1 });
      await admin.connect();
      await admin.deleteTopics({ topics: [`${job}.requests.requests`] });
      const { code } = await service.ended;
      expect(code).toBe(1);
      expect(service.stderr).toContain('MILLRACE_TOPIC_NOT_FOUND');
      expect(service.stderr).toContain(`${job}.requests.requests`);
    } finally {
      await admin.disconnect();
      await service.dispose();
    }
  });

  it('when its group is one of other software, which shares partitions in another way', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('foreign-group');
    const topics = await openTopics(bootstrap);
    await topics.createTopic(`${job}-elsewhere`, config);
    await topics.close();
    const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).consumer({ groupId: job });
    try {
      await consumer.connect();
      await consumer.subscribe({ topic: `${job}-elsewhere` });
      const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
      await consumer.run({ eachMessage: () => Promise.resolve() });
      await joined;
      const { end, service } = await ServiceProcess.run(await kafkaService(job));
      expect(end.code).toBe(1);
      expect(service.stderr).toContain('the group cannot be joined');
      expect(service.stderr).toContain('INCONSISTENT_GROUP_PROTOCOL');
    } finally {
      await consumer.disconnect();
    }
  });
});
