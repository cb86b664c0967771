import type { Guard } from './condition.js';

/** Which events may lie between two that belong together. */
export type Contiguity =
  /** None: the very next event fits, or the match ends. */
  | 'strict'
  /** Those that do not fit; the first that fits is taken. */
  | 'relaxed'
  /** Any: an event that fits is taken by one match, and passed over by another. */
  | 'any';

/** How a part follows the one before it. */
export type Following = { readonly isNot: boolean; readonly contiguity: Contiguity };

/** How often a part occurs. */
export interface Quantifier {
  readonly kind: 'single' | 'times' | 'looping';
  /** Least occurrences, from 1; none at all is what `isOptional` says. */
  readonly from: number;
  /** Most occurrences; of a looping part the same as `from`. */
  readonly to: number;
  /** Between its occurrences. */
  readonly inner: Contiguity;
  readonly isOptional: boolean;
  readonly isGreedy: boolean;
}

/** One part of a pattern, as its author built it. Plain data but for the conditions. */
export interface PatternPart {
  /** `null` for a group. */
  readonly name: string | null;
  /** A pattern that occurs as a whole. */
  readonly group: readonly PatternPart[] | null;
  readonly following: Following;
  readonly condition: Guard;
  /** Ends the repetitions; `undefined` when nothing does. */
  readonly until: Guard | undefined;
  readonly quantifier: Quantifier;
  /** The whole match fits into so many milliseconds; `null` for no limit. */
  readonly withinMs: number | null;
  /** Its event comes less than so many milliseconds after the one before it in the match; `null` for no limit. */
  readonly gapMs: number | null;
}

export const ONCE: Quantifier = {
  kind: 'single',
  from: 1,
  to: 1,
  inner: 'strict',
  isOptional: false,
  isGreedy: false,
};

/** Names of a pattern's parts, those in groups included, in order. */
export function partNames(parts: readonly PatternPart[]): string[] {
  return parts.flatMap(({ name, group }) => [...(name === null ? [] : [name]), ...partNames(group ?? [])]);
}

/** Names of the parts that a match may hold. */
export function takenNames(parts: readonly PatternPart[]): string[] {
  return partNames(parts.filter(({ following }) => !following.isNot));
}

/** The shortest limit of a pattern's parts; `null` when none has one. */
export function shortestWithin(parts: readonly PatternPart[]): number | null {
  const limits = parts.flatMap(({ withinMs, group }) => [withinMs, group === null ? null : shortestWithin(group)]);
  const set = limits.filter((limit) => limit !== null);
  return set.length === 0 ? null : Math.min(...set);
}
