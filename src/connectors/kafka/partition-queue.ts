import { RecordBlock } from '../../api/internal/record-block.js';
import type { AppendListener } from '../topic.js';
import { type BatchProducer, BatchWriter } from './record-batch.js';

/** A batch is closed at this many bytes, below the megabyte that brokers accept by default. */
const BATCH_BYTES_MAX = 512 * 1024;
const BATCH_BYTES_FIRST = 4096;

/** Who sends a producer's batches: its id and epoch. Another one begins its sequence numbers again. */
export interface ProducerIdentity extends BatchProducer {
  readonly id: bigint;
  readonly epoch: number;
}

/** Records that go out together, and who wants to know. */
export class PendingBatch {
  readonly writer = new BatchWriter(BATCH_BYTES_FIRST);
  readonly createdMs: number;
  /** Who sent it first, and with which number: a repeat must look the same, or the broker would take it for another batch. */
  identity: ProducerIdentity | null = null;
  baseSequence = 0;
  readonly #listeners: (AppendListener | null)[] = [];
  readonly #onSettled: ((error: Error | null) => void)[] = [];

  constructor(createdMs: number) {
    this.createdMs = createdMs;
  }

  hasRoomFor(recordBytes: number): boolean {
    return this.writer.length + recordBytes <= BATCH_BYTES_MAX;
  }

  append(block: RecordBlock, timestamp: number, listener: AppendListener | null): void {
    this.writer.append(block, timestamp);
    this.#listeners.push(listener);
  }

  whenSettled(listener: (error: Error | null) => void): void {
    this.#onSettled.push(listener);
  }

  /** The same records in two batches that were never sent. */
  halves(): [PendingBatch, PendingBatch] {
    const halves: [PendingBatch, PendingBatch] = [new PendingBatch(this.createdMs), new PendingBatch(this.createdMs)];
    const count = this.writer.count;
    const records = this.writer.reader();
    const block = new RecordBlock();
    for (let index = 0; index < count; index++) {
      const bytes = Buffer.allocUnsafe(records.blockBytesMax);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      records.read(bytes, view, 0);
      records.skip();
      block.moveTo(bytes, view, 0);
      halves[index * 2 < count ? 0 : 1].append(block, block.timestamp, this.#listeners[index] ?? null);
    }
    // Whoever waits for this batch waits for its end, which the later half is.
    const [first, second] = halves;
    for (const settled of this.#onSettled) {
      first.whenSettled((error) => {
        if (error !== null) settled(error);
      });
      second.whenSettled(settled);
    }
    return halves;
  }

  /** `baseOffset`: -1 when the broker does not say. */
  succeed(baseOffset: number): void {
    for (let index = 0; index < this.#listeners.length; index++) {
      this.#listeners[index]?.onAppended(baseOffset < 0 ? -1 : baseOffset + index);
    }
    for (const settled of this.#onSettled) settled(null);
  }

  fail(error: Error): void {
    for (const listener of this.#listeners) listener?.onAppendFailed(error);
    for (const settled of this.#onSettled) settled(error);
  }
}

/** What waits to be sent to one topic partition: a queue of batches, one of them on its way at most. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** Of the next batch, within the identity that sends it. */
  nextSequence = 0;
  /** Whether the open transaction knows of this partition. */
  isInTransaction = false;
  /** One past the last record that a broker acknowledged; -1 before the first. */
  acknowledgedEnd = -1;
  onItsWay: PendingBatch | null = null;
  readonly #batches: PendingBatch[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get hasWork(): boolean {
    return this.onItsWay === null && this.#batches.length > 0;
  }

  get isIdle(): boolean {
    return this.onItsWay === null && this.#batches.length === 0;
  }

  /** The batch that the next record joins. */
  openBatch(recordBytes: number, nowMs: number): PendingBatch {
    const last = this.#batches.at(-1);
    // A batch that was sent once must not change. A record that is too large must not take others down with it.
    if (last !== undefined && last.identity === null && last.hasRoomFor(recordBytes)) return last;
    const batch = new PendingBatch(nowMs);
    this.#batches.push(batch);
    return batch;
  }

  /** Takes the oldest batch. */
  depart(): PendingBatch | null {
    this.onItsWay = this.#batches.shift() ?? null;
    return this.onItsWay;
  }

  /** The batch on its way comes back to be sent again. */
  takeBack(): void {
    if (this.onItsWay !== null) this.#batches.unshift(this.onItsWay);
    this.onItsWay = null;
  }

  /** Everything that was not acknowledged. */
  *pending(): Iterable<PendingBatch> {
    if (this.onItsWay !== null) yield this.onItsWay;
    yield* this.#batches;
  }

  /** The batch on its way was too large: its records come back as two. */
  takeBackInHalves(): void {
    if (this.onItsWay !== null) this.#batches.unshift(...this.onItsWay.halves());
    this.onItsWay = null;
  }

  clear(): PendingBatch[] {
    const left = [...this.pending()];
    this.#batches.length = 0;
    this.onItsWay = null;
    return left;
  }
}
