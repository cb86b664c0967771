import type { NodeKind, NodeSpec } from '../api/internal/operator-spec.js';
import type {
  ChainingStrategy,
  JobGraph,
  OnError,
  OperatorTransformation,
  Partitioning,
  SourceTransformation,
  Transformation,
} from '../api/internal/transformation.js';
import type { WatermarkStrategy } from '../api/watermark-strategy.js';
import { invariant } from '../base/invariant.js';
import { defaultName, uidStem } from './node-naming.js';

/**
 * The logical form of a job: what runs, and which output feeds which input. Unions, partitionings and side outputs are no
 * longer nodes here, they have become properties of edges. Holds the author's functions, so it never leaves its thread.
 */
export interface StreamGraph {
  readonly jobName: string;
  readonly onError: OnError;
  /** In topological order. `index` is the place in the list. */
  readonly nodes: readonly StreamNode[];
  /** By target, then by input. `index` is the place in the list. */
  readonly edges: readonly StreamEdge[];
}

export interface StreamNode {
  readonly index: number;
  /** The uid: the author's, or generated from the node's kind and place. */
  readonly id: string;
  readonly isGeneratedId: boolean;
  readonly name: string;
  readonly spec: NodeSpec;
  /** Pinned; `null` for the default. */
  readonly parallelism: number | null;
  readonly chaining: ChainingStrategy;
  /** Only on sources. */
  readonly watermarks: WatermarkStrategy<unknown> | null;
  readonly inEdges: readonly number[];
  readonly outEdges: readonly number[];
}

export interface StreamEdge {
  readonly index: number;
  readonly source: number;
  readonly target: number;
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  /** `null` when the author said nothing: forward at equal parallelism, else rebalance. */
  readonly partitioning: Partitioning | null;
}

/** A node while its edges are still being found. */
interface OpenNode extends StreamNode {
  readonly inEdges: number[];
  readonly outEdges: number[];
}

/** One stream that reaches an input, seen through unions, partitionings and side outputs. */
interface Upstream {
  readonly node: number;
  readonly sideTag: string | null;
  readonly partitioning: Partitioning | null;
}

/** Resolves a job's transformations. The same job module gives the same graph, numbers and names included, in every thread. */
export function buildStreamGraph(job: JobGraph): StreamGraph {
  const running = job.transformations.filter(isRunning);
  const ids = assignIds(running);
  const nodeOfTransformation = new Map<number, number>(
    running.map((transformation, index) => [transformation.id, index]),
  );
  const nodes = running.map((transformation, index) => openNode(transformation, index, ids[index] as AssignedId));
  const edges: StreamEdge[] = [];
  for (const [target, transformation] of running.entries()) {
    if (transformation.kind === 'source') continue;
    for (const [inputIndex, inputId] of transformation.inputs.entries()) {
      for (const upstream of upstreamsOf(job.transformations, nodeOfTransformation, inputId)) {
        const edge = newEdge(edges.length, upstream, target, inputIndex === 0 ? 1 : 2);
        edges.push(edge);
        nodes[edge.source]?.outEdges.push(edge.index);
        nodes[edge.target]?.inEdges.push(edge.index);
      }
    }
  }
  return { jobName: job.jobName, onError: job.onError, nodes, edges };
}

const SOURCES: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'requests',
  'topic-source',
  'repartition-source',
  'collection-source',
  'generator-source',
]);

/** Whether records begin here, at least for the task that runs it. */
export function isSource({ spec }: StreamNode): boolean {
  return SOURCES.has(spec.kind);
}

/** A node and everything that its records can reach, by way of repartition topics as well. */
export function downstreamOf(graph: StreamGraph, start: number): ReadonlySet<number> {
  const reached = new Set([start]);
  // A set may grow while it is iterated: what is added is visited too.
  for (const index of reached) {
    for (const edge of graph.nodes[index]?.outEdges ?? []) {
      const target = graph.edges[edge]?.target;
      if (target !== undefined) reached.add(target);
    }
    const spec = graph.nodes[index]?.spec;
    if (spec?.kind === 'repartition-sink') reached.add(repartitionSourceOf(graph, spec.topic));
  }
  return reached;
}

function repartitionSourceOf(graph: StreamGraph, topic: string): number {
  const found = graph.nodes.findIndex(({ spec }) => spec.kind === 'repartition-source' && spec.topic === topic);
  invariant(found >= 0, 'what is written to a repartition topic is read from it');
  return found;
}

type RunningTransformation = SourceTransformation | OperatorTransformation;

function isRunning(transformation: Transformation): transformation is RunningTransformation {
  return transformation.kind === 'source' || transformation.kind === 'operator';
}

interface AssignedId {
  readonly id: string;
  readonly isGenerated: boolean;
}

/** Generated uids give way to the author's, and count upwards until they are free. */
function assignIds(running: readonly RunningTransformation[]): AssignedId[] {
  const taken = new Set(running.flatMap(({ attributes }) => (attributes.uid === null ? [] : [attributes.uid])));
  const counts = new Map<string, number>();
  return running.map(({ attributes, spec }) => {
    if (attributes.uid !== null) return { id: attributes.uid, isGenerated: false };
    const { stem, isCounted } = uidStem(spec);
    let count = counts.get(stem) ?? 0;
    let id: string;
    do {
      count += 1;
      id = isCounted || count > 1 ? `${stem}-${String(count)}` : stem;
    } while (taken.has(id));
    counts.set(stem, count);
    taken.add(id);
    return { id, isGenerated: true };
  });
}

function openNode(transformation: RunningTransformation, index: number, assigned: AssignedId): OpenNode {
  const { attributes, spec } = transformation;
  return {
    index,
    id: assigned.id,
    isGeneratedId: assigned.isGenerated,
    name: attributes.name ?? defaultName(spec),
    spec,
    parallelism: attributes.parallelism,
    chaining: attributes.chaining,
    watermarks: transformation.kind === 'source' ? transformation.watermarks : null,
    inEdges: [],
    outEdges: [],
  };
}

function newEdge(index: number, upstream: Upstream, target: number, input: 1 | 2): StreamEdge {
  return {
    index,
    source: upstream.node,
    target,
    input,
    sideTag: upstream.sideTag,
    partitioning: upstream.partitioning,
  };
}

/** The streams that one input of a node reads. */
function upstreamsOf(
  transformations: readonly Transformation[],
  nodeOfTransformation: ReadonlyMap<number, number>,
  inputId: number,
): Upstream[] {
  const found: Upstream[] = [];
  const visit = (id: number, partitioning: Partitioning | null, sideTag: string | null): void => {
    const transformation = transformations[id];
    invariant(transformation !== undefined, 'a transformation refers to an earlier one');
    switch (transformation.kind) {
      case 'source':
      case 'operator': {
        const node = nodeOfTransformation.get(id);
        invariant(node !== undefined, 'what runs is a node');
        found.push({ node, sideTag, partitioning });
        return;
      }
      case 'union':
        for (const input of transformation.inputs) visit(input, partitioning, sideTag);
        return;
      case 'partition':
        // What the author said last, nearest to the consumer, wins: `keyBy(…).rebalance()` rebalances.
        visit(transformation.input, partitioning ?? transformation.partitioning, sideTag);
        return;
      case 'side-output':
        visit(transformation.input, partitioning, transformation.tagId);
        return;
    }
  };
  visit(inputId, null, null);
  return found;
}
