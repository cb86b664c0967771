import { keysOfShards, type ShardCopy } from '../api/internal/shard-copies.js';
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
 * A key that the source's topic is partitioned by needs none: the record is where its shard is. A record that is broadcast goes
 * to every shard, and what becomes of it there is that shard's: so it moves with the shard, as everything does.
 *
 * ```text
 *   rules ── broadcast ──▶ match      becomes      rules ─▶ one for each shard ─▶ repartition sink    ┆topic┆    … ─▶ match
 * ```
 *
 * Pure, and the same in each thread and instance.
 */
export function withRepartitionTopics(graph: StreamGraph, group: string, shardCount: number): StreamGraph {
  const builder = new GraphRewriter(graph, group, keysOfShards(shardCount));
  for (const node of graph.nodes) builder.add(node);
  return builder.graph();
}

/** Whether records leave their shard, for that of another key or for all. */
export function hasExchangeBetweenShards({ edges }: StreamGraph): boolean {
  return edges.some(changesShard);
}

function changesShard({ partitioning }: StreamEdge): boolean {
  if (partitioning?.kind === 'broadcast') return true;
  return partitioning?.kind === 'hash' && !partitioning.isKeyedAtSource;
}

/** What a record that goes to a shard is keyed by on its way. */
const keyOfCopy = (copy: unknown): unknown => (copy as ShardCopy)[0];
const valueOfCopy = (copy: unknown): unknown => (copy as ShardCopy)[1];

/** A node while edges are still being added. */
interface OpenNode extends StreamNode {
  readonly inEdges: number[];
  readonly outEdges: number[];
}

/** What a stream comes out of. */
type Origin = Pick<StreamEdge, 'source' | 'sideTag'>;
type NewNode = Omit<StreamNode, 'index' | 'inEdges' | 'outEdges'>;

class GraphRewriter {
  readonly #original: StreamGraph;
  readonly #group: string;
  readonly #keyOfShard: readonly number[];
  readonly #nodes: OpenNode[] = [];
  readonly #edges: StreamEdge[] = [];
  /** By index in the original. */
  readonly #placeOf: number[] = [];

  constructor(original: StreamGraph, group: string, keyOfShard: readonly number[]) {
    this.#original = original;
    this.#group = group;
    this.#keyOfShard = keyOfShard;
  }

  /** Nodes come in topological order, and the two ends of a topic right before the node that it leads to. */
  add(node: StreamNode): void {
    const inputs = node.inEdges.map((index) => this.#inputOf(node, index, this.#ordinalOf(node, index)));
    const { spec } = node;
    const shardKeys = this.#keyOfShard;
    const target = this.#addNode(spec.kind === 'keyed-broadcast' ? { ...node, spec: { ...spec, shardKeys } } : node);
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
    const origin = { source: this.#placeOf[edge.source] ?? -1, sideTag };
    if (partitioning?.kind === 'broadcast') return { ...this.#broadcast(origin, node, ordinal), input };
    if (ordinal === 0 || partitioning?.kind !== 'hash') return { ...origin, input, partitioning };
    const source = this.#addTopic(origin, node, partitioning.key, ordinal);
    return { source, input, sideTag: null, partitioning: { ...partitioning, isKeyedAtSource: true } };
  }

  #broadcast(origin: Origin, target: StreamNode, ordinal: number): Omit<StreamEdge, 'index' | 'target' | 'input'> {
    const keys = this.#keyOfShard;
    const uid = uidOf(target, ordinal, 'broadcast');
    const toShards = this.#addStep(origin, target, {
      id: `${uid}.to-shards`,
      name: 'To every shard',
      spec: { kind: 'flat-map', fn: (value, out) => keys.forEach((key) => out.collect([key, value])) },
    });
    const source = this.#addTopic({ source: toShards, sideTag: null }, target, keyOfCopy, ordinal);
    const partitioning = { kind: 'hash', key: keyOfCopy, isKeyedAtSource: true } as const;
    // That operator wants to know for which shard a record is; every other takes it as it was.
    if (target.spec.kind === 'keyed-broadcast') return { source, sideTag: null, partitioning };
    const values = this.#addStep({ source, sideTag: null }, target, {
      id: `${uid}.from-shard`,
      name: 'Of a shard',
      spec: { kind: 'map', fn: valueOfCopy },
    });
    return { source: values, sideTag: null, partitioning: null };
  }

  /** A step behind the node at `origin`, in its task. @returns its place */
  #addStep(origin: Origin, target: StreamNode, step: Pick<StreamNode, 'id' | 'name' | 'spec'>): number {
    const { parallelism } = this.#nodes[origin.source] as StreamNode;
    const { isGeneratedId } = target;
    const place = this.#addNode({ ...step, isGeneratedId, chaining: 'always', watermarks: null, parallelism });
    this.#addEdge({ ...origin, target: place, input: 1, partitioning: null });
    return place;
  }

  /** @returns the place of the source */
  #addTopic(origin: Origin, target: StreamNode, key: (value: unknown) => unknown, ordinal: number): number {
    const topic = repartitionTopicName(this.#group, this.#original.jobName, target.id, ordinal);
    const uid = uidOf(target, ordinal, 'repartition');
    this.#addStep(origin, target, {
      id: `${uid}.sink`,
      name: `To the repartition topic of ${target.name}`,
      spec: { kind: 'repartition-sink', topic, key },
    });
    return this.#addNode({
      id: uid,
      isGeneratedId: target.isGeneratedId,
      name: `From the repartition topic of ${target.name}`,
      spec: { kind: 'repartition-source', topic },
      chaining: 'always',
      watermarks: null,
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

function uidOf(target: StreamNode, ordinal: number, what: string): string {
  return ordinal === 1 ? `${target.id}.${what}` : `${target.id}.${what}-${String(ordinal)}`;
}
