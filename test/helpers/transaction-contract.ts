import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OutputEnds, TopicPort, TransactionalProducer } from '../../src/connectors/topic.js';
import { appendDurably, positionsFrom, rejection, textRecord, TopicClient } from './topic-client.js';
import type { TopicContractSubject } from './topic-contract.js';

const config = { partitions: 4, retentionMs: Number.POSITIVE_INFINITY, retentionBytes: 1 << 30 };

/** A job's side of the contract, as small as it can be: a producer, and a manifest that names the newest commit. */
class SinkOfJob {
  producer: TransactionalProducer | null = null;
  committed: { readonly checkpointId: number; readonly outputs: OutputEnds } | null = null;
  nextCheckpointId = 1;
  readonly #transactionalId: string;

  constructor(transactionalId: string) {
    this.#transactionalId = transactionalId;
  }

  /** A start of the job, after whatever ended it before. */
  async start(port: TopicPort, topics: readonly string[]): Promise<void> {
    const { committed, nextCheckpointId } = this;
    const transactionalId = this.#transactionalId;
    this.producer = await port.openTransactionalProducer({ transactionalId, topics, committed, nextCheckpointId });
  }

  get open(): TransactionalProducer {
    if (this.producer === null) throw new Error('the producer is not open');
    return this.producer;
  }

  append(topic: string, values: readonly string[]): void {
    for (const [index, value] of values.entries()) this.open.append(topic, textRecord(index % 4, value), null);
  }

  prepare(): Promise<OutputEnds> {
    return this.open.prepare(this.nextCheckpointId);
  }

  /** The manifest becomes durable, and then the output visible. */
  async commit(outputs: OutputEnds): Promise<void> {
    const checkpointId = this.nextCheckpointId++;
    this.committed = { checkpointId, outputs };
    await this.open.commit({ checkpointId, outputs, group: this.#transactionalId, offsets: new Map() });
  }

  abort(): void {
    this.open.abort(this.nextCheckpointId++);
  }

  async checkpoint(): Promise<void> {
    await this.commit(await this.prepare());
  }
}

/** Registers the tests of exactly-once output that every adapter of the topic port passes. */
export function describeTransactionContract(name: string, open: () => Promise<TopicContractSubject>): void {
  describe(`transaction contract: ${name}`, () => {
    let subject: TopicContractSubject;
    let port: TopicPort;
    let topic: string;
    let job: SinkOfJob;
    let topicCount = 0;

    beforeEach(async () => {
      subject = await open();
      port = subject.port;
      topicCount += 1;
      topic = `transactions-${process.pid}-${Date.now()}-${topicCount}`;
      await port.createTopic(topic, config);
      job = new SinkOfJob(`${topic}-job`);
    });
    afterEach(() => subject.dispose());

    const clients: TopicClient[] = [];
    const reader = (from = port): TopicClient => {
      const client = new TopicClient(from, topic, positionsFrom(0, 4), { visibility: 'committed' });
      clients.push(client);
      return client;
    };
    afterEach(() => {
      for (const client of clients.splice(0)) client.reader.close();
    });
    const sorted = (client: TopicClient): readonly string[] => client.values.map(String).sort();

    it('shows nothing of a checkpoint before its commit, and all of it then, to a reader that waits', async () => {
      await job.start(port, [topic]);
      const client = reader();
      job.append(topic, ['a', 'b', 'c', 'd', 'e']);
      const outputs = await job.prepare();
      expect(client.reader.poll(10, () => true)).toBe(0);
      const reading = client.read(5);
      await job.commit(outputs);
      await reading;
      expect(sorted(client)).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    it('leaves what is appended after the barrier to the next checkpoint', async () => {
      await job.start(port, [topic]);
      job.append(topic, ['a1', 'a2']);
      const preparing = job.prepare();
      job.append(topic, ['b1', 'b2', 'b3']);
      await job.commit(await preparing);
      const client = reader();
      await client.read(2);
      expect(sorted(client)).toEqual(['a1', 'a2']);
      expect(client.reader.poll(10, () => true)).toBe(0);
      await job.checkpoint();
      await client.read(5);
      expect(sorted(client)).toEqual(['a1', 'a2', 'b1', 'b2', 'b3']);
    });

    it('takes the output of a checkpoint that was given up into the next', async () => {
      await job.start(port, [topic]);
      job.append(topic, ['a']);
      await job.prepare();
      job.abort();
      job.append(topic, ['b']);
      const client = reader();
      await job.checkpoint();
      await client.read(2);
      expect(sorted(client)).toEqual(['a', 'b']);
    });

    it.each(['in the same process', 'after the topics were opened anew'])(
      'never shows what a run left uncommitted, however often it fails, %s',
      async (where) => {
        const restart = async (): Promise<void> => {
          if (where !== 'in the same process') port = await subject.reopen();
          await job.start(port, [topic]);
        };
        await job.start(port, [topic]);
        job.append(topic, ['kept 1', 'kept 2', 'kept 3']);
        await job.checkpoint();
        for (let attempt = 1; attempt <= 3; attempt++) {
          job.append(topic, [`lost ${String(attempt)}`, 'lost', 'lost', 'lost', 'lost']);
          await job.prepare();
          job.append(topic, ['lost']);
          await restart();
        }
        job.append(topic, ['again 1', 'again 2']);
        await job.checkpoint();
        const client = reader();
        await client.read(5);
        expect(sorted(client)).toEqual(['again 1', 'again 2', 'kept 1', 'kept 2', 'kept 3']);
        expect(client.reader.poll(10, () => true)).toBe(0);
        job.append(topic, ['more']);
        await job.checkpoint();
        await client.read(6);
        expect(client.values.at(-1)).toBe('more');
      },
    );

    it('never shows the output of a first run that failed before its first checkpoint', async () => {
      await job.start(port, [topic]);
      job.append(topic, ['lost']);
      await job.prepare();
      port = await subject.reopen();
      await job.start(port, [topic]);
      job.append(topic, ['kept']);
      await job.checkpoint();
      const client = reader();
      await client.read(1);
      expect(client.values).toEqual(['kept']);
      expect(client.reader.poll(10, () => true)).toBe(0);
    });

    it('keeps what others wrote before visible', async () => {
      await appendDurably(port, topic, textRecord(0, 'before'));
      await job.start(port, [topic]);
      job.append(topic, ['after']);
      await job.checkpoint();
      const client = reader();
      await client.read(2);
      expect(sorted(client)).toEqual(['after', 'before']);
    });

    it('makes the topic a plain one again when the job has no such sink any more, without what was left uncommitted', async () => {
      await job.start(port, [topic]);
      job.append(topic, ['kept']);
      await job.checkpoint();
      job.append(topic, ['lost']);
      await job.prepare();
      port = await subject.reopen();
      await job.start(port, []);
      await appendDurably(port, topic, textRecord(3, 'plain'));
      const client = reader();
      await client.read(2);
      expect(sorted(client)).toEqual(['kept', 'plain']);
    });

    it('shuts out a producer that was opened again elsewhere', async () => {
      await job.start(port, [topic]);
      const old = job.open;
      await job.start(port, [topic]);
      const refused = new Promise<number>((resolve, reject) => {
        old.append(topic, textRecord(0, 'late'), { onAppended: resolve, onAppendFailed: reject });
      });
      expect(await rejection(refused)).toBeInstanceOf(Error);
      job.append(topic, ['kept']);
      await job.checkpoint();
      const client = reader();
      await client.read(1);
      expect(client.values).toEqual(['kept']);
    });

    it('names a topic that does not exist', async () => {
      await expect(job.start(port, ['contract-no-such-topic'])).rejects.toMatchObject({
        code: 'MILLRACE_TOPIC_NOT_FOUND',
      });
    });
  });
}
