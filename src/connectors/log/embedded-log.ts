import { join } from 'node:path';
import { systemClock, type Clock } from '../../base/clock.js';
import { ConfigError, ConnectorError } from '../../base/errors.js';
import { silentLogger, type Logger } from '../../base/log.js';
import { createDirectory, listDirectory } from '../../storage/disk.js';
import { fileKinds } from '../../storage/frame-codec.js';
import { SystemJournalDisk, type JournalDisk } from '../../storage/journal-file.js';
import type {
  AppendListener,
  CommittedOffset,
  ProducerRecord,
  ReaderOptions,
  TopicConfig,
  TopicDescription,
  TopicPort,
  TopicReader,
  TransactionalProducer,
  TransactionalProducerOptions,
} from '../topic.js';
import { GroupOffsets } from './group-offsets.js';
import { recoverJournal } from './journal-recovery.js';
import { LogProducer } from './log-producer.js';
import { LogReader } from './log-reader.js';
import { applyRetention } from './retention.js';
import { TailCache } from './tail-cache.js';
import { TopicJournal } from './topic-journal.js';
import { readTopicConfig, writeTopicConfig } from './topic-metadata.js';
import { checkName } from './topic-name.js';
import { TopicTransactions } from './topic-transactions.js';
import { readTransactions, writeTransactions } from './transactions-file.js';

/**
 * Topics in the data folder, without a broker: the default behind the topic port. Main thread; nothing blocks.
 *
 *     <dataDir>/topics/<topic>/topic               partitions and retention
 *     <dataDir>/topics/<topic>/000000000001.log    segments of the topic's journal, all its partitions together
 *     <dataDir>/topics/<topic>/transactions        what a transactional producer has left uncommitted
 *     <dataDir>/groups/<group>/<topic>/offsets     a consumer group's offsets
 *
 * Two processes must not open the same folder: the caller holds its {@link DirectoryLock}.
 */
export class EmbeddedLog implements TopicPort {
  readonly #options: Required<EmbeddedLogOptions>;
  readonly #cache: TailCache;
  readonly #groups: GroupOffsets;
  readonly #topics = new Map<string, Topic>();
  /** By transactional id. */
  readonly #producers = new Map<string, LogProducer>();
  /** Creation is rare: one at a time. */
  #creating: Promise<void> = Promise.resolve();
  #retentionTimer: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: Required<EmbeddedLogOptions>) {
    this.#options = options;
    this.#cache = new TailCache(options.cacheBytes);
    this.#groups = new GroupOffsets(join(options.dataDir, 'groups'));
  }

  /**
   * Opens the log in `dataDir`, creating it when it is missing. Takes about as long as reading one segment per topic.
   *
   * @throws ConnectorError `MILLRACE_LOG_CORRUPT` naming file and position; `MILLRACE_DATA_DIR_UNUSABLE`,
   * `MILLRACE_STORAGE_FULL`, `MILLRACE_STORAGE_FAILED`
   */
  static async open(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    const log = new EmbeddedLog({ ...defaults(options), ...options });
    const directory = join(options.dataDir, 'topics');
    await createDirectory(directory);
    const names = await listDirectory(directory);
    const opening = names.map((name) => log.#openExisting(name));
    try {
      await Promise.all(opening);
    } catch (error) {
      await Promise.allSettled(opening);
      await log.close();
      throw error;
    }
    log.#startRetention();
    return log;
  }

  createTopic(topic: string, config: TopicConfig): Promise<void> {
    const created = this.#creating.then(() => this.#create(topic, config));
    this.#creating = created.catch(() => undefined);
    return created;
  }

  topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  describe(topic: string): Promise<TopicDescription> {
    const found = this.#topics.get(topic);
    if (found === undefined) return Promise.reject(notFound(topic));
    const { journal, config } = found;
    return Promise.resolve({
      ...config,
      name: topic,
      beginOffsets: [...journal.beginOffsets],
      endOffsets: [...journal.durableEnds],
      sizeBytes: journal.sizeBytes,
    });
  }

  /**
   * Appends one record. A record over `recordBytesMax`, or one too many for `pendingBytesMax`, is refused before this
   * returns: `MILLRACE_RECORD_TOO_LARGE`, `MILLRACE_BACKPRESSURE`.
   *
   * @throws ConnectorError `MILLRACE_TOPIC_NOT_FOUND`, `MILLRACE_TOPIC_PARTITIONS_MISMATCH` for a partition that is not there
   */
  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    this.#journal(topic).append(record, listener);
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#topics.values()].map(({ journal }) => journal.flush()));
  }

  /** Bytes of a topic that wait for the disk. A producer without listeners watches this to keep within `pendingBytesMax`. */
  pendingBytes(topic: string): number {
    return this.#journal(topic).pendingBytes;
  }

  openReader(topic: string, options: ReaderOptions): TopicReader {
    this.#checkOpen();
    const journal = this.#journal(topic);
    for (const [partition, position] of options.positions) {
      if (isPlace(journal, partition, position)) continue;
      throw new ConnectorError(
        'MILLRACE_OFFSET_OUT_OF_RANGE',
        `topic '${topic}' with ${journal.partitionCount} partitions has no offset ${position} in partition ${partition}`,
        { details: { topic, partition, offset: position } },
      );
    }
    return new LogReader({ journal, cache: this.#cache, options });
  }

  async openTransactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    this.#checkOpen();
    const { transactionalId, topics } = options;
    await this.#producers.get(transactionalId)?.close();
    const journals = new Map(topics.map((topic) => [topic, this.#journal(topic)]));
    for (const { journal } of this.#topics.values()) {
      const isOpen = journals.has(journal.topic);
      const wasOpen = journal.transactions?.transactionalId === transactionalId && journal.transactions.isOpen;
      if (isOpen || wasOpen) await this.#reopenTransactions(journal, isOpen, options);
    }
    const producer = new LogProducer(journals);
    this.#producers.set(transactionalId, producer);
    return producer;
  }

  async #reopenTransactions(
    journal: TopicJournal,
    isOpen: boolean,
    { transactionalId, nextCheckpointId, committed }: TransactionalProducerOptions,
  ): Promise<void> {
    const { topic } = journal;
    // Refused records were none: their listeners know.
    await journal.flush().catch(() => undefined);
    const { durableEnds, beginOffsets } = journal;
    journal.transactions ??= TopicTransactions.begin(durableEnds);
    const next = journal.transactions.reopened({
      transactionalId,
      nextCheckpointId,
      isOpen,
      committedCheckpointId: committed?.checkpointId ?? 0,
      committedEnds: committed?.outputs[topic],
      beginOffsets,
      durableEnds: [...durableEnds],
    });
    if (typeof next === 'number') throw committedOutputMissing(topic, next, committed);
    await writeTransactions(this.#directoryOf(topic), next);
    journal.transactions.adopt(next);
    // What a producer that has closed left behind is decided now.
    journal.commit({});
  }

  async commitOffsets(group: string, topic: string, offsets: ReadonlyMap<number, CommittedOffset>): Promise<void> {
    this.#checkOpen();
    checkName('group', group);
    const journal = this.#journal(topic);
    for (const [partition, { offset }] of offsets) {
      if (isPlace(journal, partition, offset)) continue;
      throw new ConnectorError(
        'MILLRACE_OFFSET_OUT_OF_RANGE',
        `group '${group}' cannot commit offset ${offset} in partition ${partition} of topic '${topic}'`,
        { details: { group, topic, partition, offset } },
      );
    }
    await this.#groups.commit(group, topic, offsets);
  }

  async committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>> {
    checkName('group', group);
    this.#journal(topic);
    return this.#groups.read(group, topic);
  }

  /** Drops what the topics' retention no longer asks for. Also done from time to time, and when a segment is full. */
  async applyRetention(): Promise<void> {
    for (const topic of this.#topics.values()) await this.#retain(topic);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#retentionTimer !== null) clearInterval(this.#retentionTimer);
    await this.#creating;
    await Promise.all([...this.#topics.values()].map(({ journal }) => journal.close()));
    await this.#groups.close();
  }

  async #create(topic: string, config: TopicConfig): Promise<void> {
    this.#checkOpen();
    checkName('topic', topic);
    checkConfig(topic, config);
    const existing = this.#topics.get(topic);
    const directory = this.#directoryOf(topic);
    if (existing === undefined) {
      await createDirectory(directory);
      await writeTopicConfig(directory, config);
      await this.#openJournal(topic, config);
      return;
    }
    const { partitions, retentionMs, retentionBytes } = existing.config;
    if (partitions !== config.partitions) throw partitionsMismatch(topic, partitions, config.partitions);
    existing.journal.setCommitDelay(config.commitDelayMs ?? 0);
    if (retentionMs === config.retentionMs && retentionBytes === config.retentionBytes) return;
    await writeTopicConfig(directory, config);
    existing.config = config;
  }

  /** A folder without metadata is a creation that a crash cut short: nothing was ever appended to it. */
  async #openExisting(name: string): Promise<void> {
    const config = await readTopicConfig(this.#directoryOf(name));
    if (config !== null) await this.#openJournal(name, config);
  }

  async #openJournal(topic: string, config: TopicConfig): Promise<void> {
    const { disk, logger, segmentBytes, recordBytesMax, pendingBytesMax } = this.#options;
    const directory = this.#directoryOf(topic);
    const state = await recoverJournal({ topic, directory, partitionCount: config.partitions, disk, logger });
    const limits = { segmentBytes, recordBytesMax, pendingBytesMax, openScanBytes: OPEN_SCAN_BYTES };
    const onRotated = (): void => void this.#retain(entry);
    const journal = new TopicJournal({ topic, directory, limits, disk, cache: this.#cache, logger, onRotated }, state);
    journal.setCommitDelay(config.commitDelayMs ?? 0);
    const transactions = await readTransactions(directory);
    if (transactions !== null) journal.transactions = new TopicTransactions(transactions);
    const entry: Topic = { journal, config };
    this.#topics.set(topic, entry);
  }

  #startRetention(): void {
    const { retentionCheckMs } = this.#options;
    if (retentionCheckMs === 0) return;
    this.#retentionTimer = setInterval(() => void this.applyRetention(), retentionCheckMs);
    this.#retentionTimer.unref();
  }

  /** Never rejects: what could not be dropped now is dropped later. */
  async #retain(topic: Topic): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await applyRetention(topic.journal, topic.config, clock.now(), logger);
    } catch (error) {
      logger.warn({ topic: topic.journal.topic, error }, 'retention could not be applied');
    }
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new ConnectorError('MILLRACE_SHUTTING_DOWN', 'the log is closed');
  }

  #journal(topic: string): TopicJournal {
    const found = this.#topics.get(topic);
    if (found === undefined) throw notFound(topic);
    return found.journal;
  }

  #directoryOf(topic: string): string {
    return join(this.#options.dataDir, 'topics', topic);
  }
}

export interface EmbeddedLogOptions {
  readonly dataDir: string;
  /** Decides what is too old. */
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * Length of a segment's file, in bytes. Retention drops, and a start after a crash reads, one segment.
   *
   * @defaultValue 16 MiB
   */
  readonly segmentBytes?: number;
  /**
   * Memory for the newest records of all topics together, from which tailing readers are served.
   *
   * @defaultValue 32 MiB
   */
  readonly cacheBytes?: number;
  /**
   * Largest record: key, value and headers, in bytes.
   *
   * @defaultValue 16 MiB
   */
  readonly recordBytesMax?: number;
  /**
   * Bytes of one topic that may wait for the disk before appends are refused with `MILLRACE_BACKPRESSURE`.
   *
   * @defaultValue 64 MiB
   */
  readonly pendingBytesMax?: number;
  /**
   * Files grow by this many bytes ahead of the data, which makes most syncs cheaper; 0 for file systems that copy on write,
   * where it has no use.
   *
   * @defaultValue 512 KiB
   */
  readonly preallocateBytes?: number;
  /**
   * Milliseconds between two looks at the retention of idle topics; 0 for none.
   *
   * @defaultValue 60000
   */
  readonly retentionCheckMs?: number;
  /** Where the segments are written: a test's faulty disk. */
  readonly disk?: JournalDisk;
}

interface Topic {
  readonly journal: TopicJournal;
  config: TopicConfig;
}

const MIB = 1 << 20;
/** About 5 ms of reading. */
const OPEN_SCAN_BYTES = MIB;

function defaults(options: EmbeddedLogOptions): Required<EmbeddedLogOptions> {
  const preallocateBytes = options.preallocateBytes ?? MIB / 2;
  return {
    dataDir: options.dataDir,
    clock: systemClock,
    logger: silentLogger,
    segmentBytes: 16 * MIB,
    cacheBytes: 32 * MIB,
    recordBytesMax: 16 * MIB,
    pendingBytesMax: 64 * MIB,
    preallocateBytes,
    retentionCheckMs: 60_000,
    disk: options.disk ?? new SystemJournalDisk({ kind: fileKinds.logSegment, preallocateBytes }),
  };
}

function checkConfig(topic: string, config: TopicConfig): void {
  const { partitions, retentionMs, retentionBytes } = config;
  const isCountable = Number.isInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX;
  if (isCountable && retentionMs > 0 && retentionBytes > 0) return;
  throw new ConfigError(
    `topic '${topic}' cannot have ${partitions} partitions, kept ${retentionMs} ms, ${retentionBytes} bytes`,
    {
      details: { topic, ...config },
      hint: `Ask for 1 to ${PARTITIONS_MAX} partitions, and for retention above 0.`,
    },
  );
}

const PARTITIONS_MAX = 4096;

/** Whether there is such a partition, and could be such an offset in it. */
function isPlace(journal: TopicJournal, partition: number, offset: number): boolean {
  const isPartition = Number.isInteger(partition) && partition >= 0 && partition < journal.partitionCount;
  return isPartition && Number.isSafeInteger(offset) && offset >= 0;
}

function notFound(topic: string): ConnectorError {
  return new ConnectorError('MILLRACE_TOPIC_NOT_FOUND', `topic '${topic}' does not exist`, { details: { topic } });
}

function committedOutputMissing(
  topic: string,
  partition: number,
  committed: TransactionalProducerOptions['committed'],
): ConnectorError {
  const checkpointId = committed?.checkpointId ?? 0;
  return new ConnectorError(
    'MILLRACE_LOG_CORRUPT',
    `topic '${topic}', partition ${partition} ends before the output of checkpoint ${checkpointId} that was committed to it`,
    {
      details: { topic, partition, checkpointId },
      hint: 'Topics and checkpoints of a data folder belong together: restore both from the same backup.',
    },
  );
}

function partitionsMismatch(topic: string, existing: number, asked: number): ConnectorError {
  return new ConnectorError(
    'MILLRACE_TOPIC_PARTITIONS_MISMATCH',
    `topic '${topic}' exists with ${existing} partitions, ${asked} were asked for`,
    {
      details: { topic, partitions: existing, requestedPartitions: asked },
      hint: 'The number of partitions of a topic cannot change: use the existing number, or another topic.',
    },
  );
}
