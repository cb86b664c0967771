/** Chance as an argument, so that a seed replays a run. @public */
export interface Prng {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/**
 * Mulberry32: 32 bits of state, uniform enough for schedules and tests, never for secrets.
 *
 * Source of the algorithm: Tommy Ettinger's public-domain Mulberry32.
 *
 * @public
 */
export class SeededPrng implements Prng {
  #state: number;

  /** @param seed a 32-bit integer: equal seeds give equal sequences. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}
