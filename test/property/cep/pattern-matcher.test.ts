import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pattern } from '../../../src/cep/index.js';
import { PatternRunner, textEvents, type TextEvent } from '../../helpers/cep-matches.js';

/**
 * The automaton against a search that tries every choice of events and knows nothing of states: a match is a choice of
 * events for each part, with a rule for what may lie between two of them.
 */

type Contiguity = 'strict' | 'relaxed' | 'any';

interface Shape {
  /** Kinds of events that fit. */
  readonly kinds: readonly string[];
  readonly contiguity: Contiguity;
  readonly inner: Contiguity;
  readonly from: number;
  /** `null` for any number. */
  readonly to: number | null;
  readonly isOptional: boolean;
  readonly isGreedy: boolean;
  /** What must not come before it, after what came before. */
  readonly not: { readonly isNext: boolean; readonly kinds: readonly string[] } | null;
}

const KINDS = ['a', 'b', 'c'];
const someKinds = fc.subarray(KINDS, { minLength: 1 });
const someContiguity = fc.constantFrom<Contiguity>('strict', 'relaxed', 'any');
const someRange = fc
  .record({ from: fc.integer({ min: 1, max: 2 }), more: fc.constantFrom(0, 1, null) })
  .map(({ from, more }) => ({ from, to: more === null ? null : from + more }));
const someShape: fc.Arbitrary<Shape> = fc
  .record({
    kinds: someKinds,
    contiguity: someContiguity,
    inner: someContiguity,
    isOptional: fc.boolean(),
    isGreedy: fc.boolean(),
    not: fc.option(fc.record({ isNext: fc.boolean(), kinds: someKinds }), { freq: 4 }),
    range: someRange,
  })
  .map(({ range: { from, to }, ...rest }): Shape => Object.assign(rest, { from, to }));

const isRepeated = ({ from, to }: Shape): boolean => from > 1 || to !== 1;

/** Leaves out what a pattern refuses, and nots behind repetitions and before what is optional, which other tests look at. */
function buildable(shapes: readonly Shape[]): Shape[] {
  const built: Shape[] = [];
  for (const each of shapes) {
    const before = built.at(-1);
    const isGreedy = each.isGreedy && isRepeated(each) && each.inner !== 'any';
    const isOptional = each.isOptional && before?.isGreedy !== true;
    const hasOptional = isOptional || (each.to !== null && each.to > each.from);
    const mayHaveNot = before !== undefined && !before.isOptional && !isRepeated(before) && !hasOptional;
    built.push({ ...each, isGreedy, isOptional, not: mayHaveNot ? each.not : null });
  }
  return built;
}

const fits = (shape: { readonly kinds: readonly string[] }, { kind }: TextEvent): boolean => shape.kinds.includes(kind);

/** All ways to complete a match whose last event is `events[last]`, from part `index` on. */
function* completions(
  shapes: readonly Shape[],
  events: readonly TextEvent[],
  last: number | null,
  index = 0,
  count = 0,
): Generator<readonly (readonly [number, number])[]> {
  const part = shapes[index];
  if (part === undefined) {
    if (last !== null) yield [];
    return;
  }
  const mayLeave = count === 0 ? part.isOptional : count >= part.from;
  if (mayLeave) yield* completions(shapes, events, last, index + 1);
  if (part.to !== null && count >= part.to) return;
  for (let next = (last ?? -1) + 1; next < events.length; next++) {
    if (!mayTake(shapes, events, { index, count, last, next })) continue;
    for (const rest of completions(shapes, events, next, index, count + 1)) yield [[index, next], ...rest];
  }
}

interface Choice {
  readonly index: number;
  readonly count: number;
  readonly last: number | null;
  readonly next: number;
}

function mayTake(
  shapes: readonly Shape[],
  events: readonly TextEvent[],
  { index, count, last, next }: Choice,
): boolean {
  const part = shapes[index] as Shape;
  if (!fits(part, events[next] as TextEvent)) return false;
  const between = last === null ? [] : events.slice(last + 1, next);
  const contiguity = count > 0 ? part.inner : part.contiguity;
  if (contiguity === 'strict' && between.length > 0) return false;
  if (contiguity === 'relaxed' && between.some((event) => fits(part, event))) return false;
  if (count > 0) return true;
  const untilTaken = [...between, events[next] as TextEvent];
  const { not } = part;
  if (not !== null && (not.isNext ? untilTaken.slice(0, 1) : untilTaken).some((event) => fits(not, event)))
    return false;
  // A greedy part before gives nothing up that fits it.
  const greedy = shapes[index - 1];
  return greedy?.isGreedy !== true || greedy.from === greedy.to || !untilTaken.some((event) => fits(greedy, event));
}

/** How long a match may take, and each of its parts after the event before. */
interface Limits {
  readonly withinMs: number | null;
  /** By part. */
  readonly gapsMs: readonly (number | null)[];
}

function isInTime(times: readonly number[], parts: readonly number[], { withinMs, gapsMs }: Limits): boolean {
  if (withinMs !== null && Math.max(...times) - Math.min(...times) >= withinMs) return false;
  return times.every((time, at) => {
    const gapMs = at === 0 ? null : (gapsMs[parts[at] ?? 0] ?? null);
    return gapMs === null || time - (times[at - 1] ?? 0) < gapMs;
  });
}

function searched(shapes: readonly Shape[], events: readonly TextEvent[], limits: Limits): string[] {
  const matches: string[] = [];
  for (const choice of completions(shapes, events, null)) {
    const times = choice.map(([, event]) => events[event]?.at ?? 0);
    const parts = choice.map(([part]) => part);
    if (!isInTime(times, parts, limits)) continue;
    matches.push(choice.map(([part, event]) => `${String(part)}:${events[event]?.id ?? ''}`).join(' '));
  }
  return matches.sort();
}

type Loose = Pattern<TextEvent, Record<string, TextEvent>, string>;

/** The gaps that a pattern may have: none longer than the whole, and before a first event there is no other. */
function allowedGaps(shapes: readonly Shape[], { withinMs, gapsMs }: Limits): (number | null)[] {
  return shapes.map(({ from, to }, index) => {
    const gapMs = gapsMs[index] ?? null;
    if (gapMs === null || (index === 0 && from === 1 && to === 1)) return null;
    return Math.min(gapMs, withinMs ?? Infinity);
  });
}

function patternOf(shapes: readonly Shape[], { withinMs, gapsMs }: Limits): Loose {
  let pattern: Loose | null = null;
  for (const [index, part] of shapes.entries()) {
    if (pattern !== null && part.not !== null) {
      const not = part.not;
      const name = `not ${String(index)}`;
      const step: Loose = not.isNext ? pattern.notNext(name) : pattern.notFollowedBy(name);
      pattern = step.where((event) => fits(not, event));
    }
    pattern = quantified(
      began(pattern, String(index), part.contiguity).where((event) => fits(part, event)),
      part,
    );
    const gapMs = gapsMs[index] ?? null;
    if (gapMs !== null) pattern = pattern.within(gapMs, 'PREVIOUS_AND_CURRENT');
  }
  const whole = pattern as unknown as Loose;
  return withinMs === null ? whole : whole.within(withinMs);
}

function began(pattern: Loose | null, name: string, contiguity: Contiguity): Loose {
  if (pattern === null) return Pattern.begin<TextEvent>(name);
  if (contiguity === 'strict') return pattern.next(name);
  return contiguity === 'relaxed' ? pattern.followedBy(name) : pattern.followedByAny(name);
}

function quantified(part: Loose, { from, to, inner, isGreedy, isOptional }: Shape): Loose {
  let result = part;
  if (from > 1 || to !== 1) {
    result = to === null ? result.timesOrMore(from) : result.times(from, to);
    if (inner === 'strict') result = result.consecutive();
    if (inner === 'any') result = result.allowCombinations();
  }
  if (isGreedy) result = result.greedy();
  return isOptional ? result.optional() : result;
}

describe('the automaton of a pattern', () => {
  const shapes = fc.array(someShape, { minLength: 1, maxLength: 3 }).map(buildable);
  const text = fc.array(fc.tuple(fc.constantFrom(...KINDS), fc.integer({ min: 0, max: 2 })), { maxLength: 7 });
  const limited = fc.record({
    withinMs: fc.option(fc.integer({ min: 1, max: 8 }), { nil: null }),
    gapsMs: fc.array(fc.option(fc.integer({ min: 1, max: 4 }), { nil: null, freq: 1 }), { maxLength: 3 }),
  });

  it('finds what a search over all choices of events finds, each match once, and keeps nothing that nobody holds', () => {
    fc.assert(
      fc.property(shapes, text, limited, (parts, words, any) => {
        const limits = { ...any, gapsMs: allowedGaps(parts, any) };
        let clock = 0;
        const timed = words.map(([kind, wait], index) => `${kind}${String(index)}@${String((clock += wait))}`);
        const events = textEvents(timed.join(' '));
        const runner = new PatternRunner(patternOf(parts, limits));
        for (const event of events) runner.process(event);
        const matches = runner.matches.map((match) =>
          Object.entries(match)
            .flatMap(([part, taken]) => taken.map(({ id }) => `${part}:${id}`))
            .join(' '),
        );
        expect(matches.sort()).toEqual(searched(parts, events, limits));
        if (limits.withinMs === null) return;
        runner.advanceTime(clock + limits.withinMs);
        expect(runner.stored).toEqual({ partials: 0, links: 0, events: 0 });
      }),
      { numRuns: 3_000 },
    );
  });
});
