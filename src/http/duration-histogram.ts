/** A copy of a histogram of durations, from which quantiles can be read, also those of the time between two copies. */
export class DurationHistogram {
  readonly count: number;
  readonly #boundsMs: readonly number[];
  /** One more than the bounds: the last is what lies above them. */
  readonly #counts: readonly number[];
  readonly #sumMs: number;

  constructor(boundsMs: readonly number[], counts: readonly number[], sumMs: number) {
    this.#boundsMs = boundsMs;
    this.#counts = counts;
    this.#sumMs = sumMs;
    this.count = counts.reduce((sum, count) => sum + count, 0);
  }

  /** What has been added since an earlier copy of the same histogram. */
  since(earlier: DurationHistogram): DurationHistogram {
    const counts = this.#counts.map((count, bucket) => count - (earlier.#counts[bucket] ?? 0));
    return new DurationHistogram(this.#boundsMs, counts, this.#sumMs - earlier.#sumMs);
  }

  /** Both together. Their bounds must be the same. */
  plus(other: DurationHistogram): DurationHistogram {
    const counts = this.#counts.map((count, bucket) => count + (other.#counts[bucket] ?? 0));
    return new DurationHistogram(this.#boundsMs, counts, this.#sumMs + other.#sumMs);
  }

  /** 0 when there is nothing. */
  get meanMs(): number {
    return this.count === 0 ? 0 : this.#sumMs / this.count;
  }

  /** Interpolated within its bucket, as Prometheus does; above the last bound, that bound. 0 when there is nothing. */
  quantileMs(quantile: number): number {
    if (this.count === 0) return 0;
    const rank = quantile * this.count;
    let below = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      const upper = this.#boundsMs[bucket];
      const lower = bucket === 0 ? 0 : (this.#boundsMs[bucket - 1] ?? 0);
      if (upper === undefined) return lower;
      if (count > 0 && below + count >= rank) return lower + ((upper - lower) * (rank - below)) / count;
      below += count;
    }
    return 0;
  }
}
