import type { NodeKind } from '../api/internal/operator-spec.js';
import { downstreamOf, type StreamGraph, type StreamNode } from './stream-graph.js';

/**
 * What is allowed but seldom meant: said once, at start. One sentence each, naming the operator.
 */
export function graphWarnings(graph: StreamGraph): string[] {
  return graph.nodes.flatMap((node) => [
    ...stateWithoutUid(node),
    ...recordsThatGoNowhere(node),
    ...requestsWithoutAnswer(graph, node),
    ...alignmentWithoutEffect(node),
  ]);
}

/** Kinds whose stored state is found by uid. Request and topic sources are found by route and topic instead. */
const STATEFUL: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'keyed-process',
  'reduce',
  'window',
  'async-wait',
  'keyed-co-process',
  'keyed-broadcast',
  'interval-join',
  'gather',
  'collection-source',
  'generator-source',
]);

function stateWithoutUid(node: StreamNode): string[] {
  if (!node.isGeneratedId || !STATEFUL.has(node.spec.kind)) return [];
  return [
    `${title(node)} keeps state under the generated uid "${node.id}" and loses it when the job changes before it: set uid("…").`,
  ];
}

/** Only a source can be read more slowly. */
function alignmentWithoutEffect(node: StreamNode): string[] {
  const { spec } = node;
  if (spec.kind !== 'assign-timestamps' || spec.strategy.alignment === null) return [];
  return [`The watermark alignment of ${title(node)} has no effect: give it to the strategy of a source.`];
}

/** Kinds that do nothing but pass records on. A process function may answer, keep state or emit to a side output. */
const WITHOUT_EFFECT: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'requests',
  'topic-source',
  'collection-source',
  'generator-source',
  'map',
  'filter',
  'flat-map',
  'assign-timestamps',
  'window',
  'async-wait',
  'co-map',
  'co-flat-map',
  'interval-join',
  'gather',
]);

function recordsThatGoNowhere(node: StreamNode): string[] {
  if (node.outEdges.length > 0 || !WITHOUT_EFFECT.has(node.spec.kind)) return [];
  return [`The records of ${title(node)} go nowhere: end the stream with a sink.`];
}

/** Kinds that can answer a request, or hand it to another service that can. */
const CAN_ANSWER: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'respond-sink',
  'process',
  'keyed-process',
  'co-process',
  'keyed-co-process',
  'keyed-broadcast',
  'topic-sink',
]);

function requestsWithoutAnswer(graph: StreamGraph, node: StreamNode): string[] {
  if (node.spec.kind !== 'requests') return [];
  for (const index of downstreamOf(graph, node.index)) {
    const kind = graph.nodes[index]?.spec.kind;
    if (kind !== undefined && CAN_ANSWER.has(kind)) return [];
  }
  return [`Nothing after ${title(node)} can answer, so every request will time out: end the stream with respond().`];
}

function title(node: Pick<StreamNode, 'spec' | 'name'>): string {
  return `${node.spec.kind} "${node.name}"`;
}
