import type { Collector } from '../api/functions.js';
import type { Output } from './operator.js';

/** The collector that the author's functions see: it adds the timestamp that the operator has set. One per operator. */
export class TimestampedCollector<T> implements Collector<T> {
  timestamp: number;
  readonly #output: Output<T>;

  constructor(output: Output<T>, timestamp: number) {
    this.timestamp = timestamp;
    this.#output = output;
  }

  collect(value: T): void {
    this.#output.collect(value, this.timestamp);
  }
}
