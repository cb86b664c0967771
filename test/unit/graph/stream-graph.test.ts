import { describe, expect, it } from 'vitest';
import { KeyedProcessFunction, OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import { topicSink } from '../../../src/api/sink.js';
import { topic } from '../../../src/api/source.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { downstreamOf, type StreamGraph } from '../../../src/graph/stream-graph.js';
import { graphOf } from '../../helpers/build-job.js';

class Split extends ProcessFunction<number, number> {
  override processElement(): void {}
}
class Count extends KeyedProcessFunction<number, number, number> {
  override processElement(): void {}
}

/** Edges as text: `source -> target`, with side output and partitioning. */
function edgesOf(graph: StreamGraph): string[] {
  return graph.edges.map(({ source, target, sideTag, partitioning }) => {
    const side = sideTag === null ? '' : ` (${sideTag})`;
    const how = partitioning === null ? '' : ` ${partitioning.kind}`;
    return `${graph.nodes[source]?.id ?? ''}${side} ->${how} ${graph.nodes[target]?.id ?? ''}`;
  });
}

describe('buildStreamGraph', () => {
  it('turns unions, partitionings and side outputs into edges', () => {
    const graph = graphOf((env) => {
      const a = env.fromCollection([1]).uid('a');
      const b = env.fromCollection([2]).uid('b');
      const split = a.union(b.rebalance()).process(new Split()).uid('split');
      split
        .getSideOutput(new OutputTag<number>('odd'))
        .keyBy((value) => value)
        .process(new Count())
        .uid('count');
      split.broadcast().print().uid('print');
    });
    expect(graph.nodes.map(({ id }) => id)).toEqual(['a', 'b', 'split', 'count', 'print']);
    expect(edgesOf(graph)).toEqual([
      'a -> split',
      'b -> rebalance split',
      'split (odd) -> hash count',
      'split -> broadcast print',
    ]);
    expect(graph.nodes[2]).toMatchObject({ inEdges: [0, 1], outEdges: [2, 3] });
  });

  it('lets the partitioning nearest to the consumer win', () => {
    const graph = graphOf((env) => {
      const ones = env.fromCollection([1]).uid('ones');
      ones
        .keyBy((value) => value)
        .rebalance()
        .print()
        .uid('a');
      ones
        .rebalance()
        .keyBy((value) => value)
        .print()
        .uid('b');
      ones.rebalance().union(ones.broadcast()).forward().print().uid('c');
    });
    expect(edgesOf(graph)).toEqual(['ones -> rebalance a', 'ones -> hash b', 'ones -> forward c', 'ones -> forward c']);
  });

  it('feeds a stream united with itself twice', () => {
    const graph = graphOf((env) => {
      const ones = env.fromCollection([1]).uid('ones');
      ones.union(ones).print().uid('print');
    });
    expect(edgesOf(graph)).toEqual(['ones -> print', 'ones -> print']);
  });

  it("generates uids by kind and place, around the author's", () => {
    const graph = graphOf((env) => {
      env.fromCollection([1]).map(String).uid('map-2').map(String).map(String).print().uid('out');
      env.requests(['POST /counters/:name', 'GET /counters/:name']);
      env.fromSource(topic('bids', jsonSerde()));
      env.fromSource(topic('bids', jsonSerde()));
    });
    expect(graph.nodes.map(({ id, isGeneratedId }) => [id, isGeneratedId])).toEqual([
      ['collection-source-1', true],
      ['map-2', false],
      ['map-1', true],
      ['map-3', true],
      ['out', false],
      ['requests-post-counters-name', true],
      ['topic-source-bids', true],
      ['topic-source-bids-2', true],
    ]);
  });

  it('keeps the uid of a source with a route or a topic when the job changes before it', () => {
    const later = graphOf((env) => {
      env.requests('GET /new');
      env.fromCollection([1]);
      env.requests('POST /counters/:name');
      env.fromSource(topic('bids', jsonSerde()));
    });
    expect(later.nodes.map(({ id }) => id)).toEqual([
      'requests-get-new',
      'collection-source-1',
      'requests-post-counters-name',
      'topic-source-bids',
    ]);
  });

  it('names operators after their kind or their class', () => {
    const graph = graphOf((env) => {
      const ones = env.fromSource(topic('bids', jsonSerde<number>()), undefined, 'Bids');
      ones
        .map((value) => value)
        .filter({ filter: () => true })
        .flatMap(() => undefined)
        .name('Flat');
      ones.process(new Split()).sinkTo(topicSink('out', jsonSerde()));
      env.requests(['GET /a', 'PUT /a']).respond();
      env.requests(['GET /b', 'GET /c', 'GET /d', 'GET /e', 'GET /f']);
    });
    expect(graph.nodes.map(({ name }) => name)).toEqual([
      'Bids',
      'Map',
      'Filter',
      'Flat',
      'Split',
      'Sink: topic out',
      'Source: GET /a, PUT /a',
      'Sink: respond',
      'Source: GET /b, GET /c, GET /d and 2 more',
    ]);
  });
});

describe('downstreamOf', () => {
  it('is a node with everything that its records can reach', () => {
    const graph = graphOf((env) => {
      const a = env.fromCollection([1]);
      const b = env.fromCollection([2]).map(String);
      a.map(String).union(b).print();
      b.print();
    });
    expect(downstreamOf(graph, 0)).toEqual(new Set([0, 3, 4]));
    expect(downstreamOf(graph, 1)).toEqual(new Set([1, 2, 4, 5]));
  });
});
