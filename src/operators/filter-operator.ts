import type { FilterFunction } from '../api/functions.js';
import type { OperatorContext, StatelessStep, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';

/** Passes on the records that the predicate holds for. */
export class FilterOperator<T> extends OperatorBase<T> implements StreamOperator<T, T> {
  readonly step: StatelessStep;
  readonly #fn: FilterFunction<T>;
  readonly #call: (value: T) => boolean;

  constructor(fn: FilterFunction<T>) {
    super();
    this.#fn = fn;
    this.#call = typeof fn === 'function' ? fn : (value) => fn.filter(value);
    this.step = {
      kind: 'filter',
      call: this.#call as (value: unknown) => unknown,
      fail: (error) => this.failure(error, 'filter'),
    };
  }

  override open(context: OperatorContext<T>): void {
    super.open(context);
    this.openFunction(this.#fn);
  }

  processElement(value: T, timestamp: number): void {
    let passes: boolean;
    try {
      passes = this.#call(value);
    } catch (error) {
      throw this.failure(error, 'filter');
    }
    if (passes) this.output.collect(value, timestamp);
  }
}
