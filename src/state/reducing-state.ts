import type { InternalAggregatingState, InternalReducingState, Namespace } from '../api/internal/state-backend.js';
import type { AggregateFunction, ReduceFunction } from '../api/keyed-state.js';
import type { SingleRowAccess, SingleRowState } from './observed-rows.js';
import { readStamped, type TtlPolicy } from './ttl.js';
import type { Stamped } from './value-codec.js';

/**
 * Reducing and aggregating states: one accumulated value per key, of which the author's function makes a new one, or which
 * it changes in place. With a policy, the value has a time to live.
 */
abstract class AccumulatingState implements SingleRowState {
  #rows: SingleRowAccess;
  readonly #policy: TtlPolicy | null;
  readonly #renew = (stamped: Stamped): void => this.#rows.write(stamped);
  readonly #remove = (): void => this.#rows.remove();

  constructor(rows: SingleRowAccess, policy: TtlPolicy | null) {
    this.#rows = rows;
    this.#policy = policy;
  }

  accessThrough(rows: SingleRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  clear(): void {
    this.#rows.remove();
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    let merged: unknown = undefined;
    for (const source of sources) {
      if (source !== target) merged = this.#combine(merged, this.#unwrap(this.#rows.take(source)));
    }
    if (merged === undefined) return;
    this.#rows.setNamespace(target);
    this.store(this.#combine(this.accumulated(), merged));
  }

  peek(): unknown {
    const stored = this.#rows.read();
    const value = this.#policy === null ? stored : this.#policy.visible(stored as Stamped | undefined);
    return value === undefined ? undefined : this.resultOf(value);
  }

  protected abstract merge(a: unknown, b: unknown): unknown;

  /** What the author sees of what has been accumulated. */
  protected abstract resultOf(accumulated: unknown): unknown;

  /** What has been accumulated, for a caller that reads it. */
  protected result(): unknown {
    const stored = this.#rows.readForUpdate();
    return this.#policy === null
      ? stored
      : readStamped(this.#policy, stored as Stamped | undefined, this.#renew, this.#remove);
  }

  /** What has been accumulated, for a caller that adds to it. */
  protected accumulated(): unknown {
    return this.#unwrap(this.#rows.readForUpdate());
  }

  protected store(value: unknown): void {
    this.#rows.write(this.#policy === null ? value : this.#policy.stamp(value));
  }

  #unwrap(stored: unknown): unknown {
    return this.#policy === null ? stored : this.#policy.unexpired(stored as Stamped | undefined);
  }

  #combine(a: unknown, b: unknown): unknown {
    if (a === undefined) return b;
    return b === undefined ? a : this.merge(a, b);
  }
}

export class ReducingStateImpl<T> extends AccumulatingState implements InternalReducingState<T> {
  readonly #reduce: ReduceFunction<T>;

  constructor(rows: SingleRowAccess, policy: TtlPolicy | null, reduce: ReduceFunction<T>) {
    super(rows, policy);
    this.#reduce = reduce;
  }

  get(): T | undefined {
    return this.result() as T | undefined;
  }

  add(value: T): void {
    this.append(value);
  }

  append(value: T): boolean {
    const accumulated = this.accumulated() as T | undefined;
    this.store(accumulated === undefined ? value : this.#reduce(accumulated, value));
    return accumulated === undefined;
  }

  protected override merge(a: unknown, b: unknown): unknown {
    return this.#reduce(a as T, b as T);
  }

  protected override resultOf(accumulated: unknown): unknown {
    return accumulated;
  }
}

export class AggregatingStateImpl<I, A, O> extends AccumulatingState implements InternalAggregatingState<I, O> {
  readonly #aggregate: AggregateFunction<I, A, O>;

  constructor(rows: SingleRowAccess, policy: TtlPolicy | null, aggregate: AggregateFunction<I, A, O>) {
    super(rows, policy);
    this.#aggregate = aggregate;
  }

  get(): O | undefined {
    const accumulated = this.result();
    return accumulated === undefined ? undefined : (this.resultOf(accumulated) as O);
  }

  add(value: I): void {
    this.append(value);
  }

  append(value: I): boolean {
    const accumulated = this.accumulated() as A | undefined;
    this.store(
      this.#aggregate.add(value, accumulated === undefined ? this.#aggregate.createAccumulator() : accumulated),
    );
    return accumulated === undefined;
  }

  protected override merge(a: unknown, b: unknown): unknown {
    return this.#aggregate.merge(a as A, b as A);
  }

  protected override resultOf(accumulated: unknown): unknown {
    return this.#aggregate.getResult(accumulated as A);
  }
}
