import { invariant } from '../../base/invariant.js';
import type { AppendListener, ProducerRecord } from '../topic.js';
import { FRAME_HEADER_BYTES } from '../../storage/frame-codec.js';
import {
  encodeRecord,
  encodeRecordsPrefix,
  PAYLOAD_PREFIX_BYTES,
  recordPartitionAt,
  recordSizeAt,
  setRecordOffsetAt,
} from './record-codec.js';
import { CachedFrame, FrameAppends, type Chunk, type TailCache } from './tail-cache.js';

/** Bytes around the records of a frame. */
export const FRAME_OVERHEAD_BYTES = FRAME_HEADER_BYTES + PAYLOAD_PREFIX_BYTES;

const SPARE_APPENDS_MAX = 4;

/**
 * The records of one topic that wait for a commit: assigns their offsets and lays them out in frames, as they will be in
 * the file. Memory only; main thread.
 */
export class AppendBuffer {
  readonly #cache: TailCache;
  /** One past the last appended offset, per topic partition. */
  readonly endOffsets: number[];
  /** Frames that no commit took yet, oldest first; the last one may be open. */
  #waiting: CachedFrame[] = [];
  #lastFrame: CachedFrame | null = null;
  #chunk: Chunk | null = null;
  readonly #spareAppends: FrameAppends[] = [];

  constructor(cache: TailCache, endOffsets: readonly number[]) {
    this.#cache = cache;
    this.endOffsets = [...endOffsets];
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get firstWaiting(): CachedFrame | null {
    return this.#waiting[0] ?? null;
  }

  /** @returns the bytes by which the waiting frames grew */
  append(record: ProducerRecord, size: number, listener: AppendListener | null): number {
    const frame = this.#frameWithRoom(size);
    const { chunk, appends } = frame;
    invariant(appends !== null, 'an open frame knows its appends');
    const offset = this.endOffsets[record.partition] ?? 0;
    encodeRecord(chunk.buffer, chunk.view, frame.end, record, offset, size);
    this.endOffsets[record.partition] = offset + 1;
    const before = frame.recordCount === 0 ? chunk.used : frame.end;
    frame.end += size;
    chunk.used = frame.end;
    frame.recordCount += 1;
    if (record.timestamp > frame.maxTimestamp) frame.maxTimestamp = record.timestamp;
    appends.listeners.push(listener);
    appends.partitions.push(record.partition);
    appends.offsets.push(offset);
    return frame.end - before;
  }

  /** Takes the oldest frames out, about `byteCountMax` of them and at least one, completed for writing. */
  take(byteCountMax: number): CachedFrame[] {
    let count = 0;
    let byteCount = 0;
    for (const frame of this.#waiting) {
      byteCount += frame.byteCount;
      if (count > 0 && byteCount > byteCountMax) break;
      count += 1;
    }
    const taken = count === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, count);
    this.#waiting = count === this.#waiting.length ? [] : this.#waiting.slice(count);
    for (const frame of taken) this.#complete(frame);
    return taken;
  }

  /**
   * Gives the offsets of refused records to those that wait behind them, which nobody was told about.
   *
   * @param refusedCounts refused records, per topic partition
   */
  moveDown(refusedCounts: readonly number[]): void {
    for (const [partition, count] of refusedCounts.entries()) {
      this.endOffsets[partition] = (this.endOffsets[partition] ?? 0) - count;
    }
    for (const frame of this.#waiting) moveFrameDown(frame, refusedCounts);
  }

  /** Says that every listener of a frame that was taken has been told. */
  settle(frame: CachedFrame): void {
    const { appends } = frame;
    if (appends === null) return;
    frame.appends = null;
    appends.clear();
    if (this.#spareAppends.length < SPARE_APPENDS_MAX) this.#spareAppends.push(appends);
  }

  #takeAppends(): FrameAppends {
    return this.#spareAppends.pop() ?? new FrameAppends();
  }

  #complete(frame: CachedFrame): void {
    if (frame.state !== 'open') return;
    frame.state = 'pending';
    encodeRecordsPrefix(frame.chunk.view, frame.frameStart + FRAME_HEADER_BYTES, frame.recordCount);
  }

  #frameWithRoom(size: number): CachedFrame {
    const open = this.#lastFrame;
    if (open !== null && open.state === 'open') {
      if (open.end + size <= open.chunk.buffer.length) return open;
      this.#complete(open);
    }
    const chunk = this.#chunkWithRoom(FRAME_OVERHEAD_BYTES + size);
    const frame = new CachedFrame(chunk, chunk.used, chunk.used + FRAME_OVERHEAD_BYTES, this.#takeAppends());
    chunk.frames.push(frame);
    this.#waiting.push(frame);
    if (open !== null && !open.chunk.isEvicted) open.next = frame;
    this.#lastFrame = frame;
    return frame;
  }

  /** A chunk is retired as soon as its last frame is complete: it can be evicted once that is durable. */
  #chunkWithRoom(byteCount: number): Chunk {
    const current = this.#chunk;
    if (current !== null && current.used + byteCount <= current.buffer.length) return current;
    const chunk = this.#cache.allocate(byteCount);
    this.#chunk = chunk;
    if (current !== null) this.#cache.retire(current);
    return chunk;
  }
}

function moveFrameDown(frame: CachedFrame, counts: readonly number[]): void {
  const { view } = frame.chunk;
  let at = frame.recordsStart;
  const offsets = frame.appends?.offsets ?? [];
  for (const [index, offset] of offsets.entries()) {
    const moved = offset - (counts[recordPartitionAt(view, at)] ?? 0);
    offsets[index] = moved;
    setRecordOffsetAt(view, at, moved);
    at += recordSizeAt(view, at);
  }
}
