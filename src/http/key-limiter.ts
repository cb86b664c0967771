import { createHash } from 'node:crypto';
import { canonicalKey } from '../api/internal/key-bytes.js';
import type { MonotonicClock } from '../base/clock.js';

/** Keys counted at one time. Some 100 bytes each; what a window sees beyond them is let in uncounted. */
const KEYS_MAX = 1_000_000;
/** A longer key, which may be as long as a body, is counted by its digest. */
const KEY_LENGTH_MAX = 64;

/**
 * Counts the requests of each key in fixed windows that begin for all keys at once, so that nothing is kept of a key once its
 * window has gone by, and no timer is needed.
 *
 * Thread: main.
 */
export class KeyLimiter {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #monotonic: MonotonicClock;
  readonly #keysMax: number;
  #counts = new Map<string | number, number>();
  #endsAtMs = -Infinity;

  constructor(options: { max: number; windowMs: number; monotonic: MonotonicClock; keysMax?: number }) {
    this.#max = options.max;
    this.#windowMs = options.windowMs;
    this.#monotonic = options.monotonic;
    this.#keysMax = options.keysMax ?? KEYS_MAX;
  }

  /** Counts a request. @returns 0 when it may pass, else the milliseconds until its key may come again */
  take(key: unknown): number {
    const nowMs = this.#monotonic.nowMs();
    if (nowMs >= this.#endsAtMs) {
      this.#counts = new Map();
      this.#endsAtMs = nowMs + this.#windowMs;
    }
    const canonical = boundedKey(key);
    const count = this.#counts.get(canonical);
    if (count === undefined) {
      if (this.#counts.size < this.#keysMax) this.#counts.set(canonical, 1);
      return 0;
    }
    if (count >= this.#max) return this.#endsAtMs - nowMs;
    this.#counts.set(canonical, count + 1);
    return 0;
  }
}

function boundedKey(key: unknown): string | number {
  const canonical = canonicalKey(key);
  if (typeof canonical === 'number' || canonical.length <= KEY_LENGTH_MAX) return canonical;
  return createHash('sha256').update(canonical).digest('base64');
}
