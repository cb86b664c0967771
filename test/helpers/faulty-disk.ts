import { open, stat } from 'node:fs/promises';
import type { Prng } from '../../src/base/prng.js';
import { type JournalDisk, type JournalFile, writeDurably } from '../../src/storage/journal-file.js';

/** How often what goes wrong, each from 0 to 1. */
export interface FaultRates {
  /** A write stops half way on a full disk. */
  readonly full: number;
  /** A write or its sync fails; any part of it may be on disk. */
  readonly failed: number;
  /** Power is lost during a write; any of its sectors may be on disk. */
  readonly crash: number;
  /** Any other call fails. */
  readonly other: number;
}

export const noFaults: FaultRates = { full: 0, failed: 0, crash: 0, other: 0 };

interface Torn {
  readonly path: string;
  readonly position: number;
  readonly byteCount: number;
}

const SECTOR_BYTES = 512;

/**
 * The real disk with faults chosen by a seed. A crash stops it for good: no call returns any more. {@link FaultyDisk.tear}
 * then leaves the files as power loss may.
 */
export class FaultyDisk implements JournalDisk {
  rates: FaultRates = noFaults;
  /** Writes to files in this folder never end. */
  stopPath: string | null = null;
  readonly #inner: JournalDisk;
  readonly #prng: Prng;
  #torn: Torn | null = null;
  #isStopped = false;
  #reportCrash: () => void = () => undefined;
  /** Resolves when the power goes. */
  readonly crashed: Promise<void>;

  constructor(inner: JournalDisk, prng: Prng) {
    this.#inner = inner;
    this.#prng = prng;
    this.crashed = new Promise((resolve) => {
      this.#reportCrash = resolve;
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Stops everything now, whatever is under way. */
  stop(): void {
    this.#isStopped = true;
    this.#reportCrash();
  }

  async create(path: string): Promise<JournalFile> {
    await this.#mayFail();
    return new FaultyFile(this, path, await this.#inner.create(path));
  }

  async open(path: string, salt: number): Promise<JournalFile> {
    return new FaultyFile(this, path, await this.#inner.open(path, salt));
  }

  async remove(path: string): Promise<void> {
    await this.#mayFail();
    await this.#inner.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#mayFail();
    await this.#inner.syncDirectory(path);
  }

  async write(
    file: JournalFile,
    path: string,
    regions: readonly Buffer[],
    position: number,
    done: (error: Error | null) => void,
  ): Promise<void> {
    if (this.#isStopped || (this.stopPath !== null && path.startsWith(this.stopPath))) return;
    const bytes = Buffer.concat(regions);
    const fault = this.#chooseFault();
    const landing = fault === 'none' || fault === 'crash' ? bytes.length : this.#chooseLanding(position, bytes.length);
    if (landing > 0) await writeDurably(file, bytes.subarray(0, landing), position);
    if (fault === 'crash') {
      this.#torn = { path, position, byteCount: bytes.length };
      this.stop();
    } else if (!this.#isStopped) {
      done(fault === 'none' ? null : systemError(fault));
    }
  }

  async mayFailOn(call: () => Promise<void>): Promise<void> {
    await this.#mayFail();
    await call();
  }

  /** Takes away some sectors of the write that the crash interrupted, or its end. */
  async tear(): Promise<void> {
    if (this.#torn === null) return;
    const { path, position, byteCount } = this.#torn;
    const file = await open(path, 'r+');
    try {
      const end = position + byteCount;
      const way = this.#prng.below(3);
      if (way === 0) await file.truncate(position + this.#prng.below(byteCount + 1));
      if (way === 1) await this.#zeroSectors(file, position, end, (await stat(path)).size);
    } finally {
      await file.close();
    }
  }

  async #zeroSectors(file: Awaited<ReturnType<typeof open>>, start: number, end: number, size: number): Promise<void> {
    for (let sector = Math.floor(start / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
      if (this.#prng.below(2) === 0) continue;
      const from = Math.max(start, sector * SECTOR_BYTES);
      const to = Math.min(end, (sector + 1) * SECTOR_BYTES, size);
      if (to > from) await file.write(Buffer.alloc(to - from), 0, to - from, from);
    }
  }

  /** How much of a failed write is in the file: whole sectors, as with any disk. */
  #chooseLanding(position: number, byteCount: number): number {
    const end = position + this.#prng.below(byteCount + SECTOR_BYTES);
    return Math.min(byteCount, Math.max(0, end - (end % SECTOR_BYTES) - position));
  }

  #chooseFault(): 'none' | 'ENOSPC' | 'EIO' | 'crash' {
    const { full, failed, crash } = this.rates;
    const roll = this.#prng.next();
    if (roll < full) return 'ENOSPC';
    if (roll < full + failed) return 'EIO';
    return roll < full + failed + crash ? 'crash' : 'none';
  }

  async #mayFail(): Promise<void> {
    if (this.#isStopped) await new Promise(() => undefined);
    if (this.#prng.next() < this.rates.other) throw systemError('EIO');
  }
}

class FaultyFile implements JournalFile {
  readonly salt: number;
  readonly #disk: FaultyDisk;
  readonly #path: string;
  readonly #inner: JournalFile;

  constructor(disk: FaultyDisk, path: string, inner: JournalFile) {
    this.#disk = disk;
    this.#path = path;
    this.#inner = inner;
    this.salt = inner.salt;
  }

  write(regions: readonly Buffer[], _byteCount: number, position: number, done: (error: Error | null) => void): void {
    void this.#disk.write(this.#inner, this.#path, regions, position, done);
  }

  truncate(position: number): Promise<void> {
    return this.#disk.mayFailOn(() => this.#inner.truncate(position));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
