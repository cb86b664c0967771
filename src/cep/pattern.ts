import { MillraceError } from '../base/errors.js';
import { AfterMatchSkipStrategy } from './after-match-skip-strategy.js';
import { both, either } from './condition.js';
import type { Condition, Guard } from './condition.js';
import { ONCE, partNames, shortestWithin } from './pattern-part.js';
import type { Contiguity, Following, PatternPart, Quantifier } from './pattern-part.js';

/**
 * What to look for in the events of a key: parts that follow one another. Names and meaning are Flink's.
 *
 * A pattern is plain data and immutable: each method gives another pattern, whose last part it adds or changes. What cannot
 * be right is refused at once, so that the error's stack points to the author's line.
 *
 * @typeParam T the events.
 * @typeParam Parts the type of the events of each part, by its name.
 * @typeParam Last the name of the last part.
 *
 * @example
 * const pattern = Pattern.of<Login>()
 *   .begin('failures').where((login) => !login.ok).timesOrMore(3).consecutive()
 *   .next('success').where((login) => login.ok)
 *   .within(60_000);
 *
 * @public
 */
export class Pattern<T, out Parts, Last extends keyof Parts> {
  /** Only types. */
  declare readonly partTypes?: Parts;
  declare protected readonly eventType?: (event: T) => T;
  /** @internal */
  readonly parts: readonly PatternPart[];
  /** @internal */
  readonly skipStrategy: AfterMatchSkipStrategy;

  private constructor(parts: readonly PatternPart[], skipStrategy: AfterMatchSkipStrategy) {
    this.parts = parts;
    this.skipStrategy = skipStrategy;
  }

  /**
   * Begins a pattern with a part, or with a pattern that occurs as a whole. As Flink writes it: the compiler knows the
   * name of this first part as a string. `Pattern.of<Event>().begin('start')` knows it exactly.
   */
  static begin<T>(name: string, skipStrategy?: AfterMatchSkipStrategy): Pattern<T, Readonly<Record<string, T>>, string>;
  static begin<T, Parts, Last extends keyof Parts>(
    group: Pattern<T, Parts, Last>,
    skipStrategy?: AfterMatchSkipStrategy,
  ): Pattern<T, Parts, never>;
  static begin<T, Parts, Last extends keyof Parts>(
    first: string | Pattern<T, Parts, Last>,
    skipStrategy: AfterMatchSkipStrategy = AfterMatchSkipStrategy.noSkip(),
  ): unknown {
    return new Pattern([newPart(first, [], { isNot: false, contiguity: 'strict' })], skipStrategy);
  }

  /** Patterns of events of one type, whose parts the compiler knows by name. */
  static of<T>(): PatternBeginning<T> {
    const begin: unknown = (first: string, skipStrategy?: AfterMatchSkipStrategy) =>
      Pattern.begin<T>(first, skipStrategy);
    return { begin } as PatternBeginning<T>;
  }

  /** The very next event (strict contiguity). */
  next<Name extends string>(name: Name): Pattern<T, Parts & Part<Name, T>, Name>;
  next<Inner, Any extends keyof Inner>(group: Pattern<T, Inner, Any>): Pattern<T, Parts & Inner, never>;
  next(next: unknown): unknown {
    return this.#add(next, { isNot: false, contiguity: 'strict' });
  }

  /** The next event that fits; others may lie between (relaxed contiguity). */
  followedBy<Name extends string>(name: Name): Pattern<T, Parts & Part<Name, T>, Name>;
  followedBy<Inner, Any extends keyof Inner>(group: Pattern<T, Inner, Any>): Pattern<T, Parts & Inner, never>;
  followedBy(next: unknown): unknown {
    return this.#add(next, { isNot: false, contiguity: 'relaxed' });
  }

  /** Each later event that fits, one match for each (non-deterministic relaxed contiguity). */
  followedByAny<Name extends string>(name: Name): Pattern<T, Parts & Part<Name, T>, Name>;
  followedByAny<Inner, Any extends keyof Inner>(group: Pattern<T, Inner, Any>): Pattern<T, Parts & Inner, never>;
  followedByAny(next: unknown): unknown {
    return this.#add(next, { isNot: false, contiguity: 'any' });
  }

  /** The very next event does not fit. */
  notNext<Name extends string>(name: Name): Pattern<T, Parts & Part<Name, T>, Name> {
    this.#requireNoOptional('notNext');
    return this.#add(name, { isNot: true, contiguity: 'strict' }) as Pattern<T, Parts & Part<Name, T>, Name>;
  }

  /** No event fits until the next part begins; as the last part, until the time of `within` is up. */
  notFollowedBy<Name extends string>(name: Name): Pattern<T, Parts & Part<Name, T>, Name> {
    this.#requireNoOptional('notFollowedBy');
    return this.#add(name, { isNot: true, contiguity: 'relaxed' }) as Pattern<T, Parts & Part<Name, T>, Name>;
  }

  /** What an event must be to be taken. Several must all hold. */
  where(condition: Condition<Parts[Last], Parts>): Pattern<T, Parts, Last> {
    return this.#conditioned('where', condition, both);
  }

  /** What an event may be instead. */
  or(condition: Condition<Parts[Last], Parts>): Pattern<T, Parts, Last> {
    if (this.#last.condition === null) throw refuse(this.#last, 'has or() without where()', 'Begin with where().');
    return this.#conditioned('or', condition, either);
  }

  /** Events of a narrower type, told by a type guard. Conditions after it see that type. */
  subtype<S extends T>(is: (event: T) => event is S): Pattern<T, Omit<Parts, Last> & Part<Last, S>, Last> {
    return this.#conditioned('subtype', is, both) as unknown as Pattern<T, Omit<Parts, Last> & Part<Last, S>, Last>;
  }

  /** An event at which repetitions end, without being taken. Of a part that may occur any number of times. */
  until(condition: Condition<T, Parts>): Pattern<T, Parts, Last> {
    const part = this.#last;
    if (part.until !== undefined) throw refuse(part, 'has until() twice', 'Say it in one condition.');
    if (part.quantifier.kind !== 'looping') {
      throw refuse(
        part,
        'has until() and a bounded number of occurrences',
        'Use oneOrMore() or timesOrMore() before it.',
      );
    }
    requireCondition(part, 'until', condition);
    return this.#change({ until: condition as unknown as Guard });
  }

  /** Exactly `times` occurrences, or `from` to `to`; from 0 is optional. */
  times(times: number): Pattern<T, Parts, Last>;
  times(from: number, to: number): Pattern<T, Parts, Last>;
  times(from: number, to: number = from): Pattern<T, Parts, Last> {
    const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to >= Math.max(from, 1);
    if (!isRange) {
      const what = Object.is(from, to) ? String(from) : `${String(from)} to ${String(to)}`;
      throw refuse(this.#last, `occurs ${what} times`, 'Give times() whole numbers, the last at least 1.');
    }
    return this.#repeated('times', { kind: 'times', from: Math.max(from, 1), to, isOptional: from === 0 });
  }

  /** At least one occurrence. */
  oneOrMore(): Pattern<T, Parts, Last> {
    return this.#repeated('oneOrMore', { kind: 'looping', from: 1, to: 1 });
  }

  /** At least `times` occurrences. */
  timesOrMore(times: number): Pattern<T, Parts, Last> {
    if (!Number.isSafeInteger(times) || times < 1) {
      throw refuse(this.#last, `occurs ${String(times)} times or more`, 'Give timesOrMore() a whole number from 1.');
    }
    return this.#repeated('timesOrMore', { kind: 'looping', from: times, to: times });
  }

  /** A match need not have it. */
  optional(): Pattern<T, Parts, Last> {
    const part = this.#last;
    this.#requirePositive('optional');
    if (part.quantifier.isOptional) throw refuse(part, 'is optional twice', 'Call optional() once.');
    if (this.parts.at(-2)?.quantifier.isGreedy === true) {
      throw refuse(part, 'is optional after a greedy one', 'Leave greedy() or optional() out.');
    }
    return this.#quantified({ isOptional: true });
  }

  /** Takes as many occurrences as there are. Of a part that may repeat. */
  greedy(): Pattern<T, Parts, Last> {
    const part = this.#last;
    this.#requireRepeated('greedy');
    if (part.group !== null) throw refuse(part, 'is greedy, and a group', 'Only single parts may be greedy.');
    if (part.quantifier.inner === 'any') {
      throw refuse(part, 'is greedy and allows combinations', 'Leave greedy() or allowCombinations() out.');
    }
    return this.#quantified({ isGreedy: true });
  }

  /** Its occurrences follow each other directly. */
  consecutive(): Pattern<T, Parts, Last> {
    return this.#withInner('consecutive', 'strict');
  }

  /** Its occurrences may pass over events that fit, one match for each choice. */
  allowCombinations(): Pattern<T, Parts, Last> {
    return this.#withInner('allowCombinations', 'any');
  }

  /**
   * How long a match may take, in milliseconds.
   *
   * - `FIRST_AND_LAST`: less than this from its first event to its last. Over all parts of a pattern the shortest holds.
   * - `PREVIOUS_AND_CURRENT`: less than this from the event before to one of this part; of a part that repeats, to each of its
   *   events. Must not be longer than what the pattern has of the first kind.
   *
   * @param type what is measured. @defaultValue 'FIRST_AND_LAST'
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a time that is not above 0, and of the second kind for a group
   */
  within(windowMs: number, type: WithinType = 'FIRST_AND_LAST'): Pattern<T, Parts, Last> {
    const part = this.#last;
    if (!Number.isFinite(windowMs) || windowMs <= 0) {
      throw refuse(part, `has to fit within ${String(windowMs)} ms`, 'Give within() a number above 0.');
    }
    if (type === 'FIRST_AND_LAST') return this.#change({ withinMs: Math.min(windowMs, part.withinMs ?? Infinity) });
    if (type !== 'PREVIOUS_AND_CURRENT') {
      const hint = 'Give within() "FIRST_AND_LAST" or "PREVIOUS_AND_CURRENT".';
      throw refuse(part, `has to fit within a time of type ${JSON.stringify(type)}`, hint);
    }
    if (part.group !== null) {
      throw refuse(part, 'has a time between events, and is a group', 'Give the time to the parts of the group.');
    }
    return this.#change({ gapMs: Math.min(windowMs, part.gapMs ?? Infinity) });
  }

  /** @internal What only the whole pattern shows. */
  checked(): this {
    const names = partNames(this.parts);
    const { part } = this.skipStrategy;
    if (part !== null && !names.includes(part)) {
      const hint = `Its parts are: ${names.join(', ')}.`;
      throw new MillraceError('MILLRACE_JOB_INVALID', `a pattern is to skip to part "${part}", which it has not`, {
        hint,
      });
    }
    const last = this.#last;
    const withinMs = shortestWithin(this.parts);
    if (isNotFollowedBy(last) && withinMs === null && last.gapMs === null) {
      throw refuse(last, 'is notFollowedBy(), and the last without a time', 'Add within(), or another part after it.');
    }
    requireGaps(this.parts, withinMs, true);
    return this;
  }

  get #last(): PatternPart {
    return this.parts.at(-1) as PatternPart;
  }

  #add(next: unknown, following: Following): Pattern<T, unknown, never> {
    return new Pattern([...this.parts, newPart(next, partNames(this.parts), following)], this.skipStrategy);
  }

  #change(change: Partial<PatternPart>): Pattern<T, Parts, Last> {
    return new Pattern<T, Parts, Last>([...this.parts.slice(0, -1), { ...this.#last, ...change }], this.skipStrategy);
  }

  #quantified(change: Partial<Quantifier>): Pattern<T, Parts, Last> {
    return this.#change({ quantifier: { ...this.#last.quantifier, ...change } });
  }

  #conditioned(method: string, condition: unknown, combine: (a: Guard, b: Guard) => Guard): Pattern<T, Parts, Last> {
    const part = this.#last;
    if (part.group !== null) {
      throw refuse(part, `has ${method}(), and is a group`, 'Give conditions to the parts of the group.');
    }
    requireCondition(part, method, condition);
    const guard = named(part, condition as Guard);
    return this.#change({ condition: part.condition === null ? guard : combine(part.condition, guard) });
  }

  #repeated(method: string, quantifier: Partial<Quantifier>): Pattern<T, Parts, Last> {
    const part = this.#last;
    this.#requirePositive(method);
    if (part.quantifier.kind !== 'single') {
      throw refuse(part, `has ${method}(), and a number of occurrences already`, 'Give one of them.');
    }
    const isOptional = part.quantifier.isOptional || quantifier.isOptional === true;
    return this.#quantified({ inner: 'relaxed', ...quantifier, isOptional });
  }

  #withInner(method: string, inner: Contiguity): Pattern<T, Parts, Last> {
    const part = this.#last;
    this.#requireRepeated(method);
    if (part.quantifier.inner !== 'relaxed') {
      const hint = 'Call one of consecutive() and allowCombinations(), and once.';
      throw refuse(part, `has ${method}(), and said before how its occurrences follow each other`, hint);
    }
    if (part.quantifier.isGreedy && inner === 'any') {
      throw refuse(part, 'is greedy and allows combinations', 'Leave greedy() or allowCombinations() out.');
    }
    return this.#quantified({ inner });
  }

  #requireRepeated(method: string): void {
    if (this.#last.quantifier.kind !== 'single') return;
    throw refuse(this.#last, `has ${method}(), but occurs once`, 'Use times() or oneOrMore() before it.');
  }

  #requirePositive(method: string): void {
    if (!this.#last.following.isNot) return;
    throw refuse(this.#last, `has ${method}(), but is one that must not occur`, `Leave ${method}() out.`);
  }

  #requireNoOptional(method: string): void {
    const part = this.#last;
    if (!part.quantifier.isOptional) return;
    const hint = 'Use two patterns, one with the optional part and one without.';
    throw refuse(part, `is optional, and ${method}() follows`, hint);
  }
}

/** What {@link Pattern.within} measures: the whole match, or the time since the event before. As Flink's. @public */
export type WithinType = 'FIRST_AND_LAST' | 'PREVIOUS_AND_CURRENT';

/** The type that a part named `Name` adds to a pattern. @public */
export type Part<Name extends PropertyKey, T> = { readonly [Only in Name]: T };

/** Patterns of events of one type. Made by {@link Pattern.of}. @public */
export interface PatternBeginning<T> {
  /** Begins with a part, whose name the compiler knows. @param skipStrategy what becomes of matches that overlap. @defaultValue `noSkip()` */
  begin<Name extends string>(name: Name, skipStrategy?: AfterMatchSkipStrategy): Pattern<T, Part<Name, T>, Name>;
  /** Begins with a pattern that occurs as a whole. */
  begin<Parts, Last extends keyof Parts>(
    group: Pattern<T, Parts, Last>,
    skipStrategy?: AfterMatchSkipStrategy,
  ): Pattern<T, Parts, never>;
}

/** The events of a match by part, the oldest first. A part that took none has an empty list. @public */
export type Match<Parts> = { readonly [Name in keyof Parts]: readonly Parts[Name][] };

function newPart(next: unknown, taken: readonly string[], following: Following): PatternPart {
  const part: PatternPart = {
    name: typeof next === 'string' ? next : null,
    group: next instanceof Pattern ? next.parts : null,
    following,
    condition: null,
    until: undefined,
    quantifier: ONCE,
    withinMs: null,
    gapMs: null,
  };
  if ((part.name ?? '') === '' && part.group === null) {
    throw refuse(part, 'has no name', 'Name each part by a string, or give a pattern for a group.');
  }
  if (part.group !== null) requireGroup(part, part.group);
  for (const name of partNames([part])) {
    if (!taken.includes(name)) continue;
    throw refuse({ ...part, name }, 'has the name of another part', 'Give each part a name of its own.');
  }
  return part;
}

function requireGroup(part: PatternPart, group: readonly PatternPart[]): void {
  const [first] = group;
  const last = group.at(-1);
  if (last !== undefined && isNotFollowedBy(last)) {
    throw refuse(last, 'is notFollowedBy(), and the last of a group', 'Put it after the group.');
  }
  if (first?.quantifier.isOptional === true) {
    throw refuse(
      first,
      'is optional, and the first of a group',
      'Make the group optional, or begin it with another part.',
    );
  }
  if (group.every(({ quantifier }) => quantifier.isOptional)) {
    throw refuse(part, 'is a group of optional parts alone', 'Make the group optional instead.');
  }
}

function isNotFollowedBy({ following }: PatternPart): boolean {
  return following.isNot && following.contiguity === 'relaxed';
}

/** Times between events: each where there is an event before it to measure from, and none longer than the whole match may take. */
function requireGaps(parts: readonly PatternPart[], withinMs: number | null, isWhole: boolean): void {
  for (const [index, part] of parts.entries()) {
    if (part.group !== null) requireGaps(part.group, withinMs, isWhole && index === 0);
    if (part.gapMs === null) continue;
    if (withinMs !== null && part.gapMs > withinMs) {
      const what = `may come ${String(part.gapMs)} ms after the event before it, in a match of ${String(withinMs)} ms`;
      throw refuse(part, what, 'Make the time between events no longer than that of the whole match.');
    }
    if (isWhole && index === 0 && part.quantifier.kind === 'single') {
      throw refuse(part, 'has a time since the event before it, and is the first', 'Give the time to the next part.');
    }
    if (isNotFollowedBy(part) && index < parts.length - 1) {
      throw refuse(part, 'is notFollowedBy() with a time, and not the last', 'Give the time to the part after it.');
    }
  }
}

function requireCondition(part: PatternPart, method: string, condition: unknown): void {
  if (typeof condition === 'function') return;
  throw refuse(part, `has ${method}() without a function`, `Give ${method}() a function of an event.`);
}

/** An error of the condition names the part. */
function named(part: PatternPart, guard: Guard): Guard {
  if (guard === null) return null;
  return (event, context) => {
    try {
      return guard(event, context);
    } catch (error) {
      if (error instanceof ConditionError || MillraceError.is(error)) throw error;
      throw new ConditionError(part.name ?? 'group', error);
    }
  };
}

/** A condition has thrown: says which. The operator that runs the pattern adds its name. */
class ConditionError extends Error {
  constructor(part: string, cause: unknown) {
    super(`the condition of part "${part}" failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function refuse(part: PatternPart, what: string, hint: string): MillraceError {
  const title = part.name === null ? 'a part of a pattern' : `part "${part.name}" of a pattern`;
  return new MillraceError('MILLRACE_JOB_INVALID', `${title} ${what}`, { details: { part: part.name }, hint });
}
