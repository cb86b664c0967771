import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import { LogProducer } from '../../../src/connectors/log/log-producer.js';
import { TopicTransactions } from '../../../src/connectors/log/topic-transactions.js';
import type {
  AppendListener,
  CommittedOffset,
  ProducerRecord,
  ReaderOptions,
  TopicDescription,
  TopicPort,
  TopicReader,
  TopicRecord,
  TransactionalProducer,
  TransactionalProducerOptions,
} from '../../../src/connectors/topic.js';

/**
 * A message log in memory whose disk is as slow, and fails as often, as the simulation wants: what is appended waits until
 * {@link SimulatedLog.step} makes some of it durable, and a crash takes away what is not, torn at any record. Transactions
 * are the embedded log's own; so is the producer.
 */
export class SimulatedLog implements TopicPort {
  readonly #journals = new Map<string, SimulatedJournal>();
  #producer: LogProducer | null = null;

  /** The disk does something for one topic: a part of what waits becomes durable. */
  step(prng: Prng): void {
    const waiting = [...this.#journals.values()].filter(({ pendingCount }) => pendingCount > 0);
    const journal = waiting[prng.below(Math.max(1, waiting.length))];
    journal?.makeDurable(1 + prng.below(journal.pendingCount));
  }

  /** The next write of a topic fails: all that waits there is refused. */
  failWrite(prng: Prng): void {
    const waiting = [...this.#journals.values()].filter(({ pendingCount }) => pendingCount > 0);
    waiting[prng.below(Math.max(1, waiting.length))]?.refusePending();
  }

  /** Power is lost: of what waits, any part from the front may be there afterwards. Readers and producers are gone. */
  crash(prng: Prng): void {
    for (const journal of this.#journals.values()) journal.crash(prng.below(journal.pendingCount + 1));
    this.#producer = null;
  }

  get isIdle(): boolean {
    return [...this.#journals.values()].every(({ pendingCount }) => pendingCount === 0);
  }

  createTopic(topic: string, { partitions }: { readonly partitions: number }): Promise<void> {
    if (!this.#journals.has(topic)) this.#journals.set(topic, new SimulatedJournal(partitions));
    return Promise.resolve();
  }

  topics(): readonly string[] {
    return [...this.#journals.keys()];
  }

  describe(topic: string): Promise<TopicDescription> {
    const journal = this.#journal(topic);
    return Promise.resolve({
      name: topic,
      partitions: journal.durableEnds.length,
      retentionMs: Infinity,
      retentionBytes: Infinity,
      beginOffsets: journal.durableEnds.map(() => 0),
      endOffsets: [...journal.durableEnds],
      sizeBytes: 0,
    });
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    this.#journal(topic).append(record, listener);
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#journals.values()].map((journal) => journal.flush()));
  }

  openReader(topic: string, options: ReaderOptions): TopicReader {
    return new SimulatedReader(this.#journal(topic), options);
  }

  /** As the embedded log does it, but for the files. */
  async openTransactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    await this.#producer?.close();
    const journals = new Map(options.topics.map((topic) => [topic, this.#journal(topic)]));
    for (const [topic, journal] of journals) {
      journal.settle();
      journal.transactions ??= TopicTransactions.begin(journal.durableEnds);
      const next = journal.transactions.reopened({
        transactionalId: options.transactionalId,
        nextCheckpointId: options.nextCheckpointId,
        isOpen: true,
        committedCheckpointId: options.committed?.checkpointId ?? 0,
        committedEnds: options.committed?.outputs[topic],
        beginOffsets: journal.durableEnds.map(() => 0),
        durableEnds: journal.durableEnds,
      });
      invariant(typeof next !== 'number', 'committed output is in the topic');
      journal.transactions.adopt(next);
    }
    this.#producer = new LogProducer(journals);
    return this.#producer;
  }

  commitOffsets(): Promise<void> {
    return Promise.resolve();
  }

  committedOffsets(): Promise<ReadonlyMap<number, CommittedOffset>> {
    return Promise.resolve(new Map());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #journal(topic: string): SimulatedJournal {
    const journal = this.#journals.get(topic);
    invariant(journal !== undefined, 'a topic is created before it is used');
    return journal;
  }
}

interface Pending {
  readonly record: TopicRecord;
  readonly listener: AppendListener | null;
}

class SimulatedJournal {
  transactions: TopicTransactions | null = null;
  readonly durableEnds: number[];
  readonly appendedEnds: number[];
  readonly #records: TopicRecord[] = [];
  #pending: Pending[] = [];
  readonly #readers = new Set<SimulatedReader>();
  #flushes: { remaining: number; error: Error | null; resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(partitions: number) {
    this.durableEnds = new Array<number>(partitions).fill(0);
    this.appendedEnds = [...this.durableEnds];
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  append(record: ProducerRecord, listener: AppendListener | null): void {
    const { partition, timestamp } = record;
    const offset = this.appendedEnds[partition] ?? 0;
    this.appendedEnds[partition] = offset + 1;
    const key = record.key === null ? null : Buffer.from(record.key);
    const value = record.value === null ? null : Buffer.from(record.value);
    const headers = record.headers.map(([name, bytes]) => [name, Buffer.from(bytes)] as const);
    this.#pending.push({ record: { partition, offset, timestamp, key, value, headers }, listener });
    this.wake(true);
  }

  flush(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#flushes.push({ remaining: this.#pending.length, error: null, resolve, reject });
    });
  }

  commit(ends: Readonly<Record<number, number>>): void {
    this.transactions?.commit(ends);
    this.wake(false);
  }

  makeDurable(count: number): void {
    const written = this.#pending.splice(0, count);
    for (const { record } of written) {
      this.#records.push(record);
      this.durableEnds[record.partition] = record.offset + 1;
    }
    for (const { record, listener } of written) listener?.onAppended(record.offset);
    this.#countSettled(written.length, null);
    this.wake(false);
  }

  refusePending(): void {
    const refused = this.#pending.splice(0);
    const error = new Error('the disk of the log failed');
    for (const [partition, end] of this.durableEnds.entries()) this.appendedEnds[partition] = end;
    for (const reader of this.#readers) reader.onRefused(this.durableEnds);
    for (const { listener } of refused) listener?.onAppendFailed(error);
    this.#countSettled(refused.length, error);
  }

  /** Waits for the disk, as whoever opens a producer does. */
  settle(): void {
    if (this.#pending.length > 0) this.makeDurable(this.#pending.length);
  }

  crash(keptCount: number): void {
    const kept = this.#pending.slice(0, keptCount);
    this.#pending = [];
    this.#flushes = [];
    this.#readers.clear();
    for (const { record } of kept) {
      this.#records.push(record);
      this.durableEnds[record.partition] = record.offset + 1;
    }
    for (const [partition, end] of this.durableEnds.entries()) this.appendedEnds[partition] = end;
  }

  /** The record at a place in the journal, pending ones included for those who may see them. */
  at(index: number, seesAppended: boolean): TopicRecord | undefined {
    return this.#records[index] ?? (seesAppended ? this.#pending[index - this.#records.length]?.record : undefined);
  }

  addReader(reader: SimulatedReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: SimulatedReader): void {
    this.#readers.delete(reader);
  }

  get durableCount(): number {
    return this.#records.length;
  }

  wake(isAppended: boolean): void {
    for (const reader of this.#readers) if (!isAppended || reader.seesAppended) reader.wake();
  }

  #countSettled(count: number, error: Error | null): void {
    for (const flush of this.#flushes) {
      flush.remaining -= count;
      flush.error ??= error;
      if (flush.remaining > 0) continue;
      if (flush.error === null) flush.resolve();
      else flush.reject(flush.error);
    }
    this.#flushes = this.#flushes.filter(({ remaining }) => remaining > 0);
  }
}

class SimulatedReader implements TopicReader {
  readonly seesAppended: boolean;
  readonly #journal: SimulatedJournal;
  readonly #seesCommittedOnly: boolean;
  readonly #onReadable: () => void;
  readonly #positions: Map<number, number>;
  #at = 0;
  #isArmed = false;
  #isClosed = false;

  constructor(journal: SimulatedJournal, options: ReaderOptions) {
    this.#journal = journal;
    this.seesAppended = options.visibility === 'appended';
    this.#seesCommittedOnly = options.visibility === 'committed';
    this.#onReadable = options.onReadable;
    this.#positions = new Map(options.positions);
    journal.addReader(this);
  }

  poll(maxRecords: number, visit: (record: TopicRecord) => boolean): number {
    if (this.#isClosed) return 0;
    const transactions = this.#seesCommittedOnly ? this.#journal.transactions : null;
    let accepted = 0;
    while (accepted < maxRecords) {
      const record = this.#journal.at(this.#at, this.seesAppended);
      if (record === undefined) break;
      const position = this.#positions.get(record.partition) ?? Infinity;
      if (record.offset >= position) {
        const visible = transactions === null ? position : transactions.lookAt(record.partition, position);
        if (visible < 0) break;
        if (visible > position) {
          this.#positions.set(record.partition, visible);
          continue;
        }
        invariant(record.offset === position, 'the offsets of a topic partition have no gap');
        if (!visit(record)) return accepted;
        this.#positions.set(record.partition, position + 1);
        accepted += 1;
      }
      this.#at += 1;
    }
    if (accepted === 0) this.#isArmed = true;
    return accepted;
  }

  position(partition: number): number {
    return this.#positions.get(partition) ?? 0;
  }

  close(): void {
    this.#isClosed = true;
    this.#journal.removeReader(this);
  }

  wake(): void {
    if (!this.#isArmed || this.#isClosed) return;
    this.#isArmed = false;
    this.#onReadable();
  }

  onRefused(ends: readonly number[]): void {
    this.#at = Math.min(this.#at, this.#journal.durableCount);
    for (const [partition, position] of this.#positions) {
      this.#positions.set(partition, Math.min(position, Math.max(ends[partition] ?? 0, 0)));
    }
  }
}
