import type { AppendListener } from '../topic.js';

/**
 * The newest part of every topic, in memory, in exactly the bytes that are in the files: what readers at the tail are
 * served from, and what a group commit is written from. Main thread.
 *
 *     chunk   ├─ frame ─┼─ frame ─┼─ frame (open: records are still added) ─┤ room │
 *
 * Chunks are filled one after another. Those that are full and durable are evicted oldest first, over all topics, once
 * their sum exceeds the budget. A chunk's memory is used again only when no reader has records of it in hand.
 */

/** What a frame's own object costs, about: with single-record commits as much as its bytes. */
const FRAME_OBJECT_BYTES = 160;
const CHUNK_BYTES_MAX = 1 << 20;
const CHUNK_BYTES_MIN = 4 << 10;
/** A budget holds about so many chunks: one is evicted at a time. */
const CHUNKS_PER_BUDGET = 16;
const SPARE_BUFFERS_MAX = 8;

export class Chunk {
  readonly buffer: Buffer;
  readonly view: DataView;
  /** Where the next frame goes. */
  used = 0;
  /** Readers that handed out records of this chunk in their last poll. */
  pinCount = 0;
  isEvicted = false;
  readonly frames: CachedFrame[] = [];

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  }
}

/**
 * `open`: takes records. `pending`: complete, not durable. `durable`: on disk. `refused`: its write failed and its records
 * do not exist.
 */
export type FrameState = 'open' | 'pending' | 'durable' | 'refused';

/** Of each record in a frame: who is to be told, its topic partition and its offset. */
export class FrameAppends {
  readonly listeners: (AppendListener | null)[] = [];
  readonly partitions: number[] = [];
  readonly offsets: number[] = [];

  clear(): void {
    this.listeners.length = 0;
    this.partitions.length = 0;
    this.offsets.length = 0;
  }
}

/** One frame of the journal that is in memory. */
export class CachedFrame {
  readonly chunk: Chunk;
  /** Where the frame's header, its payload, and its first record start in the chunk. */
  readonly frameStart: number;
  readonly recordsStart: number;
  /** One past the last record; grows while the frame is open. */
  end: number;
  recordCount = 0;
  maxTimestamp = Number.NEGATIVE_INFINITY;
  state: FrameState = 'open';
  /** Where the frame stands in the journal; known once its commit has begun. */
  address = -1;
  next: CachedFrame | null = null;
  /** Until every listener was told. */
  appends: FrameAppends | null;

  constructor(chunk: Chunk, frameStart: number, recordsStart: number, appends: FrameAppends) {
    this.chunk = chunk;
    this.frameStart = frameStart;
    this.recordsStart = recordsStart;
    this.end = recordsStart;
    this.appends = appends;
  }

  get byteCount(): number {
    return this.end - this.frameStart;
  }
}

/** Owns the chunks of all topics of a log, and their budget. */
export class TailCache {
  readonly #budgetBytes: number;
  /** Memory of one chunk. A record that does not fit gets a chunk of its own. */
  readonly #chunkBytes: number;
  /** Full chunks, oldest first. */
  readonly #full: Chunk[] = [];
  #fullBytes = 0;
  readonly #spare: Buffer[] = [];

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
    this.#chunkBytes = Math.min(
      CHUNK_BYTES_MAX,
      Math.max(CHUNK_BYTES_MIN, Math.floor(budgetBytes / CHUNKS_PER_BUDGET)),
    );
  }

  /** A chunk with room for at least `byteCount`. */
  allocate(byteCount: number): Chunk {
    if (byteCount > this.#chunkBytes) return new Chunk(Buffer.allocUnsafeSlow(byteCount));
    return new Chunk(this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#chunkBytes));
  }

  /** Takes a chunk that no frame will be added to any more. */
  retire(chunk: Chunk): void {
    this.#full.push(chunk);
    this.#fullBytes += memoryOf(chunk);
    this.evict();
  }

  /** Lets go of the oldest chunks over the budget, as far as they are durable. */
  evict(): void {
    while (this.#fullBytes > this.#budgetBytes) {
      const oldest = this.#full[0];
      if (oldest === undefined || !isSettled(oldest)) return;
      this.#full.shift();
      this.#fullBytes -= memoryOf(oldest);
      oldest.isEvicted = true;
      // A reader that stands here holds this frame, and through `next` would hold all that follow.
      for (const frame of oldest.frames) frame.next = null;
      this.#reuse(oldest);
    }
  }

  pin(chunk: Chunk): void {
    chunk.pinCount += 1;
  }

  unpin(chunk: Chunk): void {
    chunk.pinCount -= 1;
    if (chunk.isEvicted) this.#reuse(chunk);
  }

  #reuse(chunk: Chunk): void {
    if (chunk.pinCount > 0 || chunk.buffer.length !== this.#chunkBytes) return;
    if (this.#spare.length >= SPARE_BUFFERS_MAX) return;
    this.#spare.push(chunk.buffer);
  }
}

function memoryOf(chunk: Chunk): number {
  return chunk.buffer.length + chunk.frames.length * FRAME_OBJECT_BYTES;
}

/** The last frame decides: frames settle in order. */
function isSettled(chunk: Chunk): boolean {
  const last = chunk.frames.at(-1);
  return last === undefined || last.state === 'durable' || last.state === 'refused';
}
