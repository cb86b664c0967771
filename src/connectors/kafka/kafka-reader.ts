import { RecordBlock, type RecordHeader } from '../../api/internal/record-block.js';
import { ConnectorError } from '../../base/errors.js';
import { invariant } from '../../base/invariant.js';
import type { ReaderOptions, TopicReader, TopicRecord } from '../topic.js';
import { AbortedTransactions } from './aborted-transactions.js';
import { codecOf } from './compression.js';
import { KafkaConnection, type KafkaClientOptions, pause } from './kafka-connection.js';
import { asConnectorError, isPassing, KafkaCode, refusedByBroker, topicNotFound } from './kafka-errors.js';
import { FetchedBatch, isSound, wholeBatchEnd } from './record-batch.js';
import { type FetchedPartition, fetchRequest } from './wire-requests.js';

/** How long a broker may hold a fetch that finds nothing. It answers as soon as there is a byte. */
const FETCH_WAIT_MS = 500;
const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const FETCH_PARTITION_BYTES_MAX = 1024 * 1024;
/** Bytes read ahead of the polls: beyond it nothing is fetched, which is how backpressure reaches the topic. */
const READ_AHEAD_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_FIRST_MS = 20;
const RETRY_MOST_MS = 1000;
const ARENA_BYTES = 64 * 1024;

/**
 * A cursor over partitions of a Kafka topic, with positions of its own: no group decides about them.
 *
 * One fetch at a time to each broker that leads a partition, always for all of those partitions, each from behind what was
 * fetched before. So nothing that arrives waits for the end of another partition's fetch.
 */
export class KafkaReader implements TopicReader {
  readonly #connection: KafkaConnection;
  readonly #topic: string;
  readonly #readsCommitted: boolean;
  readonly #onReadable: () => void;
  /** Of the next record that a poll hands out. */
  readonly #positions: Map<number, number>;
  /** Of the next record to fetch. */
  readonly #fetchOffsets: Map<number, number>;
  /** Fetched and not handed out, in the order of arrival. */
  readonly #batches: { readonly batch: FetchedBatch; readonly bytes: number }[] = [];
  readonly #fetching = new Set<number>();
  readonly #record = new KafkaRecord();
  #bufferedBytes = 0;
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  #arenaView = viewOf(this.#arena);
  #arenaEnd = 0;
  #failure: Error | null = null;
  #isSearching = false;
  #isClosed = false;
  #restMs = RETRY_FIRST_MS;

  constructor(client: KafkaClientOptions, topic: string, options: ReaderOptions) {
    this.#connection = new KafkaConnection(client);
    this.#topic = topic;
    this.#readsCommitted = options.visibility === 'committed';
    this.#onReadable = options.onReadable;
    this.#positions = new Map(options.positions);
    this.#fetchOffsets = new Map(options.positions);
    void this.#findLeaders();
  }

  poll(maxRecords: number, visit: (record: TopicRecord) => boolean): number {
    if (this.#isClosed) return 0;
    if (this.#failure !== null && this.#batches.length === 0) throw this.#failure;
    this.#arenaEnd = 0;
    let accepted = 0;
    while (accepted < maxRecords) {
      const head = this.#batches[0];
      if (head === undefined) break;
      const { batch } = head;
      if (batch.remaining > 0) {
        const offset = batch.nextOffset;
        if (offset >= this.position(batch.partition)) {
          if (!visit(this.#take(batch))) break;
          accepted++;
          this.#positions.set(batch.partition, offset + 1);
        }
        batch.skip();
      }
      if (batch.remaining === 0) this.#drop();
    }
    return accepted;
  }

  position(partition: number): number {
    const position = this.#positions.get(partition);
    invariant(position !== undefined, 'a position is asked for a partition that is read');
    return position;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#batches.length = 0;
    void this.#connection.close();
  }

  #take(batch: FetchedBatch): TopicRecord {
    const needed = this.#arenaEnd + batch.blockBytesMax;
    if (needed > this.#arena.length) {
      // What was handed out in this poll stays in the old one.
      this.#arena = Buffer.allocUnsafeSlow(Math.max(batch.blockBytesMax, this.#arena.length * 2));
      this.#arenaView = viewOf(this.#arena);
      this.#arenaEnd = 0;
    }
    const start = this.#arenaEnd;
    this.#arenaEnd = batch.read(this.#arena, this.#arenaView, start);
    this.#record.block.moveTo(this.#arena, this.#arenaView, start);
    return this.#record;
  }

  #drop(): void {
    const dropped = this.#batches.shift();
    if (dropped === undefined) return;
    // Offsets without records lie behind it: of a marker, or where compaction has cleaned.
    const { batch, bytes } = dropped;
    this.#positions.set(batch.partition, Math.max(this.position(batch.partition), batch.lastOffset + 1));
    const wasFull = this.#bufferedBytes >= READ_AHEAD_BYTES_MAX;
    this.#bufferedBytes -= bytes;
    if (wasFull && this.#bufferedBytes < READ_AHEAD_BYTES_MAX) this.#fetchAll();
  }

  /** Fetches from every leader that has no fetch under way. */
  #fetchAll(): void {
    if (this.#isClosed || this.#failure !== null || this.#bufferedBytes >= READ_AHEAD_BYTES_MAX) return;
    const leaders = new Set<number>();
    for (const partition of this.#fetchOffsets.keys()) {
      const leader = this.#connection.leaderOf(this.#topic, partition);
      if (leader === null) void this.#findLeaders();
      else leaders.add(leader);
    }
    for (const leader of leaders) if (!this.#fetching.has(leader)) void this.#fetchFrom(leader);
  }

  /** Never rejects. */
  async #fetchFrom(leader: number): Promise<void> {
    const places = [...this.#fetchOffsets]
      .filter(([partition]) => this.#connection.leaderOf(this.#topic, partition) === leader)
      .map(([partition, offset]) => ({ partition, offset }));
    this.#fetching.add(leader);
    let mayGoOn = true;
    try {
      const fetched = await this.#connection.send(
        leader,
        fetchRequest(this.#topic, places, {
          maxWaitMs: FETCH_WAIT_MS,
          maxBytes: FETCH_BYTES_MAX,
          maxBytesPerPartition: FETCH_PARTITION_BYTES_MAX,
          readsCommitted: this.#readsCommitted,
        }),
      );
      for (const partition of fetched) mayGoOn = (await this.#receive(partition)) && mayGoOn;
      if (mayGoOn) this.#restMs = RETRY_FIRST_MS;
    } catch (error) {
      mayGoOn = false;
      this.#fetchFailed(error);
    }
    this.#fetching.delete(leader);
    if (this.#isClosed) return;
    if (this.#batches.length > 0 || this.#failure !== null) this.#onReadable();
    if (mayGoOn) this.#fetchAll();
    else void this.#findLeaders();
  }

  /** @returns whether the partition can be fetched on as it is */
  async #receive(fetched: FetchedPartition): Promise<boolean> {
    const { partition, errorCode, records } = fetched;
    if (errorCode === KafkaCode.OFFSET_OUT_OF_RANGE) {
      this.#failure ??= this.#outOfRange(partition);
      return true;
    }
    if (errorCode !== 0) {
      if (!isPassing(errorCode))
        this.#failure ??= refusedByBroker(errorCode, 'read', { topic: this.#topic, partition });
      return false;
    }
    const aborted = new AbortedTransactions(this.#readsCommitted ? fetched.abortedTransactions : []);
    let end = 0;
    for (let start = 0; (end = wholeBatchEnd(records, start, records.length)) >= 0; start = end) {
      if (!isSound(records, start, end)) {
        this.#failure ??= this.#corrupt(partition);
        return true;
      }
      await this.#keep(new FetchedBatch(records, start, end, partition), end - start, aborted);
    }
    return true;
  }

  async #keep(batch: FetchedBatch, bytes: number, aborted: AbortedTransactions): Promise<void> {
    if (this.#isClosed) return;
    if (aborted.isHidden(batch)) batch.remaining = 0;
    else if (batch.codec !== 0) batch.decompressed((await codecOf(batch.codec)).decompress(batch.records));
    this.#fetchOffsets.set(batch.partition, batch.lastOffset + 1);
    this.#batches.push({ batch, bytes });
    this.#bufferedBytes += bytes;
  }

  #fetchFailed(error: unknown): void {
    const failure = asConnectorError(error, `read topic "${this.#topic}"`, this.#connection.options.brokers);
    if (failure.recovery !== 'retry') this.#failure ??= failure;
  }

  /** Asks who leads the partitions, again and again while nobody answers or some have no leader. Never rejects. */
  async #findLeaders(): Promise<void> {
    if (this.#isSearching) return;
    this.#isSearching = true;
    while (!this.#isClosed && this.#failure === null) {
      try {
        await this.#connection.refresh(this.#topic);
        const count = this.#connection.partitionCount(this.#topic);
        const missing = [...this.#fetchOffsets.keys()].find((partition) => partition >= (count ?? 0));
        if (missing !== undefined) this.#failure = topicNotFound({ topic: this.#topic, partition: missing });
        const hasAll = [...this.#fetchOffsets.keys()].every(
          (partition) => this.#connection.leaderOf(this.#topic, partition) !== null,
        );
        if (hasAll) break;
      } catch (error) {
        this.#fetchFailed(error);
      }
      await this.#rest();
    }
    this.#isSearching = false;
    if (this.#isClosed) return;
    if (this.#failure === null) this.#fetchAll();
    else this.#onReadable();
  }

  async #rest(): Promise<void> {
    const restMs = this.#restMs;
    this.#restMs = Math.min(RETRY_MOST_MS, restMs * 2);
    await pause(restMs);
  }

  #outOfRange(partition: number): ConnectorError {
    const offset = this.#fetchOffsets.get(partition) ?? 0;
    return new ConnectorError(
      'MILLRACE_OFFSET_OUT_OF_RANGE',
      `offset ${String(offset)} of topic "${this.#topic}", partition ${String(partition)} is not stored`,
      {
        details: { topic: this.#topic, partition, offset },
        hint: 'Records may have been dropped by the retention of the topic, or the topic was deleted and created again.',
      },
    );
  }

  #corrupt(partition: number): ConnectorError {
    const offset = this.#fetchOffsets.get(partition) ?? 0;
    return new ConnectorError(
      'MILLRACE_LOG_CORRUPT',
      `topic "${this.#topic}", partition ${String(partition)} holds a damaged record batch at offset ${String(offset)}`,
      { details: { topic: this.#topic, partition, offset }, hint: "Look at the broker's log and disk." },
    );
  }
}

/** Where the reader's memory holds it. Reused. */
class KafkaRecord implements TopicRecord {
  readonly block = new RecordBlock();

  get partition(): number {
    return this.block.partition;
  }

  get offset(): number {
    return this.block.offset;
  }

  get timestamp(): number {
    return this.block.timestamp;
  }

  get key(): Uint8Array | null {
    return this.block.key;
  }

  get value(): Uint8Array | null {
    return this.block.value;
  }

  get headers(): readonly RecordHeader[] {
    return this.block.headers;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
