import { randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConnectorError, type ErrorCode, type MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import { storageError, syncDirectory } from './disk.js';
import {
  checkFrame,
  checkFrameHeader,
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  FRAME_ABSENT,
  FRAME_DAMAGED,
  FRAME_HEADER_BYTES,
  FRAME_INCOMPLETE,
  isZero,
  sealFrame,
  type FileKind,
  unsyncedBytesOf,
} from './frame-codec.js';
import { isZeroUntil, judgeTail, readFully } from './tail-check.js';

/**
 * Append-only files of checksummed frames: written once from the front, read in order, trusted only as far as their
 * checksums hold. The layout is in frame-codec.ts, what counts as torn and what as damaged in tail-check.ts.
 *
 * Any thread; a writer or reader belongs to the thread that opened it. Nothing here blocks: I/O is asynchronous.
 */

export interface FramedFileOptions {
  readonly kind: FileKind;
}

const WRITE_BLOCK_BYTES = 256 << 10;

/**
 * Writes a new framed file.
 *
 * `append` only copies; blocks go to the file in the background once they are full, and `sync` makes everything appended
 * so far durable. After a failed write nothing more is written: every later `sync` rejects with the same error, and the
 * file is to be thrown away.
 */
export class FramedFileWriter {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #salt: number;
  #block: Buffer = Buffer.allocUnsafe(WRITE_BLOCK_BYTES);
  #blockUsed = 0;
  #blockPosition = FILE_HEADER_BYTES;
  #durablePosition = 0;
  #writtenPosition = 0;
  #writing: Promise<void> = Promise.resolve();
  #failure: MillraceError | null = null;
  #isNamed = false;
  #isClosed = false;

  private constructor(path: string, file: FileHandle, salt: number) {
    this.path = path;
    this.#file = file;
    this.#salt = salt;
  }

  /** Creates the file; one that exists is overwritten. Durable, name included, only after the first {@link sync}. */
  static async create(path: string, options: FramedFileOptions): Promise<FramedFileWriter> {
    const salt = randomBytes(4).readUInt32LE(0);
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    encodeFileHeader(header, options.kind, salt);
    let file: FileHandle | null = null;
    try {
      file = await open(path, 'w');
      await writeFully(file, header, header.length, 0);
      return new FramedFileWriter(path, file, salt);
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw storageError(error, 'create the file', path);
    }
  }

  /** Where the next frame will start; after {@link sync}, the file's length. */
  get position(): number {
    return this.#blockPosition + this.#blockUsed;
  }

  /** Bytes that are appended and not yet written: what a writer in a hurry watches to stay within its memory. */
  get pendingBytes(): number {
    return this.position - this.#writtenPosition;
  }

  /**
   * Appends one frame whose payload is the given parts, joined. Copies them; never waits.
   *
   * @returns the frame's position
   */
  append(...parts: readonly Uint8Array[]): number {
    invariant(!this.#isClosed, 'a closed framed file is not appended to');
    let payloadBytes = 0;
    for (const part of parts) payloadBytes += part.length;
    const frameBytes = FRAME_HEADER_BYTES + payloadBytes;
    if (this.#blockUsed + frameBytes > this.#block.length) this.#startBlock(frameBytes);
    const start = this.#blockUsed;
    let at = start + FRAME_HEADER_BYTES;
    for (const part of parts) {
      this.#block.set(part, at);
      at += part.length;
    }
    const position = this.#blockPosition + start;
    sealFrame(this.#block, start, payloadBytes, position, position - this.#durablePosition, this.#salt);
    this.#blockUsed = at;
    return position;
  }

  /** Resolves when everything appended before the call is durable. */
  async sync(): Promise<void> {
    this.#startBlock(0);
    const target = this.#blockPosition;
    await this.#writing;
    if (this.#failure === null) await this.#syncFile(target);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Closes the file without making it durable. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.#file.close().catch(() => undefined); // what was synced is there, and nothing else was promised
  }

  async #syncFile(target: number): Promise<void> {
    try {
      await this.#file.datasync();
      if (!this.#isNamed) await syncDirectory(dirname(this.path));
      this.#isNamed = true;
      this.#durablePosition = Math.max(this.#durablePosition, target);
    } catch (error) {
      // After a failed sync the kernel may have dropped the pages: a second sync that succeeds proves nothing.
      this.#failure = storageError(error, 'make the file durable', this.path);
    }
  }

  /** Sends the current block on its way to the file and begins a new one with room for at least `roomBytes`. */
  #startBlock(roomBytes: number): void {
    if (this.#blockUsed > 0) {
      const block = this.#block;
      const length = this.#blockUsed;
      const position = this.#blockPosition;
      this.#writing = this.#writing.then(() => this.#writeBlock(block, length, position));
      this.#blockPosition += length;
      this.#blockUsed = 0;
      this.#block = Buffer.allocUnsafe(Math.max(WRITE_BLOCK_BYTES, roomBytes));
    } else if (this.#block.length < roomBytes) {
      this.#block = Buffer.allocUnsafe(roomBytes);
    }
  }

  async #writeBlock(block: Buffer, length: number, position: number): Promise<void> {
    if (this.#failure !== null) return;
    try {
      await writeFully(this.#file, block, length, position);
      this.#writtenPosition = position + length;
    } catch (error) {
      this.#failure = storageError(error, 'write to the file', this.path);
    }
  }
}

async function writeFully(file: FileHandle, source: Buffer, length: number, position: number): Promise<void> {
  let done = 0;
  while (done < length) {
    const { bytesWritten } = await file.write(source, done, length - done, position + done);
    done += bytesWritten;
  }
}

/** Intact frames that lie one after another, read at once. The memory is the block's own. */
export interface FrameBlock {
  readonly buffer: Buffer;
  /** Of each frame: where its payload starts in `buffer`. */
  readonly payloadStarts: readonly number[];
  readonly payloadLengths: readonly number[];
  /** Of each frame: where it starts in the file. */
  readonly positions: readonly number[];
  /** Where the next frame starts in the file. */
  readonly nextPosition: number;
}

export interface FramedFileReaderOptions extends FramedFileOptions {
  /** The code of the error for damage; `MILLRACE_LOG_CORRUPT` when absent. */
  readonly corruptCode?: ErrorCode;
}

/** What a scan found at the file's end. */
export interface ScanResult {
  /** One past the last intact frame. */
  readonly endPosition: number;
  /** Bytes after it that belong to a write cut short by a crash, or to room never used. */
  readonly discardedBytes: number;
  /** Whether the last write was cut short. */
  readonly isTorn: boolean;
  /** Where the last write began that there is a frame of: what is before it was durable by then. 0 when there is no frame. */
  readonly lastWritePosition: number;
}

const FIRST_READ_BYTES = 4096;
const READ_BLOCK_BYTES = 512 << 10;

/** Reads a framed file. Damage is thrown, naming file and position; it is never passed over. */
export class FramedFileReader {
  readonly path: string;
  /** The file's length when it was opened. */
  readonly sizeBytes: number;
  readonly salt: number;
  readonly #file: FileHandle;
  readonly #corruptCode: ErrorCode;
  #isClosed = false;

  private constructor(path: string, file: FileHandle, sizeBytes: number, salt: number, corruptCode: ErrorCode) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.salt = salt;
    this.#file = file;
    this.#corruptCode = corruptCode;
  }

  static async open(path: string, options: FramedFileReaderOptions): Promise<FramedFileReader> {
    const corruptCode = options.corruptCode ?? 'MILLRACE_LOG_CORRUPT';
    let file: FileHandle | null = null;
    try {
      file = await open(path, 'r');
      const header = Buffer.alloc(FILE_HEADER_BYTES);
      const length = await readFully(file, header, FILE_HEADER_BYTES, 0);
      const decoded = decodeFileHeader(header.subarray(0, length), options.kind);
      if (typeof decoded === 'string') throw corruptError(corruptCode, path, 0, decoded);
      const { size } = await file.stat();
      return new FramedFileReader(path, file, size, decoded.salt, corruptCode);
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw storageError(error, 'open the file', path);
    }
  }

  /** Whether the file was never finished being created: shorter than its header, or nothing but zeros. */
  static async isUnfinished(path: string): Promise<boolean> {
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    let file: FileHandle | null = null;
    try {
      file = await open(path, 'r');
      const length = await readFully(file, header, FILE_HEADER_BYTES, 0);
      if (length < FILE_HEADER_BYTES) return true;
      return isZero(header, 0, FILE_HEADER_BYTES) && (await isZeroUntil(file, 0, (await file.stat()).size));
    } catch (error) {
      throw storageError(error, 'open the file', path);
    } finally {
      await file?.close().catch(() => undefined);
    }
  }

  /**
   * The payload of the first frame, and where the next one starts; `null` when the file ends, or was torn, before it.
   *
   * @throws `corruptCode` when the frame is damaged
   */
  async readFirst(): Promise<{ readonly payload: Buffer; readonly nextPosition: number } | null> {
    const block = await this.#readBlock(FILE_HEADER_BYTES, this.sizeBytes, FIRST_READ_BYTES);
    const start = block.payloadStarts[0];
    const length = block.payloadLengths[0];
    if (start === undefined || length === undefined) {
      await this.#judgeEnd(FILE_HEADER_BYTES);
      return null;
    }
    const payload = block.buffer.subarray(start, start + length);
    return { payload, nextPosition: block.positions[1] ?? block.nextPosition };
  }

  /**
   * Visits every intact frame in order. A torn tail ends the scan.
   *
   * @param visit gets a payload that is valid during the call only
   * @throws `corruptCode` where durable data is damaged
   */
  async scan(
    visit: (payload: Buffer, position: number) => void,
    startPosition: number = FILE_HEADER_BYTES,
  ): Promise<ScanResult> {
    let position = startPosition;
    let lastWritePosition = 0;
    while (position < this.sizeBytes) {
      const block = await this.#readBlock(position, this.sizeBytes, READ_BLOCK_BYTES);
      if (block.positions.length === 0) return { ...(await this.#judgeEnd(position)), lastWritePosition };
      visitBlock(block, visit);
      lastWritePosition = startOfLastWrite(block);
      position = block.nextPosition;
    }
    return { endPosition: position, discardedBytes: 0, isTorn: false, lastWritePosition };
  }

  /** The bytes between two positions, whatever they are. */
  async readBytes(position: number, endPosition: number): Promise<Buffer> {
    try {
      const buffer = Buffer.alloc(endPosition - position);
      const length = await readFully(this.#file, buffer, buffer.length, position);
      return buffer.subarray(0, length);
    } catch (error) {
      throw storageError(error, 'read the file', this.path);
    }
  }

  /**
   * Reads the frames from `position` on, about `targetBytes` of them, at least one.
   *
   * @param position where a frame starts
   * @param endPosition where a frame ends, beyond `position`: everything before it is known to be durable
   * @throws `corruptCode` when the first frame is damaged; a later one is reported by the read that starts at it
   */
  async readBlock(position: number, endPosition: number, targetBytes = READ_BLOCK_BYTES): Promise<FrameBlock> {
    const block = await this.#readBlock(position, endPosition, targetBytes);
    if (block.positions.length === 0) {
      throw corruptError(
        this.#corruptCode,
        this.path,
        position,
        'the frame does not match its checksum, or is cut off',
      );
    }
    return block;
  }

  /** May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file.close().catch(() => undefined); // it was only read
  }

  async #readBlock(position: number, endPosition: number, targetBytes: number): Promise<FrameBlock> {
    try {
      const wanted = Math.min(Math.max(targetBytes, FRAME_HEADER_BYTES), endPosition - position);
      const buffer = Buffer.allocUnsafe(wanted);
      const length = await readFully(this.#file, buffer, wanted, position);
      const payloadBytes = checkFrameHeader(buffer, 0, length, position, this.salt);
      const frameBytes = FRAME_HEADER_BYTES + payloadBytes;
      if (payloadBytes < 0 || frameBytes <= length || position + frameBytes > endPosition) {
        return splitFrames(buffer, length, position, this.salt);
      }
      const whole = Buffer.allocUnsafe(frameBytes);
      const wholeLength = await readFully(this.#file, whole, frameBytes, position);
      return splitFrames(whole, wholeLength, position, this.salt);
    } catch (error) {
      throw storageError(error, 'read the file', this.path);
    }
  }

  async #judgeEnd(position: number): Promise<Omit<ScanResult, 'lastWritePosition'>> {
    const verdict = await judgeTail(this.#file, position, this.sizeBytes, this.salt).catch((error: unknown) => {
      throw storageError(error, 'read the file', this.path);
    });
    if (verdict.kind === 'damaged') throw corruptError(this.#corruptCode, this.path, position, verdict.reason);
    return { endPosition: position, discardedBytes: this.sizeBytes - position, isTorn: verdict.kind === 'torn' };
  }
}

function visitBlock(block: FrameBlock, visit: (payload: Buffer, position: number) => void): void {
  for (const [index, position] of block.positions.entries()) {
    const start = block.payloadStarts[index] ?? 0;
    visit(block.buffer.subarray(start, start + (block.payloadLengths[index] ?? 0)), position);
  }
}

function startOfLastWrite({ buffer, positions, payloadStarts }: FrameBlock): number {
  const headerStart = (payloadStarts.at(-1) ?? 0) - FRAME_HEADER_BYTES;
  return (positions.at(-1) ?? 0) - unsyncedBytesOf(buffer, headerStart);
}

function splitFrames(buffer: Buffer, length: number, position: number, salt: number): FrameBlock {
  const payloadStarts: number[] = [];
  const payloadLengths: number[] = [];
  const positions: number[] = [];
  let at = 0;
  while (at < length) {
    const payloadBytes = checkFrame(buffer, at, length, position + at, salt);
    if (payloadBytes === FRAME_INCOMPLETE || payloadBytes === FRAME_DAMAGED || payloadBytes === FRAME_ABSENT) break;
    payloadStarts.push(at + FRAME_HEADER_BYTES);
    payloadLengths.push(payloadBytes);
    positions.push(position + at);
    at += FRAME_HEADER_BYTES + payloadBytes;
  }
  return { buffer, payloadStarts, payloadLengths, positions, nextPosition: position + at };
}

/** The error for data that was durable and no longer matches its checksum. */
export function corruptError(code: ErrorCode, path: string, position: number, reason: string): MillraceError {
  return new ConnectorError(code, `the file '${path}' is damaged at position ${position}: ${reason}`, {
    details: { path, position },
    hint: 'Stop, keep a copy of the data folder, look at the disk, and restore this file from a copy or give its data up on purpose.',
  });
}
