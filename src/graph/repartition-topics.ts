import { repartitionTopicName } from './topic-names.js';
import type { StreamEdge, StreamGraph, StreamNode } from './stream-graph.js';

/**
 * The same job for several instances that share its shards: where records change their key, they travel through a topic with a
 * partition for each shard, from which the instance reads them that owns the shard. Everything else stays within an instance.
 *
 * ```text
 *   map ── hash ──▶ count        becomes        map ─▶ repartition sink    ┆topic┆    repartition source ─▶ count
 * ```
 *
 * A key that the source's topic is partitioned by needs none: the record is where its shard is. Pure, and the same in each
 * thread and instance.
 */
export function withRepartitionTopics(graph: StreamGraph, group: string): StreamGraph {
  const builder = new GraphRewriter(graph, group);
  for (const node of graph.nodes) builder.add(node);
  return builder.graph();
}

/** What records leave their shard for: nothing, another key, or every subtask, which no topic of shards reaches. */
export function exchangeBetweenShards({ edges }: StreamGraph): 'none' | 'by-key' | 'broadcast' {
  if (edges.some(({ partitioning }) => partitioning?.kind === 'broadcast')) return 'broadcast';
  return edges.some(changesShard) ? 'by-key' : 'none';
}

function changesShard({ partitioning }: StreamEdge): boolean {
  return partitioning?.kind === 'hash' && !partitioning.isKeyedAtSource;
}

/** A node while edges are still being added. */
interface OpenNode extends StreamNode {
  readonly inEdges: number[];
  readonly outEdges: number[];
}

type NewNode = Omit<StreamNode, 'index' | 'inEdges' | 'outEdges'>;

class GraphRewriter {
  readonly #original: StreamGraph;
  readonly #group: string;
  readonly #nodes: OpenNode[] = [];
  readonly #edges: StreamEdge[] = [];
  /** By index in the original. */
  readonly #placeOf: number[] = [];

  constructor(original: StreamGraph, group: string) {
    this.#original = original;
    this.#group = group;
  }

  /** Nodes come in topological order, and the two ends of a topic right before the node that it leads to. */
  add(node: StreamNode): void {
    const inputs = node.inEdges.map((index) => this.#inputOf(node, index, this.#ordinalOf(node, index)));
    const target = this.#addNode(node);
    this.#placeOf[node.index] = target;
    for (const input of inputs) this.#addEdge({ ...input, target });
  }

  graph(): StreamGraph {
    return { ...this.#original, nodes: this.#nodes, edges: this.#edges };
  }

  /** Which of the edges to the node that change the shard it is, from 1; 0 for one that does not. */
  #ordinalOf(node: StreamNode, edgeIndex: number): number {
    const changing = node.inEdges.filter((index) => changesShard(this.#original.edges[index] as StreamEdge));
    return changing.indexOf(edgeIndex) + 1;
  }

  #inputOf(node: StreamNode, edgeIndex: number, ordinal: number): Omit<StreamEdge, 'index' | 'target'> {
    const edge = this.#original.edges[edgeIndex] as StreamEdge;
    const { partitioning, input, sideTag } = edge;
    if (ordinal === 0 || partitioning?.kind !== 'hash') {
      return { source: this.#placeOf[edge.source] ?? -1, input, sideTag, partitioning };
    }
    const source = this.#addTopic(edge, node, partitioning.key, ordinal);
    return { source, input, sideTag: null, partitioning: { ...partitioning, isKeyedAtSource: true } };
  }

  /** @returns the place of the source */
  #addTopic(edge: StreamEdge, target: StreamNode, key: (value: unknown) => unknown, ordinal: number): number {
    const topic = repartitionTopicName(this.#group, this.#original.jobName, target.id, ordinal);
    const uid = ordinal === 1 ? `${target.id}.repartition` : `${target.id}.repartition-${String(ordinal)}`;
    const origin = this.#original.nodes[edge.source] as StreamNode;
    const shared = { isGeneratedId: target.isGeneratedId, chaining: 'always', watermarks: null } as const;
    const sink = this.#addNode({
      ...shared,
      id: `${uid}.sink`,
      name: `To the repartition topic of ${target.name}`,
      spec: { kind: 'repartition-sink', topic, key },
      parallelism: origin.parallelism,
    });
    const source = this.#placeOf[edge.source] ?? -1;
    this.#addEdge({ source, target: sink, input: 1, sideTag: edge.sideTag, partitioning: null });
    return this.#addNode({
      ...shared,
      id: uid,
      name: `From the repartition topic of ${target.name}`,
      spec: { kind: 'repartition-source', topic },
      parallelism: target.parallelism,
    });
  }

  #addNode(node: NewNode): number {
    const index = this.#nodes.length;
    this.#nodes.push({ ...node, index, inEdges: [], outEdges: [] });
    return index;
  }

  #addEdge(edge: Omit<StreamEdge, 'index'>): void {
    const index = this.#edges.length;
    this.#edges.push({ ...edge, index });
    this.#nodes[edge.source]?.outEdges.push(index);
    this.#nodes[edge.target]?.inEdges.push(index);
  }
}
