/**
 * The most frequent items of a stream, in bounded memory.
 *
 * Source of the algorithm: Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams"
 * (2005), there called Space-Saving. An item that has no counter takes over the smallest one, and its count as its error. So of
 * `n` items, with `m` counters: every item that came more than n/m times has a counter; a count is never too small, and too
 * large by its error at most, which is at most n/m.
 *
 * With aging, all counts are halved now and then, so that what was frequent long ago makes room.
 *
 * Cost: a look-up for an item with a counter, a walk over the counters for one without.
 */
export class SpaceSaving<T extends string | number> {
  readonly #countersMax: number;
  readonly #agesAfter: number;
  readonly #counters = new Map<T, { count: number; error: number }>();
  #total = 0;

  /** @param agesAfter all counts are halved when so many have been counted; `Infinity`: never */
  constructor(countersMax: number, agesAfter = Infinity) {
    this.#countersMax = countersMax;
    this.#agesAfter = agesAfter;
  }

  /** What all items together have been counted. */
  get total(): number {
    return this.#total;
  }

  add(item: T): void {
    this.#total++;
    const known = this.#counters.get(item);
    if (known !== undefined) known.count++;
    else if (this.#counters.size < this.#countersMax) this.#counters.set(item, { count: 1, error: 0 });
    else this.#takeOver(item);
    if (this.#total >= this.#agesAfter) this.#age();
  }

  /** The most frequent first. */
  top(limit: number): { readonly item: T; readonly count: number; readonly error: number }[] {
    return [...this.#counters]
      .map(([item, { count, error }]) => ({ item, count, error }))
      .sort((a, b) => b.count - a.count)
      .slice(0, limit);
  }

  #takeOver(item: T): void {
    let least: T | null = null;
    let leastCount = Infinity;
    for (const [candidate, { count }] of this.#counters) {
      if (count >= leastCount) continue;
      least = candidate;
      leastCount = count;
    }
    if (least !== null) this.#counters.delete(least);
    this.#counters.set(item, { count: leastCount + 1, error: leastCount });
  }

  #age(): void {
    this.#total /= 2;
    for (const [item, counter] of this.#counters) {
      counter.count /= 2;
      counter.error /= 2;
      if (counter.count < 1) this.#counters.delete(item);
    }
  }
}
