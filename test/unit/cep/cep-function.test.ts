import { describe, expect, it } from 'vitest';
import { Pattern, PatternProcessFunction, type Match, type PatternContext } from '../../../src/cep/index.js';
import { CepFunction, type CepOptions } from '../../../src/cep/cep-function.js';
import { OutputTag, type Collector, type RuntimeContext } from '../../../src/index.js';
import { functionHarness } from '../../../src/testing/index.js';
import { errorOf } from '../../helpers/error-of.js';

interface Login {
  readonly user: string;
  readonly ok: boolean;
  readonly id: number;
}

const guessed = Pattern.of<Login>()
  .begin('failures')
  .where((login) => !login.ok)
  .times(2)
  .consecutive()
  .next('success')
  .where((login) => login.ok)
  .within(100);

const late = new OutputTag<Login>('late');
const over = new OutputTag<string>('over');
type Parts = { readonly failures: Login; readonly success: Login };

const life: string[] = [];

class Describe extends PatternProcessFunction<Parts, string> {
  override open(context: RuntimeContext): void {
    life.push(`open ${context.taskInfo.taskName}`);
  }

  override close(): void {
    life.push('close');
  }

  override processMatch(match: Match<Parts>, context: PatternContext, out: Collector<string>): void {
    out.collect(`${idsOf(match)} at ${String(context.timestamp())}`);
  }

  processTimedOutMatch(match: Match<Parts>, context: PatternContext): void {
    context.output(over, `${idsOf(match)} over at ${String(context.timestamp())}`);
  }
}

function idsOf({ failures, success }: Match<Parts>): string {
  return `${failures.map(({ id }) => id).join(',')} | ${success.map(({ id }) => id).join(',')}`;
}

const inEventTime: CepOptions<Login> = { isEventTime: true, comparator: null, lateTag: late };

function looking(options: Partial<CepOptions<Login>> = {}, parallelism = 1, first: unknown = guessed) {
  let pattern = first as Pattern<Login, unknown, never>;
  const create = () => new CepFunction<string, Login, string>(pattern, new Describe(), { ...inEventTime, ...options });
  const change = (changed: unknown): void => void (pattern = changed as typeof pattern);
  const harness = functionHarness(create, { keys: [(login: Login) => login.user], parallelism, uid: 'guesses' });
  const log = (user: string, outcome: 'ok' | 'no', id: number, at?: number): void =>
    harness.processElement({ user, ok: outcome === 'ok', id }, at);
  /** Records and side outputs with their timestamps. */
  const take = (): string[] =>
    harness.takeOutput().flatMap((element) => {
      if (element.kind === 'record') return [`${element.value} @${String(element.timestamp)}`];
      return element.kind === 'side' ? [`${element.tag}: ${JSON.stringify(element.value)}`] : [];
    });
  return { harness, log, take, change };
}

describe('CepFunction', () => {
  it('tries events in the order of their timestamps, when the watermark has come', () => {
    const { harness, log, take } = looking();
    log('ada', 'ok', 3, 30);
    log('ada', 'no', 2, 20);
    log('ada', 'no', 1, 10);
    expect(take()).toEqual([]);
    harness.processWatermark(29);
    expect(take()).toEqual([]);
    harness.processWatermark(30);
    expect(take()).toEqual(['1,2 | 3 at 30 @30']);
  });

  it('keeps keys apart', () => {
    const { harness, log, take } = looking();
    log('ada', 'no', 1, 1);
    log('bob', 'no', 2, 2);
    log('ada', 'no', 3, 3);
    log('bob', 'ok', 4, 4);
    log('ada', 'ok', 5, 5);
    harness.processWatermark(5);
    expect(take()).toEqual(['1,3 | 5 at 5 @5']);
  });

  it('leaves events of one timestamp in the order of arrival, or orders them by the comparator', () => {
    const arrive = ({ harness, log, take }: ReturnType<typeof looking>): string[] => {
      log('ada', 'no', 2, 7);
      log('ada', 'ok', 3, 7);
      log('ada', 'no', 1, 7);
      harness.processWatermark(7);
      return take();
    };
    expect(arrive(looking())).toEqual([]);
    expect(arrive(looking({ comparator: (a, b) => a.id - b.id }))).toEqual(['1,2 | 3 at 7 @7']);
  });

  it('sends late events aside, or drops them', () => {
    const { harness, log, take } = looking();
    harness.processWatermark(50);
    log('ada', 'no', 1, 50);
    expect(take()).toEqual([`late: ${JSON.stringify({ user: 'ada', ok: false, id: 1 })}`]);
    const dropping = looking({ lateTag: null });
    dropping.harness.processWatermark(50);
    dropping.log('ada', 'no', 1, 49);
    expect(dropping.take()).toEqual([]);
  });

  it('hands over partial matches that wait too long for their next event, when the time comes by itself', () => {
    const soon = Pattern.of<Login>()
      .begin('failures')
      .where((login) => !login.ok)
      .next('success')
      .where((login) => login.ok)
      .within(30, 'PREVIOUS_AND_CURRENT');
    const { harness, log, take } = looking({}, 1, soon);
    log('ada', 'no', 1, 10);
    harness.processWatermark(39);
    expect(take()).toEqual([]);
    harness.restore(harness.snapshot());
    harness.processWatermark(40);
    expect(take()).toEqual(['over: "1 |  over at 40"']);
    log('ada', 'no', 2, 50);
    log('ada', 'ok', 3, 79);
    harness.processWatermark(100);
    expect(take()).toEqual(['2 | 3 at 79 @79']);
    const byClock = looking({ isEventTime: false }, 1, soon);
    byClock.harness.setProcessingTime(5);
    byClock.log('ada', 'no', 4);
    byClock.harness.setProcessingTime(35);
    expect(byClock.take()).toEqual([]);
    byClock.harness.setProcessingTime(36);
    expect(byClock.take()).toEqual(['over: "4 |  over at 35"']);
  });

  it('hands over partial matches whose time is up, with what they have', () => {
    const { harness, log, take } = looking();
    log('ada', 'no', 1, 10);
    log('ada', 'no', 2, 60);
    harness.processWatermark(109);
    expect(take()).toEqual([]);
    harness.processWatermark(110);
    expect(take()).toEqual(['over: "1,2 |  over at 110"']);
    harness.processMaxWatermark();
    expect(take()).toEqual(['over: "2 |  over at 160"']);
  });

  it('ends what is over before it tries an event of the same time', () => {
    const { harness, log, take } = looking();
    log('ada', 'no', 1, 10);
    log('ada', 'no', 2, 20);
    log('ada', 'ok', 3, 110);
    harness.processWatermark(200);
    expect(take()).toEqual(['over: "1,2 |  over at 110"']);
  });

  it('goes by the clock in processing time, and needs no timestamps', () => {
    const { harness, log, take } = looking({ isEventTime: false });
    harness.setProcessingTime(1_000);
    log('ada', 'no', 1);
    log('ada', 'no', 2);
    harness.setProcessingTime(1_050);
    log('ada', 'ok', 3);
    expect(take()).toEqual(['1,2 | 3 at 1050 @undefined']);
    log('ada', 'no', 4);
    harness.setProcessingTime(1_150);
    expect(take()).toEqual([]);
    harness.setProcessingTime(1_151);
    expect(take()).toEqual(['over: "4 |  over at 1150"']);
  });

  it.each([1, 3])(
    'goes on after a restore at parallelism %d: events that wait, partial matches, timers',
    (parallelism) => {
      const { harness, log, take } = looking({}, 2);
      const users = ['ada', 'bob', 'cyd', 'dan'];
      for (const [index, user] of users.entries()) {
        log(user, 'no', 10 * index + 1, 10);
        log(user, 'no', 10 * index + 2, 20);
      }
      harness.processWatermark(15);
      harness.restore(harness.snapshot(), { parallelism });
      harness.processWatermark(15);
      for (const [index, user] of users.slice(0, 2).entries()) log(user, 'ok', 10 * index + 3, 30);
      harness.processWatermark(300);
      const matches = ['1,2 | 3 at 30 @30', '11,12 | 13 at 30 @30'];
      // Both failures of those who did not succeed, and the second one alone.
      const ends = ['21,22 |  over at 110', '22 |  over at 120', '31,32 |  over at 110', '32 |  over at 120'];
      expect(take().sort()).toEqual([...matches, ...ends.map((text) => `over: "${text}"`)].sort());
    },
  );

  it('refuses what was stored for another pattern', () => {
    const { harness, log, change } = looking();
    log('ada', 'no', 1, 10);
    harness.processWatermark(15);
    const snapshot = harness.snapshot();
    change(Pattern.of<Login>().begin('tries').next('success').within(100));
    harness.restore(snapshot);
    log('ada', 'no', 2, 20);
    expect(errorOf(() => harness.processWatermark(20))).toMatchObject({
      code: 'MILLRACE_STATE_CONFLICT',
      message: 'a stored partial match waits at "failures", which the pattern has not',
    });
  });

  it('leaves nothing behind when all is over', () => {
    const { harness, log } = looking();
    log('ada', 'no', 1, 10);
    log('ada', 'no', 2, 20);
    log('ada', 'ok', 3, 30);
    harness.processMaxWatermark();
    const rows = harness.snapshot().keyedState.flatMap(({ sections }) => sections);
    expect(rows.reduce((sum, section) => sum + section.rows, 0)).toBe(0);
  });

  it('opens and closes the function with its own', () => {
    life.length = 0;
    looking().harness.close();
    expect(life).toEqual(['open guesses', 'close']);
  });

  it('refuses an event without a timestamp, naming the operator', () => {
    const { log } = looking();
    expect(errorOf(() => log('ada', 'no', 1))).toMatchObject({
      code: 'MILLRACE_TIMESTAMP_MISSING',
      message: 'operator "guesses" has an event without a timestamp',
    });
  });

  it('says which condition of which operator has failed', () => {
    const pattern = Pattern.begin<Login>('first').where(() => {
      throw new Error('boom');
    });
    const create = () =>
      new CepFunction<string, Login, string>(pattern as unknown as Pattern<Login, unknown, never>, new Describe(), {
        ...inEventTime,
        isEventTime: false,
      });
    const harness = functionHarness(create, { keys: [(login: Login) => login.user], uid: 'guesses' });
    expect(errorOf(() => harness.processElement({ user: 'ada', ok: true, id: 1 }))).toMatchObject({
      code: 'MILLRACE_USER_FUNCTION_FAILED',
      message: 'processElement of operator "guesses" failed: the condition of part "first" failed: boom',
      details: { key: 'ada' },
    });
  });
});
