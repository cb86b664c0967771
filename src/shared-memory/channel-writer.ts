/**
 * The writing end of a channel: what a task emits into.
 *
 * A ring refuses when it is full, and an operator in the middle of a record cannot wait. So a write is always accepted: into
 * the ring, cut into fragments when it is larger than half the ring, else into the channel's overflow behind what waits
 * there. The task must then poll no input until {@link ChannelWriter.drainOverflow} says that the overflow is empty. The
 * overflow is thus bounded by what one step emits, and by a limit.
 *
 * Thread: the producer's. Nothing blocks.
 */
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { Doorbell } from './doorbell.js';
import {
  DEFAULT_FRAME_BYTES_MAX,
  DEFAULT_OVERFLOW_BYTES_MAX,
  FRAME_HEADER_BYTES,
  KIND_FRAGMENT,
  KIND_FRAGMENTED,
  MAX_FRAME_KIND,
} from './layout.js';
import { OverflowQueue } from './overflow-queue.js';
import type { RingDescriptor } from './shared-region.js';
import { RingProducer } from './spsc-ring.js';

export interface ChannelLimits {
  /** Largest frame in bytes. @defaultValue 256 MiB */
  readonly frameBytesMax?: number;
  /** Bytes that may wait in the overflow, at least one largest frame. @defaultValue 512 MiB */
  readonly overflowBytesMax?: number;
}

/** Payload of the frame that announces fragments: total length u32, kind u8, padding. */
const ANNOUNCEMENT_BYTES = 8;

export class ChannelWriter {
  readonly channel: number;
  readonly #ring: RingProducer;
  readonly #payloadBytesMax: number;
  readonly #fragmentBytesMax: number;
  readonly #frameBytesMax: number;
  readonly #overflowBytesMax: number;
  readonly #overflow = new OverflowQueue();
  readonly #announcement = Buffer.alloc(ANNOUNCEMENT_BYTES);
  #bytesOut = 0;
  #framesOut = 0;

  constructor(descriptor: RingDescriptor, ends: { readonly consumer: Doorbell }, limits: ChannelLimits = {}) {
    this.channel = descriptor.channel;
    this.#ring = new RingProducer(descriptor, ends);
    this.#payloadBytesMax = this.#ring.payloadBytesMax;
    // A quarter of the ring, header included: the consumer takes one fragment while the next is being written.
    this.#fragmentBytesMax = (descriptor.capacityBytes >>> 2) - FRAME_HEADER_BYTES;
    this.#frameBytesMax = limits.frameBytesMax ?? DEFAULT_FRAME_BYTES_MAX;
    this.#overflowBytesMax = limits.overflowBytesMax ?? DEFAULT_OVERFLOW_BYTES_MAX;
    // The rest of a frame, part of which is in the ring, must always find a place.
    invariant(this.#overflowBytesMax >= this.#frameBytesMax, 'the overflow takes at least one largest frame');
  }

  /** Payload bytes of all frames accepted. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** Frames accepted; one that travels as fragments counts once. */
  get framesOut(): number {
    return this.#framesOut;
  }

  /** Bytes that wait for room in the ring. */
  get overflowBytes(): number {
    return this.#overflow.byteLength;
  }

  /** Whether bytes wait for room in the ring: the task is back-pressured and polls no input. */
  get hasOverflow(): boolean {
    return !this.#overflow.isEmpty;
  }

  /**
   * Accepts `bytes[start, end)` as one frame. The bytes are copied; the caller may use them again. They are visible to the
   * consumer after {@link publish}.
   *
   * @param kind 1 … 239; what it means is the caller's business.
   * @throws MillraceError `MILLRACE_RECORD_TOO_LARGE` for a frame above the limit, `MILLRACE_CHANNEL_OVERFLOW` when one step
   *   emits more than may wait. In both cases nothing of the frame was written.
   */
  write(kind: number, bytes: Uint8Array, start: number, end: number): void {
    invariant(kind > 0 && kind <= MAX_FRAME_KIND, 'a frame kind is 1 to 239');
    const payloadBytes = end - start;
    if (payloadBytes > this.#frameBytesMax) this.#refuseTooLarge(payloadBytes);
    if (!this.#overflow.isEmpty) {
      this.#spill(kind, bytes, start, end);
    } else if (payloadBytes > this.#payloadBytesMax) {
      this.#writeLarge(kind, bytes, start, end);
    } else if (!this.#ring.tryWrite(kind, bytes, start, end)) {
      // What is in the ring may not be published yet: the consumer could not make room.
      this.#ring.publish();
      this.#spill(kind, bytes, start, end);
    }
    this.#bytesOut += payloadBytes;
    this.#framesOut++;
  }

  /** Makes what was written visible to the consumer. @returns bytes made visible, framing included */
  publish(): number {
    return this.#ring.publish();
  }

  /**
   * Moves what fits from the overflow to the ring, and publishes it.
   *
   * When something is left, the consumer rings this thread's doorbell once there is room. So call this again after every
   * wake-up, and between `Doorbell.prepareToSleep` and the sleep.
   *
   * @returns true when nothing is left
   */
  drainOverflow(): boolean {
    if (this.#overflow.isEmpty) return true;
    while (!this.#moveOverflow()) {
      if (this.#ring.markBlocked(this.#nextPayloadBytes())) return false;
    }
    this.#ring.publish();
    return true;
  }

  /** Writes a frame that is larger than half the ring, while nothing waits: what does not fit now spills. */
  #writeLarge(kind: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#announce(kind, end - start)) {
      this.#ring.publish();
      this.#spill(kind, bytes, start, end);
      return;
    }
    const writtenEnd = this.#writeFragments(bytes, start, end);
    if (writtenEnd === end) return;
    this.#ring.publish();
    this.#spill(KIND_FRAGMENT, bytes, writtenEnd, end);
  }

  /** Moves entries while they fit. @returns true when none is left */
  #moveOverflow(): boolean {
    const overflow = this.#overflow;
    while (!overflow.isEmpty) {
      const { kind, start, end } = overflow;
      const isWhole = kind !== KIND_FRAGMENT && end - start <= this.#payloadBytesMax;
      if (isWhole ? !this.#ring.tryWrite(kind, overflow.bytes, start, end) : !this.#moveLarge()) return false;
      overflow.shift();
    }
    return true;
  }

  /** Moves the large entry in front, or what is left of it. @returns true when the ring has taken all of it */
  #moveLarge(): boolean {
    const overflow = this.#overflow;
    if (overflow.kind !== KIND_FRAGMENT) {
      if (!this.#announce(overflow.kind, overflow.end - overflow.start)) return false;
      overflow.trim(0, KIND_FRAGMENT);
    }
    const { start, end } = overflow;
    const writtenEnd = this.#writeFragments(overflow.bytes, start, end);
    if (writtenEnd < end) overflow.trim(writtenEnd - start, KIND_FRAGMENT);
    return writtenEnd === end;
  }

  #announce(kind: number, payloadBytes: number): boolean {
    this.#announcement.writeUInt32LE(payloadBytes, 0);
    this.#announcement.writeUInt8(kind, 4);
    return this.#ring.tryWrite(KIND_FRAGMENTED, this.#announcement, 0, ANNOUNCEMENT_BYTES);
  }

  /** Writes fragments of an announced frame while they fit. @returns up to where */
  #writeFragments(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const fragmentEnd = Math.min(end, at + this.#fragmentBytesMax);
      if (!this.#ring.tryWrite(KIND_FRAGMENT, bytes, at, fragmentEnd)) break;
      at = fragmentEnd;
    }
    return at;
  }

  /** Payload of the next frame that the ring is to take from the overflow. */
  #nextPayloadBytes(): number {
    const { kind, start, end } = this.#overflow;
    if (kind === KIND_FRAGMENT) return Math.min(end - start, this.#fragmentBytesMax);
    return end - start > this.#payloadBytesMax ? ANNOUNCEMENT_BYTES : end - start;
  }

  /** @param kind KIND_FRAGMENT for the rest of a frame that has been announced already */
  #spill(kind: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#overflow.byteLength + (end - start) > this.#overflowBytesMax) {
      throw new MillraceError(
        'MILLRACE_CHANNEL_OVERFLOW',
        `one step emitted more than may wait in channel ${this.channel}`,
        {
          details: { channel: this.channel, waitingBytes: this.#overflow.byteLength, bytesMax: this.#overflowBytesMax },
          hint: 'Emit fewer or smaller records per call of the function, or raise the limit on waiting output.',
        },
      );
    }
    this.#overflow.push(kind, bytes, start, end);
  }

  #refuseTooLarge(payloadBytes: number): never {
    throw new MillraceError(
      'MILLRACE_RECORD_TOO_LARGE',
      `a frame of ${payloadBytes} bytes is larger than channel ${this.channel} takes`,
      { details: { channel: this.channel, bytes: payloadBytes, bytesMax: this.#frameBytesMax } },
    );
  }
}
