import { describe, expect, it } from 'vitest';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { KeyedProcessFunction, OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import type { PlanOptions } from '../../../src/graph/execution-plan.js';
import { planOf } from '../../helpers/build-job.js';
import { refusalOf } from '../../helpers/refusal-of.js';

class Count extends KeyedProcessFunction<unknown, unknown, unknown> {
  override processElement(): void {}
}
class Split extends ProcessFunction<unknown, unknown> {
  override processElement(): void {}
}

/** Each chain as its uids, and each exchange between chains. */
function chainsOf(define: (env: StreamEnvironment) => void, options?: Partial<PlanOptions>): string[][] {
  return planOf(define, options).vertices.map(({ operators }) => operators.map(({ id }) => id));
}
function exchangesOf(define: (env: StreamEnvironment) => void, options?: Partial<PlanOptions>): string[] {
  return planOf(define, options).edges.map(({ exchange }) => exchange);
}

const requests = (env: StreamEnvironment) => env.requests('GET /a').uid('in');

describe('operators share a task', () => {
  it('as far as records stay in their subtask', () => {
    const define = (env: StreamEnvironment): void => {
      requests(env).map(String).uid('a').filter(Boolean).uid('b').respond().uid('out');
    };
    expect(chainsOf(define)).toEqual([['in', 'a', 'b', 'out']]);
    expect(exchangesOf(define)).toEqual([]);
  });

  it('as a tree, side outputs included', () => {
    expect(
      chainsOf((env) => {
        const split = requests(env).process(new Split()).uid('split');
        split.map(String).uid('a').respond().uid('out-a');
        split.getSideOutput(new OutputTag<string>('side')).respond().uid('out-b');
      }),
    ).toEqual([['in', 'split', 'a', 'out-a', 'out-b']]);
  });

  it('with a source keyed at the door, whose records are where their key belongs', () => {
    const byKey = (env: StreamEnvironment) => env.requests('GET /:a', { key: (request) => request.params.a }).uid('in');
    expect(chainsOf((env) => void byKey(env).process(new Count()).uid('count').respond().uid('out'))).toEqual([
      ['in', 'count', 'out'],
    ]);
    expect(chainsOf((env) => void byKey(env).map(String).uid('a').keyBy(String).process(new Count()).uid('b'))).toEqual(
      [['in', 'a'], ['b']],
    );
  });
});

describe('a chain is cut', () => {
  it.each([
    ['keyBy', 'hash'],
    ['rebalance', 'rebalance'],
    ['broadcast', 'broadcast'],
  ] as const)('at a %s', (cut, exchange) => {
    const define = (env: StreamEnvironment): void => {
      const before = requests(env).map(String).uid('a');
      const after = cut === 'keyBy' ? before.keyBy(String) : before[cut]();
      after.map(String).uid('b');
    };
    expect(chainsOf(define)).toEqual([['in', 'a'], ['b']]);
    expect(exchangesOf(define)).toEqual([exchange]);
  });

  it('where the parallelism changes, dealing records out in turn', () => {
    const define = (env: StreamEnvironment): void => {
      requests(env).map(String).uid('a').setParallelism(3).map(String).uid('b').setParallelism(3);
    };
    expect(chainsOf(define)).toEqual([['in'], ['a', 'b']]);
    expect(exchangesOf(define)).toEqual(['rebalance']);
    expect(chainsOf(define, { parallelism: 3 })).toEqual([['in', 'a', 'b']]);
  });

  it('where several streams meet', () => {
    const define = (env: StreamEnvironment): void => {
      const a = requests(env);
      a.map(String).uid('b').union(a.map(String).uid('c')).map(String).uid('d').respond().uid('out');
    };
    expect(chainsOf(define)).toEqual([
      ['in', 'b', 'c'],
      ['d', 'out'],
    ]);
    expect(exchangesOf(define)).toEqual(['forward', 'forward']);
  });

  it('where the author says so', () => {
    expect(
      chainsOf((env) => {
        requests(env).map(String).uid('a').startNewChain().map(String).uid('b').disableChaining().map(String).uid('c');
      }),
    ).toEqual([['in'], ['a'], ['b'], ['c']]);
  });

  it('after a source keyed at the door whose topic has another number of partitions, or whose parallelism differs', () => {
    const keyed = (env: StreamEnvironment) =>
      env.fromSource(topic('bids', jsonSerde<string>(), { key: (value) => value }));
    const define = (env: StreamEnvironment): void => void keyed(env).uid('in').process(new Count()).uid('count');
    expect(exchangesOf(define)).toEqual([]);
    expect(exchangesOf(define, { topicPartitions: new Map([['bids', 4]]) })).toEqual(['hash']);
    expect(exchangesOf(define, { topicPartitions: new Map([['bids', 16]]) })).toEqual([]);
    const uneven = (env: StreamEnvironment): void =>
      void keyed(env).uid('in').setParallelism(1).process(new Count()).uid('count');
    expect(exchangesOf(uneven)).toEqual(['hash']);
  });
});

describe('forward()', () => {
  it('keeps subtasks together even between chains', () => {
    expect(exchangesOf((env) => void requests(env).forward().map(String).startNewChain())).toEqual(['forward']);
  });

  it('is refused between operators of different parallelism', () => {
    expect(refusalOf(() => planOf((env) => void env.fromCollection([1]).forward().map(String).name('Text')))).toBe(
      'job "test" forwards from "Source: collection" (parallelism 1) to "Text" (parallelism 2)',
    );
  });
});
