import type { InternalValueState, Namespace } from '../api/internal/state-backend.js';
import type { SingleRowAccess, SingleRowState } from './observed-rows.js';
import { readStamped, type TtlPolicy } from './ttl.js';
import type { Stamped } from './value-codec.js';

/** One value per key. The hottest code of the engine: a read and an update per record. */
export class ValueStateImpl<T> implements InternalValueState<T>, SingleRowState {
  #rows: SingleRowAccess;

  constructor(rows: SingleRowAccess) {
    this.#rows = rows;
  }

  accessThrough(rows: SingleRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  value(): T | undefined {
    return this.#rows.readForUpdate() as T | undefined;
  }

  update(value: T): void {
    if (value === undefined) this.#rows.remove();
    else this.#rows.write(value);
  }

  clear(): void {
    this.#rows.remove();
  }

  peek(): unknown {
    return this.#rows.read();
  }
}

/** The same with a time to live. */
export class TtlValueState<T> implements InternalValueState<T>, SingleRowState {
  #rows: SingleRowAccess;
  readonly #policy: TtlPolicy;
  readonly #renew = (stamped: Stamped): void => this.#rows.write(stamped);
  readonly #remove = (): void => this.#rows.remove();

  constructor(rows: SingleRowAccess, policy: TtlPolicy) {
    this.#rows = rows;
    this.#policy = policy;
  }

  accessThrough(rows: SingleRowAccess): void {
    this.#rows = rows;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  value(): T | undefined {
    const stamped = this.#rows.readForUpdate() as Stamped | undefined;
    return readStamped(this.#policy, stamped, this.#renew, this.#remove) as T | undefined;
  }

  update(value: T): void {
    if (value === undefined) this.#rows.remove();
    else this.#rows.write(this.#policy.stamp(value));
  }

  clear(): void {
    this.#rows.remove();
  }

  peek(): unknown {
    return this.#policy.visible(this.#rows.read() as Stamped | undefined);
  }
}
