/**
 * Accumulators: values that each subtask adds to, and that are merged over all of them when somebody looks, and at the end
 * of a job. Classes and names are Flink's; `Int`, `Long` and `Double` differ in name only, all are JavaScript's numbers.
 *
 * They begin anew with each start of the job, as Flink's do.
 */
/** Entries that a {@link ListAccumulator} or a {@link HistogramAccumulator} may have in one subtask. */
const ENTRIES_MAX = 100_000;

/**
 * A value that subtasks add to and that is merged over them. Registered with `context.addAccumulator(name, accumulator)`;
 * read at `GET /jobs/:id/accumulators`.
 *
 * The classes of this package are all there are: values cross threads, and are merged where no code of the job runs.
 *
 * @typeParam V what is added.
 * @typeParam R what comes of it.
 *
 * @example
 * override open(context: RuntimeContext) {
 *   this.#refused = context.getLongCounter('refused');
 * }
 *
 * @public
 */
export abstract class Accumulator<V, R> {
  /** The class, by the name that Flink shows. */
  abstract readonly type: AccumulatorType;
  /** Adds a value to what this subtask has. */
  abstract add(value: V): void;
  /** What this subtask has. */
  abstract getLocalValue(): R;
  /** Forgets what this subtask has. */
  abstract resetLocal(): void;
  /** What another one of the same class merges. Plain data. @internal */
  abstract content(): unknown;
  /** @internal */
  abstract mergeContent(content: unknown): void;

  /** Adds what another accumulator of the same class has. */
  merge(other: this): void {
    this.mergeContent(other.content());
  }
}

abstract class NumberAccumulator extends Accumulator<number, number> {
  protected value: number;
  readonly #initial: number;

  constructor(initial: number) {
    super();
    this.#initial = initial;
    this.value = initial;
  }

  getLocalValue(): number {
    return this.value;
  }

  resetLocal(): void {
    this.value = this.#initial;
  }

  content(): number {
    return this.value;
  }

  mergeContent(content: number): void {
    this.add(content);
  }
}

abstract class SumAccumulator extends NumberAccumulator {
  constructor() {
    super(0);
  }

  add(value: number): void {
    this.value += value;
  }
}

abstract class MinimumAccumulator extends NumberAccumulator {
  constructor() {
    super(Infinity);
  }

  add(value: number): void {
    if (value < this.value) this.value = value;
  }
}

abstract class MaximumAccumulator extends NumberAccumulator {
  constructor() {
    super(-Infinity);
  }

  add(value: number): void {
    if (value > this.value) this.value = value;
  }
}

/** A sum of integers. Flink's is of 32 bits; this one is exact up to 2^53, and does not overflow. @public */
export class IntCounter extends SumAccumulator {
  readonly type = 'IntCounter';
}

/** A sum of integers, exact up to 2^53. @public */
export class LongCounter extends SumAccumulator {
  readonly type = 'LongCounter';
}

/** A sum of doubles. How its last digits round depends on the order of adding, and so on the parallelism. @public */
export class DoubleCounter extends SumAccumulator {
  readonly type = 'DoubleCounter';
}

/** The least value; `Infinity` before the first. @public */
export class IntMinimum extends MinimumAccumulator {
  readonly type = 'IntMinimum';
}

/** The least value; `Infinity` before the first. @public */
export class LongMinimum extends MinimumAccumulator {
  readonly type = 'LongMinimum';
}

/** The least value; `Infinity` before the first. @public */
export class DoubleMinimum extends MinimumAccumulator {
  readonly type = 'DoubleMinimum';
}

/** The greatest value; `-Infinity` before the first. @public */
export class IntMaximum extends MaximumAccumulator {
  readonly type = 'IntMaximum';
}

/** The greatest value; `-Infinity` before the first. @public */
export class LongMaximum extends MaximumAccumulator {
  readonly type = 'LongMaximum';
}

/** The greatest value; `-Infinity` before the first. @public */
export class DoubleMaximum extends MaximumAccumulator {
  readonly type = 'DoubleMaximum';
}

/** The mean of all values; 0 before the first. @public */
export class AverageAccumulator extends Accumulator<number, number> {
  readonly type = 'AverageAccumulator';
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    this.#count++;
  }

  getLocalValue(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  resetLocal(): void {
    this.#sum = 0;
    this.#count = 0;
  }

  /** @internal */
  content(): readonly [sum: number, count: number] {
    return [this.#sum, this.#count];
  }

  /** @internal */
  mergeContent([sum, count]: readonly [number, number]): void {
    this.#sum += sum;
    this.#count += count;
  }
}

/**
 * How often each number came; Flink's `accumulators.Histogram`. For numbers of few different values: a subtask takes at most 100 000 of them.
 *
 * @public
 */
export class HistogramAccumulator extends Accumulator<number, ReadonlyMap<number, number>> {
  readonly type = 'Histogram';
  #counts = new Map<number, number>();

  add(value: number): void {
    const before = this.#counts.get(value) ?? 0;
    if (before === 0 && this.#counts.size >= ENTRIES_MAX) throw tooManyEntries(this.type);
    this.#counts.set(value, before + 1);
  }

  /** Counts by number, in ascending order of the numbers. */
  getLocalValue(): ReadonlyMap<number, number> {
    return new Map([...this.#counts].toSorted(([a], [b]) => a - b));
  }

  resetLocal(): void {
    this.#counts = new Map();
  }

  /** @internal */
  content(): readonly (readonly [number, number])[] {
    return [...this.#counts];
  }

  /** @internal */
  mergeContent(content: readonly (readonly [number, number])[]): void {
    for (const [value, count] of content) this.#counts.set(value, (this.#counts.get(value) ?? 0) + count);
  }
}

/** All values, in the order in which a subtask added them, at most 100 000 of each. Plain data: they cross threads. @public */
export class ListAccumulator<T> extends Accumulator<T, readonly T[]> {
  readonly type = 'ListAccumulator';
  #values: T[] = [];

  add(value: T): void {
    if (this.#values.length >= ENTRIES_MAX) throw tooManyEntries(this.type);
    this.#values.push(value);
  }

  getLocalValue(): readonly T[] {
    return this.#values;
  }

  resetLocal(): void {
    this.#values = [];
  }

  /** @internal */
  content(): readonly T[] {
    return this.#values;
  }

  /** @internal */
  mergeContent(content: readonly T[]): void {
    this.#values = [...this.#values, ...content];
  }
}

const classes = {
  IntCounter,
  LongCounter,
  DoubleCounter,
  IntMinimum,
  LongMinimum,
  DoubleMinimum,
  IntMaximum,
  LongMaximum,
  DoubleMaximum,
  AverageAccumulator,
  Histogram: HistogramAccumulator,
  ListAccumulator,
} as const;

/** Names of the accumulators' classes, as Flink's REST API shows them. @public */
export type AccumulatorType = keyof typeof classes;

/** An empty accumulator of this type. @internal */
export function createAccumulator(type: AccumulatorType): Accumulator<unknown, unknown> {
  return new classes[type]();
}

/** Whether it is of one of these classes. Structural: the job's module may have brought another copy of the package. @internal */
export function isAccumulator(value: unknown): value is Accumulator<unknown, unknown> {
  const { type } = (value ?? {}) as Partial<Accumulator<unknown, unknown>>;
  return typeof type === 'string' && Object.hasOwn(classes, type);
}

function tooManyEntries(type: string): RangeError {
  return new RangeError(
    `a ${type} takes no more than ${String(ENTRIES_MAX)} entries: what grows with the input is state`,
  );
}
