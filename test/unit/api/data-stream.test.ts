import { describe, expect, it } from 'vitest';
import type { Transformation } from '../../../src/api/internal/transformation.js';
import { defineJob } from '../../../src/api/job.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { KeyedProcessFunction, OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import { refusalOf } from '../../helpers/refusal-of.js';

function build(define: (env: StreamEnvironment) => void): readonly Transformation[] {
  return defineJob('test', define).build().transformations;
}

/** Refused while the job is built, with this message. */
function refusal(define: (env: StreamEnvironment) => void): string {
  return refusalOf(() => build(define));
}

class Nothing extends ProcessFunction<unknown, unknown> {
  override processElement(): void {}
}
class NothingKeyed extends KeyedProcessFunction<unknown, unknown, unknown> {
  override processElement(): void {}
}

describe('DataStream', () => {
  it('adds one transformation per call, each referring to the one before', () => {
    const double = (value: number): number => value * 2;
    const isLarge = (value: number): boolean => value > 10;
    const transformations = build((env) => {
      env.fromCollection([1, 2]).map(double).filter(isLarge).rebalance().print('large');
    });
    expect(transformations).toMatchObject([
      { id: 0, kind: 'source', spec: { kind: 'collection-source', values: [1, 2] } },
      { id: 1, kind: 'operator', inputs: [0], spec: { kind: 'map', fn: double } },
      { id: 2, kind: 'operator', inputs: [1], spec: { kind: 'filter', fn: isLarge } },
      { id: 3, kind: 'partition', input: 2, partitioning: { kind: 'rebalance' } },
      { id: 4, kind: 'operator', inputs: [3], spec: { kind: 'print-sink', label: 'large' } },
    ]);
  });

  it('keeps keys, unions, side outputs and every kind of partitioning as data', () => {
    const key = (value: number): number => value % 2;
    const tag = new OutputTag<string>('late');
    const transformations = build((env) => {
      const numbers = env.fromCollection([1]);
      numbers.union(numbers.broadcast(), numbers.forward()).keyBy(key).process(new NothingKeyed());
      numbers.process(new Nothing()).getSideOutput(tag).respond({ status: 202 });
    });
    expect(transformations.map(({ kind }) => kind)).toEqual([
      'source',
      'partition',
      'partition',
      'union',
      'partition',
      'operator',
      'operator',
      'side-output',
      'operator',
    ]);
    expect(transformations).toMatchObject({
      1: { partitioning: { kind: 'broadcast' } },
      2: { partitioning: { kind: 'forward' } },
      3: { inputs: [0, 1, 2] },
      4: { input: 3, partitioning: { kind: 'hash', key, isKeyedAtSource: false } },
      5: { inputs: [4], spec: { kind: 'keyed-process', key } },
      7: { input: 6, tagId: 'late' },
      8: { inputs: [7], spec: { kind: 'respond-sink', status: 202 } },
    });
  });

  it('reduces by the key of its keyBy', () => {
    const key = (value: number): number => value % 2;
    const sum = (a: number, b: number): number => a + b;
    const transformations = build((env) => void env.fromCollection([1]).keyBy(key).reduce(sum));
    expect(transformations[2]).toMatchObject({ spec: { kind: 'reduce', reduce: sum, key } });
  });

  it('answers with 200 unless told otherwise, and refuses what is no status of an answer', () => {
    expect(build((env) => void env.fromCollection([1]).respond())[1]).toMatchObject({ spec: { status: 200 } });
    for (const status of [99, 100, 600, 200.5, Number.NaN, '200' as never]) {
      expect(refusal((env) => void env.fromCollection([1]).name('ones').respond({ status }))).toBe(
        `collection-source "ones" of job "test" is answered with the status ${String(status)}`,
      );
    }
  });

  it('refuses calls without the function that they need, naming the operator before', () => {
    const define =
      (call: (stream: ReturnType<StreamEnvironment['fromCollection']>) => unknown) => (env: StreamEnvironment) =>
        void call(env.fromCollection<unknown>([1]).uid('ones'));
    const before = 'collection-source "ones" of job "test"';
    expect(refusal(define((s) => s.map(undefined as never)))).toBe(`${before} is followed by map() without a function`);
    expect(refusal(define((s) => s.filter({ map: () => true } as never)))).toBe(
      `${before} is followed by filter() without a function`,
    );
    expect(refusal(define((s) => s.flatMap('no' as never)))).toBe(
      `${before} is followed by flatMap() without a function`,
    );
    expect(refusal(define((s) => s.process((() => undefined) as never)))).toBe(
      `${before} is followed by process() without a function`,
    );
    expect(refusal(define((s) => s.keyBy('id' as never)))).toBe(`${before} is keyed by something that is no function`);
    expect(refusal(define((s) => s.keyBy(() => 1).process(Nothing as never)))).toBe(
      `${before} is followed by process() without a function`,
    );
    expect(refusal(define((s) => s.keyBy(() => 1).reduce(undefined as never)))).toBe(
      `${before} is followed by reduce() without a function`,
    );
  });

  it('refuses a union of nothing, and one across jobs', () => {
    expect(
      refusal((env) => void (env.fromCollection([1]).union as () => unknown).call(env.fromCollection([1]))),
    ).toContain('is united with nothing');
    expect(
      refusal((env) => {
        defineJob('other', (other) => void env.fromCollection([1]).union(other.fromCollection([1]))).build();
      }),
    ).toContain('is united with a stream of another job');
  });
});

describe('an operator', () => {
  it('takes uid, name, parallelism and chaining, the last word of each counting', () => {
    const transformations = build((env) => {
      env.fromCollection([1]).uid('first').uid('ones').name('Ones').setParallelism(3).startNewChain();
      env.fromCollection([1]).disableChaining().print().uid('first').name('Out').setParallelism(1).disableChaining();
    });
    expect(transformations).toMatchObject([
      { attributes: { uid: 'ones', name: 'Ones', parallelism: 3, chaining: 'head' } },
      { attributes: { uid: null, name: null, parallelism: null, chaining: 'never' } },
      { attributes: { uid: 'first', name: 'Out', parallelism: 1, chaining: 'never' } },
    ]);
  });

  it('refuses a uid that another one has, but not its own again', () => {
    expect(build((env) => void env.fromCollection([1]).uid('a').uid('a'))).toHaveLength(1);
    expect(refusal((env) => void env.fromCollection([1]).uid('a').print().uid('a'))).toBe(
      'print-sink 1 of job "test" has the uid "a", which another operator has already',
    );
  });

  it.each(['', 'a b', 'a/b', '../a', 'ü', 'x'.repeat(101)])(
    'refuses the uid %j, which could not name a file',
    (uid) => {
      expect(refusal((env) => void env.fromCollection([1]).uid(uid))).toBe(
        `collection-source 0 of job "test" has the uid ${JSON.stringify(uid)}`,
      );
    },
  );

  it('refuses the uid that names the shared state', () => {
    expect(refusal((env) => void env.fromCollection([1]).uid('main'))).toContain('which is reserved');
  });

  it.each(['', '   ', 'two\nlines', 'x'.repeat(201)])(
    'refuses the name %j, which would break a line of the graph',
    (name) => {
      expect(refusal((env) => void env.fromCollection([1]).name(name))).toContain('has the name');
    },
  );

  it('tells the parallelism that it is pinned to, and that of a stream which no operator emits is nobody’s', () => {
    build((env) => {
      const ones = env.fromCollection([1]);
      expect(ones.getParallelism()).toBeNull();
      expect(ones.setParallelism(3).getParallelism()).toBe(3);
      expect(ones.map(String).getParallelism()).toBeNull();
      expect(ones.union(ones).getParallelism()).toBeNull();
      ones.print();
    });
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1025])('refuses the parallelism %s', (parallelism) => {
    expect(
      refusal((env) => void env.fromCollection([1]).uid('a').map(String).name('Text').setParallelism(parallelism)),
    ).toBe(`map "Text" of job "test" has the parallelism ${String(parallelism)}`);
  });
});
