import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { Doorbell } from './doorbell.js';
import { DEFAULT_FRAME_BYTES_MAX, KIND_FRAGMENT, KIND_FRAGMENTED, MAX_FRAME_KIND } from './layout.js';
import type { RingDescriptor } from './shared-region.js';
import { RingConsumer } from './spsc-ring.js';

const NO_BYTES: Buffer = Buffer.alloc(0);

/** A reassembly buffer up to this size is kept for the next large frame. */
const RETAINED_BYTES_MAX = 1024 * 1024;

/**
 * The reading end of a channel: frames in the order they were written, large ones put together again from their fragments.
 *
 * Thread: the consumer's. Nothing blocks. Usage:
 *
 * ```ts
 * while (reader.poll()) {
 *   handle(reader.kind, reader.frame, reader.start, reader.end);
 *   reader.release();
 * }
 * ```
 */
export class ChannelReader {
  readonly channel: number;
  readonly #ring: RingConsumer;
  readonly #frameBytesMax: number;

  // The current frame, in the ring's window or in the reassembly buffer.
  #kind = 0;
  #frame: Buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  #bytesIn = 0;
  #framesIn = 0;

  // The large frame that is being put together; `#assemblyKind` is 0 when there is none.
  #assembly: Buffer = NO_BYTES;
  #assemblyKind = 0;
  #assemblyBytes = 0;
  #assembledBytes = 0;

  constructor(
    descriptor: RingDescriptor,
    ends: { readonly producer: Doorbell },
    limits: { readonly frameBytesMax?: number } = {},
  ) {
    this.channel = descriptor.channel;
    this.#ring = new RingConsumer(descriptor, ends);
    this.#frameBytesMax = limits.frameBytesMax ?? DEFAULT_FRAME_BYTES_MAX;
  }

  /** Kind of the current frame. */
  get kind(): number {
    return this.#kind;
  }

  /**
   * Memory that holds the current frame's payload from {@link start} to {@link end}. It is this thread's own, not shared
   * memory, and valid until `release` or the next `poll`: whoever keeps bytes of it copies them.
   */
  get frame(): Buffer {
    return this.#frame;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Payload bytes of all frames handed out. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Frames handed out. */
  get framesIn(): number {
    return this.#framesIn;
  }

  /** Moves to the next frame. @returns false when no whole frame is there yet */
  poll(): boolean {
    this.release();
    while (this.#ring.poll()) {
      const kind = this.#ring.kind;
      if (kind <= MAX_FRAME_KIND) {
        invariant(this.#assemblyKind === 0, 'no frame comes between the fragments of another');
        this.#expose(kind, this.#ring.frame, this.#ring.start, this.#ring.end);
        return true;
      }
      if (kind === KIND_FRAGMENTED) this.#beginAssembly();
      else if (this.#assemble(kind)) return true;
    }
    return false;
  }

  /** Ends the use of the current frame, and lets go of the memory of a large one. `poll` does it too. */
  release(): void {
    this.#frame = NO_BYTES;
    this.#start = 0;
    this.#end = 0;
    if (this.#assemblyKind === 0 && this.#assembly.length > RETAINED_BYTES_MAX) this.#assembly = NO_BYTES;
  }

  /**
   * Whether nothing has come that `poll` has not looked at. The look at an input before the thread sleeps; a large frame of
   * which all fragments so far were polled counts as nothing.
   */
  isEmpty(): boolean {
    return this.#ring.isEmpty();
  }

  /** Marks the end of what waits at this moment, for {@link hasPassed}. */
  mark(): number {
    return this.#ring.publishedPosition;
  }

  /** Whether `poll` has handed out everything that was there at the mark, or has it in hand. */
  hasPassed(mark: number): boolean {
    return this.#ring.hasPassed(mark);
  }

  /** How full the ring is: 0 … 1. What was polled into this thread's memory does not count. */
  fillRatio(): number {
    return this.#ring.fillRatio();
  }

  #expose(kind: number, frame: Buffer, start: number, end: number): void {
    this.#kind = kind;
    this.#frame = frame;
    this.#start = start;
    this.#end = end;
    this.#bytesIn += end - start;
    this.#framesIn++;
  }

  #beginAssembly(): void {
    invariant(this.#assemblyKind === 0, 'a large frame ends before the next one begins');
    const totalBytes = this.#ring.frame.readUInt32LE(this.#ring.start);
    if (totalBytes > this.#frameBytesMax) {
      throw new MillraceError(
        'MILLRACE_RECORD_TOO_LARGE',
        `a frame of ${totalBytes} bytes is larger than channel ${this.channel} takes`,
        { details: { channel: this.channel, bytes: totalBytes, bytesMax: this.#frameBytesMax } },
      );
    }
    if (this.#assembly.length < totalBytes) this.#assembly = Buffer.allocUnsafeSlow(totalBytes);
    this.#assemblyKind = this.#ring.frame.readUInt8(this.#ring.start + 4);
    this.#assemblyBytes = totalBytes;
    this.#assembledBytes = 0;
  }

  /** Adds the fragment that the ring shows. @returns true when that completes the frame, which is then the current one */
  #assemble(kind: number): boolean {
    invariant(kind === KIND_FRAGMENT, 'a frame is whole, an announcement or a fragment');
    invariant(this.#assemblyKind !== 0, 'a fragment follows its announcement');
    const { frame, start, end } = this.#ring;
    invariant(this.#assembledBytes + end - start <= this.#assemblyBytes, 'fragments add up to the announced length');
    frame.copy(this.#assembly, this.#assembledBytes, start, end);
    this.#assembledBytes += end - start;
    if (this.#assembledBytes < this.#assemblyBytes) return false;

    this.#expose(this.#assemblyKind, this.#assembly, 0, this.#assemblyBytes);
    this.#assemblyKind = 0;
    return true;
  }
}
