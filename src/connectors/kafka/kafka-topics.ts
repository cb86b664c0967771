import { ConnectorError } from '../../base/errors.js';
import type {
  AppendListener,
  CommittedOffset,
  ProducerRecord,
  ReaderOptions,
  TopicConfig,
  TopicDescription,
  TopicPort,
  TopicReader,
  OutputCommit,
  TransactionalProducer,
  TransactionalProducerOptions,
} from '../topic.js';
import type { CodecName } from './compression.js';
import { KafkaConnection, type KafkaClientOptions, pause } from './kafka-connection.js';
import { asConnectorError, topicNotFound, typeOf } from './kafka-errors.js';
import { KafkaProducer } from './kafka-producer.js';
import { KafkaReader } from './kafka-reader.js';
import { type ClaimedOffset, type ClaimOptions, claimPartitions } from './partition-claims.js';
import { KafkaTransactionalProducer } from './kafka-transactional-producer.js';

export interface KafkaTopicsOptions {
  readonly client: KafkaClientOptions;
  readonly compression: CodecName;
  /** Copies of each topic that is created; `null` for the brokers' own default. */
  readonly replicationFactor: number | null;
  readonly deliveryTimeoutMs: number;
  /** Milliseconds after which the brokers abort a transaction whose producer is silent. */
  readonly transactionTimeoutMs: number;
}

const RETRY_FOR_MS = 15_000;
const LOOK_AGAIN_MS = 20;
const EARLIEST = -2;
const LATEST = -1;
/** Kafka's number for topics among the things that have settings. */
const TOPIC_RESOURCE = 2;

/**
 * Topics on an Apache Kafka cluster, behind the topic port.
 *
 * Thread: main.
 */
export class KafkaTopics implements TopicPort {
  readonly #options: KafkaTopicsOptions;
  readonly #connection: KafkaConnection;
  readonly #producerConnection: KafkaConnection;
  readonly #producer: KafkaProducer;
  readonly #readers = new Set<KafkaReader>();
  readonly #producers = new Set<TransactionalProducer>();
  #closing: Promise<void> | null = null;

  private constructor(options: KafkaTopicsOptions) {
    this.#options = options;
    this.#connection = new KafkaConnection(options.client);
    this.#producerConnection = new KafkaConnection(options.client);
    const { compression, deliveryTimeoutMs } = options;
    const connection = this.#producerConnection;
    this.#producer = new KafkaProducer({ connection, compression, deliveryTimeoutMs, transaction: null });
  }

  /** @throws ConnectorError `MILLRACE_BROKER_UNAVAILABLE`, `MILLRACE_BROKER_REFUSED` */
  static async open(options: KafkaTopicsOptions): Promise<KafkaTopics> {
    const topics = new KafkaTopics(options);
    try {
      await topics.#connection.refreshAll();
      await topics.#producer.open();
      return topics;
    } catch (error) {
      await topics.close();
      throw asConnectorError(error, 'connect', options.client.brokers);
    }
  }

  async createTopic(topic: string, config: TopicConfig): Promise<void> {
    await this.#doing(`create topic "${topic}"`, async () => {
      await this.#connection.refresh(topic);
      if (this.#connection.partitionCount(topic) === null) await this.#create(topic, config);
      while (!this.#isLed(topic)) {
        await pause(LOOK_AGAIN_MS);
        await this.#connection.refresh(topic);
      }
    });
    const partitions = this.#connection.partitionCount(topic) ?? 0;
    if (partitions !== config.partitions) throw partitionsMismatch(topic, partitions, config.partitions);
  }

  topics(): readonly string[] {
    // Those that Kafka keeps for itself begin so.
    return this.#connection.topics.filter((topic) => !topic.startsWith('__'));
  }

  async describe(topic: string): Promise<TopicDescription> {
    return this.#doing(`describe topic "${topic}"`, async () => {
      await this.#connection.refresh(topic);
      const partitions = this.#connection.partitionCount(topic);
      if (partitions === null) throw topicNotFound({ topic });
      const [beginOffsets, endOffsets, retention] = await Promise.all([
        this.#offsets(topic, partitions, EARLIEST),
        this.#offsets(topic, partitions, LATEST),
        this.#retention(topic, partitions),
      ]);
      return { name: topic, partitions, beginOffsets, endOffsets, sizeBytes: 0, ...retention };
    });
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    this.#producer.append(topic, record, listener);
  }

  flush(): Promise<void> {
    return this.#producer.flush();
  }

  openReader(topic: string, options: ReaderOptions): TopicReader {
    const reader = new KafkaReader(this.#options.client, topic, options);
    this.#readers.add(reader);
    return reader;
  }

  async openTransactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    const { transactionalId, topics } = options;
    const { client, compression, deliveryTimeoutMs, transactionTimeoutMs } = this.#options;
    const connection = new KafkaConnection(client);
    try {
      await connection.retrying(() => connection.refreshAll(), { forMs: RETRY_FOR_MS });
      const missing = topics.find((topic) => connection.partitionCount(topic) === null);
      if (missing !== undefined) throw topicNotFound({ topic: missing });
      const areCommitted = (commit: OutputCommit): Promise<boolean> => this.#areCommitted(commit);
      const producer = await KafkaTransactionalProducer.open({
        connection,
        transactionalId,
        transactionTimeoutMs,
        compression,
        deliveryTimeoutMs,
        areCommitted,
      });
      this.#producers.add(producer);
      return producer;
    } catch (error) {
      await connection.close();
      throw asConnectorError(error, `open the producer "${transactionalId}"`, client.brokers);
    }
  }

  async commitOffsets(group: string, topic: string, offsets: ReadonlyMap<number, CommittedOffset>): Promise<void> {
    const partitions = [...offsets].map(([partition, { offset, metadata }]) => ({
      partition,
      offset: String(offset),
      metadata,
    }));
    await this.#doing(`commit offsets of group "${group}"`, () =>
      this.#callGroup(group, 'OffsetCommit', {
        groupId: group,
        groupGenerationId: -1,
        memberId: '',
        retentionTime: -1,
        topics: [{ topic, partitions }],
      }),
    );
  }

  async committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>> {
    const partitions = Array.from({ length: this.#connection.partitionCount(topic) ?? 0 }, (_, partition) => ({
      partition,
    }));
    const { responses } = await this.#doing(`read the offsets of group "${group}"`, () =>
      this.#callGroup<OffsetFetchResponse>(group, 'OffsetFetch', { groupId: group, topics: [{ topic, partitions }] }),
    );
    const committed = (responses[0]?.partitions ?? []).filter(({ offset }) => Number(offset) >= 0);
    return new Map(
      committed.map(({ partition, offset, metadata }) => [
        partition,
        { offset: Number(offset), metadata: metadata ?? '' },
      ]),
    );
  }

  /** Makes a transactional id the only one that can commit the group's offsets of some partitions. */
  async claimPartitions(
    claim: Pick<ClaimOptions, 'group' | 'transactionalId' | 'generation' | 'partitions'>,
  ): Promise<ReadonlyMap<string, ReadonlyMap<number, ClaimedOffset>>> {
    return claimPartitions({
      ...claim,
      connection: this.#connection,
      transactionTimeoutMs: this.#options.transactionTimeoutMs,
      committedOffsets: (topic) => this.committedOffsets(claim.group, topic),
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const reader of this.#readers) reader.close();
    await Promise.all([...this.#producers].map((producer) => producer.close()));
    await this.#producer.flush().catch(() => undefined);
    await Promise.all([this.#connection.close(), this.#producerConnection.close()]);
  }

  async #areCommitted({ group, offsets }: OutputCommit): Promise<boolean> {
    if (offsets.size === 0) return false;
    for (const [topic, expected] of offsets) {
      const committed = await this.committedOffsets(group, topic);
      for (const [partition, { offset, metadata }] of expected) {
        const found = committed.get(partition);
        if (found?.offset !== offset || found.metadata !== metadata) return false;
      }
    }
    return true;
  }

  async #create(topic: string, { partitions, retentionMs, retentionBytes }: TopicConfig): Promise<void> {
    const bytes = Number.isFinite(retentionBytes) ? Math.ceil(retentionBytes / partitions) : -1;
    const request = {
      topics: [
        {
          topic,
          numPartitions: partitions,
          replicationFactor: this.#options.replicationFactor ?? -1,
          configEntries: [
            { name: 'retention.ms', value: String(Number.isFinite(retentionMs) ? retentionMs : -1) },
            { name: 'retention.bytes', value: String(bytes) },
          ],
        },
      ],
      validateOnly: false,
      timeout: this.#options.client.requestTimeoutMs,
    };
    try {
      await this.#connection.call(await this.#connection.controller(), 'CreateTopics', request);
    } catch (error) {
      const refusal = refusalOf(error);
      // Another instance was faster.
      if (typeOf(refusal) !== 'TOPIC_ALREADY_EXISTS') throw refusal;
    }
  }

  #isLed(topic: string): boolean {
    const count = this.#connection.partitionCount(topic) ?? 0;
    return (
      count > 0 &&
      Array.from({ length: count }, (_, partition) => this.#connection.leaderOf(topic, partition)).every(
        (leader) => leader !== null,
      )
    );
  }

  async #offsets(topic: string, count: number, timestamp: number): Promise<readonly number[]> {
    const byLeader = new Map<number, { partition: number; timestamp: number }[]>();
    for (let partition = 0; partition < count; partition++) {
      const leader = this.#connection.leaderOf(topic, partition);
      if (leader === null) throw topicNotFound({ topic, partition });
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), { partition, timestamp }]);
    }
    const offsets = Array.from<number>({ length: count }).fill(0);
    await Promise.all(
      [...byLeader].map(async ([leader, partitions]) => {
        const options = { replicaId: -1, isolationLevel: 0, topics: [{ topic, partitions }] };
        const { responses } = await this.#connection.call<ListOffsetsResponse>(leader, 'ListOffsets', options);
        for (const { partition, offset } of responses[0]?.partitions ?? []) offsets[partition] = Number(offset);
      }),
    );
    return offsets;
  }

  async #retention(topic: string, partitions: number): Promise<{ retentionMs: number; retentionBytes: number }> {
    const { resources } = await this.#connection.call<DescribeConfigsResponse>(
      await this.#connection.controller(),
      'DescribeConfigs',
      {
        resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ['retention.ms', 'retention.bytes'] }],
        includeSynonyms: false,
      },
    );
    const valueOf = (wanted: string): number => {
      const value = Number(resources[0]?.configEntries.find(({ configName }) => configName === wanted)?.configValue);
      return value >= 0 ? value : Number.POSITIVE_INFINITY;
    };
    return { retentionMs: valueOf('retention.ms'), retentionBytes: valueOf('retention.bytes') * partitions };
  }

  #callGroup<T>(group: string, api: 'OffsetCommit' | 'OffsetFetch', options: object): Promise<T> {
    return this.#connection.callCoordinator<T>('group', group, api, options, {
      forMs: RETRY_FOR_MS,
      afterSilence: true,
    });
  }

  /** With retries, and errors as ours. */
  async #doing<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    try {
      return await this.#connection.retrying(attempt, { forMs: RETRY_FOR_MS });
    } catch (error) {
      throw asConnectorError(error, what, this.#options.client.brokers);
    }
  }
}

interface ListOffsetsResponse {
  readonly responses: readonly { readonly partitions: readonly { partition: number; offset: string }[] }[];
}

interface OffsetFetchResponse {
  readonly responses: readonly {
    readonly partitions: readonly { partition: number; offset: string; metadata: string | null }[];
  }[];
}

interface DescribeConfigsResponse {
  readonly resources: readonly { readonly configEntries: readonly { configName: string; configValue: string }[] }[];
}

/** What befell the one topic that was asked for: kafkajs says it for all at once, without the reasons. */
function refusalOf(error: unknown): Error {
  return (error as { errors?: readonly Error[] }).errors?.[0] ?? (error as Error);
}

function partitionsMismatch(topic: string, stored: number, wanted: number): ConnectorError {
  return new ConnectorError(
    'MILLRACE_TOPIC_PARTITIONS_MISMATCH',
    `topic "${topic}" has ${String(stored)} partitions, and is needed with ${String(wanted)}`,
    {
      details: { topic, stored, wanted },
      hint: 'Set shardCount to the number of partitions of the topic, or use another topic. Keys would lose their state otherwise.',
    },
  );
}
