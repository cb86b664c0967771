import { describe, expect, it } from 'vitest';
import { KeyedBroadcastProcessFunction } from '../../../src/api/broadcast-functions.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { mapState } from '../../../src/api/keyed-state.js';
import { KeyedProcessFunction } from '../../../src/api/process-function.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import type { ExecutionPlan } from '../../../src/graph/execution-plan.js';
import { hasExchangeBetweenShards, withRepartitionTopics } from '../../../src/graph/repartition-topics.js';
import { graphOf } from '../../helpers/build-job.js';

class Count extends KeyedProcessFunction<string, unknown, string> {
  override processElement(): void {}
}

const ruleState = mapState<string, string>('rules');

class Matching extends KeyedBroadcastProcessFunction<string, unknown, string, string> {
  override processElement(): void {}
  override processBroadcastElement(): void {}
}

const counts = (env: StreamEnvironment) =>
  env
    .requests('POST /a/:name', { key: ({ params }) => params.name })
    .uid('in')
    .process(new Count())
    .uid('first');

function planFor(define: (env: StreamEnvironment) => void): ExecutionPlan {
  return createExecutionPlan(withRepartitionTopics(graphOf(define), 'group', 16), {
    parallelism: 2,
    workerCount: 2,
    shardCount: 16,
    repartitionGroup: 'group',
  });
}

function chainsOf({ vertices }: ExecutionPlan): string[][] {
  return vertices.map(({ operators }) => operators.map(({ id }) => id));
}

describe('repartition topics', () => {
  it('leave a job as it is whose records stay with their key', () => {
    const graph = graphOf((env) => void counts(env).respond().uid('out'));
    expect(hasExchangeBetweenShards(graph)).toBe(false);
    expect(withRepartitionTopics(graph, 'group', 16)).toEqual(graph);
  });

  it('take the place of the exchange in front of another key', () => {
    const plan = planFor((env) => {
      counts(env).keyBy(String).process(new Count()).uid('second').respond().uid('out');
    });
    expect(chainsOf(plan)).toEqual([
      ['in', 'first', 'second.repartition.sink'],
      ['second.repartition', 'second', 'out'],
    ]);
    expect(plan.edges).toEqual([]);
    const name = 'group-test.second-repartition';
    expect(plan.topicSinks).toMatchObject([
      { topic: name, guarantee: 'exactly-once', repartition: { carriesRequests: true } },
    ]);
    expect(plan.topicSources[1]).toMatchObject({ topic: name, operatorId: 'second.repartition', partitionCount: 16 });
  });

  it('lead on to what can answer: functions behind them fail their request as those before', () => {
    const plan = planFor((env) => {
      counts(env).keyBy(String).process(new Count()).uid('second');
    });
    expect(plan.channels.filter((channel) => channel.kind === 'egress' && channel.responds)).toHaveLength(4);
  });

  it('are one for each stream that reaches an operator', () => {
    const plan = planFor((env) => {
      const other = env.fromSource(topic('other', jsonSerde<string>())).uid('other');
      counts(env).union(other).keyBy(String).process(new Count()).uid('second');
    });
    expect(plan.topicSinks.map((sink) => [sink.topic, sink.repartition?.carriesRequests])).toEqual([
      ['group-test.second-repartition', true],
      ['group-test.second-repartition-2', false],
    ]);
  });

  it('carry a broadcast record to every shard', () => {
    const plan = planFor((env) => {
      const rules = env.fromSource(topic('rules', jsonSerde<string>())).uid('rules').broadcast(ruleState);
      env
        .requests('POST /a/:name', { key: ({ params }) => params.name })
        .uid('in')
        .connect(rules)
        .process(new Matching())
        .uid('match')
        .respond()
        .uid('out');
    });
    expect(chainsOf(plan)).toEqual([
      ['rules', 'match.broadcast.to-shards', 'match.repartition.sink'],
      ['in'],
      ['match.repartition'],
      ['match', 'out'],
    ]);
    expect(plan.edges.map(({ exchange, input }) => [exchange, input])).toEqual([
      ['forward', 1],
      ['forward', 2],
    ]);
  });

  it('give a broadcast record as it was to an operator without broadcast state', () => {
    const plan = planFor((env) => void counts(env).broadcast().map(String).uid('all').respond().uid('out'));
    expect(chainsOf(plan)).toEqual([
      ['in', 'first', 'all.broadcast.to-shards', 'all.repartition.sink'],
      ['all.repartition', 'all.broadcast.from-shard', 'all', 'out'],
    ]);
  });
});
