import type { TransactionalProducerOptions } from '../topic.js';

/** Records of one topic partition that were never committed: offsets `from` up to, not including, `to`. */
export interface AbortedRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** The id that the next checkpoint had when the range was aborted: a commit below it came before the range. */
  readonly nextCheckpointId: number;
}

/** What is kept of a topic's transactions, in its folder (transactions-file.ts). */
export interface StoredTransactions {
  /** The producer that wrote the topic last. */
  readonly transactionalId: string;
  /** Whether that producer may have appended since: what no checkpoint has committed must not be seen then. */
  readonly isOpen: boolean;
  /** The committed ends when the producer was opened, by partition. */
  readonly floor: readonly number[];
  readonly aborted: readonly AbortedRange[];
}

/**
 * What a reader of committed records may see of a topic that a transactional producer writes.
 *
 * The commit of a checkpoint is its manifest, which holds the ends of its output. Here lies only what cannot follow from it:
 * where the producer began, and which ranges were aborted. It changes when a producer is opened, before anything is
 * appended behind those ranges, and at no other time.
 *
 * - **Invariant:** a record is visible when its offset is below the committed end of its partition and in no aborted range.
 * - **Invariant:** the committed ends are one place in the journal: whatever lies behind it, in any partition, is not
 *   committed. A reader may stop at the first record that is not.
 *
 * Pure. Main thread.
 */
export class TopicTransactions {
  readonly #committedEnds: number[];
  #stored: StoredTransactions;
  /** By partition, ascending. */
  #aborted: readonly (readonly AbortedRange[])[] = [];
  /** By partition: no aborted range ends behind this. */
  #abortedEnds: readonly number[] = [];

  constructor(stored: StoredTransactions) {
    this.#stored = stored;
    this.#committedEnds = [...stored.floor];
    this.#index(stored);
  }

  /** For a topic's first transactional producer: all that is there was written by others, and stays visible. */
  static begin(durableEnds: readonly number[]): TopicTransactions {
    return new TopicTransactions({ transactionalId: '', isOpen: false, floor: [...durableEnds], aborted: [] });
  }

  get transactionalId(): string {
    return this.#stored.transactionalId;
  }

  /** Whether only a commit makes new records visible. */
  get isOpen(): boolean {
    return this.#stored.isOpen;
  }

  /**
   * What is to be kept when a producer takes the topic over (`isOpen`), or gives it back: what was left uncommitted is
   * aborted. To be made durable, and then {@link adopt}ed, before anything is appended.
   *
   * @returns a partition instead, whose committed records are missing
   */
  reopened(options: ReopenOptions): StoredTransactions | number {
    const { durableEnds, beginOffsets, nextCheckpointId, transactionalId, isOpen } = options;
    const { committedCheckpointId, committedEnds } = options;
    const was = this.#stored;
    const floor = durableEnds.map((end, partition) =>
      was.isOpen ? (committedEnds?.[partition] ?? was.floor[partition] ?? 0) : end,
    );
    const missing = floor.findIndex((end, partition) => end > (durableEnds[partition] ?? 0));
    if (missing >= 0) return missing;
    // A range that was aborted after a checkpoint that now turns out to be the committed one is worked out anew.
    const kept = was.aborted.filter(
      (range) =>
        range.to > (beginOffsets[range.partition] ?? 0) &&
        (!was.isOpen ||
          range.nextCheckpointId <= committedCheckpointId ||
          range.to <= (was.floor[range.partition] ?? 0)),
    );
    const fresh = durableEnds.flatMap((to, partition) => {
      const from = floor[partition] ?? 0;
      return from < to ? [{ partition, from, to, nextCheckpointId }] : [];
    });
    return { transactionalId, isOpen, floor, aborted: [...kept, ...fresh] };
  }

  /** What is kept is durable: readers go by it from now on. */
  adopt(stored: StoredTransactions): void {
    this.#stored = stored;
    for (const [partition, end] of stored.floor.entries()) this.#committedEnds[partition] = end;
    this.#index(stored);
  }

  /** A checkpoint is committed: its output is visible from now on. */
  commit(ends: Readonly<Record<number, number>>): void {
    for (const [partition, end] of Object.entries(ends)) {
      const index = Number(partition);
      this.#committedEnds[index] = Math.max(this.#committedEnds[index] ?? 0, end);
    }
  }

  /**
   * Looks at the record at `offset`.
   *
   * @returns `offset` when it is visible; the end of the range when it was aborted; -1 when it is not committed yet
   */
  lookAt(partition: number, offset: number): number {
    if (offset < (this.#abortedEnds[partition] ?? 0)) {
      for (const { from, to } of this.#aborted[partition] ?? []) if (offset >= from && offset < to) return to;
    }
    return this.#stored.isOpen && offset >= (this.#committedEnds[partition] ?? 0) ? -1 : offset;
  }

  #index({ aborted, floor }: StoredTransactions): void {
    this.#aborted = floor.map((_, partition) => aborted.filter((range) => range.partition === partition));
    this.#abortedEnds = this.#aborted.map((ranges) => Math.max(0, ...ranges.map(({ to }) => to)));
  }
}

export interface ReopenOptions extends Pick<TransactionalProducerOptions, 'transactionalId' | 'nextCheckpointId'> {
  readonly isOpen: boolean;
  /** 0 before the first. */
  readonly committedCheckpointId: number;
  /** Of this topic, by partition; `undefined` when that checkpoint knows nothing of it. */
  readonly committedEnds: Readonly<Record<number, number>> | undefined;
  readonly beginOffsets: readonly number[];
  readonly durableEnds: readonly number[];
}
