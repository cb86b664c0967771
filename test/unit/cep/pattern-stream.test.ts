import { describe, expect, it } from 'vitest';
import { AfterMatchSkipStrategy, CEP, Pattern } from '../../../src/cep/index.js';
import { defineJob, jsonSerde, OutputTag, topic, topicSink, WatermarkStrategy } from '../../../src/index.js';
import { buildStreamGraph } from '../../../src/graph/stream-graph.js';
import { JobDriver } from '../../../src/testing/index.js';

interface Login {
  readonly user: string;
  readonly ok: boolean;
  readonly at: number;
}

const byTime = WatermarkStrategy.boundedOutOfOrderness<Login>(50).withTimestampAssigner((login) => login.at);

const guessed = Pattern.of<Login>()
  .begin('failures', AfterMatchSkipStrategy.skipPastLastEvent())
  .where((login) => !login.ok)
  .timesOrMore(3)
  .greedy()
  .consecutive()
  .next('success')
  .where((login) => login.ok)
  .within(60_000);

const givenUp = new OutputTag<string>('given-up');
const late = new OutputTag<Login>('late');

const alarms = defineJob('alarms', (env) => {
  const logins = env.fromSource(topic('logins', jsonSerde<Login>()), byTime).uid('logins');
  const found = CEP.pattern(
    logins.keyBy((login) => login.user),
    guessed,
  )
    .sideOutputLateData(late)
    .select(
      givenUp,
      ({ failures }) => `${failures[0]?.user ?? ''} gave up after ${failures.length.toFixed()}`,
      ({ failures, success }) => `${success[0]?.user ?? ''} guessed right after ${failures.length.toFixed()}`,
    )
    .uid('guessed');
  found.sinkTo(topicSink('alarms', jsonSerde()));
  found.getSideOutput(givenUp).sinkTo(topicSink('given-up', jsonSerde()));
  found.getSideOutput(late).sinkTo(topicSink('late', jsonSerde()));
});

const valuesOf = (driver: JobDriver, name: string): unknown[] => driver.topic(name).map(({ value }) => value);
const textsOf = (driver: JobDriver, name: string): string[] => valuesOf(driver, name).map(String).sort();

describe('CEP.pattern', () => {
  it.each([1, 2, 4])('finds the same in a job at parallelism %d', (parallelism) => {
    const driver = new JobDriver(alarms, { parallelism });
    const users = ['ada', 'bob', 'cyd', 'dan', 'eve'];
    for (const [index, user] of users.entries()) {
      const log = (ok: boolean, at: number): void =>
        driver.send('logins', { user, ok, at }, { subtask: index % parallelism });
      for (let failure = 0; failure < index + 1; failure++) log(false, 1_000 * index + 10 * failure);
      if (user !== 'eve') log(true, 1_000 * index + 90);
    }
    driver.endInput();
    expect(textsOf(driver, 'alarms')).toEqual(['cyd guessed right after 3', 'dan guessed right after 4']);
    // Whoever fails five times has three partial matches with three failures or more, and two with less.
    expect(valuesOf(driver, 'given-up')).toContain('eve gave up after 5');
  });

  it('counts the late events that go nowhere, and no others', () => {
    const dropping = defineJob('dropping', (env) => {
      const logins = env.fromSource(topic('logins', jsonSerde<Login>()), byTime).uid('logins');
      const found = CEP.pattern(
        logins.keyBy((login) => login.user),
        guessed,
      );
      found
        .select(() => 'found')
        .uid('dropping')
        .print();
      found
        .sideOutputLateData(late)
        .select(() => 'found')
        .uid('aside')
        .print();
    });
    const driver = new JobDriver(dropping);
    for (const at of [10_000, 9_940, 20_000]) driver.send('logins', { user: 'ada', ok: false, at });
    driver.emitWatermarks();
    for (const at of [19_949, 19_950, 8_000]) driver.send('logins', { user: 'ada', ok: false, at });
    expect(driver.metric('dropping', 'numLateRecordsDropped')).toEqual({ kind: 'counter', count: 2 });
    expect(driver.metric('aside', 'numLateRecordsDropped')).toEqual({ kind: 'counter', count: 0 });
  });

  it('sends late events aside', () => {
    const driver = new JobDriver(alarms);
    driver.send('logins', { user: 'ada', ok: false, at: 10_000 });
    driver.emitWatermarks();
    driver.send('logins', { user: 'ada', ok: false, at: 9_000 });
    expect(valuesOf(driver, 'late')).toEqual([{ user: 'ada', ok: false, at: 9_000 }]);
  });

  it('looks at all events of a stream without keys, in one subtask, and says in the graph what it looks for', () => {
    const rising = defineJob('rising', (env) => {
      const numbers = env.fromCollection([3, 1, 4, 1, 5, 9, 2, 6]);
      const pattern = Pattern.of<number>()
        .begin('low')
        .next('high')
        .where((number, context) => number > (context.getEventsForPattern('low')[0] ?? 0));
      CEP.pattern(numbers, pattern)
        .inProcessingTime()
        .flatSelect<string>(({ low, high }, out) => out.collect(`${String(low[0])} ${String(high[0])}`))
        .print();
    });
    const driver = new JobDriver(rising, { parallelism: 3 });
    driver.runSources();
    expect(driver.lines.map((line) => line.trim().replace(/^\d+> /, ''))).toEqual(['1 4', '1 5', '5 9', '2 6']);
    const operator = buildStreamGraph(rising.build()).nodes.find(({ spec }) => spec.kind === 'keyed-process');
    expect(operator).toMatchObject({ name: 'CEP: low → high', parallelism: 1 });
  });
});
