import { RecordBlock, recordBlockBytes, writeRecordBlock } from '../../api/internal/record-block.js';
import { ConnectorError } from '../../base/errors.js';
import { invariant } from '../../base/invariant.js';
import type { AppendListener, OutputCommit, OutputEnds, ProducerRecord, TransactionalProducer } from '../topic.js';
import type { CodecName } from './compression.js';
import type { KafkaConnection } from './kafka-connection.js';
import { asConnectorError } from './kafka-errors.js';
import { KafkaProducer } from './kafka-producer.js';
import { KafkaTransaction } from './kafka-transaction.js';

export interface TransactionalProducerSettings {
  readonly connection: KafkaConnection;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly compression: CodecName;
  readonly deliveryTimeoutMs: number;
  /** Whether a group's committed offsets are exactly these: what a commit whose answer was lost is recognised by. */
  readonly areCommitted: (commit: OutputCommit) => Promise<boolean>;
}

/** A record that waits for the commit of the checkpoint before it. */
interface HeldRecord {
  readonly topic: string;
  readonly block: RecordBlock;
  readonly listener: AppendListener | null;
}

/**
 * Exactly-once output on Kafka: a checkpoint's records are one transaction, and the offsets of its sources are committed in
 * it. The transaction is open from the first record of the checkpoint to its commit.
 *
 * A transactional id has one transaction at a time, so what comes behind the barrier is held back until the commit.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #settings: TransactionalProducerSettings;
  #transaction: KafkaTransaction;
  #producer: KafkaProducer;
  #prepared: number | null = null;
  #held: HeldRecord[] = [];
  #isClosed = false;

  private constructor(settings: TransactionalProducerSettings, transaction: KafkaTransaction) {
    this.#settings = settings;
    this.#transaction = transaction;
    this.#producer = this.#createProducer();
  }

  /** Shuts out whoever has the id, and aborts what that left open. */
  static async open(settings: TransactionalProducerSettings): Promise<KafkaTransactionalProducer> {
    const { connection, transactionalId, transactionTimeoutMs } = settings;
    const transaction = await KafkaTransaction.open(connection, transactionalId, transactionTimeoutMs);
    const opened = new KafkaTransactionalProducer(settings, transaction);
    await opened.#producer.open();
    return opened;
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    if (this.#isClosed) return listener?.onAppendFailed(closed(this.#settings.transactionalId));
    if (this.#prepared === null) return this.#producer.append(topic, record, listener);
    this.#held.push({ topic, block: copied(record), listener });
  }

  async prepare(checkpointId: number): Promise<OutputEnds> {
    invariant(this.#prepared === null, 'one checkpoint is prepared at a time');
    this.#prepared = checkpointId;
    await this.#producer.flush();
    // Kafka keeps the ends itself.
    return {};
  }

  async commit(commit: OutputCommit): Promise<void> {
    invariant(this.#prepared === commit.checkpointId, 'the checkpoint that is committed was prepared');
    try {
      await this.#transaction.addOffsets(commit.group, commit.offsets);
      await this.#transaction.end(true);
      this.#producer.transactionEnded();
    } catch (error) {
      await this.#resolveDoubt(commit, error);
    }
    this.#release();
  }

  abort(checkpointId: number): void {
    // A checkpoint may be given up before its barrier came here.
    if (this.#prepared === checkpointId) this.#release();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { connection, transactionalId } = this.#settings;
    this.#producer.abandon(closed(transactionalId));
    try {
      // So that readers need not wait for the time-out of the transaction.
      await this.#transaction.end(false);
    } catch {
      // Nobody can be told. The next one to open the id aborts it, or the broker after the time-out.
    }
    await connection.close();
  }

  /**
   * The answer was lost: whether the transaction was committed is what the group's offsets say, once the id was opened anew,
   * which lets nothing of it go on.
   */
  async #resolveDoubt(commit: OutputCommit, cause: unknown): Promise<void> {
    const { connection, transactionalId, transactionTimeoutMs, areCommitted } = this.#settings;
    const failure = asConnectorError(cause, 'commit a transaction', connection.options.brokers);
    this.#producer.abandon(failure);
    if (!KafkaTransaction.isInDoubt(cause)) throw failure;
    this.#transaction = await KafkaTransaction.open(connection, transactionalId, transactionTimeoutMs);
    if (!(await areCommitted(commit))) throw failure;
    this.#producer = this.#createProducer();
    await this.#producer.open();
  }

  #release(): void {
    this.#prepared = null;
    for (const { topic, block, listener } of this.#held.splice(0)) {
      const { partition, timestamp, key, value, headers } = block;
      this.#producer.append(topic, { partition, timestamp, key, value, headers, block }, listener);
    }
  }

  #createProducer(): KafkaProducer {
    const { connection, compression, deliveryTimeoutMs } = this.#settings;
    return new KafkaProducer({ connection, compression, deliveryTimeoutMs, transaction: this.#transaction });
  }
}

function copied(record: ProducerRecord): RecordBlock {
  const copy = new RecordBlock();
  const size = record.block === undefined ? recordBlockBytes(record) : record.block.end - record.block.start;
  const bytes = Buffer.allocUnsafe(size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  if (record.block === undefined) writeRecordBlock(bytes, view, 0, record, 0, size);
  else record.block.bytes.copy(bytes, 0, record.block.start, record.block.end);
  view.setUint32(4, record.partition, true);
  copy.moveTo(bytes, view, 0);
  return copy;
}

function closed(transactionalId: string): ConnectorError {
  return new ConnectorError('MILLRACE_PRODUCER_FENCED', `the producer "${transactionalId}" was closed`, {
    details: { transactionalId },
  });
}
