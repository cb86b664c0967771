import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { ExchangeKind } from './execution-plan.js';
import type { StreamEdge, StreamGraph, StreamNode } from './stream-graph.js';

/**
 * Which operators share a task. Operators of one chain call each other directly: no queue, no serialisation, no thread.
 *
 * A chain is cut where records must change subtask (a key, a rebalance, a broadcast, another parallelism), where a node has
 * several input edges, and where the author says so. What is left is a tree: a node joins the chain of its only input, and
 * may be joined by any number of consumers.
 */
export interface OperatorChains {
  /** Node indices of each chain, ascending; the first is the head. Chains are in the order of their heads. */
  readonly chains: readonly (readonly number[])[];
  /** The chain of each node. */
  readonly chainOfNode: readonly number[];
  /** How each edge carries records; `null` for an edge within a chain. */
  readonly exchanges: readonly (ExchangeKind | null)[];
}

/** What chaining depends on beside the graph. */
export interface ChainingInput {
  /** Of each node. */
  readonly parallelism: readonly number[];
  /** Whether a source's topic has as many partitions as there are shards, so that its key leads to the right subtask. */
  readonly hasShardPartitions: (node: StreamNode) => boolean;
}

/** Pure: the same graph and parallelisms give the same chains. Throws `MILLRACE_JOB_INVALID` for an impossible `forward()`. */
export function chainOperators(graph: StreamGraph, input: ChainingInput): OperatorChains {
  const chains: number[][] = [];
  const chainOfNode: number[] = [];
  const exchanges: (ExchangeKind | null)[] = graph.edges.map((edge) => exchangeOf(graph, edge, input));
  for (const node of graph.nodes) {
    const joined = joinableEdge(graph, node, exchanges, input);
    if (joined === null) {
      chainOfNode.push(chains.length);
      chains.push([node.index]);
    } else {
      const chain = chainOfNode[joined.source];
      invariant(chain !== undefined, 'nodes are in topological order');
      chainOfNode.push(chain);
      chains[chain]?.push(node.index);
      exchanges[joined.index] = null;
    }
  }
  return { chains, chainOfNode, exchanges };
}

/** The edge over which a node joins its input's chain; `null` when it is the head of a chain of its own. */
function joinableEdge(
  graph: StreamGraph,
  node: StreamNode,
  exchanges: readonly (ExchangeKind | null)[],
  input: ChainingInput,
): StreamEdge | null {
  if (node.inEdges.length !== 1 || node.chaining !== 'always') return null;
  const edge = graph.edges[node.inEdges[0] ?? -1];
  invariant(edge !== undefined, 'an input edge is in the graph');
  const source = nodeAt(graph, edge.source);
  if (source.chaining === 'never') return null;
  const isSameParallelism = input.parallelism[edge.source] === input.parallelism[edge.target];
  return isSameParallelism && exchanges[edge.index] === 'forward' ? edge : null;
}

function exchangeOf(graph: StreamGraph, edge: StreamEdge, input: ChainingInput): ExchangeKind {
  const isSameParallelism = input.parallelism[edge.source] === input.parallelism[edge.target];
  const { partitioning } = edge;
  if (partitioning === null) return isSameParallelism ? 'forward' : 'rebalance';
  switch (partitioning.kind) {
    case 'forward':
      if (!isSameParallelism) throw forwardImpossible(graph, edge, input);
      return 'forward';
    case 'hash': {
      const isInPlace =
        partitioning.isKeyedAtSource && isSameParallelism && input.hasShardPartitions(nodeAt(graph, edge.source));
      return isInPlace ? 'forward' : 'hash';
    }
    case 'rebalance':
    case 'broadcast':
      return partitioning.kind;
  }
}

function forwardImpossible(graph: StreamGraph, edge: StreamEdge, input: ChainingInput): MillraceError {
  const source = nodeAt(graph, edge.source);
  const target = nodeAt(graph, edge.target);
  const from = `"${source.name}" (parallelism ${String(input.parallelism[edge.source])})`;
  const to = `"${target.name}" (parallelism ${String(input.parallelism[edge.target])})`;
  return new MillraceError('MILLRACE_JOB_INVALID', `job "${graph.jobName}" forwards from ${from} to ${to}`, {
    details: { job: graph.jobName, source: source.id, target: target.id },
    hint: 'Give both operators the same parallelism, or use rebalance() in place of forward().',
  });
}

function nodeAt(graph: StreamGraph, index: number): StreamNode {
  const node = graph.nodes[index];
  invariant(node !== undefined, 'an edge joins nodes of its graph');
  return node;
}
