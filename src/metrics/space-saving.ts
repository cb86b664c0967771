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
 * Cost: a look-up for an item with a counter; a walk over one array of counts, and two changes of a map, for one without.
 */
export class SpaceSaving<T extends string | number> {
  readonly #countersMax: number;
  readonly #agesAfter: number;
  /** By item: its place in the columns. */
  readonly #places = new Map<T, number>();
  readonly #items: T[] = [];
  readonly #counts: Float64Array;
  readonly #errors: Float64Array;
  #total = 0;

  /** @param agesAfter all counts are halved when so many have been counted; `Infinity`: never */
  constructor(countersMax: number, agesAfter = Infinity) {
    this.#countersMax = countersMax;
    this.#agesAfter = agesAfter;
    this.#counts = new Float64Array(countersMax);
    this.#errors = new Float64Array(countersMax);
  }

  /** How often all items together have come; halved with the counts. */
  get total(): number {
    return this.#total;
  }

  add(item: T): void {
    this.#total++;
    const known = this.#places.get(item);
    const place = known ?? this.#placeFor(item);
    this.#counts[place] = (this.#counts[place] as number) + 1;
    if (this.#total >= this.#agesAfter) this.#age();
  }

  /** The most frequent first. */
  top(limit: number): { readonly item: T; readonly count: number; readonly error: number }[] {
    return this.#items
      .map((item, place) => ({ item, count: this.#counts[place] as number, error: this.#errors[place] as number }))
      .sort((a, b) => b.count - a.count)
      .slice(0, limit);
  }

  /** A free place, or the one of the smallest count, which goes on from there. */
  #placeFor(item: T): number {
    let place = this.#items.length;
    if (place < this.#countersMax) {
      this.#items.push(item);
    } else {
      place = this.#least();
      this.#places.delete(this.#items[place] as T);
      this.#items[place] = item;
      this.#errors[place] = this.#counts[place] as number;
    }
    this.#places.set(item, place);
    return place;
  }

  #least(): number {
    const counts = this.#counts;
    let least = 0;
    for (let place = 1; place < counts.length; place++) {
      if ((counts[place] as number) < (counts[least] as number)) least = place;
    }
    return least;
  }

  #age(): void {
    this.#total /= 2;
    for (let place = 0; place < this.#items.length; place++) {
      this.#counts[place] = (this.#counts[place] as number) / 2;
      this.#errors[place] = (this.#errors[place] as number) / 2;
    }
  }
}
