import { expect, it } from 'vitest';
import { keyGroupOfBytes, shardOfKeyGroup } from '../../src/api/internal/key-groups.js';
import { describeOnKafka, kafkaService, openTopics, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { ServiceProcess, withService } from '../helpers/service-process.js';
import { appendDurably, type KeptRecord, positionsFrom, producerRecord, TopicClient } from '../helpers/topic-client.js';

const SHARDS = 16;

function partitionOf(key: string): number {
  const bytes = Buffer.from(key);
  return shardOfKeyGroup(keyGroupOfBytes(bytes, 0, bytes.length), SHARDS);
}

describeOnKafka('One instance on Kafka', () => {
  it('answers over request and response topics, and goes on after kill -9 and after an orderly end', async () => {
    const options = await kafkaService(uniqueName('counters'));
    const values: unknown[] = [];
    const add = async (service: ServiceProcess): Promise<void> => {
      values.push(await (await service.post('/counters/a', { amount: 1 })).json());
    };
    const first = await ServiceProcess.start(options);
    const { dataDir } = first;
    await add(first);
    await add(first);
    await first.kill();
    await withService({ ...options, dataDir }, async (second) => {
      await add(second);
      await second.stop();
    });
    await withService({ ...options, dataDir }, add);
    expect(values).toEqual([1, 2, 3, 4].map((value) => ({ name: 'a', value })));
    await first.dispose();
  });

  it('hands over the answer of a foreign service that read the request', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('foreign');
    const topics = await openTopics(bootstrap);
    await withService(await kafkaService(job), async (service) => {
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const answering = service.post('/ask', { question: 6 }, { traceparent });
      const client = new TopicClient(topics, `${job}.requests.asks`, positionsFrom(0, SHARDS));
      const [request] = await client.read(1);
      client.reader.close();
      const headers = Object.fromEntries(request?.headers ?? []);
      expect(request?.value).toBe('{"question":6}');
      expect(headers).toMatchObject({ traceparent, 'millrace-deadline': expect.stringMatching(/^\d{13}$/) as unknown });
      const [topic = '', partition] = headers['millrace-reply-to']?.split(':') ?? [];
      const correlation = Buffer.from(headers['millrace-correlation-id'] ?? '');
      const reply = {
        value: Buffer.from('{"answer":42}'),
        headers: [['millrace-correlation-id', correlation]] as const,
      };
      await appendDurably(topics, topic, producerRecord({ partition: Number(partition), ...reply }));
      expect(await (await answering).json()).toEqual({ answer: 42 });
    });
    await topics.close();
  });

  it('answers a foreign service that wrote the request', async () => {
    const { bootstrap } = await sharedCluster();
    const job = uniqueName('foreign');
    const topics = await openTopics(bootstrap);
    await withService(await kafkaService(job), async (service) => {
      await service.post('/counters/b', { amount: 40 });
      const replies = uniqueName('replies');
      await topics.createTopic(replies, { partitions: 3, retentionMs: 3_600_000, retentionBytes: 1 << 30 });
      const header = (name: string, value: string) => [name, Buffer.from(value)] as const;
      const line = {
        method: 'POST',
        path: '/counters/b',
        route: 'POST /counters/:name',
        params: { name: 'b' },
        query: {},
        headers: {},
      };
      await appendDurably(
        topics,
        `${job}.requests.requests`,
        producerRecord({
          partition: partitionOf('b'),
          key: Buffer.from('b'),
          value: Buffer.from('{"amount":2}'),
          headers: [
            header('millrace-correlation-id', 'from-elsewhere'),
            header('millrace-reply-to', `${replies}:2`),
            header('millrace-request', JSON.stringify(line)),
          ],
          timestamp: Date.now(),
        }),
      );
      const client = new TopicClient(topics, replies, new Map([[2, 0]]));
      const [reply] = await client.read(1);
      expect(reply?.value).toBe('{"name":"b","value":42}');
      expect(Object.fromEntries(reply?.headers ?? [])).toMatchObject({ 'millrace-correlation-id': 'from-elsewhere' });
    });
    await topics.close();
  });

  it('numbers what it writes by what it was made of, so that readers drop what a replay writes again', async () => {
    const job = uniqueName('numbered');
    // No checkpoint but the first: a kill has everything done again.
    const options = await kafkaService(job, { args: ['--checkpoint-interval-ms', '600000'] });
    const names = ['a', 'b', 'c', 'a', 'b', 'c', 'a'];
    const first = await ServiceProcess.start(options);
    const { dataDir } = first;
    for (const name of names) await first.post(`/counters/${name}`, { amount: 1 });
    await first.kill();
    await withService({ ...options, dataDir }, async (second) => {
      // Answered behind what is done again.
      for (const name of ['a', 'b', 'c']) await second.post(`/counters/${name}`, { amount: 1 });
      await second.stop();
    });
    const { bootstrap } = await sharedCluster();
    const topics = await openTopics(bootstrap);
    const client = new TopicClient(topics, `${job}-seen`, positionsFrom(0, SHARDS));
    const written = await client.read(2 * names.length + 3);
    client.reader.close();
    await topics.close();
    expect(withoutRepeats(written)).toEqual(
      ['a', 'b', 'c'].flatMap((name) => (name === 'a' ? [1, 2, 3, 4] : [1, 2, 3]).map((value) => `${name} ${value}`)),
    );
  });
});

/** As docs/kafka.md says: of each source partition, what does not come after the last one of it is a repeat. */
function withoutRepeats(written: readonly KeptRecord[]): string[] {
  const last = new Map<string, readonly [number, number]>();
  const kept: string[] = [];
  for (const { partition, headers, value } of written) {
    const [topic, source, offset, count] = (Object.fromEntries(headers)['millrace-sequence'] ?? '').split(':');
    const place = `${partition} ${topic}:${source}`;
    const [lastOffset, lastCount] = last.get(place) ?? [-1, -1];
    const number = [Number(offset), Number(count)] as const;
    if (number[0] < lastOffset || (number[0] === lastOffset && number[1] <= lastCount)) continue;
    last.set(place, number);
    const counter = JSON.parse(value ?? '') as { name: string; value: number };
    kept.push(`${counter.name} ${counter.value}`);
  }
  return kept.sort();
}
