import type { RecordBlock, RecordHeader } from '../api/internal/record-block.js';

export type { RecordHeader } from '../api/internal/record-block.js';

/**
 * The topic port: what Millrace needs of a message log, whatever is behind it (the embedded log, Apache Kafka). Both
 * adapters pass the same contract tests (test/helpers/topic-contract.ts). Terms and meaning are Kafka's.
 *
 * Thread: main. Nothing here blocks.
 */

/** What a producer hands in. Memory is not kept after `append` returns. */
export interface ProducerRecord {
  readonly partition: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /**
   * The same record as one block of bytes, where somebody has it: an adapter may copy it instead of the fields. Partition
   * and offset within it mean nothing to a producer.
   */
  readonly block?: RecordBlock;
}

/** A record as read. Its memory is valid until the reader's next `poll`. */
export interface TopicRecord extends ProducerRecord {
  readonly offset: number;
}

/** Told once about its append: with the offset when it is durable, or with the error when it was refused. Must not throw. */
export interface AppendListener {
  onAppended(offset: number): void;
  onAppendFailed(error: Error): void;
}

export interface TopicConfig {
  readonly partitions: number;
  /** Records older than this may be dropped, whole segments at a time. `Infinity` keeps them for ever. */
  readonly retentionMs: number;
  /** The topic may grow to about this many bytes before old segments are dropped. */
  readonly retentionBytes: number;
  /**
   * Milliseconds that an append may wait for company before it is written, unless somebody flushes. For topics that a replay
   * fills again: readers that see what is appended see it at once, and the disk is left to those who wait for it.
   * @defaultValue 0
   */
  readonly commitDelayMs?: number;
}

export interface TopicDescription extends TopicConfig {
  readonly name: string;
  /** First offset still stored, per topic partition. */
  readonly beginOffsets: readonly number[];
  /** One past the last durable offset, per topic partition. */
  readonly endOffsets: readonly number[];
  /** Bytes stored; 0 where the adapter cannot know. */
  readonly sizeBytes: number;
}

/**
 * How far a reader sees. `durable`: only what survives a crash. `appended`: also what is written but not yet synced, for
 * readers that would get it again by replay (replies). `committed`: of what transactional producers write, only what a
 * checkpoint has committed, and never what was aborted, as Kafka's `read_committed`; of everything else the same as `durable`.
 */
export type ReadVisibility = 'durable' | 'appended' | 'committed';

export interface ReaderOptions {
  /** Where to start, per topic partition; only these partitions are read. */
  readonly positions: ReadonlyMap<number, number>;
  readonly visibility: ReadVisibility;
  /** Called when `poll` would return records again after it returned 0. May be called more often. Must not throw. */
  readonly onReadable: () => void;
}

/**
 * A cursor over some partitions of a topic. Pull-based: a reader that is not polled reads nothing and holds no memory
 * beyond a bounded read-ahead, which is how backpressure reaches the topic.
 */
export interface TopicReader {
  /**
   * Hands up to `maxRecords` ready records to `visit`, in offset order within each partition, without waiting. `visit`
   * returns false to refuse a record: the poll then ends, and that record comes again with the next poll.
   *
   * @returns how many records were accepted; 0 when none is ready, and then `onReadable` will be called.
   * @throws ConnectorError `MILLRACE_LOG_CORRUPT`, `MILLRACE_OFFSET_OUT_OF_RANGE` when the position is no longer stored.
   */
  poll(maxRecords: number, visit: (record: TopicRecord) => boolean): number;
  /** The offset that the next poll starts at, per partition. */
  position(partition: number): number;
  close(): void;
}

/** A consumer group's position in one topic partition. */
export interface CommittedOffset {
  readonly offset: number;
  /** Free text stored with the offset; names the checkpoint that belongs to it. */
  readonly metadata: string;
}

/** How far the output of a checkpoint reaches: by topic and partition, one past its last record. */
export type OutputEnds = Readonly<Record<string, Readonly<Record<number, number>>>>;

export interface TransactionalProducerOptions {
  /** The same for every run of the job: opening it again shuts the one before out, and aborts what that left uncommitted. */
  readonly transactionalId: string;
  /** The topics that it writes. Nobody else appends to them. */
  readonly topics: readonly string[];
  /** The newest completed checkpoint, with what {@link TransactionalProducer.prepare} gave for it; `null` before the first. */
  readonly committed: { readonly checkpointId: number; readonly outputs: OutputEnds } | null;
  /** Above every id of a checkpoint that was ever begun. */
  readonly nextCheckpointId: number;
}

/** What makes the records of a checkpoint visible. */
export interface OutputCommit {
  readonly checkpointId: number;
  /** What `prepare` gave for it. */
  readonly outputs: OutputEnds;
  /**
   * Where the sources stand at this checkpoint, by topic, to be committed for the group in the same step. Ignored by an
   * adapter for which the checkpoint's manifest alone is the commit.
   */
  readonly group: string;
  readonly offsets: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;
}

/**
 * Appends the output of exactly-once sinks: readers with the visibility `committed` see it when the checkpoint it belongs to
 * is committed, all of it at once, and never when it is aborted.
 *
 * ```text
 *   append … append   prepare(7)   append … (belongs to 8)   commit(7)         the manifest of 7 was written before
 *                        └──────── abort(7): the records of 7 belong to 8
 *   a crash, or open() again: whatever was not committed is aborted, and the replay appends it again
 * ```
 *
 * At most one checkpoint is prepared and not yet committed or aborted.
 */
export interface TransactionalProducer {
  /** As {@link TopicPort.append}, to one of the producer's topics. */
  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void;
  /**
   * Everything appended before this call, since the last one, belongs to this checkpoint. Resolves when it is durable, with
   * what the checkpoint's manifest has to keep; rejects when any of it was refused.
   */
  prepare(checkpointId: number): Promise<OutputEnds>;
  /** Makes the prepared checkpoint's records visible. Call it when the manifest is durable: there is no way back. */
  commit(commit: OutputCommit): Promise<void>;
  /** The checkpoint was given up: its records go with the next one. */
  abort(checkpointId: number): void;
  /** Appends no more. What is not committed is aborted when the producer is opened again. May be called twice. */
  close(): Promise<void>;
}

export interface TopicPort {
  /**
   * Creates the topic, or opens it when it exists.
   *
   * @throws ConnectorError `MILLRACE_TOPIC_PARTITIONS_MISMATCH` when it exists with another number of partitions.
   */
  createTopic(topic: string, config: TopicConfig): Promise<void>;
  topics(): readonly string[];
  /** @throws ConnectorError `MILLRACE_TOPIC_NOT_FOUND` */
  describe(topic: string): Promise<TopicDescription>;

  /**
   * Appends one record. Returns at once; everything appended while a sync is under way shares the next one (group commit).
   * Records of one partition keep the order of these calls.
   */
  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void;
  /** Resolves when everything appended before the call is durable; rejects when any of it was refused. */
  flush(): Promise<void>;

  openReader(topic: string, options: ReaderOptions): TopicReader;

  /**
   * Opens the producer of a job's exactly-once sinks. Call it at each start, also when the job has none (any more): topics
   * that it once wrote and that are not named are then plain topics again.
   *
   * @throws ConnectorError `MILLRACE_TOPIC_NOT_FOUND`; `MILLRACE_LOG_CORRUPT` when committed output is missing
   */
  openTransactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer>;

  commitOffsets(group: string, topic: string, offsets: ReadonlyMap<number, CommittedOffset>): Promise<void>;
  /** Empty for a group that never committed. */
  committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>>;

  /** Flushes and closes. Waiting readers are closed. May be called twice. */
  close(): Promise<void>;
}
