import type { TopicPort, TopicReader, TopicRecord } from '../connectors/topic.js';
import type { IngressChannel as IngressChannelPlan, PlanTopicSource } from '../graph/execution-plan.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import { TOPIC_BATCH } from '../protocol/stream-element.js';
import { appendRecordBlock, encodeTopicRecord } from '../protocol/topic-record-codec.js';
import type { ExpiredRequests } from './expired-requests.js';

/** Records taken from a topic in one go before others get their turn. */
const POLL_RECORDS_MAX = 512;
/** The same of a source that may have to wait for others: what it reads before it notices. */
const ALIGNED_POLL_RECORDS_MAX = 64;

export interface IngressChannelOptions {
  readonly plan: IngressChannelPlan;
  readonly source: PlanTopicSource;
  readonly output: ChannelOutput;
  readonly port: TopicPort;
  /** Where to start, per topic partition of this channel. */
  readonly positions: ReadonlyMap<number, number>;
  /** `null` for a plain topic, whose records have no deadline. */
  readonly expired: ExpiredRequests | null;
  /** Of a source that waits for others of its group: whether the partition is too far ahead of them. `null` for the others. */
  readonly isHeld: ((partition: number) => boolean) | null;
  readonly onFailure: (error: Error) => void;
}

/** Where a record lies within its topic. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** A cursor over some partitions; over one alone when each of them may have to wait for others. */
interface PartitionReader {
  readonly partitions: readonly number[];
  readonly reader: TopicReader;
}

/**
 * Feeds one subtask of a source from its partitions of the topic.
 *
 * Backpressure: while the ring is full the topic is not polled, so the records stay in the topic. Room in the ring is
 * announced through main's doorbell, new records through the reader's callback; nothing polls.
 */
export class IngressChannel {
  readonly source: PlanTopicSource;
  readonly #output: ChannelOutput;
  readonly #readers: readonly PartitionReader[];
  readonly #isHeld: ((partition: number) => boolean) | null;
  readonly #partitions: readonly number[];
  readonly #expired: ExpiredRequests | null;
  readonly #onFailure: (error: Error) => void;
  /** The reader that has its turn. */
  #turn = 0;
  #unsettledDrops = 0;
  #isStopped = false;
  #isPaused = false;
  #isPumping = false;
  /** Who wants to know when a record was forwarded. */
  #awaited: (RecordPlace & { readonly resolve: () => void })[] = [];
  /** Records dropped because their deadline had passed. */
  numRecordsExpired = 0;
  numRecordsIn = 0;

  constructor(options: IngressChannelOptions) {
    this.source = options.source;
    this.#output = options.output;
    this.#partitions = options.plan.partitions;
    this.#expired = options.expired;
    this.#onFailure = options.onFailure;
    this.#isHeld = options.isHeld;
    const parts = options.isHeld === null ? [this.#partitions] : this.#partitions.map((partition) => [partition]);
    this.#readers = parts.map((partitions) => ({ partitions, reader: this.#openReader(options, partitions) }));
  }

  #openReader({ port, source, positions }: IngressChannelOptions, partitions: readonly number[]): TopicReader {
    return port.openReader(source.topic, {
      positions: new Map(partitions.map((partition) => [partition, positions.get(partition) ?? 0])),
      visibility: 'committed',
      onReadable: () => this.pump(),
    });
  }

  /** Moves what is ready, and fits, from the topic to the ring. */
  pump(): void {
    // A drop that is refused at once settles within a poll, and a poll must not be entered twice.
    if (this.#isStopped || this.#isPaused || this.#isPumping) return;
    this.#isPumping = true;
    try {
      this.#pumpReaders();
      this.#output.flush();
      this.#settleAwaited();
    } catch (error) {
      this.stop();
      this.#onFailure(error as Error);
    } finally {
      this.#isPumping = false;
    }
  }

  /** The readers take turns, until none has anything that may be read, or the ring is full. */
  #pumpReaders(): void {
    const { length } = this.#readers;
    for (let emptyCount = 0; emptyCount < length && !this.isBlocked();) {
      const { partitions, reader } = this.#readers[this.#turn] as PartitionReader;
      this.#turn = (this.#turn + 1) % length;
      const count = this.#isHeld === null ? POLL_RECORDS_MAX : ALIGNED_POLL_RECORDS_MAX;
      const mayRead = this.#isHeld === null || !this.#isHeld(partitions[0] as number);
      if (mayRead && reader.poll(count, this.#forward) > 0) {
        this.#output.flush();
        emptyCount = 0;
      } else emptyCount++;
    }
  }

  /** Resolves when the record at this place, if it is one of this channel's, lies in the ring or was passed over. */
  whenForwarded(place: RecordPlace, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const awaited = { ...place, resolve };
      this.#awaited.push(awaited);
      const giveUp = (): void => {
        this.#awaited = this.#awaited.filter((other) => other !== awaited);
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#settleAwaited();
    });
  }

  #settleAwaited(): void {
    if (this.#awaited.length === 0 || this.#output.hasOverflow) return;
    const positions = this.positions();
    this.#awaited = this.#awaited.filter(({ partition, offset, resolve }) => {
      if ((positions.get(partition) ?? Infinity) <= offset) return true;
      resolve();
      return false;
    });
  }

  /** Whether partitions of it may have to wait for others: then it has to be asked, from time to time, to go on. */
  get isAligned(): boolean {
    return this.#isHeld !== null;
  }

  /** Whether the last pump ended because the ring was full. */
  get isWaiting(): boolean {
    return this.#output.hasOverflow;
  }

  /** Whether records wait for room in the ring. Tries to make some, which also asks the consumer to ring when there is. */
  isBlocked(): boolean {
    return this.#output.hasOverflow && !this.#output.drainOverflow();
  }

  /** Whether every drop is decided. A barrier before that could separate a record from the state it belongs to. */
  get isSettled(): boolean {
    return this.#unsettledDrops === 0;
  }

  /** Puts a barrier behind everything forwarded so far. @returns the offsets that lie behind it, per topic partition */
  emitBarrier(checkpointId: number): Map<number, number> {
    this.#output.emitBarrier(checkpointId);
    return this.positions();
  }

  /** The next offset to be read, per topic partition. */
  positions(): Map<number, number> {
    return new Map(
      this.#readers.flatMap(({ partitions, reader }) =>
        partitions.map((partition) => [partition, reader.position(partition)] as const),
      ),
    );
  }

  /** Reads no more until {@link resume}. What is in the ring goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  /** Reads no more. What is in the ring stays there. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const { reader } of this.#readers) reader.close();
  }

  readonly #forward = (record: TopicRecord): boolean => {
    // A full ring takes one batch more, not a whole poll of records that may be large.
    if (this.#output.hasOverflow) return false;
    const expired = this.#expired;
    if (expired !== null) {
      if (expired.wasDropped(record)) return true;
      if (expired.isExpired(record)) return this.#drop(expired, record);
      if (this.#unsettledDrops > 0) return false;
    }
    if (record.block === undefined) encodeTopicRecord(this.#output.batch, record);
    else appendRecordBlock(this.#output.batch, record.block);
    this.#output.recordWritten();
    this.numRecordsIn++;
    return true;
  };

  /** A drop that cannot be made durable, on a full disk say, is none: the record then runs like any other. */
  #drop(expired: ExpiredRequests, record: TopicRecord): true {
    const held = new ByteWriter(256);
    encodeTopicRecord(held, record);
    this.#unsettledDrops++;
    expired.drop(record, (error) => {
      this.#unsettledDrops--;
      if (error === null) this.numRecordsExpired++;
      else this.#output.writeFrame(TOPIC_BATCH, held.bytes, 0, held.length);
      if (this.#unsettledDrops === 0) this.pump();
    });
    return true;
  }
}

/** All ingress channels of a job. */
export class IngressRouter {
  readonly channels: readonly IngressChannel[];

  constructor(channels: readonly IngressChannel[]) {
    this.channels = channels;
  }

  /** Begins to read the topics. */
  start(): void {
    for (const channel of this.channels) channel.pump();
  }

  /** Main's doorbell was rung: room may have come in a ring. @returns whether any channel could go on */
  resume(): boolean {
    let hasResumed = false;
    for (const channel of this.channels) {
      if (!channel.isWaiting || channel.isBlocked()) continue;
      channel.pump();
      hasResumed = true;
    }
    return hasResumed;
  }

  /** Lets partitions go on that have waited for others long enough. */
  pumpAligned(): void {
    for (const channel of this.channels) if (channel.isAligned) channel.pump();
  }

  /** Whether barriers may be emitted now; if not, a moment later they may. */
  get isSettled(): boolean {
    return this.channels.every((channel) => channel.isSettled);
  }

  /** Starts a checkpoint at every source that main feeds. @returns offsets by operator uid and topic partition */
  emitBarriers(checkpointId: number): Map<string, Map<number, number>> {
    return this.#merged((channel) => channel.emitBarrier(checkpointId));
  }

  /** Resolves when the record at this place has been forwarded to its source by every channel that reads it. */
  async whenForwarded(source: PlanTopicSource, place: RecordPlace, signal: AbortSignal): Promise<void> {
    const channels = this.channels.filter((channel) => channel.source.index === source.index);
    await Promise.all(channels.map((channel) => channel.whenForwarded(place, signal)));
  }

  /** How far the topics have been read: offsets by operator uid and topic partition. */
  positions(): Map<string, Map<number, number>> {
    return this.#merged((channel) => channel.positions());
  }

  #merged(offsetsOf: (channel: IngressChannel) => ReadonlyMap<number, number>): Map<string, Map<number, number>> {
    const offsets = new Map<string, Map<number, number>>();
    for (const channel of this.channels) {
      const uid = channel.source.operatorId;
      const merged = offsets.get(uid) ?? new Map<number, number>();
      for (const [partition, offset] of offsetsOf(channel)) merged.set(partition, offset);
      offsets.set(uid, merged);
    }
    return offsets;
  }

  /** Reads no more until {@link unpause}: a barrier that follows is the last of what the workers get. */
  pause(): void {
    for (const channel of this.channels) channel.pause();
  }

  unpause(): void {
    for (const channel of this.channels) channel.resume();
  }

  stop(): void {
    for (const channel of this.channels) channel.stop();
  }
}
