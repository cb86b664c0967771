import { describe, expect, it } from 'vitest';
import { KeyedProcessFunction, ProcessFunction } from '../../../src/api/process-function.js';
import { topicSink } from '../../../src/api/sink.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.js';
import { planOf } from '../../helpers/build-job.js';

class Count extends KeyedProcessFunction<unknown, unknown, unknown> {
  override processElement(): void {}
}
class Answer extends ProcessFunction<unknown, unknown> {
  override processElement(): void {}
}

describe('a job is warned', () => {
  it('of state that no uid names', () => {
    const { warnings } = planOf((env) => {
      env
        .fromCollection([1])
        .keyBy(String)
        .process(new Count())
        .keyBy(String)
        .reduce((a) => a)
        .uid('reduced')
        .print();
    });
    expect(warnings).toEqual([
      'collection-source "Source: collection" keeps state under the generated uid "collection-source-1" and loses it when the job changes before it: set uid("…").',
      'keyed-process "Count" keeps state under the generated uid "keyed-process-1" and loses it when the job changes before it: set uid("…").',
    ]);
  });

  it('of watermark alignment in the middle of a stream, where it has no effect', () => {
    const { warnings } = planOf((env) => {
      const strategy = WatermarkStrategy.monotonousTimestamps<number>().withWatermarkAlignment('group', 5);
      env.fromCollection([1], strategy).uid('ones').assignTimestampsAndWatermarks(strategy).name('Stamped').print();
    });
    expect(warnings).toEqual([
      expect.stringContaining('watermark alignment of assign-timestamps "Stamped" has no effect'),
    ]);
  });

  it('of records that go nowhere, but not of functions that may act by themselves', () => {
    const { warnings } = planOf((env) => {
      const ones = env.fromCollection([1]).uid('ones');
      ones.map(String).name('Text');
      ones.process(new Answer());
      ones.keyBy(String).process(new Count()).uid('count');
    });
    expect(warnings).toEqual(['The records of map "Text" go nowhere: end the stream with a sink.']);
  });

  it('of requests that nothing can answer', () => {
    const { warnings } = planOf((env) => {
      env.requests('GET /a').map(String).print();
      env.requests('GET /b').map(String).respond();
      env.requests('GET /c').process(new Answer());
      env.requests('GET /d').sinkTo(topicSink('elsewhere', jsonSerde()));
    });
    expect(warnings).toEqual([
      'Nothing after requests "Source: GET /a" can answer, so every request will time out: end the stream with respond().',
    ]);
  });

  it('of nothing when all is in order, sources found by route or topic included', () => {
    const { warnings } = planOf((env) => {
      env
        .requests('GET /:a', { key: (request) => request.params.a })
        .process(new Count())
        .uid('count')
        .respond();
      env.fromSource(topic('bids', jsonSerde())).print();
    });
    expect(warnings).toEqual([]);
  });
});
