import type { CollectionSourceSpec, GeneratorSourceSpec } from '../api/internal/operator-spec.js';

/** A source's place, kept in checkpoints: the next index to ask for, and the distance to the one after. */
interface IndexRange {
  readonly next: number;
  readonly stride: number;
}

/** The name of the operator state that holds {@link IndexRange}s. */
export const POSITION_STATE = 'position';

/**
 * A source that runs in the worker: computes values from their index. Subtask i of p begins with the indices i, i + p,
 * i + 2p, …; after a restore at another parallelism a subtask may hold several such ranges, or none.
 */
export class GeneratorSource {
  readonly #valueAt: (index: number) => unknown;
  #ranges: { next: number; readonly stride: number }[];
  #turn = 0;

  constructor(
    spec: CollectionSourceSpec | GeneratorSourceSpec,
    subtask: { readonly index: number; readonly parallelism: number },
    restored: readonly unknown[] | undefined,
  ) {
    this.#valueAt = spec.kind === 'collection-source' ? (index) => spec.values[index] : spec.next;
    this.#ranges =
      restored === undefined
        ? [{ next: subtask.index, stride: subtask.parallelism }]
        : restored.map((range) => ({ ...(range as IndexRange) }));
  }

  /**
   * The next value, `undefined` when there is none any more. Ranges take turns.
   *
   * Cost: the author's function and one addition.
   */
  next(): unknown {
    while (this.#ranges.length > 0) {
      this.#turn = this.#turn + 1 < this.#ranges.length ? this.#turn + 1 : 0;
      const range = this.#ranges[this.#turn] as { next: number; readonly stride: number };
      const value = this.#valueAt(range.next);
      if (value !== undefined) {
        range.next += range.stride;
        return value;
      }
      this.#ranges = this.#ranges.filter((other) => other !== range);
    }
    return undefined;
  }

  /** Where to go on after a restore. An ended source has no range left, and stays ended. */
  snapshot(): readonly IndexRange[] {
    return this.#ranges.map((range) => ({ ...range }));
  }
}
