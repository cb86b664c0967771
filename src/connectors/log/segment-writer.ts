import { join } from 'node:path';
import { invariant } from '../../base/invariant.js';
import type { Logger } from '../../base/log.js';
import { isStorageFull, storageError, systemCode } from '../../storage/disk.js';
import { FILE_HEADER_BYTES, FRAME_HEADER_BYTES, sealFrame } from '../../storage/frame-codec.js';
import { type JournalDisk, type JournalFile, writeDurably } from '../../storage/journal-file.js';
import { encodeSegmentStart, segmentStartBytes } from './record-codec.js';
import { Segment, segmentFileName } from './segment.js';
import type { CachedFrame } from './tail-cache.js';

/**
 * Writes a journal's frames to its active segment, begins the next one, and mends what a failed write left behind. One
 * commit or rotation at a time. Main thread; nothing blocks.
 *
 * After a failed write, before the next one:
 *
 * - disk full: the file is cut back to its last good byte, durably;
 * - anything else, a failed sync above all: what the disk holds is unknown, and syncing again may lie, since the kernel may
 *   have dropped the dirty pages. The file is never written again. A new segment is begun, whose first frame says how many
 *   bytes of the old one count; what lies behind them is void.
 *
 * Once a new segment was tried, the old one is not appended to, even if that failed: its length may already be on disk.
 */
export class SegmentWriter {
  readonly #topic: string;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #disk: JournalDisk;
  readonly #logger: Logger;
  readonly #segments: Segment[];
  #active: Segment;
  #file: JournalFile;
  #mustRotate = false;

  #byteCount = 0;
  #done: (error: Error | null) => void = () => undefined;
  readonly #onWritten: (error: Error | null) => void;

  constructor(options: SegmentWriterOptions) {
    const active = options.segments.at(-1);
    invariant(active !== undefined, 'a journal has an active segment');
    this.#topic = options.topic;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes;
    this.#disk = options.disk;
    this.#logger = options.logger;
    this.#segments = options.segments;
    this.#active = active;
    this.#file = options.file;
    this.#onWritten = (error): void => this.#onCommitWritten(error);
  }

  get active(): Segment {
    return this.#active;
  }

  /** Whether {@link rotate} must come before a {@link commit} of so many bytes. */
  needsRotation(byteCount: number): boolean {
    return this.#mustRotate || (!this.#active.isEmpty && this.#active.lengthBytes + byteCount > this.#segmentBytes);
  }

  /**
   * Writes complete frames durably. Afterwards they are part of the active segment, or, when `done` is given an error, as
   * if they had never been written.
   */
  commit(frames: readonly CachedFrame[], done: (error: Error | null) => void): void {
    const start = this.#active.lengthBytes;
    const regions: Buffer[] = [];
    let position = start;
    let regionStart = 0;
    let previous: CachedFrame | null = null;
    for (const frame of frames) {
      const { buffer } = frame.chunk;
      const payloadBytes = frame.byteCount - FRAME_HEADER_BYTES;
      frame.address = this.#active.addressAt(position);
      sealFrame(buffer, frame.frameStart, payloadBytes, position, position - start, this.#file.salt);
      position += frame.byteCount;
      if (previous === null || previous.chunk !== frame.chunk || previous.end !== frame.frameStart) {
        if (previous !== null) regions.push(previous.chunk.buffer.subarray(regionStart, previous.end));
        regionStart = frame.frameStart;
      }
      previous = frame;
    }
    if (previous !== null) regions.push(previous.chunk.buffer.subarray(regionStart, previous.end));
    this.#byteCount = position - start;
    this.#done = done;
    this.#file.write(regions, this.#byteCount, start, this.#onWritten);
  }

  /**
   * Seals the active segment and begins the next one.
   *
   * @param endOffsets one past the last durable offset, per topic partition
   */
  async rotate(endOffsets: readonly number[]): Promise<void> {
    this.#mustRotate = true;
    const sealed = this.#active;
    const sealedFile = this.#file;
    const number = sealed.number + 1;
    const created = await createSegment({
      directory: this.#directory,
      disk: this.#disk,
      number,
      startAddress: sealed.endAddress,
      beginOffsets: [...endOffsets],
      previousBytes: sealed.lengthBytes,
      previousMaxTimestamp: sealed.maxTimestamp,
    });
    this.#segments.push(created.segment);
    this.#active = created.segment;
    this.#file = created.file;
    this.#mustRotate = false;
    this.#logger.debug({ topic: this.#topic, segment: number, sealedBytes: sealed.lengthBytes }, 'segment begun');
    void this.#retire(sealed, sealedFile);
  }

  /** Gives back the room allotted ahead, and closes the file. */
  async close(): Promise<void> {
    await this.#retire(this.#active, this.#file);
  }

  /** Only tidies: how much of a sealed file counts stands in its successor. */
  async #retire(segment: Segment, file: JournalFile): Promise<void> {
    try {
      if (!this.#mustRotate) await file.truncate(segment.lengthBytes);
    } catch (error) {
      this.#logger.debug({ path: segment.path, cause: systemCode(error) }, 'segment not cut to its length');
    } finally {
      await file.close().catch(() => undefined);
    }
  }

  #onCommitWritten(error: Error | null): void {
    if (error === null) {
      this.#active.lengthBytes += this.#byteCount;
      this.#done(null);
    } else {
      void this.#mend(error);
    }
  }

  async #mend(error: Error): Promise<void> {
    this.#mustRotate = true;
    if (isStorageFull(error)) {
      try {
        await this.#file.truncate(this.#active.lengthBytes);
        this.#mustRotate = false;
      } catch (failure) {
        this.#logger.warn(
          { path: this.#active.path, cause: systemCode(failure) },
          'segment given up after a failed write',
        );
      }
    }
    this.#done(storageError(error, `append to topic '${this.#topic}'`, this.#active.path));
  }
}

export interface SegmentWriterOptions {
  readonly topic: string;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly disk: JournalDisk;
  readonly logger: Logger;
  /** Oldest first; shared with the journal, grown by {@link SegmentWriter.rotate}. */
  readonly segments: Segment[];
  /** Of the last segment. */
  readonly file: JournalFile;
}

export interface NewSegment {
  readonly directory: string;
  readonly disk: JournalDisk;
  readonly number: number;
  readonly startAddress: number;
  readonly beginOffsets: readonly number[];
  readonly previousBytes: number;
  readonly previousMaxTimestamp: number;
}

/** Creates a segment's file with its first frame. Durable, name included, when it resolves. */
export async function createSegment(spec: NewSegment): Promise<{ segment: Segment; file: JournalFile }> {
  const path = join(spec.directory, segmentFileName(spec.number));
  const payloadBytes = segmentStartBytes(spec.beginOffsets.length);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payloadBytes);
  encodeSegmentStart(frame, FRAME_HEADER_BYTES, {
    segment: spec.number,
    previousBytes: spec.previousBytes,
    previousMaxTimestamp: spec.previousMaxTimestamp,
    beginOffsets: spec.beginOffsets,
  });
  let file: JournalFile | null = null;
  try {
    file = await spec.disk.create(path);
    sealFrame(frame, 0, payloadBytes, FILE_HEADER_BYTES, FILE_HEADER_BYTES, file.salt);
    await writeDurably(file, frame, FILE_HEADER_BYTES);
    await spec.disk.syncDirectory(spec.directory);
  } catch (error) {
    await file?.close().catch(() => undefined);
    await spec.disk.remove(path).catch(() => undefined);
    throw storageError(error, 'begin a log segment', path);
  }
  const dataStart = FILE_HEADER_BYTES + frame.length;
  return { segment: new Segment(spec.number, path, spec.startAddress, dataStart, spec.beginOffsets), file };
}
