import type {
  Accumulating,
  InternalAggregatingState,
  InternalListState,
  InternalReducingState,
  KeyedStateBackend,
  Mergeable,
  Namespace,
} from '../../api/internal/state-backend.js';
import { aggregatingState, listState, reducingState } from '../../api/keyed-state.js';
import type { AggregateFunction, ReduceFunction } from '../../api/keyed-state.js';
import { MillraceError } from '../../base/errors.js';

/** The state that holds what is kept of windows' records. */
export const CONTENTS_STATE = 'window-contents';

/** What is kept of a window's records: all of them, or what they reduce or aggregate to. Of the current key. */
export interface WindowContents<In> {
  enter(namespace: Namespace): void;
  /** @returns whether it is the first. */
  add(value: In, timestamp: number): boolean;
  /** What the window's function is given; `undefined` when there is nothing, and the function is not called. */
  read(): readonly unknown[] | undefined;
  clear(): void;
  merge(target: Namespace, sources: readonly Namespace[]): void;
}

/** How a window's records become what its function is given. `null`: the records themselves. */
export type WindowAggregation<In> =
  | { readonly kind: 'reduce'; readonly reduce: ReduceFunction<In> }
  | { readonly kind: 'aggregate'; readonly aggregate: AggregateFunction<In, unknown, unknown> }
  | null;

export function createWindowContents<In>(
  keyedState: KeyedStateBackend,
  aggregation: WindowAggregation<In>,
): WindowContents<In> {
  if (aggregation === null) return new ListContents(keyedState);
  return aggregation.kind === 'reduce'
    ? new ReducedContents(keyedState, aggregation.reduce)
    : new AggregatedContents(keyedState, withMerge(aggregation.aggregate));
}

class ListContents<In> implements WindowContents<In> {
  readonly #state: InternalListState<In>;

  constructor(keyedState: KeyedStateBackend) {
    this.#state = keyedState.listState(listState<In>(CONTENTS_STATE));
  }

  enter(namespace: Namespace): void {
    this.#state.setCurrentNamespace(namespace);
  }

  add(value: In): boolean {
    return this.#state.append(value);
  }

  read(): readonly unknown[] | undefined {
    const values = this.#state.get();
    return values.length === 0 ? undefined : values;
  }

  clear(): void {
    this.#state.clear();
  }

  merge(target: Namespace, sources: readonly Namespace[]): void {
    this.#state.mergeNamespaces(target, sources);
  }
}

type SingleState<In, Result> = Mergeable & Accumulating<In> & { get(): Result | undefined; clear(): void };

/** One value per window, whatever the number of records. */
abstract class SingleContents<In, Result> implements WindowContents<In> {
  readonly #state: SingleState<In, Result>;

  constructor(state: SingleState<In, Result>) {
    this.#state = state;
  }

  enter(namespace: Namespace): void {
    this.#state.setCurrentNamespace(namespace);
  }

  add(value: In): boolean {
    return this.#state.append(value);
  }

  read(): readonly unknown[] | undefined {
    const result = this.#state.get();
    // As in Flink, a result of nothing is no content, and the function is not called.
    return result === undefined || result === null ? undefined : [result];
  }

  clear(): void {
    this.#state.clear();
  }

  merge(target: Namespace, sources: readonly Namespace[]): void {
    this.#state.mergeNamespaces(target, sources);
  }
}

class ReducedContents<In> extends SingleContents<In, In> {
  constructor(keyedState: KeyedStateBackend, reduce: ReduceFunction<In>) {
    const state: InternalReducingState<In> = keyedState.reducingState(reducingState(CONTENTS_STATE, reduce));
    super(state);
  }
}

class AggregatedContents<In> extends SingleContents<In, unknown> {
  constructor(keyedState: KeyedStateBackend, aggregate: AggregateFunction<In, unknown, unknown>) {
    const state: InternalAggregatingState<In, unknown> = keyedState.aggregatingState(
      aggregatingState(CONTENTS_STATE, aggregate),
    );
    super(state);
  }
}

/** Records with their timestamps, for windows with an evictor. */
export interface StoredElement<In> {
  readonly value: In;
  readonly timestamp: number;
}

/** A merge that an author left out fails when windows merge, with a sentence rather than a TypeError. */
export function withMerge<In>(
  aggregate: AggregateFunction<In, unknown, unknown>,
): AggregateFunction<In, unknown, unknown> {
  if (typeof aggregate.merge === 'function') return aggregate;
  return {
    createAccumulator: () => aggregate.createAccumulator(),
    add: (value, accumulator) => aggregate.add(value, accumulator),
    getResult: (accumulator) => aggregate.getResult(accumulator),
    merge: () => {
      throw new MillraceError(
        'MILLRACE_JOB_INVALID',
        'an aggregate function without merge is used in windows that merge',
      );
    },
  };
}
