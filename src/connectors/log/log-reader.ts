import { ConnectorError } from '../../base/errors.js';
import { invariant } from '../../base/invariant.js';
import type { ReaderOptions, TopicReader, TopicRecord } from '../topic.js';
import { ColdReader, type ColdBlock } from './cold-reader.js';
import { recordOffsetAt, recordPartitionAt, recordSizeAt, StoredRecord } from './record-codec.js';
import type { Segment } from './segment.js';
import type { CachedFrame, Chunk, TailCache } from './tail-cache.js';
import type { JournalReader, TopicJournal } from './topic-journal.js';

/**
 * A cursor over some partitions of one topic's journal. Main thread; `poll` never waits.
 *
 * It walks the journal frame by frame and passes over the records of other partitions. Frames come from memory while they
 * are there (the tail), else from the file, read ahead asynchronously (cold-reader.ts). A reader can fall back from the
 * one to the other at any frame, since an address and its offsets say all about where it stands.
 *
 * - Records lie in the cache's own memory. The chunks of one poll are pinned until the next.
 * - A reader that nobody polls holds one frame of the tail, or at most two blocks of read-ahead, and nothing else.
 * - `committed` readers stop at the first record that is not committed, and pass over those that were aborted
 *   (topic-transactions.ts).
 * - `appended` readers see a record as soon as it is appended, before it is written. When its write then fails the record
 *   is gone, and its offset goes to the next one: the reader goes on with that.
 */
export class LogReader implements TopicReader, JournalReader {
  readonly seesAppended: boolean;
  readonly #seesCommittedOnly: boolean;
  readonly #journal: TopicJournal;
  readonly #cache: TailCache;
  readonly #cold: ColdReader;
  readonly #onReadable: () => void;
  /** The next offset per topic partition; -1 for those that are not read. */
  readonly #positions: number[];

  /** The frame of the tail that the cursor is in; `null` while reading from files, or at the end. */
  #frame: CachedFrame | null = null;
  /** The block of frames from a file that the cursor is in. */
  #block: ColdBlock | null = null;
  /** Where the next frame starts, once the one at hand is used up. */
  #nextAddress: number;
  #buffer: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** The next record, and the end of the readable ones, in `#buffer`. */
  #at = 0;
  #limit = 0;

  readonly #records: StoredRecord[] = [];
  #pinned: Chunk[] = [];
  /** As of the last check that no position was dropped by retention. */
  #firstSegment: Segment | null = null;
  #error: Error | null = null;
  #isArmed = false;
  #isClosed = false;

  constructor(spec: LogReaderSpec) {
    const { journal, options } = spec;
    this.seesAppended = options.visibility === 'appended';
    this.#seesCommittedOnly = options.visibility === 'committed';
    this.#journal = journal;
    this.#cache = spec.cache;
    this.#onReadable = options.onReadable;
    this.#positions = new Array<number>(journal.partitionCount).fill(-1);
    const { topic, beginOffsets, appendedEnds } = journal;
    for (const [partition, position] of options.positions) {
      this.#positions[partition] = position;
      this.#error ??= rangeError(
        topic,
        partition,
        position,
        beginOffsets[partition] ?? 0,
        appendedEnds[partition] ?? -1,
      );
    }
    this.#nextAddress = journal.addressBefore(options.positions);
    this.#cold = new ColdReader(journal, () => this.wake());
    journal.addReader(this);
  }

  poll(maxRecords: number, visit: (record: TopicRecord) => boolean): number {
    if (this.#isClosed) return 0;
    this.#beginPoll();
    const transactions = this.#seesCommittedOnly ? this.#journal.transactions : null;
    let accepted = 0;
    for (let scanned = 0; accepted < maxRecords; scanned++) {
      if (scanned === SCANNED_RECORDS_MAX) {
        if (accepted === 0) this.#wakeInNextTurn();
        return accepted;
      }
      if (this.#at >= this.#limit && !this.#findReadable()) break;
      const view = this.#view;
      const at = this.#at;
      const partition = recordPartitionAt(view, at);
      const position = this.#positions[partition] ?? -1;
      if (position >= 0 && recordOffsetAt(view, at) >= position) {
        const visible = transactions === null ? position : transactions.lookAt(partition, position);
        if (visible < 0) break;
        if (visible > position) {
          this.#positions[partition] = visible;
          continue;
        }
        const record = this.#recordAt(accepted);
        record.moveTo(this.#buffer, view, at);
        invariant(record.offset === position, 'the offsets of a topic partition have no gap');
        if (!visit(record)) return accepted;
        if (this.#isClosed) return accepted + 1;
        this.#positions[partition] = position + 1;
        accepted += 1;
      }
      this.#at = at + recordSizeAt(view, at);
    }
    if (accepted === 0 && maxRecords > 0) this.#isArmed = true;
    return accepted;
  }

  position(partition: number): number {
    const position = this.#positions[partition] ?? -1;
    if (position < 0) {
      throw new ConnectorError(
        'MILLRACE_OFFSET_OUT_OF_RANGE',
        `partition ${partition} of topic '${this.#journal.topic}' is not read by this reader`,
        { details: { topic: this.#journal.topic, partition } },
      );
    }
    return position;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unpin();
    this.#frame = null;
    this.#records.length = 0;
    this.#cold.close();
    this.#journal.removeReader(this);
  }

  wake(): void {
    if (!this.#isArmed || this.#isClosed) return;
    this.#isArmed = false;
    this.#onReadable();
  }

  onRefused(bases: readonly number[], counts: readonly number[]): void {
    for (const [partition, position] of this.#positions.entries()) {
      const base = bases[partition] ?? 0;
      if (position > base) this.#positions[partition] = Math.max(base, position - (counts[partition] ?? 0));
    }
  }

  /** Records of other partitions, however many, must not hold up the thread. */
  #wakeInNextTurn(): void {
    this.#isArmed = true;
    setImmediate(() => this.wake());
  }

  #beginPoll(): void {
    this.#unpin();
    const first = this.#journal.segments[0] ?? null;
    if (first !== this.#firstSegment || this.#error !== null) this.#checkPositions(first);
    const frame = this.#frame;
    if (frame === null) return;
    if (frame.chunk.isEvicted) this.#leaveTail(frame);
    else this.#pin(frame.chunk);
  }

  /** @throws ConnectorError `MILLRACE_OFFSET_OUT_OF_RANGE`, now and with every later poll */
  #checkPositions(first: Segment | null): void {
    this.#firstSegment = first;
    const { beginOffsets, topic } = this.#journal;
    for (const [partition, position] of this.#positions.entries()) {
      if (position >= 0) this.#error ??= rangeError(topic, partition, position, beginOffsets[partition] ?? 0, null);
    }
    if (this.#error !== null) throw this.#error;
  }

  /** Moves to the next record that may be seen, wherever it is. @returns false when there is none now */
  #findReadable(): boolean {
    for (;;) {
      const frame = this.#frame;
      if (frame !== null) {
        if (this.#growFrame(frame)) return true;
        if (!this.#leaveFrame(frame)) return false;
      } else if (this.#block?.moveToNextFrame() === true) {
        this.#enterColdFrame(this.#block);
        return true;
      } else if (!this.#enterTail() && !this.#enterBlock()) {
        return false;
      }
    }
  }

  #growFrame(frame: CachedFrame): boolean {
    if (frame.state === 'refused' || frame.end === this.#limit) return false;
    this.#limit = frame.end;
    return true;
  }

  /** Goes on from a frame that is used up. @returns false to wait here: it may grow, or its successor is not there yet */
  #leaveFrame(frame: CachedFrame): boolean {
    if (frame.state === 'open') return false;
    if (frame.state === 'refused' || frame.chunk.isEvicted) {
      this.#leaveTail(frame);
      return true;
    }
    let { next } = frame;
    while (next !== null && next.state === 'refused') next = next.next;
    if (next === null || !this.#canSee(next)) return false;
    this.#enterFrame(next);
    return true;
  }

  /** From memory back to addresses. A frame that is not used up is read again, and what was seen of it passed over. */
  #leaveTail(frame: CachedFrame): void {
    const isUsedUp = frame.state !== 'refused' && this.#at >= frame.end;
    this.#frame = null;
    this.#nextAddress = isUsedUp ? frame.address + frame.byteCount : frame.address;
    this.#at = 0;
    this.#limit = 0;
  }

  #canSee(frame: CachedFrame): boolean {
    return frame.state === 'durable' || (this.seesAppended && frame.state !== 'refused');
  }

  #enterTail(): boolean {
    const frame = this.#journal.cachedFrameAt(this.#nextAddress);
    if (frame === null || !this.#canSee(frame)) return false;
    this.#block = null;
    this.#enterFrame(frame);
    return true;
  }

  #enterFrame(frame: CachedFrame): void {
    this.#frame = frame;
    this.#buffer = frame.chunk.buffer;
    this.#view = frame.chunk.view;
    this.#at = frame.recordsStart;
    this.#limit = frame.recordsStart;
    this.#pin(frame.chunk);
  }

  /** Takes the next block from the files. @returns false while it is being read, and at the end */
  #enterBlock(): boolean {
    this.#block = null;
    const first = this.#journal.segments[0];
    if (first !== undefined) this.#nextAddress = Math.max(this.#nextAddress, first.startAddress);
    if (this.#nextAddress >= this.#journal.durableEndAddress) return false;
    this.#block = this.#cold.take(this.#nextAddress);
    return this.#block !== null;
  }

  #enterColdFrame(block: ColdBlock): void {
    this.#buffer = block.buffer;
    this.#view = block.view;
    this.#at = block.recordsStart;
    this.#limit = block.recordsEnd;
    this.#nextAddress = block.nextAddress;
  }

  /** Records of one poll must not be moved by it: each is another object. */
  #recordAt(index: number): StoredRecord {
    const existing = this.#records[index];
    if (existing !== undefined) return existing;
    const record = new StoredRecord();
    this.#records.push(record);
    return record;
  }

  #pin(chunk: Chunk): void {
    if (this.#pinned.at(-1) === chunk) return;
    this.#cache.pin(chunk);
    this.#pinned.push(chunk);
  }

  #unpin(): void {
    for (const chunk of this.#pinned) this.#cache.unpin(chunk);
    this.#pinned.length = 0;
  }
}

/** Records that one poll looks at: less than a millisecond. */
const SCANNED_RECORDS_MAX = 20_000;

/** The error for a position outside what is stored; `null` when it is inside. */
function rangeError(
  topic: string,
  partition: number,
  position: number,
  begin: number,
  end: number | null,
): ConnectorError | null {
  if (position >= begin && (end === null || position <= end)) return null;
  const range = end === null ? `from ${begin} on` : `from ${begin} to ${end}`;
  return new ConnectorError(
    'MILLRACE_OFFSET_OUT_OF_RANGE',
    `offset ${position} of topic '${topic}', partition ${partition}, is not stored: offsets are there ${range}`,
    {
      details: { topic, partition, offset: position, beginOffset: begin, ...(end === null ? {} : { endOffset: end }) },
      hint: 'Records older than the retention are gone: keep the topic longer, or start the group from an offset that is stored.',
    },
  );
}

export interface LogReaderSpec {
  readonly journal: TopicJournal;
  readonly cache: TailCache;
  readonly options: ReaderOptions;
}
