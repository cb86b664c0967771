import type { KeySelector } from '../api/functions.js';
import type { InternalValueState } from '../api/internal/state-backend.js';
import { valueState } from '../api/keyed-state.js';
import type { ReduceFunction } from '../api/keyed-state.js';
import { KeyedOperatorBase } from './keyed-operator-base.js';
import type { OperatorContext } from './operator.js';

/** A rolling reduce: after each record it emits what its key's records reduce to so far. */
export class ReduceOperator<T> extends KeyedOperatorBase<T, T> {
  readonly #reduce: ReduceFunction<T>;
  #accumulated: InternalValueState<T> | null = null;

  constructor(reduce: ReduceFunction<T>, key: KeySelector<T, unknown>) {
    super(key);
    this.#reduce = reduce;
  }

  override open(context: OperatorContext<T>): void {
    super.open(context);
    this.#accumulated = this.keyedState.valueState(valueState<T>('reduce'));
  }

  processElement(value: T, timestamp: number): void {
    this.enterKey(value);
    const state = this.#accumulated as InternalValueState<T>;
    const before = state.value();
    let after = value;
    if (before !== undefined) {
      try {
        after = this.#reduce(before, value);
      } catch (error) {
        throw this.failure(error, 'reduce');
      }
    }
    state.update(after);
    this.output.collect(after, timestamp);
  }
}
