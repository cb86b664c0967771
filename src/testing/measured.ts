import type { MetricValue, OperatorMeasurements } from '../api/internal/measurements.js';
import { mergeAccumulators } from '../api/internal/merge-accumulators.js';

/** What functions under test have measured, put together over their subtasks. */
export class Measured {
  readonly #operators: readonly OperatorMeasurements[];

  constructor(operators: readonly OperatorMeasurements[]) {
    this.#operators = operators;
  }

  accumulators(): Record<string, unknown> {
    const readings = this.#operators.flatMap(({ accumulators }) => accumulators);
    return Object.fromEntries(mergeAccumulators(readings).map(({ name, value }) => [name, value]));
  }

  accumulator(name: string): unknown {
    return this.accumulators()[name];
  }

  /** Of gauges and histograms, the value of the first subtask that has one. */
  metric(name: string): MetricValue | undefined {
    const values = this.#operators
      .flatMap(({ metrics }) => metrics)
      .filter((reading) => [...reading.scope, reading.name].join('.') === name)
      .map(({ value }) => value);
    return values.reduce<MetricValue | undefined>(
      (sum, value) => (sum === undefined ? value : added(sum, value)),
      undefined,
    );
  }
}

function added(sum: MetricValue, value: MetricValue): MetricValue {
  if (sum.kind === 'counter' && value.kind === 'counter') return { ...sum, count: sum.count + value.count };
  if (sum.kind === 'meter' && value.kind === 'meter') {
    return { ...sum, count: sum.count + value.count, rate: sum.rate + value.rate };
  }
  return sum;
}
