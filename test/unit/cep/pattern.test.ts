import { describe, expect, it } from 'vitest';
import { AfterMatchSkipStrategy, CEP, Pattern } from '../../../src/cep/index.js';
import { defineJob } from '../../../src/index.js';
import { refusalOf } from '../../helpers/refusal-of.js';

const a = Pattern.begin<string>('a');
const b = a.followedBy('b');

/** What a pattern is refused for, without the name of the part. */
const refusal = (build: () => unknown): string => refusalOf(build).replace(/^part "\w*" of a pattern /, '');

describe('Pattern', () => {
  it('is immutable: a step leaves the pattern before it as it was', () => {
    const short = a.where((event) => event.length < 3);
    const looping = short.oneOrMore();
    expect(a.parts).toMatchObject([{ name: 'a', condition: null, quantifier: { kind: 'single' } }]);
    expect(short.parts).toMatchObject([{ quantifier: { kind: 'single' } }]);
    expect(looping.followedBy('c').parts.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(looping.parts).toHaveLength(1);
  });

  it('refuses parts without a name of their own', () => {
    expect(refusal(() => Pattern.begin(''))).toBe('has no name');
    expect(refusal(() => Pattern.begin(undefined as never))).toBe('a part of a pattern has no name');
    expect(refusalOf(() => b.next('a'))).toBe('part "a" of a pattern has the name of another part');
    expect(refusal(() => b.next(Pattern.begin<string>('b')))).toBe('has the name of another part');
    expect(refusal(() => b.notFollowedBy('b'))).toBe('has the name of another part');
  });

  it('refuses conditions that are none, and those of a group', () => {
    expect(refusal(() => a.where('x' as never))).toBe('has where() without a function');
    expect(refusal(() => a.or(() => true))).toBe('has or() without where()');
    expect(refusal(() => a.oneOrMore().until(null as never))).toBe('has until() without a function');
    const group = Pattern.begin(b) as unknown as typeof a;
    expect(refusalOf(() => group.where(() => true))).toBe('a part of a pattern has where(), and is a group');
    expect(refusalOf(() => group.oneOrMore().greedy())).toBe('a part of a pattern is greedy, and a group');
  });

  it('refuses quantifiers that contradict each other', () => {
    const times = (from: number, to?: number) => () => (to === undefined ? a.times(from) : a.times(from, to));
    for (const bad of [0, -1, 1.5, Number.NaN, Infinity])
      expect(refusal(times(bad))).toBe(`occurs ${String(bad)} times`);
    expect(refusal(times(3, 2))).toBe('occurs 3 to 2 times');
    expect(refusal(times(-1, 2))).toBe('occurs -1 to 2 times');
    expect(refusal(() => a.timesOrMore(0))).toBe('occurs 0 times or more');
    expect(refusal(() => a.times(2).oneOrMore())).toBe('has oneOrMore(), and a number of occurrences already');
    expect(refusal(() => a.oneOrMore().times(2))).toBe('has times(), and a number of occurrences already');
    expect(refusal(() => a.optional().optional())).toBe('is optional twice');
    expect(refusal(() => a.greedy())).toBe('has greedy(), but occurs once');
    expect(refusal(() => a.consecutive())).toBe('has consecutive(), but occurs once');
    expect(refusal(() => a.oneOrMore().allowCombinations().greedy())).toBe('is greedy and allows combinations');
    expect(refusal(() => a.oneOrMore().greedy().allowCombinations())).toBe('is greedy and allows combinations');
    expect(refusal(() => a.oneOrMore().consecutive().allowCombinations())).toBe(
      'has allowCombinations(), and said before how its occurrences follow each other',
    );
    expect(refusal(() => a.times(2).greedy().followedBy('b').optional())).toBe('is optional after a greedy one');
  });

  it('refuses until() that ends nothing, and a second one', () => {
    expect(refusal(() => a.times(2).until(() => true))).toBe('has until() and a bounded number of occurrences');
    expect(
      refusal(() =>
        a
          .oneOrMore()
          .until(() => true)
          .until(() => true),
      ),
    ).toBe('has until() twice');
  });

  it('refuses nots that say nothing', () => {
    const not = a.notFollowedBy('not');
    for (const [method, build] of [
      ['optional', () => not.optional()],
      ['oneOrMore', () => not.oneOrMore()],
      ['times', () => not.times(2)],
      ['timesOrMore', () => not.timesOrMore(2)],
    ] as const) {
      expect(refusal(build)).toBe(`has ${method}(), but is one that must not occur`);
    }
    expect(refusal(() => a.optional().notFollowedBy('not'))).toBe('is optional, and notFollowedBy() follows');
    expect(refusal(() => a.optional().notNext('not'))).toBe('is optional, and notNext() follows');
  });

  it('refuses groups that could not be told where they begin or end', () => {
    const group = (inner: unknown) => () => a.followedBy(inner as typeof a);
    const c = Pattern.begin<string>('c');
    expect(refusal(group(c.notFollowedBy('d')))).toBe('is notFollowedBy(), and the last of a group');
    expect(refusal(group(c.optional().next('d')))).toBe('is optional, and the first of a group');
  });

  it('refuses a time that is none', () => {
    for (const windowMs of [0, -5, Infinity, Number.NaN]) {
      expect(refusal(() => a.within(windowMs))).toBe(`has to fit within ${String(windowMs)} ms`);
      expect(refusal(() => a.within(windowMs, 'PREVIOUS_AND_CURRENT'))).toContain('has to fit within');
    }
    expect(refusal(() => a.within(5, 'SOMETIME' as never))).toBe('has to fit within a time of type "SOMETIME"');
    expect(refusal(() => a.next(Pattern.begin<string>('b')).within(5, 'PREVIOUS_AND_CURRENT'))).toBe(
      'a part of a pattern has a time between events, and is a group',
    );
  });

  it('is refused as a whole, when a job looks for it, for what only the whole shows', () => {
    // The stream's place in the job is said by the job's builder.
    const reasonOf = (build: () => unknown): string => refusal(build).replace(/, behind .*$/, '');
    const use = (pattern: typeof a) => () =>
      defineJob('job', (env) => void CEP.pattern(env.fromCollection(['x']), pattern)).build();
    expect(reasonOf(use(a.notFollowedBy('b')))).toBe('is notFollowedBy(), and the last without a time');
    expect(use(a.notFollowedBy('b').within(5))).not.toThrow();
    expect(use(a.notFollowedBy('b').within(5, 'PREVIOUS_AND_CURRENT'))).not.toThrow();
    expect(reasonOf(use(a.within(5, 'PREVIOUS_AND_CURRENT').next('b') as unknown as typeof a))).toBe(
      'has a time since the event before it, and is the first',
    );
    expect(use(a.oneOrMore().within(5, 'PREVIOUS_AND_CURRENT'))).not.toThrow();
    expect(reasonOf(use(a.notFollowedBy('b').within(5, 'PREVIOUS_AND_CURRENT').next('c') as unknown as typeof a))).toBe(
      'is notFollowedBy() with a time, and not the last',
    );
    expect(reasonOf(use(a.next('b').within(6, 'PREVIOUS_AND_CURRENT').within(5) as unknown as typeof a))).toBe(
      'may come 6 ms after the event before it, in a match of 5 ms',
    );
    const skip = Pattern.begin<string>('a', AfterMatchSkipStrategy.skipToFirst('z'));
    expect(reasonOf(use(skip))).toBe('a pattern is to skip to part "z", which it has not');
    expect(reasonOf(use('a' as never))).toBe('CEP.pattern() was not given a stream and a pattern');
    const select =
      (...given: readonly never[]) =>
      () =>
        defineJob(
          'job',
          (env) => void CEP.pattern(env.fromCollection(['x']), a).select(...(given as readonly [never])),
        ).build();
    expect(reasonOf(select(undefined as never))).toBe('select() on a pattern is given no function');
  });
});
