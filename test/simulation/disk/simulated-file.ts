import type { Prng } from '../../../src/base/prng.js';

export const SECTOR_BYTES = 512;

/**
 * A file as the system sees it, and as it would be found after the power was lost: whole sectors that were written and not
 * made durable are there or not, one by one, and its length is that of before, that of now, or any in between. What was
 * never written reads as zeros.
 */
export class SimulatedFile {
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  #durable: Buffer = Buffer.alloc(0);
  #durableSize = 0;
  /** Sectors that the next sync makes durable. */
  readonly #dirty = new Set<number>();
  /** Sectors that a failed sync has given up: they read as written, and no later sync makes them durable. */
  readonly #lost = new Set<number>();

  get size(): number {
    return this.#size;
  }

  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#size - position));
    target.set(this.#bytes.subarray(position, position + length));
    return length;
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    this.#makeRoom(end);
    this.#bytes.set(bytes, position);
    this.#size = Math.max(this.#size, end);
    this.#touch(position, end);
  }

  truncate(size: number): void {
    this.#makeRoom(size);
    this.#bytes.fill(0, size, this.#size);
    this.#touch(Math.min(size, this.#size), this.#size);
    this.#size = size;
  }

  sync(): void {
    for (const sector of this.#dirty) this.#makeDurable(sector);
    this.#durableSize = this.#size;
  }

  syncRange(position: number, end: number): void {
    for (const sector of sectorsOf(position, end)) this.#makeDurable(sector);
    // The length that the file needs for these bytes to be in it.
    this.#durableSize = Math.max(this.#durableSize, Math.min(end, this.#size));
  }

  /** The system could not write, says so once, and forgets what it had to write. */
  failSync(): void {
    for (const sector of this.#dirty) this.#lost.add(sector);
    this.#dirty.clear();
  }

  failSyncOfRange(position: number, end: number): void {
    for (const sector of sectorsOf(position, end)) if (this.#dirty.delete(sector)) this.#lost.add(sector);
  }

  losePower(prng: Prng): void {
    for (const sector of this.#dirty) if (prng.below(2) === 0) this.#makeDurable(sector);
    const [least, most] = [Math.min(this.#size, this.#durableSize), Math.max(this.#size, this.#durableSize)];
    const size = [this.#size, this.#durableSize, least + prng.below(most - least + 1)][prng.below(3)] ?? most;
    this.#durable.fill(0, Math.min(size, this.#durable.length));
    this.#bytes = Buffer.from(this.#durable);
    this.#makeRoom(size);
    this.#size = size;
    this.#durableSize = size;
    this.#dirty.clear();
    this.#lost.clear();
  }

  #makeDurable(sector: number): void {
    const start = sector * SECTOR_BYTES;
    if (this.#durable.length < this.#bytes.length) this.#durable = grown(this.#durable, this.#bytes.length);
    this.#bytes.copy(this.#durable, start, start, start + SECTOR_BYTES);
    this.#dirty.delete(sector);
    this.#lost.delete(sector);
  }

  #touch(position: number, end: number): void {
    for (const sector of sectorsOf(position, end)) {
      this.#dirty.add(sector);
      this.#lost.delete(sector);
    }
  }

  #makeRoom(end: number): void {
    if (end > this.#bytes.length) this.#bytes = grown(this.#bytes, Math.max(end, 2 * this.#bytes.length));
  }
}

function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.alloc(Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES);
  bytes.copy(larger);
  return larger;
}

function* sectorsOf(position: number, end: number): Iterable<number> {
  for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) yield sector;
}
