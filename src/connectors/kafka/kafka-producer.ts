import { RecordBlock, recordBlockBytes, writeRecordBlock } from '../../api/internal/record-block.js';
import type { ConnectorError } from '../../base/errors.js';
import type { AppendListener, ProducerRecord } from '../topic.js';
import { type Codec, codecNames, type CodecName, codecOf } from './compression.js';
import { type KafkaConnection, pause } from './kafka-connection.js';
import {
  asConnectorError,
  brokerUnavailable,
  isConnectionFailure,
  isPassing,
  KafkaCode,
  refusedByBroker,
  topicNotFound,
} from './kafka-errors.js';
import { type PendingBatch, PartitionQueue, type ProducerIdentity } from './partition-queue.js';
import { findStoredBatch } from './stored-batch.js';
import { type ProduceResult, produceRequest } from './wire-requests.js';

const REQUEST_BYTES_MAX = 8 * 1024 * 1024;
const RETRY_FIRST_MS = 20;
const RETRY_MOST_MS = 1000;
/** A sequence number is an i32, and begins again with another identity before it would overflow. */
const SEQUENCE_MAX = 0x70000000;

export interface KafkaProducerOptions {
  readonly connection: KafkaConnection;
  readonly compression: CodecName;
  /** Milliseconds from an append to giving up: Kafka's `delivery.timeout.ms`. */
  readonly deliveryTimeoutMs: number;
  /** `null` for a producer without transactions. */
  readonly transaction: ProducerTransaction | null;
}

/** What a transactional producer needs of its transaction. */
export interface ProducerTransaction {
  readonly transactionalId: string;
  readonly identity: ProducerIdentity;
  /** Makes partitions part of the open transaction, before anything is written to them. */
  addPartitions(partitions: readonly { readonly topic: string; readonly partition: number }[]): Promise<void>;
}

/** Sequence errors: the broker has lost track of this producer, or the other way round. */
const LOST_TRACK: ReadonlySet<number> = new Set([
  KafkaCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  KafkaCode.UNKNOWN_PRODUCER_ID,
  KafkaCode.INVALID_PRODUCER_EPOCH,
  KafkaCode.INVALID_PRODUCER_ID_MAPPING,
]);

const TOO_LARGE: ReadonlySet<number> = new Set([KafkaCode.MESSAGE_TOO_LARGE, KafkaCode.RECORD_LIST_TOO_LARGE]);

/**
 * Writes records to Kafka: acknowledged by all replicas in sync, idempotent, in the order of the appends.
 *
 * Appends gather in one batch for each topic partition while a request is under way; the next request to a broker takes along
 * what has gathered for all partitions that it leads. One request to a broker at a time, so one batch of a partition.
 *
 * A repeat after a lost answer carries the same producer id and sequence number, and the broker stores it once. Where the
 * broker has lost track of those, the batch is looked up in the log before it is sent by another identity.
 */
export class KafkaProducer {
  readonly #options: KafkaProducerOptions;
  readonly #connection: KafkaConnection;
  readonly #queues = new Map<string, Map<number, PartitionQueue>>();
  /** Queues that have something to send and nothing on its way. */
  readonly #ready = new Set<PartitionQueue>();
  readonly #busy = new Set<number>();
  readonly #block = new RecordBlock();
  #scratch = Buffer.alloc(0);
  #scratchView = new DataView(new ArrayBuffer(0));
  #identity: ProducerIdentity | null = null;
  #identityRequest: Promise<ProducerIdentity> | null = null;
  #codec: Codec | null = null;
  #isScheduled = false;
  /** Set when nothing can be sent any more: everything that is appended is refused with it. */
  #failure: ConnectorError | null = null;

  constructor(options: KafkaProducerOptions) {
    this.#options = options;
    this.#connection = options.connection;
  }

  /** Loads the codec, so that the first batch does not wait for it. */
  async open(): Promise<void> {
    const number = codecNames.indexOf(this.#options.compression);
    if (number > 0) this.#codec = await codecOf(number);
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    if (this.#failure !== null) return listener?.onAppendFailed(this.#failure);
    const queue = this.#queueOf(topic, record.partition);
    const block = record.block ?? this.#blockOf(record);
    queue.openBatch(block.end - block.start, performance.now()).append(block, record.timestamp, listener);
    this.#makeReady(queue);
  }

  /** Resolves when everything appended so far is acknowledged; rejects with the first refusal. */
  async flush(): Promise<void> {
    const settled: Promise<void>[] = [];
    for (const queue of this.#allQueues()) {
      for (const batch of queue.pending()) {
        settled.push(
          new Promise((resolve, reject) => {
            batch.whenSettled((error) => (error === null ? resolve() : reject(error)));
          }),
        );
      }
    }
    const outcomes = await Promise.allSettled(settled);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason as Error;
  }

  /** The transaction has ended: partitions join the next one anew. */
  transactionEnded(): void {
    for (const queue of this.#allQueues()) queue.isInTransaction = false;
  }

  /** Refuses what is pending and whatever follows. */
  abandon(error: ConnectorError): void {
    this.#failure ??= error;
    for (const queue of this.#allQueues()) for (const batch of queue.clear()) batch.fail(error);
    this.#ready.clear();
  }

  #makeReady(queue: PartitionQueue): void {
    if (!queue.hasWork) return;
    this.#ready.add(queue);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After the callbacks of this turn of the event loop, so that the requests of all connections go together.
    setImmediate(this.#sendReady);
  }

  readonly #sendReady = (): void => {
    this.#isScheduled = false;
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const queue of this.#ready) {
      const leader = this.#connection.leaderOf(queue.topic, queue.partition);
      if (leader === null) {
        this.#ready.delete(queue);
        void this.#findLeader(queue);
      } else if (!this.#busy.has(leader)) {
        const queues = byLeader.get(leader);
        if (queues === undefined) byLeader.set(leader, [queue]);
        else queues.push(queue);
      }
    }
    for (const [leader, queues] of byLeader) void this.#sendTo(leader, queues);
  };

  /** Sends one batch of each partition. Never rejects. */
  async #sendTo(leader: number, queues: readonly PartitionQueue[]): Promise<void> {
    this.#busy.add(leader);
    const sent: PartitionQueue[] = [];
    let bytes = 0;
    for (const queue of queues) {
      if (bytes >= REQUEST_BYTES_MAX) break;
      this.#ready.delete(queue);
      bytes += queue.depart()?.writer.length ?? 0;
      sent.push(queue);
    }
    try {
      const identity = await this.#currentIdentity();
      await this.#joinTransaction(sent);
      const batches = sent.flatMap((queue) => this.#finish(queue, identity));
      const results = await this.#connection.send(
        leader,
        produceRequest(batches, {
          transactionalId: this.#options.transaction?.transactionalId ?? null,
          timeoutMs: this.#connection.options.requestTimeoutMs,
        }),
      );
      this.#busy.delete(leader);
      for (const result of results) this.#settle(result);
    } catch (error) {
      this.#busy.delete(leader);
      this.#requestFailed(sent, error);
    }
    this.#wake();
  }

  #finish(queue: PartitionQueue, identity: ProducerIdentity): { topic: string; partition: number; bytes: Buffer }[] {
    const batch = queue.onItsWay;
    if (batch === null) return [];
    if (batch.identity === null) {
      batch.identity = identity;
      batch.baseSequence = queue.nextSequence;
    }
    const bytes = batch.writer.finish(batch.identity, {
      baseSequence: batch.baseSequence,
      isTransactional: this.#options.transaction !== null,
      codec: this.#codec === null ? 0 : codecNames.indexOf(this.#options.compression),
      compress: (records) => this.#codec?.compress(records) ?? records,
    });
    return [{ topic: queue.topic, partition: queue.partition, bytes }];
  }

  async #joinTransaction(queues: readonly PartitionQueue[]): Promise<void> {
    const { transaction } = this.#options;
    if (transaction === null) return;
    const outside = queues.filter((queue) => !queue.isInTransaction);
    if (outside.length === 0) return;
    await transaction.addPartitions(outside);
    for (const queue of outside) queue.isInTransaction = true;
  }

  #settle(result: ProduceResult): void {
    const { topic, partition, errorCode, baseOffset } = result;
    const queue = this.#queueOf(topic, partition);
    const batch = queue.onItsWay;
    if (batch === null) return;
    if (errorCode === KafkaCode.NONE || errorCode === KafkaCode.DUPLICATE_SEQUENCE_NUMBER) {
      return this.#succeed(queue, batch, baseOffset);
    }
    if (isPassing(errorCode)) return this.#sendAgain(queue, refusedByBroker(errorCode, 'write to', queue));
    if (LOST_TRACK.has(errorCode) && this.#options.transaction === null) {
      return void this.#resolveDoubt(queue, batch).catch((error: unknown) => this.#requestFailed([queue], error));
    }
    if (TOO_LARGE.has(errorCode) && batch.writer.count > 1) return this.#split(queue);
    const refusal = refusedByBroker(errorCode, 'write to', queue);
    // Nothing of it was stored, so its sequence numbers go to the next batch. Of a transaction nothing may be missing.
    if (this.#options.transaction !== null) return this.abandon(refusal);
    queue.onItsWay = null;
    batch.fail(refusal);
    this.#makeReady(queue);
  }

  /** The topic takes smaller batches than most: the halves may fit. */
  #split(queue: PartitionQueue): void {
    queue.takeBackInHalves();
    this.#makeReady(queue);
  }

  #succeed(queue: PartitionQueue, batch: PendingBatch, baseOffset: number): void {
    queue.onItsWay = null;
    if (baseOffset >= 0) queue.acknowledgedEnd = baseOffset + batch.writer.count;
    if (batch.identity === this.#identity) queue.nextSequence = batch.baseSequence + batch.writer.count;
    if (queue.nextSequence > SEQUENCE_MAX && this.#options.transaction === null) this.#changeIdentity();
    this.#makeReady(queue);
    batch.succeed(baseOffset);
  }

  #requestFailed(queues: readonly PartitionQueue[], error: unknown): void {
    const { transaction, connection } = this.#options;
    const failure = asConnectorError(error, 'write to Kafka', connection.options.brokers);
    const mayPass = failure.recovery === 'retry' && !connection.isClosed;
    if (transaction !== null && !mayPass) return this.abandon(failure);
    for (const queue of queues) {
      if (mayPass) this.#sendAgain(queue, failure, isConnectionFailure(error));
      else this.#giveUp(queue, failure);
    }
  }

  /** After a rest that grows with the age of the batch. */
  #sendAgain(queue: PartitionQueue, cause: ConnectorError, wasCut = false): void {
    const batch = queue.onItsWay;
    if (batch === null) return;
    const ageMs = performance.now() - batch.createdMs;
    if (ageMs > this.#options.deliveryTimeoutMs) return this.#giveUp(queue, cause);
    const restMs = Math.min(RETRY_MOST_MS, Math.max(RETRY_FIRST_MS, ageMs / 4));
    void pause(wasCut ? Math.max(restMs, 2 * RETRY_FIRST_MS) : restMs)
      .then(() => this.#connection.refresh())
      .catch(() => undefined)
      .then(() => {
        if (queue.onItsWay !== batch) return;
        queue.takeBack();
        this.#makeReady(queue);
      });
  }

  /** Whether the batch is stored stays unknown: what follows must not be taken for a repeat of it. */
  #giveUp(queue: PartitionQueue, cause: ConnectorError): void {
    const { transaction, connection } = this.#options;
    const error = brokerUnavailable(`write to topic "${queue.topic}" in time`, connection.options.brokers, cause);
    const failure = cause.recovery === 'retry' ? error : cause;
    if (transaction !== null) return this.abandon(failure);
    const batch = queue.onItsWay;
    queue.onItsWay = null;
    this.#changeIdentity();
    batch?.fail(failure);
    this.#makeReady(queue);
  }

  async #resolveDoubt(queue: PartitionQueue, batch: PendingBatch): Promise<void> {
    const { topic, partition } = queue;
    if (batch.identity !== null) {
      const fromOffset = Math.max(0, queue.acknowledgedEnd);
      const { identity, baseSequence } = batch;
      const offset = await findStoredBatch(
        this.#connection,
        { topic, partition, fromOffset },
        { identity, baseSequence },
      );
      this.#changeIdentity();
      if (offset !== null) return this.#succeed(queue, batch, offset);
    }
    batch.identity = null;
    queue.takeBack();
    this.#makeReady(queue);
  }

  async #currentIdentity(): Promise<ProducerIdentity> {
    const { transaction } = this.#options;
    if (transaction !== null) this.#identity = transaction.identity;
    if (this.#identity !== null) return this.#identity;
    this.#identityRequest ??= this.#requestIdentity().finally(() => {
      this.#identityRequest = null;
    });
    this.#identity = await this.#identityRequest;
    return this.#identity;
  }

  #changeIdentity(): void {
    this.#identity = null;
    for (const queue of this.#allQueues()) queue.nextSequence = 0;
  }

  async #requestIdentity(): Promise<ProducerIdentity> {
    const connection = this.#connection;
    const { producerId, producerEpoch } = await connection.call<{ producerId: string; producerEpoch: number }>(
      await connection.controller(),
      'InitProducerId',
      { transactionalId: null, transactionTimeout: 0 },
    );
    return { id: BigInt(producerId), epoch: producerEpoch };
  }

  /** Waits for an election, or finds out that there is no such topic. */
  async #findLeader(queue: PartitionQueue): Promise<void> {
    const { topic, partition } = queue;
    try {
      await this.#connection.refresh(topic);
      const count = this.#connection.partitionCount(topic);
      if (count === null || partition >= count || partition < 0) {
        const batches = queue.clear();
        for (const batch of batches) batch.fail(topicNotFound(count === null ? { topic } : { topic, partition }));
        this.#queues.get(topic)?.delete(partition);
        return;
      }
      if (this.#connection.leaderOf(topic, partition) !== null) return this.#makeReady(queue);
    } catch {
      // No broker answers: the batch waits on, until its time is over.
    }
    queue.depart();
    this.#sendAgain(queue, brokerUnavailable(`find the leader of topic "${topic}"`, this.#connection.options.brokers));
  }

  #wake(): void {
    if (this.#ready.size === 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#sendReady);
  }

  #queueOf(topic: string, partition: number): PartitionQueue {
    let partitions = this.#queues.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#queues.set(topic, partitions);
    }
    let queue = partitions.get(partition);
    if (queue === undefined) {
      queue = new PartitionQueue(topic, partition);
      partitions.set(partition, queue);
    }
    return queue;
  }

  *#allQueues(): Iterable<PartitionQueue> {
    for (const partitions of this.#queues.values()) yield* partitions.values();
  }

  #blockOf(record: ProducerRecord): RecordBlock {
    const size = recordBlockBytes(record);
    if (this.#scratch.length < size) {
      this.#scratch = Buffer.allocUnsafe(size * 2);
      this.#scratchView = new DataView(this.#scratch.buffer, this.#scratch.byteOffset, this.#scratch.length);
    }
    writeRecordBlock(this.#scratch, this.#scratchView, 0, record, 0, size);
    this.#block.moveTo(this.#scratch, this.#scratchView, 0);
    return this.#block;
  }
}
