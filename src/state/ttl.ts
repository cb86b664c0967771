import type { StateTtlConfig } from '../api/keyed-state.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { Stamped } from './value-codec.js';

/**
 * Time to live, as Flink's TTL states have it: a value expires when the clock reaches the time of its last write (or read)
 * plus the time to live, and is removed when it is next read, or when a sweep comes by (ttl-sweeper.ts).
 */
export class TtlPolicy {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly updatesOnRead: boolean;
  readonly returnsExpired: boolean;

  constructor(config: StateTtlConfig, clock: Clock) {
    if (!(config.ttlMs > 0)) {
      throw new MillraceError('MILLRACE_JOB_INVALID', `a time to live of ${config.ttlMs} ms is not above 0`);
    }
    this.#clock = clock;
    this.#ttlMs = config.ttlMs;
    this.updatesOnRead = config.updateType === 'OnReadAndWrite';
    this.returnsExpired = config.visibility === 'ReturnExpiredIfNotCleanedUp';
  }

  stamp(value: unknown): Stamped {
    return new Stamped(value, this.#clock.now());
  }

  isExpired(stamped: Stamped): boolean {
    return this.#clock.now() >= stamped.stamp + this.#ttlMs;
  }

  /** Whether nothing of a row is left to be seen: its value has expired, of a list every item. */
  hasAllExpired(value: unknown): boolean {
    if (value instanceof Stamped) return this.isExpired(value);
    return Array.isArray(value) && value.every((item) => item instanceof Stamped && this.isExpired(item));
  }

  /** The value for a query, which neither renews nor removes it. */
  visible(stamped: Stamped | undefined): unknown {
    return stamped === undefined || this.isExpired(stamped) ? undefined : stamped.value;
  }

  /** The value for a caller that adds to it; `undefined` when it has expired and must not be seen any more. */
  unexpired(stamped: Stamped | undefined): unknown {
    if (stamped === undefined) return undefined;
    return this.returnsExpired || !this.isExpired(stamped) ? stamped.value : undefined;
  }
}

/**
 * Reads a stamped value as TTL states do: removes it if it has expired, renews its time if reading counts.
 *
 * @param renew stores the value anew
 * @returns the value; `undefined` when there is none to be seen
 */
export function readStamped(
  policy: TtlPolicy,
  stamped: Stamped | undefined,
  renew: (stamped: Stamped) => void,
  remove: () => void,
): unknown {
  if (stamped === undefined) return undefined;
  if (policy.isExpired(stamped)) {
    remove();
    return policy.returnsExpired ? stamped.value : undefined;
  }
  if (policy.updatesOnRead) renew(policy.stamp(stamped.value));
  return stamped.value;
}
