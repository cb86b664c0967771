import { describe, expect, it } from 'vitest';
import { AfterMatchSkipStrategy, Pattern } from '../../../src/cep/index.js';
import { is, matchesOf, PatternRunner, textEvents, type TextEvent } from '../../helpers/cep-matches.js';

/**
 * Most inputs and matches here are those that Apache Flink's own tests expect of its automaton, written as text: names are
 * kinds, digits tell events of a kind apart.
 */

type Compiled = { readonly parts: unknown };

const begin = (name: string, kind: string, skip?: AfterMatchSkipStrategy) =>
  Pattern.begin<TextEvent>(name, skip).where(is(kind));

/** Matches, whatever their order. */
const found = (pattern: Compiled, text: string): string[] => matchesOf(pattern, text).sort();
const sorted = (...matches: readonly string[]): string[] => [...matches].sort();

describe('contiguity', () => {
  it('takes any event where there is no condition', () => {
    const twice = Pattern.begin<TextEvent>('start').followedBy('end');
    expect(found(twice, 'a b c d e')).toEqual(['a b', 'b c', 'c d', 'd e']);
    expect(found(twice.oneOrMore(), 'a b c d e')).toEqual(
      sorted('a b c d e', 'a b c d', 'a b c', 'a b', 'b c d e', 'b c d', 'b c', 'c d e', 'c d', 'd e'),
    );
    const any = Pattern.begin<TextEvent>('start').followedByAny('end');
    expect(found(any, 'a b c d e')).toEqual(
      sorted('a b', 'a c', 'a d', 'a e', 'b c', 'b d', 'b e', 'c d', 'c e', 'd e'),
    );
  });

  it('next wants the very next event', () => {
    const strict = begin('middle', 'a').next('end').where(is('b'));
    expect(found(strict, 'a b')).toEqual(['a b']);
    expect(found(strict, 'a c b')).toEqual([]);
    const loop = begin('start', 'd').followedBy('middle').where(is('a')).oneOrMore().optional().next('end');
    expect(found(loop.where(is('b')), 'd a1 a2 c b')).toEqual([]);
    const any = begin('start', 'd').followedByAny('middle').where(is('a')).oneOrMore().optional().allowCombinations();
    expect(found(any.next('end').where(is('b')), 'd a1 a2 b')).toEqual(sorted('d a1 a2 b', 'd a2 b'));
  });

  it('tells events by type, and several conditions hold together or instead of each other', () => {
    const large = (event: TextEvent): event is TextEvent & { readonly isLarge: true } => event.number > 5;
    const narrowed = begin('a', 'a').followedBy('b').subtype(large).where(is('b'));
    expect(found(narrowed, 'a1 b1 c9 b6')).toEqual(['a1 b6']);
    const one = Pattern.begin<TextEvent>('x')
      .where(is('a'))
      .where((event) => event.number > 1)
      .or(is('c'));
    expect(found(one, 'a1 b2 a2 c1')).toEqual(sorted('a2', 'c1'));
  });
});

describe('repetitions', () => {
  const start = begin('start', 'c');
  const middle = start.followedBy('middle').where(is('a'));
  const anyMiddle = start.followedByAny('middle').where(is('a'));

  it('occur once or more, or not at all', () => {
    const eager = middle.oneOrMore().optional().followedBy('end').where(is('b'));
    expect(found(eager, 'c a1 a2 d a3 b')).toEqual(sorted('c a1 a2 a3 b', 'c a1 a2 b', 'c a1 b', 'c b'));
    const all = anyMiddle.oneOrMore().allowCombinations();
    expect(found(all.optional().followedBy('end').where(is('b')), 'c a1 a2 b')).toEqual(
      sorted('c a1 a2 b', 'c a1 b', 'c a2 b', 'c b'),
    );
    expect(found(all.followedByAny('end').where(is('b')), 'c a1 a2 b')).toEqual(
      sorted('c a1 a2 b', 'c a1 b', 'c a2 b'),
    );
  });

  it('may begin a pattern', () => {
    const zero = begin('middle', 'a').oneOrMore().optional().followedBy('end').where(is('b'));
    expect(found(zero, 'a1 a2 a3 b')).toEqual(sorted('a1 a2 a3 b', 'a1 a2 b', 'a2 a3 b', 'a1 b', 'a2 b', 'a3 b', 'b'));
    const some = begin('start', 'a').oneOrMore().allowCombinations().followedBy('end').where(is('b'));
    expect(found(some, 'a1 a2 a3 b')).toEqual(
      sorted('a1 a2 a3 b', 'a1 a2 b', 'a1 a3 b', 'a2 a3 b', 'a1 b', 'a2 b', 'a3 b'),
    );
    const alone = begin('start', 'a').oneOrMore().optional();
    expect(found(alone, 'c a1 a2 a3 d1 d2 d3')).toEqual(sorted('a1 a2 a3', 'a1 a2', 'a1', 'a2 a3', 'a2', 'a3'));
    const maybe = begin('start', 'c').optional().followedBy('end').where(is('b'));
    expect(found(maybe, 'c b')).toEqual(sorted('c b', 'b'));
  });

  it('may end a pattern', () => {
    expect(found(middle.oneOrMore().optional(), 'c a1 a2 a3')).toEqual(sorted('c a1 a2 a3', 'c a1 a2', 'c a1', 'c'));
    expect(found(middle.optional(), 'c a')).toEqual(sorted('c a', 'c'));
    expect(found(middle.oneOrMore(), 'c a1 a2 a3')).toEqual(sorted('c a1 a2 a3', 'c a1 a2', 'c a1'));
  });

  it('may follow each other, each not at all', () => {
    const twice = anyMiddle
      .oneOrMore()
      .allowCombinations()
      .optional()
      .followedBy('second')
      .where(is('d'))
      .oneOrMore()
      .allowCombinations()
      .optional()
      .followedBy('end')
      .where(is('e'));
    expect(found(twice, 'c a d1 d2 e')).toEqual(
      sorted('c a d1 d2 e', 'c a d1 e', 'c d1 d2 e', 'c d1 e', 'c a e', 'c e'),
    );
    const branching = start
      .followedByAny('branching')
      .where(is('a'))
      .followedByAny('merging')
      .where(is('f'))
      .followedByAny('kleene')
      .where(is('d'))
      .oneOrMore()
      .allowCombinations()
      .optional()
      .followedBy('end')
      .where(is('e'));
    const each = (a: string): string[] => [`c ${a} f e`, `c ${a} f d1 e`, `c ${a} f d2 e`, `c ${a} f d1 d2 e`];
    expect(found(branching, 'c a1 a2 f d1 d2 e')).toEqual(sorted(...each('a1'), ...each('a2')));
  });

  it('occur so many times, or not at all', () => {
    const text = 'c f1 a1 f2 a2 a3 b';
    const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
      pattern.followedBy('end').where(is('b'));
    expect(found(end(middle.times(3).optional()), 'c f b')).toEqual(['c b']);
    expect(found(end(anyMiddle.times(2).allowCombinations().optional()), text)).toEqual(
      sorted('c a1 a2 b', 'c a1 a3 b', 'c a2 a3 b', 'c b'),
    );
    expect(found(end(anyMiddle.times(2).optional()), text)).toEqual(sorted('c a1 a2 b', 'c a2 a3 b', 'c b'));
    expect(found(end(anyMiddle.times(2).consecutive().optional()), text)).toEqual(sorted('c a2 a3 b', 'c b'));
    expect(found(end(anyMiddle.oneOrMore().consecutive().optional()), text)).toEqual(
      sorted('c a2 a3 b', 'c a1 b', 'c a2 b', 'c a3 b', 'c b'),
    );
    expect(found(end(middle.times(0, 2)), 'c a1 a2 a3 b')).toEqual(sorted('c b', 'c a1 b', 'c a1 a2 b'));
    expect(found(end(middle.timesOrMore(2)), 'c a1 a2 a3 b')).toEqual(sorted('c a1 a2 b', 'c a1 a2 a3 b'));
  });
});

describe('greedy repetitions', () => {
  const middle = begin('start', 'c').followedBy('middle').where(is('a'));
  const until = (event: TextEvent): boolean => event.number > 3;
  const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
    pattern.followedBy('end').where(is('d'));

  it.each([
    ['zero or more', middle.oneOrMore().optional().greedy()],
    ['one or more', middle.oneOrMore().greedy()],
  ])('of %s take as many as there are', (_name, loop) => {
    expect(found(end(loop), 'c a1 a2 a3 d')).toEqual(['c a1 a2 a3 d']);
    expect(found(end(loop), 'c x1 a1 x2 a2 x3 a3 d')).toEqual(['c a1 a2 a3 d']);
    expect(found(end(loop), 'c a1 a2 x d')).toEqual(['c a1 a2 d']);
    expect(found(end(loop.until(until)), 'c a1 a2 a3 a4 d')).toEqual(['c a1 a2 a3 d']);
  });

  it('need none where none need be', () => {
    const zero = middle.oneOrMore().optional().greedy();
    const one = middle.oneOrMore().greedy();
    expect(found(end(zero), 'c x d')).toEqual(['c d']);
    expect(found(end(one), 'c x d')).toEqual([]);
    expect(found(end(zero.until(until)), 'c a4 a1 a2 a3 d')).toEqual(['c d']);
    expect(found(end(one.until(until)), 'c a4 a1 a2 a3 d')).toEqual([]);
  });

  it('give all their beginnings at the end of a pattern', () => {
    expect(found(middle.oneOrMore().optional().greedy(), 'c a1 a2 x a3')).toEqual(
      sorted('c', 'c a1', 'c a1 a2', 'c a1 a2 a3'),
    );
    expect(found(middle.oneOrMore().optional().consecutive().greedy(), 'c a1 a2 x a3')).toEqual(
      sorted('c', 'c a1', 'c a1 a2'),
    );
    expect(found(middle.times(2, 5).greedy(), 'c a1 a2 a3 a4 x')).toEqual(
      sorted('c a1 a2', 'c a1 a2 a3', 'c a1 a2 a3 a4'),
    );
  });

  it('of a bounded number, and before a group', () => {
    expect(found(end(middle.times(2, 5).greedy()), 'c a1 a2 a3 a4 d')).toEqual(['c a1 a2 a3 a4 d']);
    const group = begin('middle1', 'd').followedBy('middle2').where(is('e'));
    const pattern = middle.oneOrMore().optional().greedy().followedBy(group).times(2).followedBy('end').where(is('f'));
    expect(found(pattern, 'c a1 a2 x a3 d1 e1 d2 e2 f')).toEqual(['c a1 a2 a3 d1 e1 d2 e2 f']);
  });
});

describe('until', () => {
  const five = (event: TextEvent): boolean => event.number === 5;
  const middle = begin('start', 'c').followedBy('middle').where(is('a')).oneOrMore();
  const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
    pattern.until(five).followedBy('end').where(five);

  it('ends the repetitions, and nothing goes on behind it', () => {
    const cases: readonly (readonly [Compiled, string, readonly string[]])[] = [
      [end(middle), 'c a1 a2 a5 a6', ['c a1 a2 a5', 'c a1 a5']],
      [end(middle.allowCombinations()), 'c a1 a2 a3 a5 a6', ['c a1 a2 a3 a5', 'c a1 a2 a5', 'c a1 a3 a5', 'c a1 a5']],
      [end(middle.consecutive()), 'c a1 a2 a5 a6', ['c a1 a2 a5', 'c a1 a5']],
      [end(middle.consecutive()), 'c a1 b a3 a5 a6', ['c a1 a5']],
    ];
    for (const [pattern, text, matches] of cases) {
      const runner = new PatternRunner(pattern);
      expect(
        textEvents(text)
          .flatMap((event) => runner.process(event))
          .sort(),
      ).toEqual(sorted(...matches));
      expect(runner.stored).toEqual({ partials: 0, links: 0, events: 0 });
    }
  });
});

describe('nots', () => {
  const start = begin('start', 'a');
  const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
    pattern.followedBy('end').where(is('d'));

  it('notNext looks at the very next event', () => {
    const notNext = start.notNext('not').where(is('b')).followedByAny('middle').where(is('c'));
    expect(found(end(notNext), 'a c1 b c2 d')).toEqual(sorted('a c1 d', 'a c2 d'));
    expect(found(end(notNext), 'a b c1 c2 d')).toEqual([]);
    const last = start.followedByAny('middle').where(is('c')).followedByAny('end').where(is('d')).notNext('not');
    expect(found(last.where(is('b')), 'a c1 c2 d b')).toEqual([]);
    expect(found(last.where(is('b')), 'a c1 c2 d x')).toEqual(sorted('a c1 d', 'a c2 d'));
  });

  it('notFollowedBy holds until the next part begins', () => {
    const not = start.notFollowedBy('not').where(is('b'));
    const middle = not.followedByAny('middle').where(is('c'));
    expect(found(end(middle), 'a c1 b c2 d')).toEqual(['a c1 d']);
    expect(found(end(middle.optional()), 'a c1 b c2 d')).toEqual(['a c1 d']);
    expect(found(middle.optional(), 'a c1 b c2')).toEqual(sorted('a c1', 'a'));
    expect(found(end(middle.times(2).optional()), 'a c1 b c2 d')).toEqual(['a c1 c2 d']);
    expect(found(end(middle.times(2).optional()), 'a d1 e b c1 c2 d2')).toEqual(['a d1']);
    expect(found(end(not.followedBy('middle').where(is('c'))), 'a1 b c1 a2 c2 d')).toEqual(['a2 c2 d']);
  });

  it('notFollowedBy stands after repetitions', () => {
    const twice = start.followedByAny('middle').where(is('b')).times(2).notFollowedBy('not').where(is('c'));
    expect(found(end(twice), 'a b1 c b2 d')).toEqual([]);
    expect(found(end(twice), 'a d1 e b1 b2 c d2')).toEqual([]);
    const text = 'a b1 b2 b3 c b4 b5 b6 d';
    const relaxed = start.followedBy('b*').where(is('b')).oneOrMore();
    const any = start.followedByAny('b*').where(is('b')).oneOrMore();
    expect(found(end(relaxed.notFollowedBy('not').where(is('c'))), text)).toEqual([]);
    expect(found(end(relaxed.allowCombinations().notFollowedBy('not').where(is('c'))), text)).toEqual([]);
    const eager = ['a b4 b5 b6 d', 'a b4 b5 d', 'a b4 d', 'a b5 b6 d', 'a b5 d', 'a b6 d'];
    expect(found(end(any.notFollowedBy('not').where(is('c'))), text)).toEqual(sorted(...eager));
    expect(found(end(any.allowCombinations().notFollowedBy('not').where(is('c'))), text)).toEqual(
      sorted(...eager, 'a b4 b6 d'),
    );
    expect(found(end(relaxed.notNext('not').where(is('c'))), 'a b1 c b2 d')).toEqual([]);
    expect(found(end(any.notNext('not').where(is('c'))), 'a b1 c b2 d')).toEqual(['a b2 d']);
  });

  it.each([false, true])('notFollowedBy stands before repetitions, optional or not (%s)', (isOptional) => {
    const text = 'a b1 c b4 b5 b6 d';
    const not = start.notFollowedBy('not').where(is('c'));
    const eager = ['a b1 b4 b5 b6 d', 'a b1 b4 b5 d', 'a b1 b4 d', 'a b1 d'];
    const more = ['a b1 b4 b6 d', 'a b1 b5 b6 d', 'a b1 b5 d', 'a b1 b6 d'];
    for (const step of [not.followedBy('b*'), not.followedByAny('b*')]) {
      const once = step.where(is('b')).oneOrMore();
      const loop = isOptional ? once.optional() : once;
      expect(found(end(loop), text)).toEqual(sorted(...eager));
      expect(found(end(loop.allowCombinations()), text)).toEqual(sorted(...eager, ...more));
    }
  });

  it('notFollowedBy before a number of occurrences holds between them as soon as another event was passed over', () => {
    const not = start.notFollowedBy('not').where(is('c'));
    const few = not
      .followedBy('few')
      .where(({ kind }) => kind === 'b' || kind === 'c')
      .times(1, 2)
      .allowCombinations();
    // The state of an occurrence that may be left out has a twin that waits, and Flink's compiler guards each such twin.
    expect(found(few, 'a b c')).toEqual(sorted('a b', 'a b c'));
    expect(found(few, 'a b x c')).toEqual(['a b']);
  });

  it('an event that ends one match is kept for the one that it begins', () => {
    const pattern = begin('first', 'c').notFollowedBy('not').where(is('c')).next('second').where(is('d')).within(10);
    const runner = new PatternRunner(pattern);
    for (const event of textEvents('c1 c2')) runner.process(event);
    expect(runner.stored).toEqual({ partials: 1, links: 1, events: 1 });
    runner.advanceTime(20);
    expect(runner.timedOut).toEqual(['c2 @12']);
  });

  it('notFollowedBy as the last part holds until the time is up', () => {
    const alone = start.notFollowedBy('not').where(is('b')).within(10);
    const runner = new PatternRunner(alone);
    const matches = textEvents('a1@1 x@3 a2@5 b@8 a3@9').flatMap((event) => runner.process(event));
    expect(matches).toEqual([]);
    expect(runner.advanceTime(18)).toEqual([]);
    expect(runner.advanceTime(19)).toEqual(['a3']);
    expect(runner.timedOut).toEqual([]);
    expect(runner.stored).toEqual({ partials: 0, links: 0, events: 0 });
  });
});

describe('conditions on what was taken before', () => {
  const sumOf = (events: readonly TextEvent[]): number => events.reduce((sum, { number }) => sum + number, 0);

  it('see the events of a part, this one’s own as well', () => {
    const small = Pattern.of<TextEvent>()
      .begin('start')
      .where(is('s'))
      .followedBy('middle')
      .where((event, context) => event.kind === 'f' && sumOf(context.getEventsForPattern('middle')) + event.number < 5)
      .oneOrMore();
    const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
      pattern.followedBy('end').where(is('e'));
    // f01 is worth as much as f1, and another event.
    const text = 's1 f1 f2 s2 f3 f01 n e';
    const eager = ['s1 f1 f2 f01 e', 's1 f1 f2 e', 's1 f1 e', 's2 f3 f01 e', 's2 f3 e'];
    expect(found(end(small), text)).toEqual(sorted(...eager));
    expect(found(end(small.allowCombinations()), text)).toEqual(sorted(...eager, 's1 f1 f3 e', 's1 f1 f01 e'));
  });

  it('see the events of an earlier part', () => {
    const enough = Pattern.of<TextEvent>()
      .begin('start')
      .where(is('s'))
      .oneOrMore()
      .followedBy('end')
      .where((event, context) => event.kind === 'e' && sumOf(context.getEventsForPattern('start')) >= 2);
    expect(found(enough, 's1 s2 e')).toEqual(sorted('s1 s2 e', 's2 e'));
  });

  it('change nothing when one throws', () => {
    const failing = begin('start', 'a')
      .followedByAny('end')
      .where((event) => {
        if (event.number === 2) throw new Error('no such event');
        return event.kind === 'b';
      });
    const runner = new PatternRunner(failing);
    const [a, b1, b2, b3] = textEvents('a b1 b2 b3') as [TextEvent, TextEvent, TextEvent, TextEvent];
    runner.process(a);
    expect(runner.process(b1)).toEqual(['a b1']);
    const before = runner.stored;
    expect(() => runner.process(b2)).toThrow('the condition of part "end" failed: no such event');
    expect(runner.stored).toEqual(before);
    expect(runner.process(b3)).toEqual(['a b3']);
  });

  it('see each partial match by itself, and the same part behind another', () => {
    const abac = Pattern.of<TextEvent>()
      .begin('start')
      .where(is('s'))
      .followedByAny('middle1')
      .where(is('f'))
      .followedBy('middle2')
      .where(
        (event, context) => event.kind === 's' && sumOf(context.getEventsForPattern('middle2')) + event.number <= 5,
      )
      .oneOrMore()
      .followedBy('end')
      .where(is('e'));
    expect(found(abac, 's1@1 f1@2 s2@2 s3@2 f2@2 s4@2 f3@2 f4@2 e@4')).toEqual(
      sorted('s1 f1 s2 s3 e', 's1 f1 s2 e', 's1 f2 s4 e', 's2 f2 s4 e', 's3 f2 s4 e'),
    );
  });
});

describe('groups', () => {
  const ab = begin('middle1', 'a').followedBy('middle2').where(is('b'));
  const start = begin('start', 'c');
  const end = <Parts, Last extends keyof Parts>(pattern: Pattern<TextEvent, Parts, Last>) =>
    pattern.followedBy('end').where(is('d'));

  it('occur as a whole', () => {
    const text = 'c a1 b1 a2 b2 d';
    expect(found(end(start.followedBy(ab).times(2)), text)).toEqual(['c a1 b1 a2 b2 d']);
    expect(found(end(start.followedBy(ab).optional()), 'c a1 a2 b d')).toEqual(sorted('c a1 b d', 'c d'));
    expect(found(end(start.followedBy(ab).times(2).optional()), 'c a d')).toEqual(['c d']);
    expect(found(end(start.followedBy(ab).oneOrMore()), text)).toEqual(sorted('c a1 b1 a2 b2 d', 'c a1 b1 d'));
    expect(found(end(start.followedBy(ab).oneOrMore().optional()), text)).toEqual(
      sorted('c a1 b1 a2 b2 d', 'c a1 b1 d', 'c d'),
    );
    const pairs = ['c a1 b1 a2 b2 d', 'c a1 b1 a3 b3 d', 'c a2 b2 a3 b3 d'];
    expect(found(end(start.followedByAny(ab).times(2).allowCombinations()), 'c a1 b1 a2 b2 a3 b3 d')).toEqual(
      sorted(...pairs),
    );
  });

  it('give a match once, also where other events lie between', () => {
    expect(found(end(start.followedBy(ab).times(1, 2)), 'c a1 b1 x1 x2 d')).toEqual(['c a1 b1 d']);
    expect(found(end(start.followedBy(ab).oneOrMore()), 'c a1 b1 x1 x2 d')).toEqual(['c a1 b1 d']);
  });
});

describe('after a match', () => {
  const { noSkip, skipToNext, skipPastLastEvent, skipToFirst, skipToLast } = AfterMatchSkipStrategy;
  const six = 'a1 a2 a3 a4 a5 a6';

  it('every match comes out, or none that overlaps', () => {
    expect(matchesOf(begin('start', 'a', noSkip()).times(3), six)).toEqual([
      'a1 a2 a3',
      'a2 a3 a4',
      'a3 a4 a5',
      'a4 a5 a6',
    ]);
    expect(matchesOf(begin('start', 'a', skipPastLastEvent()).times(3), six)).toEqual(['a1 a2 a3', 'a4 a5 a6']);
    const chain = begin('a', 'a', skipPastLastEvent())
      .followedByAny('b')
      .where(is('b'))
      .followedByAny('c')
      .where(is('c'))
      .followedBy('d')
      .where(is('d'));
    expect(matchesOf(chain, 'a1 a2 b1 b2 c1 c2 d1 d2')).toEqual(['a1 b1 c1 d1']);
    expect(matchesOf(begin('a', 'a', skipPastLastEvent()).next('b').where(is('b')), 'a1 c a2 b2')).toEqual(['a2 b2']);
  });

  it('one match per first event comes out', () => {
    const any = (skip: AfterMatchSkipStrategy) => begin('start', 'a', skip).followedByAny('end').where(is('b'));
    expect(found(any(noSkip()), 'a1 b1 a2 b2')).toEqual(sorted('a1 b1', 'a1 b2', 'a2 b2'));
    expect(found(any(skipToNext()), 'a1 b1 a2 b2')).toEqual(sorted('a1 b1', 'a2 b2'));
    const loop = (skip: AfterMatchSkipStrategy) => begin('start', 'a', skip).next('end').where(is('b')).oneOrMore();
    expect(found(loop(noSkip()), 'a b1 b2 b3')).toEqual(sorted('a b1 b2 b3', 'a b1 b2', 'a b1'));
    expect(found(loop(skipToNext()), 'a b1 b2 b3')).toEqual(['a b1']);
  });

  it('the next match begins at the first or last event of a part', () => {
    const twoTwo = (skip: AfterMatchSkipStrategy) =>
      begin('start', 'a', skip).times(2).next('end').where(is('a')).times(2);
    expect(matchesOf(twoTwo(skipToFirst('end')), six)).toEqual(['a1 a2 a3 a4', 'a3 a4 a5 a6']);
    expect(matchesOf(twoTwo(skipToLast('end')), `${six} a7`)).toEqual(['a1 a2 a3 a4', 'a4 a5 a6 a7']);
    const loop = (skip: AfterMatchSkipStrategy) =>
      begin('a', 'a', skip).next('b').where(is('b')).oneOrMore().consecutive();
    for (const skip of [skipToFirst('b'), skipToLast('b')]) {
      expect(matchesOf(loop(skip), 'a1 b1 a2 b2 b3 a3 b4')).toEqual(['a1 b1', 'a2 b2', 'a3 b4']);
    }
    const atStart = begin('b', 'a', skipToFirst('b')).next('c').where(is('c'));
    expect(matchesOf(atStart, 'a1 c1 a2 c2')).toEqual(['a1 c1', 'a2 c2']);
    const optional = begin('x', 'x', skipToFirst('b')).oneOrMore().optional().next('b').where(is('a'));
    expect(matchesOf(optional.next('c').where(is('c')), 'a1 c1 a2 c2')).toEqual(['a1 c1', 'a2 c2']);
  });

  it('greedy repetitions at the beginning give what the documentation of Flink shows', () => {
    const loop = (skip: AfterMatchSkipStrategy) =>
      begin('a', 'a', skip).oneOrMore().consecutive().greedy().next('b').where(is('b'));
    const matches = ['a1 a2 a3 b1', 'a2 a3 b1', 'a3 b1'];
    expect(matchesOf(loop(noSkip()), 'a1 a2 a3 b1')).toEqual(matches);
    expect(matchesOf(loop(skipToFirst('a')), 'a1 a2 a3 b1')).toEqual(matches);
    expect(matchesOf(loop(skipToLast('a')), 'a1 a2 a3 b1')).toEqual(['a1 a2 a3 b1', 'a3 b1']);
    expect(matchesOf(loop(skipPastLastEvent()), 'a1 a2 a3 b1')).toEqual(['a1 a2 a3 b1']);
    const oneOf =
      (...kinds: readonly string[]) =>
      (event: TextEvent): boolean =>
        kinds.includes(event.kind);
    const discarding = Pattern.begin<TextEvent>('a or c', skipToFirst('c*'))
      .where(oneOf('a', 'c'))
      .followedBy('b or c')
      .where(oneOf('b', 'c'))
      .followedBy('c*')
      .where(is('c'))
      .oneOrMore()
      .greedy()
      .followedBy('d')
      .where(is('d'));
    expect(matchesOf(discarding, 'a b c1 c2 c3 d')).toEqual(['a b c1 c2 c3 d', 'c1 c2 c3 d']);
  });

  it('a match that is complete waits for an earlier one that may still be', () => {
    const overlapping = begin('a', 'a', skipPastLastEvent())
      .followedBy('b')
      .where((event, context) => event.number === (context.getEventsForPattern('a') as TextEvent[])[0]?.number)
      .within(100);
    const runner = new PatternRunner(overlapping);
    const process = (text: string): string[] => textEvents(text).flatMap((event) => runner.process(event));
    expect(process('a1@1 a2@2 b2@3')).toEqual([]);
    // The earlier one is complete, and skips the one that waited.
    expect(process('b1@4')).toEqual(['a1 b1']);
    expect(process('a3@5 a4@6 b4@7')).toEqual([]);
    // The earlier one is over without result, and lets the other go.
    expect(runner.advanceTime(105)).toEqual(['a4 b4']);
    expect(runner.timedOut).toEqual(['a3 @105']);
    expect(runner.stored).toEqual({ partials: 0, links: 0, events: 0 });
  });

  it('fails, where it is told to, when there is nothing to skip to', () => {
    const missed = (skip: AfterMatchSkipStrategy) =>
      begin('a', 'a', skip).next('b').where(is('b')).oneOrMore().optional().consecutive().next('c').where(is('c'));
    expect(matchesOf(missed(skipToFirst('b')), 'a c')).toEqual(['a c']);
    for (const skip of [skipToFirst('b'), skipToLast('b')]) {
      expect(() => matchesOf(missed(skip.throwExceptionOnMiss()), 'a c')).toThrow(
        'cannot skip to part "b" after a match: the match has no event of that part',
      );
    }
    expect(() => matchesOf(begin('a', 'a', skipToFirst('a').throwExceptionOnMiss()), 'a')).toThrow(
      'the match begins with the event to skip to',
    );
  });
});

describe('time', () => {
  const pattern = begin('start', 's').followedBy('middle').where(is('m')).followedBy('end').where(is('e')).within(10);

  it('ends partial matches that take too long', () => {
    const runner = new PatternRunner(pattern);
    const matches = textEvents('s1@1 s2@2 m@3 x@4 e1@11 e2@13').flatMap((event) => runner.process(event));
    expect(matches).toEqual(['s2 m e1']);
    expect(runner.timedOut).toEqual(['s1 m @11']);
    expect(runner.stored).toEqual({ partials: 0, links: 0, events: 0 });
  });

  it('takes the shortest of several limits, those of groups included', () => {
    const group = begin('b', 'b').followedBy('c').where(is('c')).within(5);
    const grouped = begin('a', 'a').within(50).followedBy(group).within(20);
    expect(matchesOf(grouped, 'a@1 b@2 c@5')).toEqual(['a b c']);
    expect(matchesOf(grouped, 'a@1 b@2 c@6')).toEqual([]);
  });
});

describe('time between one event and the next', () => {
  const soon = 'PREVIOUS_AND_CURRENT';
  const start = begin('start', 'a');

  it('ends partial matches that wait too long for a part, and leaves other parts all the time', () => {
    const pattern = start.followedBy('middle').where(is('b')).within(5, soon).followedBy('end').where(is('c'));
    expect(matchesOf(pattern, 'a@1 x@4 b@5 c@100')).toEqual(['a b c']);
    const late = new PatternRunner(pattern);
    expect(textEvents('a@1 x@4 b@6 c@7').flatMap((event) => late.process(event))).toEqual([]);
    expect(late.timedOut).toEqual(['a @6']);
    expect(late.stored).toEqual({ partials: 0, links: 0, events: 0 });
  });

  it('is measured from the event before, not from the first, and beside the time of the whole match', () => {
    const pattern = start
      .followedBy('middle')
      .where(is('b'))
      .followedBy('end')
      .where(is('c'))
      .within(5, soon)
      .within(20);
    expect(matchesOf(pattern, 'a@1 b@15 c@19')).toEqual(['a b c']);
    expect(matchesOf(pattern, 'a@1 b@15 c@20')).toEqual([]);
    expect(matchesOf(pattern, 'a@1 b@17 c@21')).toEqual([]);
    const both = new PatternRunner(pattern);
    for (const event of textEvents('a1@1 b1@18 x@30')) both.process(event);
    // As in Flink, the time between events comes first where both are over.
    expect(both.timedOut).toEqual(['a1 b1 @23']);
  });

  it('of a part that repeats holds between its events, and does not end what may go on without another', () => {
    const pattern = start.oneOrMore().within(3, soon).followedBy('end').where(is('b'));
    expect(found(pattern, 'a1@1 a2@3 a3@9 b@50')).toEqual(sorted('a1 a2 b', 'a1 b', 'a2 b', 'a3 b'));
    const exactly = start.times(2).within(3, soon);
    const runner = new PatternRunner(exactly);
    expect(textEvents('a1@1 a2@4 a3@6').flatMap((event) => runner.process(event))).toEqual(['a2 a3']);
    expect(runner.timedOut).toEqual(['a1 @4']);
  });

  it('of an optional part ends the waiting for it, and the match goes on without it', () => {
    const pattern = start.next('maybe').where(is('b')).optional().within(3, soon).next('end').where(is('c'));
    expect(found(pattern, 'a@1 b@3 c@9')).toEqual(['a b c']);
    expect(found(pattern, 'a@1 c@9')).toEqual(['a c']);
    expect(found(pattern, 'a@1 b@4 c@9')).toEqual([]);
  });

  it('is how long an event must not come, where a pattern ends with that', () => {
    const pattern = start.notFollowedBy('not').where(is('b')).within(5, soon);
    const runner = new PatternRunner(pattern);
    for (const event of textEvents('a1@1 a2@3')) expect(runner.process(event)).toEqual([]);
    expect(runner.advanceTime(5)).toEqual([]);
    expect(runner.advanceTime(6)).toEqual(['a1']);
    expect(textEvents('b@7').flatMap((event) => runner.process(event))).toEqual([]);
    expect(runner.advanceTime(20)).toEqual([]);
    expect(runner.timedOut).toEqual([]);
  });
});
