import type { MapFunction } from '../api/functions.js';
import type { OperatorContext, StatelessStep, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';

/** One result per record. */
export class MapOperator<In, Out> extends OperatorBase<Out> implements StreamOperator<In, Out> {
  readonly step: StatelessStep;
  readonly #fn: MapFunction<In, Out>;
  readonly #call: (value: In) => Out;

  constructor(fn: MapFunction<In, Out>) {
    super();
    this.#fn = fn;
    this.#call = typeof fn === 'function' ? fn : (value) => fn.map(value);
    this.step = {
      kind: 'map',
      call: this.#call as (value: unknown) => unknown,
      fail: (error) => this.failure(error, 'map'),
    };
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.openFunction(this.#fn);
  }

  processElement(value: In, timestamp: number): void {
    let result: Out;
    try {
      result = this.#call(value);
    } catch (error) {
      throw this.failure(error, 'map');
    }
    this.output.collect(result, timestamp);
  }
}
