import { MillraceError } from '../base/errors.js';

/** A match as the parts of its events: by part, the numbers of the events, the oldest first. */
export type MatchedEvents = Readonly<Record<string, readonly number[]>>;

/**
 * What becomes of partial matches that overlap with a match that was found. Names and meaning are Flink's.
 *
 * With every strategy but `noSkip`, matches come out in the order of their first events: one that is complete waits while an
 * earlier one may still be.
 *
 * @public
 */
export class AfterMatchSkipStrategy {
  readonly #kind: 'none' | 'next' | 'past-last' | 'first-of' | 'last-of';
  readonly #part: string | null;
  readonly #throwsOnMiss: boolean;

  private constructor(
    kind: 'none' | 'next' | 'past-last' | 'first-of' | 'last-of',
    part: string | null,
    throwsOnMiss: boolean,
  ) {
    this.#kind = kind;
    this.#part = part;
    this.#throwsOnMiss = throwsOnMiss;
  }

  /** Every match comes out. */
  static noSkip(this: void): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy('none', null, false);
  }

  /** Drops every partial match that began with the same event. */
  static skipToNext(this: void): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy('next', null, false);
  }

  /** Drops every partial match that began before the match ended. */
  static skipPastLastEvent(this: void): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy('past-last', null, false);
  }

  /** Drops every partial match that began before the first event of a part. */
  static skipToFirst(this: void, part: string): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy('first-of', part, false);
  }

  /** Drops every partial match that began before the last event of a part. */
  static skipToLast(this: void, part: string): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy('last-of', part, false);
  }

  /** Fails the job, instead of skipping nothing, when a match has no event of the part, or begins with the one to skip to. */
  throwExceptionOnMiss(): AfterMatchSkipStrategy {
    return new AfterMatchSkipStrategy(this.#kind, this.#part, true);
  }

  /** @internal The part that it names. */
  get part(): string | null {
    return this.#part;
  }

  /** @internal Whether it drops anything. */
  get skips(): boolean {
    return this.#kind !== 'none';
  }

  /** @internal Partial matches that began with an event of a smaller number are to be dropped; 0 drops none. */
  firstKept(match: MatchedEvents): number {
    switch (this.#kind) {
      case 'none':
        return 0;
      case 'next':
        return Math.min(...Object.values(match).flat()) + 1;
      case 'past-last':
        return Math.max(...Object.values(match).flat()) + 1;
      case 'first-of':
        return this.#skipTo(match, match[this.#part ?? '']?.[0]);
      case 'last-of':
        return this.#skipTo(match, match[this.#part ?? '']?.at(-1));
    }
  }

  #skipTo(match: MatchedEvents, event: number | undefined): number {
    if (!this.#throwsOnMiss) return event ?? 0;
    const first = Math.min(...Object.values(match).flat());
    if (event !== undefined && event !== first) return event;
    const problem = event === undefined ? 'has no event of that part' : 'begins with the event to skip to';
    throw new MillraceError(
      'MILLRACE_USER_FUNCTION_FAILED',
      `cannot skip to part "${this.#part ?? ''}" after a match: the match ${problem}`,
      {
        details: { part: this.#part },
        hint: 'Skip to a part that every match has and none begins with, or leave throwExceptionOnMiss() out.',
      },
    );
  }
}
