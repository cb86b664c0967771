import { describe, expect, it } from 'vitest';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import type { JobOptions } from '../../../src/api/job.js';
import { OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import { topicSink } from '../../../src/api/sink.js';
import { topic } from '../../../src/api/source.js';
import { bytesSerde, jsonSerde } from '../../../src/api/standard-serdes.js';
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.js';
import {
  fingerprintOf,
  firstDifference,
  requireSameGraph,
  type GraphFingerprint,
} from '../../../src/graph/fingerprint.js';
import { graphOf } from '../../helpers/build-job.js';
import { refusalOf } from '../../helpers/refusal-of.js';

type Define = (env: StreamEnvironment) => void;

function printOf(define: Define, options?: JobOptions): GraphFingerprint {
  return fingerprintOf(graphOf(define, options));
}

function differenceOf(onMain: Define, here: Define): string | null {
  return firstDifference(printOf(onMain), printOf(here));
}

class Split extends ProcessFunction<unknown, unknown> {
  override processElement(): void {}
}

const numbers = (env: StreamEnvironment) => env.fromCollection([1, 2]).uid('numbers');

describe('firstDifference', () => {
  it('finds none between two builds of one job, whatever its functions are', () => {
    expect(
      differenceOf(
        (env) =>
          void numbers(env)
            .map((value) => value + 1)
            .keyBy((value) => value)
            .reduce((a) => a)
            .print(),
        (env) =>
          void numbers(env)
            .map((value) => value - 1)
            .keyBy(() => 1)
            .reduce((_, b) => b)
            .print(),
      ),
    ).toBeNull();
  });

  it('survives structured clone, as it does on the way to a worker', () => {
    const print = printOf((env) => {
      env.requests('POST /:a', { key: (request) => request.params.a, body: { type: 'object' } }).respond();
    });
    expect(firstDifference(structuredClone(print), print)).toBeNull();
  });

  it.each<[string, Define, Define, string]>([
    [
      'an operator more',
      (env) => void numbers(env),
      (env) => void numbers(env).print('x'),
      'operator 2 is print-sink "Sink: print" in the worker and missing on main',
    ],
    [
      'an operator less',
      (env) => void numbers(env).print(),
      (env) => void numbers(env),
      'operator 2 is missing in the worker and print-sink "Sink: print" on main',
    ],
    [
      'another kind',
      (env) => void numbers(env).map(String),
      (env) => void numbers(env).filter(Boolean).name('Odd'),
      'operator 2 is filter "Odd" in the worker and map "Map" on main',
    ],
    [
      'another uid',
      (env) => void numbers(env).map(String).uid('a'),
      (env) => void numbers(env).map(String).uid('b'),
      'operator 2, map "Map" has the uid "b" in the worker and "a" on main',
    ],
    [
      'another name',
      (env) => void numbers(env).name('One'),
      (env) => void numbers(env).name('Two'),
      'operator 1, collection-source "One" has the name "Two" in the worker and "One" on main',
    ],
    [
      'another parallelism',
      (env) => void numbers(env),
      (env) => void numbers(env).setParallelism(2),
      'operator 1, collection-source "Source: collection" has the parallelism 2 in the worker and "default" on main',
    ],
    [
      'another chaining',
      (env) => void numbers(env).map(String).startNewChain(),
      (env) => void numbers(env).map(String),
      'operator 2, map "Map" has the chaining "always" in the worker and "head" on main',
    ],
    [
      'another collection',
      (env) => void env.fromCollection([1]),
      (env) => void env.fromCollection([1, 2]),
      'operator 1, collection-source "Source: collection" has the values "2" in the worker and "1" on main',
    ],
    [
      'another topic',
      (env) => void env.fromSource(topic('a', jsonSerde())).uid('in').name('In'),
      (env) => void env.fromSource(topic('b', jsonSerde())).uid('in').name('In'),
      'operator 1, topic-source "In" has the topic "b" in the worker and "a" on main',
    ],
    [
      'another serde',
      (env) => void numbers(env).sinkTo(topicSink('a', jsonSerde())),
      (env) => void numbers(env).sinkTo(topicSink('a', bytesSerde() as never)),
      'operator 2, topic-sink "Sink: topic a" has the serde "bytes" in the worker and "json" on main',
    ],
    [
      'a key',
      (env) => void env.requests('GET /:a').uid('in'),
      (env) => void env.requests('GET /:a', { key: (request) => request.params.a }).uid('in'),
      'operator 1, requests "Source: GET /:a" has the key "set" in the worker and "none" on main',
    ],
    [
      'another watermark',
      (env) => void env.fromCollection([1], WatermarkStrategy.boundedOutOfOrderness(5)),
      (env) => void env.fromCollection([1], WatermarkStrategy.boundedOutOfOrderness(6)),
      'operator 1, collection-source "Source: collection" has the bound of out-of-orderness "6 ms" in the worker and "5 ms" on main',
    ],
    [
      'another edge',
      (env) => joined(env, 'after the map'),
      (env) => joined(env, 'before the map'),
      'edge 2 is numbers -> print-sink-1 in the worker and a -> print-sink-1 on main',
    ],
    [
      'another partitioning',
      (env) => void numbers(env).rebalance().print(),
      (env) => void numbers(env).keyBy(String).print(),
      'edge 1, numbers -> print-sink-1 has the partitioning "hash" in the worker and "rebalance" on main',
    ],
    [
      'another output',
      (env) => void numbers(env).process(new Split()).uid('s').print(),
      (env) => void numbers(env).process(new Split()).uid('s').getSideOutput(new OutputTag('late')).print(),
      'edge 2, s -> print-sink-1 has the side output "late" in the worker and "none" on main',
    ],
  ])('names %s', (_, onMain, here, expected) => {
    expect(differenceOf(onMain, here)).toBe(expected);
  });

  it('names another body schema of a route', () => {
    const routeWith = (body: object) => (env: StreamEnvironment) => void env.requests('POST /a', { body }).uid('in');
    expect(differenceOf(routeWith({ type: 'object' }), routeWith({ type: 'array' }))).toContain('has the route 1 ');
  });

  it('names another job', () => {
    const skip = printOf((env) => void numbers(env), { onError: 'skip' });
    const fail = printOf((env) => void numbers(env), { onError: 'fail' });
    expect(firstDifference(skip, fail)).toBe('the job has the onError "fail" in the worker and "skip" on main');
    expect(firstDifference({ ...skip, jobName: 'a' }, { ...skip, jobName: 'b' })).toBe(
      'the job has the name "b" in the worker and "a" on main',
    );
  });
});

/** The same nodes, with the union after the map or beside it. */
function joined(env: StreamEnvironment, where: 'after the map' | 'before the map'): void {
  const source = numbers(env);
  const mapped = source.map((value) => value).uid('a');
  const other = env.fromCollection([3]).uid('again');
  (where === 'after the map' ? mapped : source).union(other).print();
}

describe('requireSameGraph', () => {
  it('refuses another graph, naming job and difference', () => {
    const expected = printOf((env) => void numbers(env));
    expect(() => {
      requireSameGraph(expected, expected);
    }).not.toThrow();
    expect(
      refusalOf(
        () =>
          requireSameGraph(
            expected,
            printOf((env) => void numbers(env).print()),
          ),
        'MILLRACE_GRAPH_MISMATCH',
      ),
    ).toBe(
      'job "test" builds another graph in a worker than on the main thread: operator 2 is print-sink "Sink: print" in the worker and missing on main',
    );
  });
});
