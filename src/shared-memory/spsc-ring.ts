/**
 * A byte ring between one producer and one consumer, usually on two threads; layout.ts draws its memory.
 *
 * - Each word of the ring has one writer. A full ring refuses; nothing is ever overwritten or dropped.
 * - Frames become visible together, by `publish`: one atomic store and one look at the consumer's `sleeping` flag a batch.
 * - The consumer takes what is published in large pieces into memory of its own, gives the room back at once, and hands out
 *   frames from there: decoders get ordinary memory, which no other thread writes (docs/decisions/0010).
 * - Nothing here blocks. Who waits, and for what, is the business of doorbell.ts and of the thread's loop.
 *
 * The race of a full ring is that of doorbell.ts with the roles exchanged: the producer sets `producerBlocked` and then looks
 * at `head` again; the consumer stores `head` and then looks at `producerBlocked`. One of the two sees the other.
 */
import { invariant } from '../base/invariant.js';
import type { Doorbell } from './doorbell.js';
import {
  FRAME_HEADER_BYTES,
  frameCheck,
  frameUnits,
  KIND_WRAP,
  RING_CONTROL_WORDS,
  RING_HEAD,
  RING_HEADER_BYTES,
  RING_PRODUCER_BLOCKED,
  RING_TAIL,
  UNIT_BYTES,
  UNIT_SHIFT,
} from './layout.js';
import type { RingDescriptor } from './shared-region.js';

type SharedWords = Int32Array<SharedArrayBuffer>;

/** Words are put together from bytes on little-endian machines only; the others always copy in native code. */
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Up to this size four bytes at a time in JavaScript are faster than a call into native code. */
const WORD_COPY_BYTES_MAX = IS_LITTLE_ENDIAN ? 64 : 0;

/** What the consumer takes at a time, at most, unless one frame is larger; and what it starts with. */
const WINDOW_BYTES_MAX = 64 * 1024;
const WINDOW_BYTES_MIN = 4 * 1024;

/** The writing end. Thread: producer only, one instance a ring. */
export class RingProducer {
  readonly #control: SharedWords;
  readonly #words: SharedWords;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #units: number;
  readonly #consumer: Doorbell;
  /** Position behind the last frame written; runs ahead of the shared tail until `publish`. */
  #written: number;
  /** The shared tail, which only this end moves. */
  #published: number;
  /** The consumer's position when last looked at: the real one may be further on, never behind. */
  #headSeen: number;

  constructor(descriptor: RingDescriptor, ends: { readonly consumer: Doorbell }) {
    const dataOffset = descriptor.byteOffset + RING_HEADER_BYTES;
    this.#control = new Int32Array(descriptor.memory, descriptor.byteOffset, RING_CONTROL_WORDS);
    this.#words = new Int32Array(descriptor.memory, dataOffset, descriptor.capacityBytes >>> 2);
    this.#bytes = new Uint8Array(descriptor.memory, dataOffset, descriptor.capacityBytes);
    this.#units = descriptor.capacityBytes >>> UNIT_SHIFT;
    this.#consumer = ends.consumer;
    this.#published = Atomics.load(this.#control, RING_TAIL);
    this.#written = this.#published;
    this.#headSeen = Atomics.load(this.#control, RING_HEAD);
  }

  /** The largest payload of one frame: with its header it takes at most half the ring, so an empty ring has room for it. */
  get payloadBytesMax(): number {
    return (this.#units >>> 1) * UNIT_BYTES - FRAME_HEADER_BYTES;
  }

  /**
   * Copies `bytes[start, end)` into the ring as one frame, which stays invisible until {@link publish}.
   *
   * Cost: wait-free, no allocation for short frames. @returns false, and nothing is written, when there is no room
   */
  tryWrite(kind: number, bytes: Uint8Array, start: number, end: number): boolean {
    const payloadBytes = end - start;
    const units = frameUnits(payloadBytes);
    invariant(payloadBytes >= 0 && units <= this.#units >>> 1, 'a frame takes at most half the ring');
    invariant(kind > 0 && kind < KIND_WRAP, 'a frame kind is in bounds');

    let offset = this.#written & (this.#units - 1);
    const unitsToEnd = this.#units - offset;
    const mustWrap = units > unitsToEnd;
    if (!this.#hasRoom(mustWrap ? unitsToEnd + units : units)) return false;

    if (mustWrap) {
      this.#writeHeader(offset, KIND_WRAP, unitsToEnd * UNIT_BYTES - FRAME_HEADER_BYTES);
      this.#written = (this.#written + unitsToEnd) | 0;
      offset = 0;
    }
    this.#writeHeader(offset, kind, payloadBytes);
    copyIn(this.#bytes, this.#words, offset * UNIT_BYTES + FRAME_HEADER_BYTES, bytes, start, end);
    this.#written = (this.#written + units) | 0;
    return true;
  }

  /**
   * Makes every frame written since the last call visible to the consumer, and wakes it if it sleeps.
   *
   * Cost: wait-free; a futex call if the consumer sleeps.
   *
   * @remarks
   * Ordering. Frame bytes are plain stores. The `Atomics.store` of `tail` is the only release point, and the consumer loads
   * `tail` before it reads a byte: it sees a frame whole, or not yet.
   *
   * @returns bytes made visible, headers and padding included; 0 when nothing was pending
   */
  publish(): number {
    const pendingUnits = (this.#written - this.#published) | 0;
    invariant(pendingUnits >= 0, 'the written position is never behind the published tail');
    if (pendingUnits === 0) return 0;
    this.#published = this.#written;
    Atomics.store(this.#control, RING_TAIL, this.#written);
    // Store `tail` first, look at `sleeping` second: the other order loses a wake-up (doorbell.ts).
    this.#consumer.ringIfSleeping();
    return pendingUnits * UNIT_BYTES;
  }

  /** Room for headers and payload, by a fresh look at the consumer's position. */
  freeBytes(): number {
    this.#headSeen = Atomics.load(this.#control, RING_HEAD);
    return this.#freeUnits() * UNIT_BYTES;
  }

  /**
   * Says that a frame of this payload found no room, so that the consumer rings this thread's doorbell once there is some.
   * Publishes what was written before: the consumer cannot free what it does not see.
   *
   * Asks for a quarter of the ring, or what the frame needs if that is more: a wake-up for every few bytes would cost more
   * than it brings.
   *
   * @returns true when the frame still has no room: the thread may sleep if it called `prepareToSleep` before; the consumer
   *   clears the mark when it rings, so mark again after every wake-up that found no room. False: write again.
   */
  markBlocked(payloadBytes: number): boolean {
    this.publish();
    const neededUnits = this.#unitsFor(frameUnits(payloadBytes));
    Atomics.store(this.#control, RING_PRODUCER_BLOCKED, Math.max(neededUnits, this.#units >>> 2));
    // Set the mark first, look at `head` second: the other order could miss the room that the consumer frees in between.
    if (!this.#hasRoom(neededUnits)) return true;
    Atomics.store(this.#control, RING_PRODUCER_BLOCKED, 0);
    return false;
  }

  /** Units from the written position that a frame takes, the room lost at the end of the ring included. */
  #unitsFor(units: number): number {
    const unitsToEnd = this.#units - (this.#written & (this.#units - 1));
    return units > unitsToEnd ? unitsToEnd + units : units;
  }

  #hasRoom(units: number): boolean {
    if (this.#freeUnits() >= units) return true;
    this.#headSeen = Atomics.load(this.#control, RING_HEAD);
    return this.#freeUnits() >= units;
  }

  #freeUnits(): number {
    const usedUnits = (this.#written - this.#headSeen) | 0;
    invariant(usedUnits >= 0 && usedUnits <= this.#units, 'head lies within one lap behind tail');
    return this.#units - usedUnits;
  }

  /** Writes the header of the frame at the written position, which lies at `offset` units. */
  #writeHeader(offset: number, kind: number, payloadBytes: number): void {
    const word = offset << 1;
    this.#words[word] = payloadBytes;
    this.#words[word + 1] = kind | (frameCheck(this.#written) << 16);
  }
}

/** The reading end. Thread: consumer only, one instance a ring. */
export class RingConsumer {
  readonly #control: SharedWords;
  readonly #shared: Buffer<SharedArrayBuffer>;
  readonly #units: number;
  readonly #producer: Doorbell;
  /** Position up to which bytes were taken into the window; equals the shared head. */
  #head: number;

  // The window: private memory with the frames taken and not yet handed out. `#next` to `#filled` is unread.
  #window: Buffer = Buffer.alloc(0);
  #windowWords = new Int32Array(0);
  #next = 0;
  #filled = 0;
  /** Ring position of the frame at `#next`. */
  #position: number;

  #kind = 0;
  #start = 0;
  #end = 0;

  constructor(descriptor: RingDescriptor, ends: { readonly producer: Doorbell }) {
    const dataOffset = descriptor.byteOffset + RING_HEADER_BYTES;
    this.#control = new Int32Array(descriptor.memory, descriptor.byteOffset, RING_CONTROL_WORDS);
    this.#shared = Buffer.from(descriptor.memory, dataOffset, descriptor.capacityBytes);
    this.#units = descriptor.capacityBytes >>> UNIT_SHIFT;
    this.#producer = ends.producer;
    this.#head = Atomics.load(this.#control, RING_HEAD);
    this.#position = this.#head;
  }

  /** Kind of the current frame. */
  get kind(): number {
    return this.#kind;
  }

  /** Private memory whose bytes `start` to `end` are the current frame's payload, until the next `poll`. */
  get frame(): Buffer {
    return this.#window;
  }

  /** A multiple of 8. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /**
   * Moves to the next frame. The current frame's bytes are no longer valid afterwards, nor is any view on them.
   *
   * Cost: wait-free; an atomic load and store, and a copy, once per window and not per frame. Wakes a producer that waits
   * for room.
   *
   * @returns false when no frame is published
   */
  poll(): boolean {
    for (;;) {
      if (this.#next === this.#filled && !this.#refill(FRAME_HEADER_BYTES)) return false;
      const word = this.#next >>> 2;
      const payloadBytes = this.#windowWords[word] as number;
      const tag = this.#windowWords[word + 1] as number;
      invariant(tag >>> 16 === frameCheck(this.#position), 'a frame was written for the position where it is read');
      const kind = tag & 0xff;
      const units = frameUnits(payloadBytes);
      invariant(payloadBytes >= 0 && units <= this.#units, 'the length of a frame is in bounds');

      if (kind === KIND_WRAP) {
        this.#skip(units);
        continue;
      }
      const isWhole = this.#next + units * UNIT_BYTES <= this.#filled || this.#refill(units * UNIT_BYTES);
      invariant(isWhole, 'a frame is published whole');
      this.#kind = kind;
      this.#start = this.#next + FRAME_HEADER_BYTES;
      this.#end = this.#start + payloadBytes;
      this.#next += units * UNIT_BYTES;
      this.#position = (this.#position + units) | 0;
      return true;
    }
  }

  /**
   * Whether `poll` would find nothing. The look at an input that `Doorbell.prepareToSleep` asks for.
   *
   * Cost: one atomic load, unless frames are at hand.
   */
  isEmpty(): boolean {
    return this.#next === this.#filled && Atomics.load(this.#control, RING_TAIL) === this.#head;
  }

  /** Position behind all that is published at this moment. */
  get publishedPosition(): number {
    return Atomics.load(this.#control, RING_TAIL);
  }

  /** Whether every frame before this position was polled. */
  hasPassed(position: number): boolean {
    return ((this.#position - position) | 0) >= 0;
  }

  /** Published bytes that were not taken yet, as a part of the capacity: 0 … 1. */
  fillRatio(): number {
    return ((Atomics.load(this.#control, RING_TAIL) - this.#head) | 0) / this.#units;
  }

  /**
   * Takes published bytes into the window, so that at least `bytes` from the next frame on are there.
   *
   * The window may end within a frame. Its first part then moves to the front, and the rest follows.
   *
   * @returns false when the ring is empty
   */
  #refill(bytes: number): boolean {
    const usedUnits = (Atomics.load(this.#control, RING_TAIL) - this.#head) | 0;
    invariant(usedUnits >= 0 && usedUnits <= this.#units, 'head lies within one lap behind tail');
    if (usedUnits === 0) return false;

    const offset = this.#head & (this.#units - 1);
    // Frames are not broken at the end of the ring, so one piece up to there always holds the rest of the frame.
    const pieceBytes = Math.min(usedUnits, this.#units - offset) * UNIT_BYTES;
    const restBytes = this.#filled - this.#next;
    this.#makeRoom(bytes, restBytes, pieceBytes);
    const takenBytes = Math.min(pieceBytes, this.#window.length - restBytes);
    this.#shared.copy(this.#window, restBytes, offset * UNIT_BYTES, offset * UNIT_BYTES + takenBytes);
    this.#next = 0;
    this.#filled = restBytes + takenBytes;
    invariant(this.#filled >= bytes, 'a frame is published whole');
    this.#moveHead(takenBytes >>> UNIT_SHIFT);
    return true;
  }

  /** Brings the unread rest of the window to its front, and the window to a size that suits what is to come. */
  #makeRoom(bytes: number, restBytes: number, pieceBytes: number): void {
    const wantedBytes = Math.max(bytes, Math.min(restBytes + pieceBytes, WINDOW_BYTES_MAX));
    if (wantedBytes <= this.#window.length) {
      if (restBytes > 0) this.#window.copyWithin(0, this.#next, this.#filled);
      return;
    }
    const ringBytes = this.#units * UNIT_BYTES;
    const powerOfTwo = 2 ** Math.ceil(Math.log2(wantedBytes));
    const window = Buffer.allocUnsafeSlow(Math.min(ringBytes, Math.max(powerOfTwo, WINDOW_BYTES_MIN)));
    this.#window.copy(window, 0, this.#next, this.#filled);
    this.#window = window;
    this.#windowWords = new Int32Array(window.buffer, window.byteOffset, window.length >>> 2);
  }

  /** Passes a wrap marker and the unused room behind it, part of which may not have been taken into the window. */
  #skip(units: number): void {
    const inWindowBytes = Math.min(units * UNIT_BYTES, this.#filled - this.#next);
    this.#next += inWindowBytes;
    this.#position = (this.#position + units) | 0;
    const leftUnits = units - (inWindowBytes >>> UNIT_SHIFT);
    if (leftUnits > 0) this.#moveHead(leftUnits);
  }

  /** Gives room back to the producer, and wakes it if it waits for that much. */
  #moveHead(units: number): void {
    this.#head = (this.#head + units) | 0;
    Atomics.store(this.#control, RING_HEAD, this.#head);
    // Store `head` first, look at the mark second: markBlocked does the reverse, so one of us sees the other.
    const wantedUnits = Atomics.load(this.#control, RING_PRODUCER_BLOCKED);
    if (wantedUnits !== 0) this.#wakeProducer(wantedUnits);
  }

  #wakeProducer(wantedUnits: number): void {
    const usedUnits = (Atomics.load(this.#control, RING_TAIL) - this.#head) | 0;
    if (this.#units - usedUnits < wantedUnits) return;
    // The producer may have found room, filled it and marked again meanwhile. A mark of another size stays; one of the same
    // size is answered by this ring, which comes after it.
    const cleared = Atomics.compareExchange(this.#control, RING_PRODUCER_BLOCKED, wantedUnits, 0);
    if (cleared === wantedUnits) this.#producer.ring();
  }
}

/** Copies a payload to byte `at` of the ring, a multiple of 4. */
function copyIn(
  target: Uint8Array,
  targetWords: Int32Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  if (end - start > WORD_COPY_BYTES_MAX) {
    // On Node 22 and later `copy` is several times faster into shared memory than `set`.
    if (Buffer.isBuffer(source)) source.copy(target, at, start, end);
    else target.set(source.subarray(start, end), at);
    return;
  }
  let from = start;
  let word = at >>> 2;
  for (; from + 4 <= end; from += 4) {
    targetWords[word++] =
      (source[from] as number) |
      ((source[from + 1] as number) << 8) |
      ((source[from + 2] as number) << 16) |
      ((source[from + 3] as number) << 24);
  }
  for (let to = word << 2; from < end; from++, to++) target[to] = source[from] as number;
}
