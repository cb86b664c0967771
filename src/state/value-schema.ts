import type { StateOptions } from '../api/keyed-state.js';
import { MillraceError } from '../base/errors.js';

/**
 * The form of an author's values: its version, and how values of older versions come into it. Values are migrated one by one as
 * they are read, and written in the new form when they are next changed: a change of schema rewrites nothing.
 */
export class ValueSchema {
  /** From 1: what a state without a declared version has. */
  readonly version: number;
  readonly #migrate: ((version: number, value: unknown) => unknown) | null;

  constructor(options: Pick<StateOptions<unknown>, 'version' | 'migrate'>) {
    this.version = options.version ?? 1;
    this.#migrate = options.migrate ?? null;
  }

  /**
   * Brings a value that was stored with another version into the present form.
   *
   * @throws MillraceError `MILLRACE_STATE_MIGRATION_FAILED` when the author's function throws or gives nothing,
   *   `MILLRACE_STATE_INCOMPATIBLE` when the value is of a newer version than this job knows
   */
  migrate(stored: number, value: unknown): unknown {
    if (stored > this.version || this.#migrate === null) {
      throw new MillraceError(
        'MILLRACE_STATE_INCOMPATIBLE',
        `a stored value has schema version ${stored}, this job declares version ${this.version}`,
        {
          details: { stored, version: this.version },
          hint: 'Start the job that wrote it, or declare its version, with a function that migrates older values.',
        },
      );
    }
    const migrated = this.#apply(this.#migrate, stored, value);
    if (migrated !== undefined) return migrated;
    throw this.#failed(stored, 'the function gives undefined');
  }

  #apply(migrate: (version: number, value: unknown) => unknown, stored: number, value: unknown): unknown {
    try {
      return migrate(stored, value);
    } catch (error) {
      throw this.#failed(stored, error instanceof Error ? error.message : String(error), error);
    }
  }

  #failed(stored: number, reason: string, cause?: unknown): MillraceError {
    return new MillraceError(
      'MILLRACE_STATE_MIGRATION_FAILED',
      `a stored value of schema version ${stored} cannot be migrated to version ${this.version}: ${reason}`,
      {
        details: { stored, version: this.version },
        hint: "Try the new job on a savepoint first: millrace savepoint check. Correct the state's migrate function.",
        ...(cause === undefined ? {} : { cause }),
      },
    );
  }
}

/** Of states without a declared version. */
export const plainSchema = new ValueSchema({});
