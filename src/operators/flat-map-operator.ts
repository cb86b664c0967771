import type { Collector, FlatMapFunction } from '../api/functions.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import type { OperatorContext, StatelessStep, StreamOperator } from './operator.js';
import { OperatorBase } from './operator-base.js';
import { TimestampedCollector } from './timestamped-collector.js';

/** Any number of results per record, with the record's timestamp. */
export class FlatMapOperator<In, Out> extends OperatorBase<Out> implements StreamOperator<In, Out> {
  readonly step: StatelessStep;
  readonly #fn: FlatMapFunction<In, Out>;
  readonly #call: (value: In, out: Collector<Out>) => void;
  #collector: TimestampedCollector<Out>;

  constructor(fn: FlatMapFunction<In, Out>) {
    super();
    this.#fn = fn;
    this.#call = typeof fn === 'function' ? fn : (value, out) => fn.flatMap(value, out);
    this.#collector = new TimestampedCollector<Out>(this.output, NO_TIMESTAMP);
    this.step = {
      kind: 'flat-map',
      call: this.#call as (value: unknown, out: Collector<unknown>) => void,
      fail: (error) => this.failure(error, 'flatMap'),
    };
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    this.#collector = new TimestampedCollector(context.output, NO_TIMESTAMP);
    this.openFunction(this.#fn);
  }

  processElement(value: In, timestamp: number): void {
    const collector = this.#collector;
    collector.timestamp = timestamp;
    try {
      this.#call(value, collector);
    } catch (error) {
      throw this.failure(error, 'flatMap');
    }
  }
}
