import { describe, expect, it } from 'vitest';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { defineJob } from '../../../src/api/job.js';
import { functionSink, topicSink } from '../../../src/api/sink.js';
import { collection, generator, topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.js';
import { refusalOf } from '../../helpers/refusal-of.js';

function transformationsOf(define: (env: StreamEnvironment) => void) {
  return defineJob('test', define).build().transformations;
}

describe('sources', () => {
  it('take a topic, from its beginning unless told otherwise', () => {
    const serde = jsonSerde<number>();
    const transformations = transformationsOf((env) => {
      env.fromSource(topic('a', serde));
      env.fromSource(topic('b', serde, { startFrom: 'latest' }));
    });
    expect(transformations).toMatchObject([
      { spec: { kind: 'topic-source', topic: 'a', serde, key: null, startFrom: 'earliest' } },
      { spec: { kind: 'topic-source', topic: 'b', startFrom: 'latest' } },
    ]);
  });

  it('give a keyed stream without a shuffle when the topic is partitioned by the key', () => {
    const key = (value: number): number => value;
    const transformations = transformationsOf((env) => {
      env.fromSource(topic('a', jsonSerde<number>(), { key })).reduce((a, b) => a + b);
    });
    expect(transformations).toMatchObject([
      { spec: { key } },
      { partitioning: { kind: 'hash', key, isKeyedAtSource: true } },
      { spec: { kind: 'reduce', key } },
    ]);
  });

  it('copy a collection, so that later changes to it change no job', () => {
    const values = [1, 2];
    const source = collection(values);
    values.push(3);
    expect(source.spec).toMatchObject({ values: [1, 2] });
    expect(collection(new Set(['a'])).spec).toMatchObject({ values: ['a'] });
  });

  it('keep the watermark strategy and the name beside the source', () => {
    const strategy = WatermarkStrategy.boundedOutOfOrderness<number>(5).withTimestampAssigner((value) => value);
    const transformations = transformationsOf((env) => {
      env.fromSource(
        generator((index) => index),
        strategy,
        'Clock',
      );
      env.fromGenerator((index) => index);
      env.fromCollection([1], strategy);
      env.fromCollection([1]);
    });
    expect(transformations).toMatchObject([
      { spec: { kind: 'generator-source' }, watermarks: strategy, attributes: { name: 'Clock' } },
      { spec: { kind: 'generator-source' }, watermarks: null, attributes: { name: null } },
      { spec: { kind: 'collection-source' }, watermarks: strategy },
      { spec: { kind: 'collection-source' }, watermarks: null },
    ]);
  });

  it('refuse what is no generator', () => {
    expect(refusalOf(() => generator(5 as never))).toBe('the generator of a source is no function');
  });

  it('refuse what has no serde, or a key that is no function', () => {
    for (const serde of [undefined, null, {}, { name: 'json', serialise: () => new Uint8Array() }]) {
      expect(refusalOf(() => topic('a', serde as never))).toBe('topic "a" has no serde');
      expect(refusalOf(() => topicSink('a', serde as never))).toBe('topic "a" has no serde');
    }
    expect(refusalOf(() => topic('a', jsonSerde(), { key: 'id' as never }))).toBe(
      'the key of topic "a" is no function',
    );
    expect(refusalOf(() => topicSink('a', jsonSerde(), { key: 'id' as never }))).toBe(
      'the key of topic "a" is no function',
    );
  });

  it.each(['', '.', '..', 'a b', 'a/b', 'x'.repeat(250), 5])('refuse the topic name %j', (name) => {
    expect(refusalOf(() => topic(name as string, jsonSerde()))).toBe(`a topic has the name ${JSON.stringify(name)}`);
    expect(refusalOf(() => topicSink(name as string, jsonSerde()))).toBe(
      `a topic has the name ${JSON.stringify(name)}`,
    );
  });
});

describe('sinks', () => {
  it('are data with their defaults filled in', () => {
    const serde = jsonSerde<number>();
    const key = (value: number): number => value;
    const write = (): void => undefined;
    expect(topicSink('a', serde).spec).toEqual({
      kind: 'topic-sink',
      topic: 'a',
      serde,
      key: null,
      guarantee: 'at-least-once',
    });
    expect(topicSink('a', serde, { key }).spec).toMatchObject({ key });
    expect(functionSink(write).spec).toEqual({ kind: 'function-sink', fn: write });
  });
});

describe('a function sink', () => {
  it('refuses what cannot be called', () => {
    for (const fn of [undefined, {}, { map: () => 1 }, 'write']) {
      expect(refusalOf(() => functionSink(fn as never))).toBe('a function sink has no function');
    }
    expect(functionSink({ invoke: () => undefined }).spec.kind).toBe('function-sink');
  });
});

describe('WatermarkStrategy', () => {
  it('is immutable: each step gives another strategy', () => {
    const plain = WatermarkStrategy.monotonousTimestamps<number>();
    const assigned = plain.withTimestampAssigner((value) => value);
    const idle = assigned.withIdleness(1_000);
    expect([plain.timestampAssigner, plain.idlenessMs, assigned.idlenessMs]).toEqual([null, null, null]);
    expect(idle).toMatchObject({ kind: 'bounded', maxOutOfOrdernessMs: 0, idlenessMs: 1_000 });
    expect(idle.timestampAssigner).toBe(assigned.timestampAssigner);
    expect(WatermarkStrategy.noWatermarks().kind).toBe('none');
  });

  it('refuses durations that are none', () => {
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(refusalOf(() => WatermarkStrategy.boundedOutOfOrderness(ms))).toContain('out-of-orderness');
    }
    for (const ms of [0, -1, Number.NaN]) {
      expect(refusalOf(() => WatermarkStrategy.noWatermarks().withIdleness(ms))).toContain('the idle time-out');
    }
  });
});
