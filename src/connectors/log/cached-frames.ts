import type { CachedFrame } from './tail-cache.js';

/** The durable frames of one journal that are in memory, found by their address. Main thread. */
export class CachedFrames {
  /** Oldest first; their addresses ascend. The first ones may have been evicted since. */
  readonly #frames: CachedFrame[] = [];

  push(frame: CachedFrame): void {
    this.#frames.push(frame);
  }

  /** The frame that starts at `address`, if it is in memory. */
  find(address: number): CachedFrame | null {
    let low = 0;
    let high = this.#frames.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const frame = this.#frames[middle];
      if (frame === undefined) return null;
      if (frame.address === address) return frame.chunk.isEvicted ? null : frame;
      if (frame.address < address) low = middle + 1;
      else high = middle - 1;
    }
    return null;
  }

  /** Lets go of frames whose chunk was evicted. */
  dropEvicted(): void {
    let count = 0;
    while (this.#frames[count]?.chunk.isEvicted === true) count += 1;
    if (count > 0) this.#frames.splice(0, count);
  }
}
