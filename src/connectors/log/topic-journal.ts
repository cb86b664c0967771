import { ConnectorError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import { storageError } from '../../storage/disk.js';
import type { JournalDisk, JournalFile } from '../../storage/journal-file.js';
import type { AppendListener, ProducerRecord } from '../topic.js';
import { AppendBuffer } from './append-buffer.js';
import { CachedFrames } from './cached-frames.js';
import { DroppedFiles } from './dropped-files.js';
import { encodedRecordBytes } from './record-codec.js';
import { CommitDelay } from './commit-delay.js';
import type { Segment, SparseIndex } from './segment.js';
import { SegmentWriter } from './segment-writer.js';
import type { CachedFrame, TailCache } from './tail-cache.js';
import type { TopicTransactions } from './topic-transactions.js';

/**
 * The journal of one topic: all its partitions in one sequence of segment files, so that one durable write commits
 * whatever waits, for any partition. Main thread; nothing blocks.
 *
 * Group commit. `append` encodes into the open frame and returns. A commit takes the frames that wait, writes them with
 * one durable write, then tells the listeners. What is appended meanwhile waits for the next commit, which starts one turn of
 * the event loop after the last: the slower the disk, the larger the group. The first append of an idle journal starts the
 * commit at the end of its turn (`setImmediate`), so that requests that arrived together share it. There is no timer, but
 * for topics that asked for one (`commitDelayMs`).
 *
 *     open ──commit──▶ pending ──durable write──▶ durable ──evicted──▶ only in the file
 *                         └───failed write───▶ refused
 *
 * A failed write refuses exactly its own records. Their offsets go to the records that wait behind them, which no one was
 * told about yet, so offsets stay dense.
 */
export class TopicJournal {
  readonly topic: string;
  readonly partitionCount: number;
  /** Oldest first; the last one is active. */
  readonly segments: Segment[];
  /** What readers of committed records may see; `null` when no transactional producer ever wrote the topic. */
  transactions: TopicTransactions | null = null;
  readonly #limits: JournalLimits;
  readonly #logger: Logger;
  readonly #cache: TailCache;
  readonly #dropped: DroppedFiles;
  readonly #onRotated: () => void;
  readonly #buffer: AppendBuffer;
  readonly #writer: SegmentWriter;
  readonly #index: SparseIndex;
  readonly #readers = new Set<JournalReader>();

  /** One past the last durable offset, per topic partition. */
  readonly #durableEnds: number[];
  /** Durable frames that may still be in memory, by address. */
  readonly #cached = new CachedFrames();
  #inFlight: CachedFrame[] = [];
  #pendingBytes = 0;
  #appendedCount = 0;
  /** Records whose listeners were told. */
  #settledCount = 0;
  #flushWaiters: FlushWaiter[] = [];
  /** Records refused since the last success. */
  #refusedCount = 0;
  /** A refusal that no listener heard: the next flush reports it. */
  #unheardRefusal: Error | null = null;

  readonly #commitDelay = new CommitDelay(() => {
    if (!this.#isBusy && !this.#buffer.isEmpty) this.#commit();
  });
  #isBusy = false;
  #isTickScheduled = false;
  #isClosed = false;
  /** What needs the files to itself: retention, closing. Runs between commits. */
  readonly #maintenance: (() => Promise<void>)[] = [];
  readonly #tick: () => void;
  readonly #onCommitted: (error: Error | null) => void;

  constructor(options: JournalOptions, state: JournalState) {
    this.topic = options.topic;
    this.partitionCount = state.endOffsets.length;
    this.segments = state.segments;
    this.#limits = options.limits;
    this.#logger = options.logger;
    this.#cache = options.cache;
    this.#dropped = new DroppedFiles(options.disk, options.logger);
    this.#onRotated = options.onRotated;
    this.#buffer = new AppendBuffer(options.cache, state.endOffsets);
    this.#writer = new SegmentWriter({
      topic: options.topic,
      directory: options.directory,
      segmentBytes: options.limits.segmentBytes,
      disk: options.disk,
      logger: options.logger,
      segments: state.segments,
      file: state.activeFile,
    });
    this.#index = state.index;
    this.#durableEnds = [...state.endOffsets];
    this.#tick = (): void => this.#onTick();
    this.#onCommitted = (error): void => {
      if (error === null) this.#onDurable();
      else this.#onRefused(error);
    };
  }

  /** First offset still stored, per topic partition. */
  get beginOffsets(): readonly number[] {
    return this.segments[0]?.beginOffsets ?? [];
  }

  get durableEnds(): readonly number[] {
    return this.#durableEnds;
  }

  get appendedEnds(): readonly number[] {
    return this.#buffer.endOffsets;
  }

  /** One past the last durable byte. */
  get durableEndAddress(): number {
    return this.#writer.active.endAddress;
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  /** Bytes appended and not yet durable or refused. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  append(record: ProducerRecord, listener: AppendListener | null): void {
    const size = this.#admit(record, listener);
    if (size < 0) return;
    this.#pendingBytes += this.#buffer.append(record, size, listener);
    this.#appendedCount += 1;
    if (this.#isTickScheduled) return;
    this.#isTickScheduled = true;
    setImmediate(this.#tick);
  }

  /** How long appends may wait for company from now on. */
  setCommitDelay(delayMs: number): void {
    this.#commitDelay.delayMs = delayMs;
  }

  flush(): Promise<void> {
    const unheard = this.#unheardRefusal;
    this.#unheardRefusal = null;
    if (unheard !== null) return Promise.reject(unheard);
    if (this.#settledCount === this.#appendedCount) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#flushWaiters.push({ target: this.#appendedCount, resolve, reject, error: null });
      if (this.#commitDelay.isHolding) this.#proceed();
    });
  }

  /** Output up to these ends is committed. */
  commit(ends: Readonly<Record<number, number>>): void {
    this.transactions?.commit(ends);
    for (const reader of this.#readers) reader.wake();
  }

  addReader(reader: JournalReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: JournalReader): void {
    this.#readers.delete(reader);
  }

  /** The frame in memory that stands at `address`, or the first one that waits when that is the durable end. */
  cachedFrameAt(address: number): CachedFrame | null {
    if (address === this.durableEndAddress) return this.#inFlight[0] ?? this.#buffer.firstWaiting;
    return this.#cached.find(address);
  }

  /** The segment that holds `address`; `null` when it was dropped, or `address` is the end. */
  segmentAt(address: number): Segment | null {
    for (let index = this.segments.length - 1; index >= 0; index--) {
      const segment = this.segments[index];
      if (segment !== undefined && address >= segment.startAddress)
        return address < segment.endAddress ? segment : null;
    }
    return null;
  }

  /** An address before which none of these positions lies, as late as is cheaply known. */
  addressBefore(positions: ReadonlyMap<number, number>): number {
    let index = this.segments.length - 1;
    while (index > 0 && !isReached(positions, this.segments[index]?.beginOffsets ?? [])) index -= 1;
    if (index < this.segments.length - 1) return this.segments[index]?.startAddress ?? 0;
    if (isReached(positions, this.#durableEnds)) return this.durableEndAddress;
    const indexed = this.#index.find(positions);
    return indexed === -1 ? this.#writer.active.startAddress : indexed;
  }

  /** Runs `task` while no commit is under way; appends wait in memory meanwhile. Does nothing once the journal is closed. */
  exclusively(task: () => Promise<void>): Promise<void> {
    return this.#isClosed ? Promise.resolve() : this.#runAlone(task);
  }

  #runAlone(task: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#maintenance.push(() => task().then(resolve, reject));
      this.#proceed();
    });
  }

  /** Begins a new segment, so that the current one can be dropped or is quick to open. Within {@link exclusively}. */
  async rotate(): Promise<void> {
    await this.#writer.rotate(this.#durableEnds);
    this.#index.clear();
  }

  /** Forgets the oldest segment; its file goes with the next {@link removeDropped}. Never the active segment. */
  dropOldest(): void {
    const oldest = this.segments.length > 1 ? this.segments.shift() : undefined;
    if (oldest === undefined) return;
    oldest.isDropped = true;
    this.#dropped.add(oldest.path);
  }

  /** Resolves when the files of dropped segments are gone, as far as they can be removed now. */
  removeDropped(): Promise<void> {
    return this.#dropped.remove();
  }

  /** Makes everything durable and closes the files. What is appended from now on is refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const reader of this.#readers) reader.close();
    await this.flush().catch((error: unknown) => {
      this.#logger.error({ topic: this.topic, error }, 'records refused while the topic was closed');
    });
    await this.#runAlone(() => this.#closeFiles());
  }

  async #closeFiles(): Promise<void> {
    const { active } = this.#writer;
    if (active.lengthBytes > this.#limits.openScanBytes) {
      // The next start then reads one frame instead of this segment. It can do without.
      await this.rotate().catch(() => undefined);
    }
    await this.#writer.close();
    await this.#dropped.remove();
  }

  /** @returns the record's size in bytes; -1 when it was refused and the listener was told */
  #admit(record: ProducerRecord, listener: AppendListener | null): number {
    const { partition } = record;
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitionCount) {
      throw new ConnectorError(
        'MILLRACE_TOPIC_PARTITIONS_MISMATCH',
        `topic '${this.topic}' has ${this.partitionCount} partitions and no partition ${partition}`,
        { details: { topic: this.topic, partition, partitions: this.partitionCount } },
      );
    }
    const size = encodedRecordBytes(record);
    if (size >= 0 && size <= this.#limits.recordBytesMax && !this.#isClosed) {
      if (this.#pendingBytes === 0 || this.#pendingBytes + size <= this.#limits.pendingBytesMax) return size;
    }
    this.#tellRefusal(listener, this.#refusal(size));
    return -1;
  }

  #refusal(size: number): ConnectorError {
    const details = { topic: this.topic, sizeBytes: size };
    if (this.#isClosed) {
      return new ConnectorError('MILLRACE_SHUTTING_DOWN', `topic '${this.topic}' is closed`, { details });
    }
    if (size < 0 || size > this.#limits.recordBytesMax) {
      const what = size < 0 ? 'a header name over 65535 bytes' : `${size} bytes`;
      const text = `record for topic '${this.topic}' has ${what}, the limit is ${this.#limits.recordBytesMax} bytes`;
      return new ConnectorError('MILLRACE_RECORD_TOO_LARGE', text, { details });
    }
    const text = `topic '${this.topic}' has ${this.#pendingBytes} bytes waiting for the disk`;
    return new ConnectorError('MILLRACE_BACKPRESSURE', text, { details });
  }

  #tellRefusal(listener: AppendListener | null, error: Error): void {
    if (listener === null) this.#unheardRefusal ??= error;
    else this.#guard(() => listener.onAppendFailed(error));
  }

  #onTick(): void {
    this.#isTickScheduled = false;
    for (const reader of this.#readers) if (reader.seesAppended) reader.wake();
    this.#proceed();
  }

  /** Starts whatever is next, unless something is under way. */
  #proceed(): void {
    if (this.#isBusy) return;
    const task = this.#maintenance.shift();
    if (task !== undefined) this.#occupy(task());
    else if (!this.#buffer.isEmpty && !this.#commitDelay.hold(this.#isCommitUrgent)) this.#commit();
  }

  get #isCommitUrgent(): boolean {
    return this.#flushWaiters.length > 0 || this.#pendingBytes >= COMMIT_BYTES_MAX;
  }

  /** Holds commits back until `work` is over; `work` never rejects. */
  #occupy(work: Promise<void>): void {
    this.#isBusy = true;
    const done = (): void => {
      this.#isBusy = false;
      this.#proceed();
    };
    void work.finally(done);
  }

  #commit(): void {
    this.#isBusy = true;
    this.#inFlight = this.#buffer.take(Math.min(COMMIT_BYTES_MAX, this.#limits.segmentBytes));
    let byteCount = 0;
    for (const frame of this.#inFlight) byteCount += frame.byteCount;
    if (!this.#writer.needsRotation(byteCount)) {
      this.#writer.commit(this.#inFlight, this.#onCommitted);
      return;
    }
    this.rotate().then(
      () => {
        this.#writer.commit(this.#inFlight, this.#onCommitted);
        this.#onRotated();
      },
      (error: unknown) =>
        this.#onRefused(storageError(error, `append to topic '${this.topic}'`, this.#writer.active.path)),
    );
  }

  #onDurable(): void {
    const frames = this.#inFlight;
    this.#inFlight = [];
    this.#noteSuccess();
    const { active } = this.#writer;
    for (const frame of frames) {
      this.#index.add(frame.address, this.#durableEnds);
      frame.state = 'durable';
      this.#pendingBytes -= frame.byteCount;
      if (frame.maxTimestamp > active.maxTimestamp) active.maxTimestamp = frame.maxTimestamp;
      this.#advanceEnds(frame);
      this.#cached.push(frame);
    }
    for (const frame of frames) this.#tellAppended(frame);
    this.#cache.evict();
    this.#cached.dropEvicted();
    this.#settle(null);
  }

  #advanceEnds(frame: CachedFrame): void {
    const { appends } = frame;
    if (appends === null) return;
    for (let index = 0; index < appends.partitions.length; index++) {
      this.#durableEnds[appends.partitions[index] ?? 0] = (appends.offsets[index] ?? 0) + 1;
    }
  }

  #tellAppended(frame: CachedFrame): void {
    const { appends } = frame;
    if (appends === null) return;
    const { listeners, offsets } = appends;
    for (let index = 0; index < listeners.length; index++) {
      const listener = listeners[index];
      if (listener === null || listener === undefined) continue;
      try {
        listener.onAppended(offsets[index] ?? 0);
      } catch (error) {
        this.#logger.error({ topic: this.topic, error }, 'append listener threw');
      }
    }
    this.#forget(frame);
  }

  #onRefused(error: Error): void {
    const frames = this.#inFlight;
    this.#inFlight = [];
    const counts = this.#durableEnds.map(() => 0);
    for (const frame of frames) {
      frame.state = 'refused';
      frame.address = this.durableEndAddress; // where its successor will stand
      this.#pendingBytes -= frame.byteCount;
      for (const partition of frame.appends?.partitions ?? []) counts[partition] = (counts[partition] ?? 0) + 1;
    }
    this.#buffer.moveDown(counts);
    for (const reader of this.#readers) reader.onRefused(this.#durableEnds, counts);
    // Every flush that waits was asked for while the first of these records was unsettled.
    for (const waiter of this.#flushWaiters) waiter.error ??= error;
    const isAwaited = this.#flushWaiters.length > 0;
    this.#noteRefusal(
      counts.reduce((sum, count) => sum + count, 0),
      error,
    );
    for (const frame of frames) {
      for (const listener of frame.appends?.listeners ?? []) {
        if (listener !== null || !isAwaited) this.#tellRefusal(listener, error);
      }
      this.#forget(frame);
    }
    this.#settle(error);
  }

  /** One line when refusals begin and one when they end: on a full disk every commit fails. */
  #noteRefusal(count: number, error: Error): void {
    if (this.#refusedCount === 0) this.#logger.error({ topic: this.topic, error }, 'appends are refused');
    this.#refusedCount += count;
  }

  #noteSuccess(): void {
    if (this.#refusedCount === 0) return;
    this.#logger.info({ topic: this.topic, refused: this.#refusedCount }, 'appends succeed again');
    this.#refusedCount = 0;
  }

  #forget(frame: CachedFrame): void {
    this.#settledCount += frame.recordCount;
    this.#buffer.settle(frame);
  }

  /** After a commit, either way: flushes, readers, and the next commit. */
  #settle(error: Error | null): void {
    while (this.#flushWaiters.length > 0 && (this.#flushWaiters[0]?.target ?? 0) <= this.#settledCount) {
      const waiter = this.#flushWaiters.shift();
      if (waiter === undefined) break;
      if (waiter.error === null) waiter.resolve();
      else waiter.reject(waiter.error);
    }
    if (error === null) for (const reader of this.#readers) reader.wake();
    this.#isBusy = false;
    if (this.#isTickScheduled || this.#buffer.isEmpty) return this.#proceed();
    // Whoever was told just now, and whose answer is being read by now, is company for the next commit: one turn of the
    // event loop lets them in, where a commit at once would go with the few that came during this one.
    this.#isTickScheduled = true;
    setImmediate(this.#tick);
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#logger.error({ topic: this.topic, error }, 'append listener threw');
    }
  }
}

/** Bytes that one commit writes at most, so that a refusal stays small and memory comes free steadily. */
const COMMIT_BYTES_MAX = 4 << 20;

/** Whether every position is at or behind these offsets' place: none lies before it. */
function isReached(positions: ReadonlyMap<number, number>, offsets: readonly number[]): boolean {
  for (const [partition, position] of positions) if (position < (offsets[partition] ?? 0)) return false;
  return true;
}

interface FlushWaiter {
  /** Resolved when so many records are settled. */
  readonly target: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  error: Error | null;
}

export interface JournalLimits {
  readonly segmentBytes: number;
  readonly recordBytesMax: number;
  readonly pendingBytesMax: number;
  /** An active segment longer than this is sealed on close, so that the next start need not scan it. */
  readonly openScanBytes: number;
}

export interface JournalOptions {
  readonly topic: string;
  readonly directory: string;
  readonly limits: JournalLimits;
  readonly disk: JournalDisk;
  readonly cache: TailCache;
  readonly logger: Logger;
  /** Called when a full segment was sealed: there may be one to drop. */
  readonly onRotated: () => void;
}

/** What a journal continues from: a new topic's nothing, or what was found on disk. */
export interface JournalState {
  readonly segments: Segment[];
  /** Of the last segment. */
  readonly activeFile: JournalFile;
  readonly endOffsets: readonly number[];
  readonly index: SparseIndex;
}

/** A reader, as its journal sees it. */
export interface JournalReader {
  readonly seesAppended: boolean;
  /** Records may be ready. */
  wake(): void;
  /** `counts[p]` records from offset `bases[p]` on do not exist; those behind them moved down. */
  onRefused(bases: readonly number[], counts: readonly number[]): void;
  close(): void;
}
