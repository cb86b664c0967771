/** What must and must not compile around patterns in streams. Compiled, never run. */
import { CEP, Pattern, PatternProcessFunction, type Match, type PatternContext } from '../../src/cep/index.js';
import {
  OutputTag,
  type Collector,
  type DataStream,
  type KeyedStream,
  type SingleOutputStreamOperator,
} from '../../src/index.js';
import { sameType } from './expect-type.js';

interface Login {
  readonly user: string;
  readonly ok: boolean;
}
interface Alarm extends Login {
  readonly level: number;
}

declare const logins: KeyedStream<Login, string>;
declare const all: DataStream<Login>;
declare const texts: KeyedStream<string, string>;
declare function isAlarm(login: Login): login is Alarm;

const pattern = Pattern.of<Login>()
  .begin('failures')
  .where((login) => !login.ok)
  .oneOrMore()
  .followedBy('alarm')
  .subtype(isAlarm)
  .where((alarm) => alarm.level > 3)
  .within(1_000);

export function matchesHaveTheTypesOfTheirParts(): void {
  const levels = CEP.pattern(logins, pattern).select(({ failures, alarm }) => {
    sameType<typeof failures, readonly Login[]>(true);
    sameType<typeof alarm, readonly Alarm[]>(true);
    return alarm[0]?.level ?? 0;
  });
  sameType<typeof levels, SingleOutputStreamOperator<number>>(true);
  CEP.pattern(all, pattern).flatSelect(({ failures }, out: Collector<string>) => {
    for (const { user } of failures) out.collect(user);
  });

  // @ts-expect-error there is no such part
  CEP.pattern(logins, pattern).select(({ success }) => String(success));
  // @ts-expect-error the first event may not be there
  CEP.pattern(logins, pattern).select(({ failures }) => failures[0].user);
  // @ts-expect-error the events are texts
  CEP.pattern(texts, pattern);
}

export function conditionsSeeTheirEvents(): void {
  const begun = Pattern.of<Login>().begin('first');
  begun.where((login, context) => login.ok && context.getEventsForPattern('first').length > 2);
  // @ts-expect-error there is no such field
  begun.where((login) => login.level > 3);
  // @ts-expect-error a condition is true or false
  begun.where((login) => login.user);
  // @ts-expect-error there is no such part
  begun.where((_login, context) => context.getEventsForPattern('second').length > 2);
  const again = begun.subtype(isAlarm).next('second');
  // @ts-expect-error the next part has the whole type again
  again.where((login) => login.level > 3);
  // @ts-expect-error a number of milliseconds
  begun.within('1s');
}

export function patternsMayBeWrittenAsInFlink(): void {
  const flink = Pattern.begin<Login>('first')
    .where((login) => login.ok)
    .next('second');
  CEP.pattern(logins, flink).select((match) => {
    sameType<(typeof match)['second'], readonly Login[]>(true);
    return match['first']?.length ?? 0;
  });
}

export function groups(): void {
  const pair = Pattern.of<Login>().begin('a').next('b');
  const grouped = Pattern.of<Login>().begin('start').followedBy(pair).times(2);
  CEP.pattern(logins, grouped).select(({ start, a, b }) => start.length + a.length + b.length);
}

type Parts = { readonly failures: Login; readonly alarm: Alarm };

class Levels extends PatternProcessFunction<Parts, number> {
  override processMatch({ alarm }: Match<Parts>, context: PatternContext, out: Collector<number>): void {
    out.collect((alarm[0]?.level ?? 0) + context.timestamp());
  }
}

export function functions(): void {
  const late = new OutputTag<Login>('late');
  const over = new OutputTag<string>('over');
  const stream = CEP.pattern(logins, pattern).sideOutputLateData(late);
  const levels = stream.process(new Levels());
  sameType<typeof levels, SingleOutputStreamOperator<number>>(true);
  const users = stream.select(
    over,
    ({ failures }, timeoutTimestamp) => `${failures.length.toFixed()} ${timeoutTimestamp.toFixed()}`,
    ({ alarm }) => alarm.length,
  );
  sameType<typeof users, SingleOutputStreamOperator<number>>(true);

  const failuresOnly = CEP.pattern(logins, Pattern.of<Login>().begin('failures'));
  const number = (): number => 5;
  // @ts-expect-error the tag is for texts
  stream.select(over, number, number);
  // @ts-expect-error late events are logins
  stream.sideOutputLateData(over);
  // @ts-expect-error the function needs a part that the pattern has not
  failuresOnly.process(new Levels());
}
