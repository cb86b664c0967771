import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { syncDirectory } from './disk.js';
import { encodeFileHeader, FILE_HEADER_BYTES, type FileKind } from './frame-codec.js';

/**
 * A framed file that is appended to for as long as it lives, one durable write at a time: the file of a log's active
 * segment. The caller lays out the frames; this module brings their bytes to the disk at the least cost.
 *
 * - On Linux the file is opened with `O_DSYNC`: one trip to the thread pool writes and syncs. Elsewhere `fdatasync` follows.
 * - Room is allotted ahead, as zeros written together with the data that first reaches beyond it. Overwriting them changes
 *   no metadata, so most syncs need no commit of the file system's journal (docs/decisions/0021-shared-journal.md).
 *
 * Thread: the opener's. Nothing blocks.
 */
export interface JournalFile {
  /** Part of the checksum of every frame's header. */
  readonly salt: number;
  /**
   * Writes the regions one after another at `position` and makes them durable. One write at a time.
   *
   * @param done told once, with the system's own error when the write or the sync failed; what then lies at `position` and
   * after is not known
   */
  write(regions: readonly Buffer[], byteCount: number, position: number, done: (error: Error | null) => void): void;
  /** Cuts the file at `position`, durably. */
  truncate(position: number): Promise<void>;
  close(): Promise<void>;
}

/** Where journal files come from: the disk, or a test's faulty one. Errors are the system's own. */
export interface JournalDisk {
  /** Creates a file with its header; whatever was there is gone. Nothing is durable before the first write. */
  create(path: string): Promise<JournalFile>;
  /** Opens a file to append to it. */
  open(path: string, salt: number): Promise<JournalFile>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

/** Writes bytes durably, for whoever waits for them. Rejects with the system's own error. */
export function writeDurably(file: JournalFile, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write([bytes], bytes.length, position, (error) => (error === null ? resolve() : reject(error)));
  });
}

export interface JournalDiskOptions {
  readonly kind: FileKind;
  /** Room is allotted in steps of this many bytes; 0 allots none. */
  readonly preallocateBytes: number;
}

const ftruncate = promisify(fs.ftruncate);
const fdatasync = promisify(fs.fdatasync);
const closeFile = promisify(fs.close);

/** Node sets the constant only where the system has the flag. */
const syncFlag = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;

/** The real disk. */
export class SystemJournalDisk implements JournalDisk {
  readonly #kind: FileKind;
  readonly #zeros: Buffer;

  constructor(options: JournalDiskOptions) {
    this.#kind = options.kind;
    this.#zeros = Buffer.alloc(options.preallocateBytes);
  }

  async create(path: string): Promise<JournalFile> {
    const salt = randomBytes(4).readUInt32LE(0);
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    encodeFileHeader(header, this.#kind, salt);
    const fd = await openDescriptor(path, fs.constants.O_CREAT | fs.constants.O_TRUNC);
    const file = new SystemJournalFile(fd, salt, this.#zeros, 0);
    try {
      await new Promise<void>((resolve, reject) => {
        fs.write(fd, header, 0, FILE_HEADER_BYTES, 0, (error) => (error === null ? resolve() : reject(error)));
      });
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  async open(path: string, salt: number): Promise<JournalFile> {
    const fd = await openDescriptor(path, 0);
    const { size } = await promisify(fs.fstat)(fd);
    return new SystemJournalFile(fd, salt, this.#zeros, size);
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  }

  syncDirectory(path: string): Promise<void> {
    return syncDirectory(path);
  }
}

/** A descriptor without a FileHandle around it: the callback form of `fs.writev` needs the bare number. */
function openDescriptor(path: string, flags: number): Promise<number> {
  return promisify(fs.open)(path, fs.constants.O_RDWR | flags | syncFlag, 0o644);
}

class SystemJournalFile implements JournalFile {
  readonly salt: number;
  readonly #fd: number;
  readonly #zeros: Buffer;
  /** One past the last byte that the file system has room for. */
  #allottedEnd: number;
  #regions: Buffer[] = [];
  #position = 0;
  #dataBytesLeft = 0;
  #done: (error: Error | null) => void = () => undefined;
  /** Made once: a commit makes no closure. */
  readonly #onWritten: (error: Error | null, byteCount: number) => void;
  readonly #onSynced: (error: Error | null) => void;

  constructor(fd: number, salt: number, zeros: Buffer, allottedEnd: number) {
    this.#fd = fd;
    this.salt = salt;
    this.#zeros = zeros;
    this.#allottedEnd = allottedEnd;
    this.#onWritten = (error, byteCount): void => this.#continue(error, byteCount);
    this.#onSynced = (error): void => this.#done(error);
  }

  write(regions: readonly Buffer[], byteCount: number, position: number, done: (error: Error | null) => void): void {
    this.#regions = [...regions];
    this.#position = position;
    this.#dataBytesLeft = byteCount;
    this.#done = done;
    const end = position + byteCount;
    const step = this.#zeros.length;
    if (step > 0 && end > this.#allottedEnd) this.#regions.push(this.#zeros.subarray(0, step - (end % step)));
    this.#writeRest();
  }

  #writeRest(): void {
    fs.writev(this.#fd, this.#regions, this.#position, this.#onWritten);
  }

  /** A write may stop half way, on a full disk above all: the next one then says why. */
  #continue(error: Error | null, byteCount: number): void {
    if (error !== null || byteCount === 0) {
      this.#done(error ?? new Error('the file took no bytes'));
      return;
    }
    this.#position += byteCount;
    this.#dataBytesLeft -= byteCount;
    this.#allottedEnd = Math.max(this.#allottedEnd, this.#position);
    if (this.#dataBytesLeft > 0) {
      dropWritten(this.#regions, byteCount);
      this.#writeRest();
    } else if (syncFlag === 0) {
      fs.fdatasync(this.#fd, this.#onSynced);
    } else {
      this.#done(null); // room that could not be allotted is no failure: the data is there
    }
  }

  async truncate(position: number): Promise<void> {
    await ftruncate(this.#fd, position);
    await fdatasync(this.#fd);
    this.#allottedEnd = position;
  }

  close(): Promise<void> {
    return closeFile(this.#fd);
  }
}

function dropWritten(regions: Buffer[], byteCount: number): void {
  let left = byteCount;
  while (left > 0 && regions.length > 0) {
    const first = regions[0] ?? Buffer.alloc(0);
    if (first.length > left) {
      regions[0] = first.subarray(left);
      return;
    }
    left -= first.length;
    regions.shift();
  }
}
