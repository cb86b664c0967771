import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { CREDENTIALS, KafkaCluster } from '../../tools/kafka/cluster.mjs';
import { freePort } from '../helpers/free-port.js';
import { describeOnKafka, kafkaService, openTopics, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { ServiceProcess, withService } from '../helpers/service-process.js';
import { rejection } from '../helpers/topic-client.js';

const retention = { retentionMs: 3_600_000, retentionBytes: 1 << 30 };
const clusters: KafkaCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.dispose();
});

describeOnKafka('A start on Kafka', () => {
  it('says why it is not ready while no broker answers, and serves when one does', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-kafka-late-'));
    const brokerPort = await freePort(2);
    const port = await freePort();
    const options = await kafkaService(uniqueName('late'), { brokers: `127.0.0.1:${brokerPort}` });
    const service = await ServiceProcess.launch({ ...options, port });
    try {
      await service.until(() => service.stderr.includes('waiting for Kafka'), 'the waiting');
      const url = `http://127.0.0.1:${port}`;
      const ready = await fetch(`${url}/readyz`);
      expect(ready.status).toBe(503);
      const { reasons } = (await ready.json()) as { reasons: string[] };
      expect(reasons.join()).toContain(`127.0.0.1:${brokerPort}`);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      const refused = await fetch(`${url}/counters/a`, { method: 'POST', body: '{}' });
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      clusters.push(await KafkaCluster.start(dir, { port: brokerPort }));
      await service.listening();
      expect((await service.fetch('/readyz')).status).toBe(200);
      expect(await (await service.post('/counters/a', { amount: 1 })).json()).toEqual({ name: 'a', value: 1 });
    } finally {
      await service.dispose();
    }
  });

  it('creates the topics of the job itself, on brokers that create none', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('creates');
    await withService(await kafkaService(job), async (service) => {
      expect(await (await service.post('/counters/a', { amount: 1 })).json()).toEqual({ name: 'a', value: 1 });
    });
    const topics = await openTopics(bootstrap);
    const names = ['.requests.requests', '.requests.requests.expired', '.responses', '-changes', '-seen'];
    for (const name of names) expect(await topics.describe(job + name), name).toMatchObject({ partitions: 16 });
    expect(await rejection(topics.describe(`${job}-of-nobody`))).toMatchObject({ code: 'MILLRACE_TOPIC_NOT_FOUND' });
    await topics.close();
  });

  it('ends with the name of a topic that it cannot create, and with the reason', async () => {
    const job = uniqueName('replicated');
    // There is one broker.
    const args = ['--kafka-replication-factor', '3'];
    const { end, service } = await ServiceProcess.run(await kafkaService(job, { args }));
    expect(end.code).toBe(1);
    expect(service.stderr).toMatch(new RegExp(`refused to create topic "${job}.*Replication-factor is invalid`));
  });

  it('refuses a request topic with other partitions than its state has shards, and says what to do', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('partitions');
    const topics = await openTopics(bootstrap);
    await topics.createTopic(`${job}.requests.requests`, { partitions: 4, ...retention });
    await topics.close();
    const { end, service } = await ServiceProcess.run(await kafkaService(job));
    expect(end.code).toBe(1);
    expect(service.stderr).toContain('MILLRACE_TOPIC_PARTITIONS_MISMATCH');
    expect(service.stderr).toContain(`topic "${job}.requests.requests" has 4 partitions, and is needed with 16`);
  });

  it.each([
    ['SASL_PLAINTEXT', 'scram-sha-256', []],
    ['SASL_SSL', 'scram-sha-512', ['--kafka-tls']],
    ['SSL', 'none', ['--kafka-tls']],
  ] as const)('logs in over %s with %s', async (protocol, mechanism, args) => {
    const cluster = await sharedCluster();
    const options = await kafkaService(uniqueName('login'), {
      brokers: cluster.secureAddress(protocol),
      args: [
        ...args,
        ...(args.length > 0 ? ['--kafka-tls-ca', cluster.caFile] : []),
        '--kafka-sasl-mechanism',
        mechanism,
      ],
    });
    const env = {
      ...options.env,
      MILLRACE_KAFKA_USERNAME: CREDENTIALS.username,
      MILLRACE_KAFKA_PASSWORD: CREDENTIALS.password,
    };
    await withService({ ...options, env }, async (service) => {
      expect(await (await service.post('/counters/a', { amount: 1 })).json()).toEqual({ name: 'a', value: 1 });
    });
  });

  it('ends with the reason when the password is wrong', async () => {
    const cluster = await sharedCluster();
    const args = ['--kafka-sasl-mechanism', 'scram-sha-256', '--kafka-username', CREDENTIALS.username];
    const options = await kafkaService(uniqueName('login'), { brokers: cluster.secureAddress('SASL_PLAINTEXT'), args });
    const { end, service } = await ServiceProcess.run({
      ...options,
      env: { ...options.env, MILLRACE_KAFKA_PASSWORD: 'wrong-one' },
    });
    expect(end.code).toBe(1);
    expect(service.stderr).toContain('MILLRACE_BROKER_REFUSED');
    expect(service.stderr).not.toContain('wrong-one');
  });
});
