import { invariant } from '../base/invariant.js';

/** Kept when the queue runs empty; anything larger goes back to the garbage collector. */
const RETAINED_BYTES_MAX = 256 * 1024;
const FIRST_BYTES = 4 * 1024;
const ENTRY_HEADER_BYTES = 8;

/**
 * Frames that wait for room in a ring, in order: what a channel holds for a task that emitted more than fits.
 *
 * One growing block of private memory, used as a queue: the front moves forward, the live part moves back to the start when
 * the front has passed half of the block, so appending stays linear in bytes. The block is dropped when the queue runs empty.
 *
 * Not shared: one thread, the producer's.
 */
export class OverflowQueue {
  #bytes: Buffer = Buffer.alloc(0);
  #front = 0;
  #back = 0;

  get isEmpty(): boolean {
    return this.#front === this.#back;
  }

  /** Bytes that wait, entry headers included. */
  get byteLength(): number {
    return this.#back - this.#front;
  }

  /** Adds a copy of `bytes[start, end)` at the back. */
  push(kind: number, bytes: Uint8Array, start: number, end: number): void {
    const payloadBytes = end - start;
    this.#makeRoom(ENTRY_HEADER_BYTES + payloadBytes);
    this.#bytes.writeUInt32LE(payloadBytes, this.#back);
    this.#bytes.writeUInt32LE(kind, this.#back + 4);
    this.#bytes.set(bytes.subarray(start, end), this.#back + ENTRY_HEADER_BYTES);
    this.#back += ENTRY_HEADER_BYTES + payloadBytes;
  }

  /** Kind of the entry in front. */
  get kind(): number {
    return this.#bytes.readUInt32LE(this.#front + 4);
  }

  /** The memory of the entry in front, from {@link start} to {@link end}; valid until the next change. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get start(): number {
    return this.#front + ENTRY_HEADER_BYTES;
  }

  get end(): number {
    return this.start + this.#bytes.readUInt32LE(this.#front);
  }

  /** Removes the entry in front. */
  shift(): void {
    this.#front = this.end;
    if (this.#front === this.#back) this.#clear();
  }

  /** Takes the first `count` payload bytes off the entry in front, which stays there with this kind. */
  trim(count: number, kind: number): void {
    const payloadBytes = this.end - this.start - count;
    invariant(payloadBytes > 0, 'a trimmed entry keeps at least one byte');
    this.#front += count;
    this.#bytes.writeUInt32LE(payloadBytes, this.#front);
    this.#bytes.writeUInt32LE(kind, this.#front + 4);
  }

  #clear(): void {
    this.#front = 0;
    this.#back = 0;
    if (this.#bytes.length > RETAINED_BYTES_MAX) this.#bytes = Buffer.alloc(0);
  }

  #makeRoom(entryBytes: number): void {
    if (this.#back + entryBytes <= this.#bytes.length) return;
    const liveBytes = this.#back - this.#front;
    const neededBytes = liveBytes + entryBytes;
    if (this.#front * 2 >= this.#bytes.length && neededBytes <= this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#front, this.#back);
    } else {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, neededBytes, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, this.#front, this.#back);
      this.#bytes = grown;
    }
    this.#front = 0;
    this.#back = liveBytes;
  }
}
