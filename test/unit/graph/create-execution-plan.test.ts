import { describe, expect, it } from 'vitest';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import { defineJob } from '../../../src/api/job.js';
import { KeyedProcessFunction, OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import { functionSink, topicSink } from '../../../src/api/sink.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import type { ExecutionPlan, PlanChannel } from '../../../src/graph/execution-plan.js';
import { buildStreamGraph } from '../../../src/graph/stream-graph.js';
import { planOf } from '../../helpers/build-job.js';
import { refusalOf } from '../../helpers/refusal-of.js';

class Count extends KeyedProcessFunction<string, unknown, unknown> {
  override processElement(): void {}
}
class Split extends ProcessFunction<unknown, unknown> {
  override processElement(): void {}
}

const counters = (env: StreamEnvironment) =>
  env.requests('POST /counters/:name', { key: (request) => request.params.name }).uid('counters');

function channelToText(channel: PlanChannel): string {
  const at = ({ vertex, subtask, worker }: { vertex: number; subtask: number; worker: number }): string =>
    `${String(vertex)}.${String(subtask)}@${String(worker)}`;
  switch (channel.kind) {
    case 'ingress':
      return `main -> ${at(channel.consumer)}`;
    case 'exchange':
      return `${at(channel.producer)} -> ${at(channel.consumer)}`;
    case 'egress':
      return `${at(channel.producer)} -> main`;
  }
}

function channelsOf(plan: ExecutionPlan): string[] {
  return plan.channels.map(channelToText);
}

describe('createExecutionPlan', () => {
  it('runs a keyed request service without a single exchange', () => {
    const plan = planOf((env) => void counters(env).process(new Count()).uid('count').respond());
    expect(plan.vertices).toHaveLength(1);
    expect(plan.vertices[0]).toMatchObject({
      id: 'counters',
      name: 'Source: POST /counters/:name -> Count -> Sink: respond',
      parallelism: 2,
      topicSource: 0,
      alignment: null,
      hasEgress: true,
    });
    expect(channelsOf(plan)).toEqual(['main -> 0.0@0', 'main -> 0.1@1', '0.0@0 -> main', '0.1@1 -> main']);
    expect(plan.responseTopic).toBe('test.responses');
    expect(plan.topicSources).toMatchObject([
      { kind: 'requests', operatorId: 'counters', topic: 'test.requests.counters', partitionCount: 16, isKeyed: true },
    ]);
  });

  it('gives each subtask the topic partitions whose shards it owns', () => {
    for (const parallelism of [1, 2, 3, 7, 16]) {
      const plan = planOf((env) => void counters(env).process(new Count()).respond(), { parallelism });
      const ingress = plan.channels.filter((channel) => channel.kind === 'ingress');
      expect(ingress).toHaveLength(parallelism);
      for (const { consumer, partitions } of ingress) {
        expect(partitions).toEqual(shardsOfSubtask(consumer.subtask, parallelism, 16));
      }
    }
  });

  it('puts subtask i on worker i mod the number of workers', () => {
    const plan = planOf((env) => void counters(env).setParallelism(5).respond().setParallelism(5), { workerCount: 3 });
    expect(channelsOf(plan).slice(0, 5)).toEqual([
      'main -> 0.0@0',
      'main -> 0.1@1',
      'main -> 0.2@2',
      'main -> 0.3@0',
      'main -> 0.4@1',
    ]);
  });

  it('joins subtasks as their exchange asks: all with all, or each with its own', () => {
    const plan = planOf((env) => {
      const source = env.fromGenerator((index) => index).setParallelism(2);
      source.keyBy(String).process(new Count()).uid('count');
      source.forward().print().startNewChain();
    });
    expect(channelsOf(plan)).toEqual([
      '0.0@0 -> 1.0@0',
      '0.0@0 -> 1.1@1',
      '0.1@1 -> 1.0@0',
      '0.1@1 -> 1.1@1',
      '0.0@0 -> 2.0@0',
      '0.1@1 -> 2.1@1',
    ]);
    expect(plan.edges).toMatchObject([
      { index: 0, graphEdge: 0, sourceVertex: 0, sourceOperator: 0, targetVertex: 1, input: 1, exchange: 'hash' },
      { index: 1, graphEdge: 1, sourceVertex: 0, sourceOperator: 0, targetVertex: 2, input: 1, exchange: 'forward' },
    ]);
    expect(plan.vertices.map(({ inputEdges, outputEdges }) => [inputEdges, outputEdges])).toEqual([
      [[], [0, 1]],
      [[0], []],
      [[1], []],
    ]);
  });

  it('says for each operator where its records go, side outputs apart', () => {
    const plan = planOf((env) => {
      const split = counters(env).process(new Count()).uid('count');
      split.map(String).uid('text').respond();
      split.getSideOutput(new OutputTag<string>('side')).keyBy(String).process(new Count()).uid('again');
    });
    expect(plan.vertices[0]?.operators.map(({ id, outputs }) => [id, outputs])).toEqual([
      ['counters', [{ kind: 'chained', sideTag: null, operator: 1, input: 1 }]],
      [
        'count',
        [
          { kind: 'chained', sideTag: null, operator: 2, input: 1 },
          { kind: 'edge', sideTag: 'side', edge: 0 },
        ],
      ],
      ['text', [{ kind: 'chained', sideTag: null, operator: 3, input: 1 }]],
      ['respond-sink-1', []],
    ]);
  });

  it('lets keyed operators share a store, but for those of pinned parallelism', () => {
    const plan = planOf((env) => {
      counters(env)
        .process(new Count())
        .uid('a')
        .keyBy(String)
        .reduce((_, value) => value)
        .uid('b');
      counters2(env).process(new Count()).uid('c').setParallelism(2).map(String).uid('d');
    });
    const namespaces = plan.vertices.flatMap(({ operators }) =>
      operators.map(({ id, stateNamespace }) => [id, stateNamespace]),
    );
    expect(Object.fromEntries(namespaces)).toMatchObject({ counters: 'main', a: 'main', b: 'main', c: 'c', d: null });
  });

  it('is plain data that survives structured clone', () => {
    const plan = planOf((env) => {
      counters(env)
        .process(new Count())
        .respond({ status: () => 201 });
      env
        .fromSource(topic('bids', jsonSerde<string>(), { key: (value) => value }))
        .sinkTo(topicSink('out', jsonSerde<string>(), { key: (value) => value }));
    });
    expect(structuredClone(plan)).toEqual(plan);
  });

  it('is the same for the same job and options', () => {
    const define = (env: StreamEnvironment): void => {
      const a = counters(env).process(new Count());
      a.union(env.fromCollection<unknown>([1]))
        .keyBy(String)
        .process(new Count())
        .sinkTo(topicSink('out', jsonSerde()));
      a.respond();
    };
    expect(planOf(define)).toEqual(planOf(define));
  });
});

const counters2 = (env: StreamEnvironment) =>
  env.requests('POST /others/:name', { key: (request) => request.params.name }).uid('others');

describe('channels to main', () => {
  it('exist where an answer can arise: what requests reach, and what may answer later', () => {
    const plan = planOf((env) => {
      counters(env).map(String).uid('may-fail').keyBy(String).process(new Count()).uid('count').respond();
      env.fromCollection([1]).uid('numbers').map(String).uid('plain').process(new Split()).uid('answers-later');
    });
    const egress = plan.vertices.map(({ operators, hasEgress }) => [operators.map(({ id }) => id).join(), hasEgress]);
    expect(egress).toEqual([
      ['counters,may-fail', true],
      ['count,respond-sink-1', true],
      ['numbers', false],
      ['plain,answers-later', true],
    ]);
  });

  it('carry topic records alone in a job that nobody asks', () => {
    const plan = planOf((env) => {
      env
        .fromSource(topic('bids', jsonSerde<string>()))
        .keyBy(String)
        .process(new Count())
        .sinkTo(topicSink('a', jsonSerde()));
      env.fromSource(topic('asks', jsonSerde<string>())).sinkTo(functionSink(() => undefined));
    });
    expect(plan.responseTopic).toBeNull();
    expect(plan.topicSinks).toMatchObject([
      { index: 0, operatorId: 'topic-sink-1', topic: 'a', guarantee: 'at-least-once' },
    ]);
    expect(plan.channels.filter(({ kind }) => kind === 'egress')).toMatchObject([
      { producer: { vertex: 1, subtask: 0 }, topicSinks: [0], responds: false },
      { producer: { vertex: 1, subtask: 1 }, topicSinks: [0], responds: false },
    ]);
  });

  it('refuse a topic whose sinks promise different things', () => {
    expect(() =>
      planOf((env) => {
        const numbers = env.fromCollection(['1']);
        numbers.sinkTo(topicSink('a', jsonSerde(), { guarantee: 'exactly-once' })).uid('once');
        numbers.sinkTo(topicSink('a', jsonSerde())).uid('twice');
      }),
    ).toThrow('the sinks "once" and "twice" write to topic "a" with different guarantees');
  });

  it('exist for every subtask of a job that keeps dead letters, whose topic promises no more than at least once', () => {
    const keeping = (define: (env: StreamEnvironment) => void): ExecutionPlan =>
      createExecutionPlan(buildStreamGraph(defineJob('test', define, { onError: 'dead-letter' }).build()), {
        parallelism: 2,
        workerCount: 2,
        shardCount: 16,
      });
    const plan = keeping((env) => {
      const numbers = env.fromCollection(['1']);
      numbers.rebalance().sinkTo(topicSink('a', jsonSerde(), { guarantee: 'exactly-once' }));
    });
    expect(plan.topicSinks).toMatchObject([
      { topic: 'a', operatorId: 'topic-sink-1' },
      { topic: 'test.dlq', operatorId: null, node: null, guarantee: 'at-least-once' },
    ]);
    expect(plan.deadLetterSink).toBe(1);
    expect(plan.channels.filter(({ kind }) => kind === 'egress')).toMatchObject([
      { producer: { vertex: 0, subtask: 0 }, topicSinks: [1] },
      { producer: { vertex: 1, subtask: 0 }, topicSinks: [0, 1] },
      { producer: { vertex: 1, subtask: 1 }, topicSinks: [0, 1] },
    ]);
    expect(() =>
      keeping((env) => {
        env
          .fromCollection(['1'])
          .sinkTo(topicSink('test.dlq', jsonSerde(), { guarantee: 'exactly-once' }))
          .uid('mine');
      }),
    ).toThrow('the sinks "mine" and "dead letters" write to topic "test.dlq" with different guarantees');
  });

  it('exist for respond() even without a route, because topics may carry requests of another gateway', () => {
    const plan = planOf((env) => void env.fromSource(topic('requests', jsonSerde<string>())).map(String).respond());
    expect(plan.responseTopic).toBe('test.responses');
    expect(plan.vertices[0]?.hasEgress).toBe(true);
  });
});

describe('parallelism', () => {
  it('is one for sources that run in a worker, unless set', () => {
    const plan = planOf((env) => {
      env.fromCollection([1]).uid('a');
      env
        .fromGenerator((index) => index)
        .uid('b')
        .setParallelism(3);
      counters(env);
    });
    expect(plan.vertices.map(({ id, parallelism }) => [id, parallelism])).toEqual([
      ['a', 1],
      ['b', 3],
      ['counters', 2],
    ]);
  });

  it('is at most the number of shards where a subtask beyond would see no record', () => {
    const reason = 'with 16 shards';
    expect(
      refusalOf(() => planOf((env) => void counters(env).process(new Count()).name('Count').setParallelism(17))),
    ).toBe(`keyed-process "Count" of job "test" has the parallelism 17 ${reason}`);
    expect(refusalOf(() => planOf((env) => void counters(env).setParallelism(17)))).toContain(reason);
    expect(planOf((env) => void env.fromCollection([1]).map(String).setParallelism(17)).vertices[1]?.parallelism).toBe(
      17,
    );
  });

  it.each([
    [{ parallelism: 0 }, 'the parallelism is 0 with 16 shards'],
    [{ parallelism: 17 }, 'the parallelism is 17 with 16 shards'],
    [{ parallelism: 1.5 }, 'the parallelism is 1.5 with 16 shards'],
    [{ workerCount: 0 }, 'the number of workers is 0'],
    [{ shardCount: 12 }, 'the number of shards is 12'],
    [{ shardCount: 0 }, 'the number of shards is 0'],
    [{ shardCount: 2048 }, 'the number of shards is 2048'],
  ])('is refused with %j', (options, message) => {
    expect(refusalOf(() => planOf((env) => void env.fromCollection([1]), options), 'MILLRACE_CONFIG_INVALID')).toBe(
      message,
    );
  });
});
