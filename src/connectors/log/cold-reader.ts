import { fileKinds } from '../../storage/frame-codec.js';
import { corruptError, FramedFileReader } from '../../storage/framed-file.js';
import { PAYLOAD_PREFIX_BYTES, PAYLOAD_RECORDS } from './record-codec.js';
import type { Segment } from './segment.js';
import type { TopicJournal } from './topic-journal.js';

/** Frames read from a segment's file, handed out one by one. */
export class ColdBlock {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly startAddress: number;
  /** Where the frame after this block starts. */
  readonly endAddress: number;
  readonly #addresses: readonly number[];
  readonly #payloadStarts: readonly number[];
  readonly #payloadLengths: readonly number[];
  #index = -1;

  constructor(spec: ColdBlockSpec) {
    this.buffer = spec.buffer;
    this.view = new DataView(spec.buffer.buffer, spec.buffer.byteOffset, spec.buffer.length);
    this.startAddress = spec.startAddress;
    this.endAddress = spec.endAddress;
    this.#addresses = spec.addresses;
    this.#payloadStarts = spec.payloadStarts;
    this.#payloadLengths = spec.payloadLengths;
  }

  /** @returns false when there is no further frame */
  moveToNextFrame(): boolean {
    this.#index += 1;
    return this.#index < this.#payloadStarts.length;
  }

  /** Of the current frame: where its records start and end in `buffer`. */
  get recordsStart(): number {
    return (this.#payloadStarts[this.#index] ?? 0) + PAYLOAD_PREFIX_BYTES;
  }

  get recordsEnd(): number {
    return (this.#payloadStarts[this.#index] ?? 0) + (this.#payloadLengths[this.#index] ?? 0);
  }

  /** Where the frame after the current one starts. */
  get nextAddress(): number {
    return this.#addresses[this.#index + 1] ?? this.endAddress;
  }
}

interface ColdBlockSpec {
  readonly buffer: Buffer;
  readonly startAddress: number;
  readonly endAddress: number;
  readonly addresses: readonly number[];
  readonly payloadStarts: readonly number[];
  readonly payloadLengths: readonly number[];
}

/**
 * Reads one reader's blocks from segment files, one ahead of the block in use: never more than two are in memory. Main
 * thread; reads are asynchronous, and only what is durable is read.
 */
export class ColdReader {
  readonly #journal: TopicJournal;
  readonly #onReady: () => void;
  #ready: ColdBlock | null = null;
  #isReading = false;
  #isClosed = false;
  #error: Error | null = null;
  #segment: Segment | null = null;
  #file: FramedFileReader | null = null;

  /** @param onReady called when {@link take} has an answer that it had not before */
  constructor(journal: TopicJournal, onReady: () => void) {
    this.#journal = journal;
    this.#onReady = onReady;
  }

  /**
   * The block that starts at `address`, and starts reading the one after it; `null` while it is being read.
   *
   * @throws what the read failed with
   */
  take(address: number): ColdBlock | null {
    if (this.#error !== null) throw this.#error;
    if (this.#isReading) return null;
    const block = this.#ready;
    this.#ready = null;
    if (block !== null && block.startAddress === address) {
      this.#readAhead(block.endAddress);
      return block;
    }
    this.#startReading(address);
    return null;
  }

  close(): void {
    this.#isClosed = true;
    this.#ready = null;
    if (!this.#isReading) void this.#closeFile();
  }

  #readAhead(address: number): void {
    if (address < this.#journal.durableEndAddress && this.#journal.cachedFrameAt(address) === null) {
      this.#startReading(address);
    } else {
      void this.#closeFile(); // the rest is in memory
    }
  }

  #startReading(address: number): void {
    const segment = this.#journal.segmentAt(address);
    if (segment === null) return; // dropped: the reader finds out by itself
    this.#isReading = true;
    this.#read(segment, address)
      .catch((error: unknown) => {
        if (!segment.isDropped && !this.#isClosed)
          this.#error = error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        this.#isReading = false;
        if (this.#isClosed) void this.#closeFile();
        else this.#onReady();
      });
  }

  async #read(segment: Segment, address: number): Promise<void> {
    const file = await this.#open(segment);
    const position = segment.positionOf(address);
    const block = await file.readBlock(position, segment.lengthBytes);
    for (const [index, start] of block.payloadStarts.entries()) {
      if (block.buffer[start] !== PAYLOAD_RECORDS) {
        throw corruptError(
          'MILLRACE_LOG_CORRUPT',
          segment.path,
          block.positions[index] ?? 0,
          'the frame holds no records',
        );
      }
    }
    this.#ready = new ColdBlock({
      buffer: block.buffer,
      startAddress: address,
      endAddress: segment.addressAt(block.nextPosition),
      addresses: block.positions.map((framePosition) => segment.addressAt(framePosition)),
      payloadStarts: block.payloadStarts,
      payloadLengths: block.payloadLengths,
    });
  }

  async #open(segment: Segment): Promise<FramedFileReader> {
    if (this.#file !== null && this.#segment === segment) return this.#file;
    await this.#closeFile();
    const file = await FramedFileReader.open(segment.path, { kind: fileKinds.logSegment });
    this.#file = file;
    this.#segment = segment;
    return file;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#segment = null;
    await file?.close().catch(() => undefined); // it was only read
  }
}
