import type { ChannelWriter } from '../shared-memory/channel-writer.js';
import { ByteWriter } from './byte-writer.js';
import { BARRIER, encodeNumber, END_OF_INPUT, STATUS, WATERMARK } from './stream-element.js';

/** A batch is handed to the ring when it reaches this size, or at the end of the task's step, whichever comes first. */
export const BATCH_BYTES = 16 * 1024;

const STATUS_BYTES = [new Uint8Array([0]), new Uint8Array([1])] as const;
const NO_BYTES = new Uint8Array(0);

/**
 * One channel as its producer sees it: a batch of records being filled, and the ring behind it. Control elements first
 * hand over the batch, so they never overtake a record.
 *
 * Thread: the producer's. Nothing blocks: what does not fit waits in the channel's overflow.
 */
export class ChannelOutput {
  /** Records are encoded here; the owner calls {@link recordWritten} after each. */
  readonly batch: ByteWriter;
  /** Records written so far. */
  recordsOut = 0;
  readonly #channel: ChannelWriter;
  readonly #batchKind: number;

  constructor(channel: ChannelWriter, batchKind: number) {
    this.batch = new ByteWriter(BATCH_BYTES * 2);
    this.#channel = channel;
    this.#batchKind = batchKind;
  }

  /** Hands the batch over once it is large enough. Cost: one comparison. */
  recordWritten(): void {
    this.recordsOut++;
    if (this.batch.length >= BATCH_BYTES) this.flush();
  }

  /** Hands the batch over and makes it visible. */
  flush(): void {
    this.#writeBatch();
    this.#channel.publish();
  }

  /** Hands over one frame that was encoded elsewhere, such as a batch that goes to several channels. */
  writeFrame(kind: number, bytes: Uint8Array, start: number, end: number): void {
    this.#writeBatch();
    this.#channel.write(kind, bytes, start, end);
    this.#channel.publish();
  }

  emitWatermark(timestamp: number): void {
    this.writeFrame(WATERMARK, encodeNumber(timestamp), 0, 8);
  }

  emitBarrier(checkpointId: number): void {
    this.writeFrame(BARRIER, encodeNumber(checkpointId), 0, 8);
  }

  emitStatus(isActive: boolean): void {
    this.writeFrame(STATUS, STATUS_BYTES[isActive ? 1 : 0], 0, 1);
  }

  emitEndOfInput(): void {
    this.writeFrame(END_OF_INPUT, NO_BYTES, 0, 0);
  }

  /** Bytes handed over so far, as frames' payload. */
  get bytesOut(): number {
    return this.#channel.bytesOut;
  }

  /** Whether bytes wait for room in the ring; the task then polls no input. */
  get hasOverflow(): boolean {
    return this.#channel.hasOverflow;
  }

  /** Moves what fits from the overflow to the ring. @returns whether nothing is left */
  drainOverflow(): boolean {
    const isEmpty = this.#channel.drainOverflow();
    this.#channel.publish();
    return isEmpty;
  }

  #writeBatch(): void {
    if (this.batch.length === 0) return;
    this.#channel.write(this.#batchKind, this.batch.bytes, 0, this.batch.length);
    this.batch.reset();
  }
}
