import { createAccumulator, isAccumulator } from '../api/accumulators.js';
import type { Accumulator, AccumulatorType } from '../api/accumulators.js';
import type { AccumulatorReading } from '../api/internal/measurements.js';
import { MillraceError } from '../base/errors.js';

/** Accumulators of one operator's subtask. */
const ACCUMULATORS_MAX = 1_000;

/** The accumulators that the functions of one operator have added, in one subtask. */
export class OperatorAccumulators {
  readonly #byName = new Map<string, Accumulator<unknown, unknown>>();
  readonly #operatorName: string;

  constructor(operatorName: string) {
    this.#operatorName = operatorName;
  }

  add(name: string, accumulator: unknown): void {
    if (!isAccumulator(accumulator)) throw this.#refused(name, 'is none of the classes that Millrace has');
    if (this.#byName.has(name)) throw this.#refused(name, 'exists already');
    if (this.#byName.size >= ACCUMULATORS_MAX)
      throw this.#refused(name, `is one more than ${String(ACCUMULATORS_MAX)}`);
    this.#byName.set(name, accumulator);
  }

  get(name: string): Accumulator<unknown, unknown> | undefined {
    return this.#byName.get(name);
  }

  /** The accumulator of this name; a new one where there is none. */
  getOrCreate(name: string, type: AccumulatorType): Accumulator<unknown, unknown> {
    const known = this.#byName.get(name);
    if (known?.type === type) return known;
    if (known !== undefined) throw this.#refused(name, `is a ${known.type}, not a ${type}`);
    const created = createAccumulator(type);
    this.add(name, created);
    return created;
  }

  read(): AccumulatorReading[] {
    return [...this.#byName].map(([name, accumulator]) => ({
      name,
      type: accumulator.type,
      content: accumulator.content(),
    }));
  }

  #refused(name: string, why: string): MillraceError {
    return new MillraceError(
      'MILLRACE_JOB_INVALID',
      `accumulator "${name}" of operator "${this.#operatorName}" ${why}`,
      { details: { name: this.#operatorName, accumulator: name } },
    );
  }
}
