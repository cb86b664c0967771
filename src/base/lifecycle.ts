import { MillraceError } from './errors.js';

/** For each state, the states that may follow it. A state without followers is final. */
export type TransitionTable<State extends string> = { readonly [From in State]: readonly State[] };

/**
 * Where something is in its life, and a guard against every step that its table does not allow: a step too many, too early
 * or out of order is a defect, and is caught where it happens and not where it hurts.
 *
 * Belongs to one thread, like the thing whose life it is.
 *
 * @example
 * // CREATED ──▶ RUNNING ──▶ CLOSED
 * //    └─────────────────────▲
 * const life = new Lifecycle('ring reader', { CREATED: ['RUNNING', 'CLOSED'], RUNNING: ['CLOSED'], CLOSED: [] }, 'CREATED');
 */
export class Lifecycle<State extends string> {
  readonly #owner: string;
  readonly #table: TransitionTable<State>;
  #state: State;

  constructor(owner: string, table: TransitionTable<State>, initial: State) {
    this.#owner = owner;
    this.#table = table;
    this.#state = initial;
  }

  get state(): State {
    return this.#state;
  }

  /** Whether no state follows the current one. */
  get isFinal(): boolean {
    return this.#table[this.#state].length === 0;
  }

  /** @throws MillraceError `MILLRACE_INVARIANT_VIOLATED` when the table does not allow the step. */
  moveTo(next: State): void {
    if (!this.canMoveTo(next)) {
      throw new MillraceError(
        'MILLRACE_INVARIANT_VIOLATED',
        'a life goes only from a state to one that may follow it',
        {
          details: { owner: this.#owner, from: this.#state, to: next },
        },
      );
    }
    this.#state = next;
  }

  /** Moves if the table allows it: for steps that two parties may ask for, such as closing. */
  tryMoveTo(next: State): boolean {
    if (!this.canMoveTo(next)) return false;
    this.#state = next;
    return true;
  }

  canMoveTo(next: State): boolean {
    return this.#table[this.#state].includes(next);
  }
}
