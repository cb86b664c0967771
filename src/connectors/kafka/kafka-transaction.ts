import type { CommittedOffset } from '../topic.js';
import type { KafkaConnection } from './kafka-connection.js';
import { isConnectionFailure } from './kafka-errors.js';
import type { ProducerTransaction } from './kafka-producer.js';
import type { ProducerIdentity } from './partition-queue.js';

const RETRY_FOR_MS = 30_000;

/** By topic, then by partition. */
export type OffsetsByTopic = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;

/**
 * The transactions of one transactional id, one after another, as long as nobody else opens that id: then every step of ours
 * is refused with `MILLRACE_PRODUCER_FENCED`.
 *
 * An answer that does not come is the one thing that is never simply asked for again: a commit that was delayed on its way
 * would end a later transaction. {@link end} says so, and the id has to be opened anew, which ends whatever is under way.
 */
export class KafkaTransaction implements ProducerTransaction {
  readonly transactionalId: string;
  readonly identity: ProducerIdentity;
  readonly #connection: KafkaConnection;
  #hasContent = false;

  private constructor(connection: KafkaConnection, transactionalId: string, identity: ProducerIdentity) {
    this.#connection = connection;
    this.transactionalId = transactionalId;
    this.identity = identity;
  }

  /** Shuts out whoever used the id before, and aborts what that left open. */
  static async open(
    connection: KafkaConnection,
    transactionalId: string,
    transactionTimeout: number,
  ): Promise<KafkaTransaction> {
    const { producerId, producerEpoch } = await connection.callCoordinator<{
      producerId: string;
      producerEpoch: number;
    }>(
      'transaction',
      transactionalId,
      'InitProducerId',
      { transactionalId, transactionTimeout },
      // While the transaction before is being ended the coordinator asks for patience.
      { forMs: RETRY_FOR_MS, afterSilence: true },
    );
    return new KafkaTransaction(connection, transactionalId, { id: BigInt(producerId), epoch: producerEpoch });
  }

  async addPartitions(partitions: readonly { readonly topic: string; readonly partition: number }[]): Promise<void> {
    const byTopic = new Map<string, number[]>();
    for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
    const topics = [...byTopic].map(([topic, numbers]) => ({ topic, partitions: numbers }));
    this.#hasContent = true;
    await this.#call('AddPartitionsToTxn', { topics });
  }

  /** Commits offsets of a group with this transaction. */
  async addOffsets(group: string, offsets: OffsetsByTopic): Promise<void> {
    const topics = [...offsets].flatMap(([topic, byPartition]) =>
      byPartition.size === 0
        ? []
        : [
            {
              topic,
              partitions: [...byPartition].map(([partition, { offset, metadata }]) => ({
                partition,
                offset: String(offset),
                metadata,
              })),
            },
          ],
    );
    if (topics.length === 0) return;
    this.#hasContent = true;
    await this.#call('AddOffsetsToTxn', { groupId: group });
    await this.#connection.callCoordinator(
      'group',
      group,
      'TxnOffsetCommit',
      { ...this.#names(), groupId: group, topics },
      { forMs: RETRY_FOR_MS, afterSilence: true },
    );
  }

  /** @throws whatever a lost answer throws: whether the transaction has ended is unknown then, see {@link isInDoubt} */
  async end(transactionResult: boolean): Promise<void> {
    if (!this.#hasContent) return;
    await this.#connection.callCoordinator(
      'transaction',
      this.transactionalId,
      'EndTxn',
      { ...this.#names(), transactionResult },
      { forMs: RETRY_FOR_MS, afterSilence: false },
    );
    this.#hasContent = false;
  }

  static isInDoubt(error: unknown): boolean {
    return isConnectionFailure(error);
  }

  #call(api: 'AddPartitionsToTxn' | 'AddOffsetsToTxn', options: object): Promise<unknown> {
    return this.#connection.callCoordinator(
      'transaction',
      this.transactionalId,
      api,
      { ...this.#names(), ...options },
      { forMs: RETRY_FOR_MS, afterSilence: true },
    );
  }

  #names(): { transactionalId: string; producerId: string; producerEpoch: number } {
    return {
      transactionalId: this.transactionalId,
      producerId: String(this.identity.id),
      producerEpoch: this.identity.epoch,
    };
  }
}
