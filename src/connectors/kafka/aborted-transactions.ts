import type { FetchedBatch } from './record-batch.js';

interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * Tells the batches of aborted transactions from the others: a broker sends both, with a list of who aborted from where.
 *
 * One instance for one fetched partition; batches are shown in the order in which they lie there. Source: the algorithm of
 * Kafka's own consumer (`CompletedFetch`).
 */
export class AbortedTransactions {
  readonly #upcoming: AbortedTransaction[];
  readonly #aborting = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether a reader must not see this batch: it was aborted, or marks the end of a transaction. */
  isHidden(batch: FetchedBatch): boolean {
    while ((this.#upcoming[0]?.firstOffset ?? Infinity) <= batch.lastOffset) {
      const begun = this.#upcoming.shift();
      if (begun !== undefined) this.#aborting.add(begun.producerId);
    }
    if (batch.isControl) {
      if (batch.isAbortMarker) this.#aborting.delete(batch.producerId);
      return true;
    }
    return batch.isTransactional && this.#aborting.has(batch.producerId);
  }
}
