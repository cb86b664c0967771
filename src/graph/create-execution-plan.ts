import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import type { NodeKind } from '../api/internal/operator-spec.js';
import { ConfigError, MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type {
  ExecutionPlan,
  PlanChannel,
  PlanEdge,
  PlanOperator,
  PlanOptions,
  PlanOutput,
  PlanTopicSink,
  PlanTopicSource,
  PlanVertex,
  SubtaskRef,
} from './execution-plan.js';
import { fingerprintOf } from './fingerprint.js';
import { graphWarnings } from './graph-warnings.js';
import { chainOperators, type OperatorChains } from './operator-chaining.js';
import { downstreamOf, type StreamGraph, type StreamNode } from './stream-graph.js';
import { deadLetterTopicName, requestTopicName, responseTopicName } from './topic-names.js';

/** The store that keyed operators of default parallelism share. */
const SHARED_STATE_NAMESPACE = 'main';

const KEYED: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'keyed-process',
  'reduce',
  'window',
  'keyed-co-process',
  'keyed-broadcast',
  'interval-join',
  'gather',
]);
/** Sources without a topic: one subtask unless the author asks for more. */
const WORKER_SOURCES: ReadonlySet<NodeKind> = new Set<NodeKind>(['collection-source', 'generator-source']);
/** Kinds that may answer a request that they kept, or that came with the record. */
const ANSWERING: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'respond-sink',
  'process',
  'keyed-process',
  'co-process',
  'keyed-co-process',
  'keyed-broadcast',
]);

/** Everything that the steps below share. */
interface Planning {
  readonly graph: StreamGraph;
  readonly options: PlanOptions;
  /** Of each node. */
  readonly parallelism: readonly number[];
  readonly chains: OperatorChains;
  readonly topicSources: readonly PlanTopicSource[];
  readonly topicSinks: readonly PlanTopicSink[];
  readonly edges: readonly PlanEdge[];
  /** Nodes whose subtasks must be able to send an answer, be it the 500 of a record that failed. */
  readonly answering: ReadonlySet<number>;
}

/**
 * Lays a job out over subtasks, workers and channels. Pure: the same graph and options give the same plan, numbers included.
 *
 * Throws `MILLRACE_JOB_INVALID` for what the options make impossible (a keyed operator with more subtasks than shards),
 * `MILLRACE_CONFIG_INVALID` for options that contradict each other.
 */
export function createExecutionPlan(graph: StreamGraph, options: PlanOptions): ExecutionPlan {
  checkOptions(options);
  const parallelism = graph.nodes.map((node) => parallelismOf(node, options));
  for (const node of graph.nodes) checkParallelism(graph, node, options);
  const chains = chainOperators(graph, {
    parallelism,
    hasShardPartitions: (node) => partitionCountOf(graph, node, options) === options.shardCount,
  });
  const planning: Planning = {
    graph,
    options,
    parallelism,
    chains,
    topicSources: planTopicSources(graph, chains, options),
    topicSinks: planTopicSinks(graph),
    edges: planEdges(graph, chains),
    answering: answeringNodes(graph),
  };
  const vertices = chains.chains.map((chain, index) => planVertex(planning, chain, index));
  return {
    jobName: graph.jobName,
    onError: graph.onError,
    parallelism: options.parallelism,
    workerCount: options.workerCount,
    shardCount: options.shardCount,
    ownedShards: options.ownedShards ?? null,
    fingerprint: fingerprintOf(graph),
    vertices,
    edges: planning.edges,
    channels: planChannels(planning, vertices),
    topicSources: planning.topicSources,
    topicSinks: planning.topicSinks,
    deadLetterSink: deadLetterSinkOf(planning),
    numbersOutput: options.numbersOutput ?? false,
    repartitionGroup: options.repartitionGroup ?? null,
    responseTopic: planning.answering.size > 0 ? responseTopicName(graph.jobName) : null,
    warnings: graphWarnings(graph),
  };
}

function checkOptions({ parallelism, workerCount, shardCount }: PlanOptions): void {
  const isPowerOfTwo = shardCount >= 1 && shardCount <= KEY_GROUP_COUNT && (shardCount & (shardCount - 1)) === 0;
  if (!Number.isInteger(shardCount) || !isPowerOfTwo) {
    throw new ConfigError(`the number of shards is ${String(shardCount)}`, {
      hint: `Choose a power of two up to ${String(KEY_GROUP_COUNT)}.`,
    });
  }
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > shardCount) {
    throw new ConfigError(`the parallelism is ${String(parallelism)} with ${String(shardCount)} shards`, {
      hint: 'Choose a parallelism from 1 to the number of shards.',
    });
  }
  if (!Number.isInteger(workerCount) || workerCount < 1) {
    throw new ConfigError(`the number of workers is ${String(workerCount)}`, { hint: 'Choose at least 1.' });
  }
}

function parallelismOf(node: StreamNode, options: PlanOptions): number {
  if (node.parallelism !== null) return node.parallelism;
  return WORKER_SOURCES.has(node.spec.kind) ? 1 : options.parallelism;
}

/** A subtask beyond the number of shards, or of topic partitions, would never see a record. */
function checkParallelism(graph: StreamGraph, node: StreamNode, options: PlanOptions): void {
  const isBound = KEYED.has(node.spec.kind) || isTopicFed(node);
  if (node.parallelism === null || !isBound || node.parallelism <= options.shardCount) return;
  const what = `${node.spec.kind} "${node.name}" of job "${graph.jobName}"`;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    `${what} has the parallelism ${String(node.parallelism)} with ${String(options.shardCount)} shards`,
    {
      details: { job: graph.jobName, operator: node.id },
      hint: 'Set a parallelism of at most the number of shards, or raise the number of shards.',
    },
  );
}

function isTopicFed(node: StreamNode): boolean {
  const { kind } = node.spec;
  return kind === 'requests' || kind === 'topic-source' || kind === 'repartition-source';
}

/** 0 for a node that reads no topic. */
function partitionCountOf(graph: StreamGraph, node: StreamNode, options: PlanOptions): number {
  const topic = topicOf(graph, node);
  return topic === null ? 0 : (options.topicPartitions?.get(topic) ?? options.shardCount);
}

function topicOf(graph: StreamGraph, node: StreamNode): string | null {
  if (node.spec.kind === 'requests') return requestTopicName(graph.jobName, node.id);
  return node.spec.kind === 'topic-source' || node.spec.kind === 'repartition-source' ? node.spec.topic : null;
}

function planTopicSources(graph: StreamGraph, chains: OperatorChains, options: PlanOptions): PlanTopicSource[] {
  const sources: PlanTopicSource[] = [];
  for (const node of graph.nodes) {
    const { spec } = node;
    if (spec.kind !== 'requests' && spec.kind !== 'topic-source' && spec.kind !== 'repartition-source') continue;
    sources.push({
      index: sources.length,
      kind: spec.kind,
      operatorId: node.id,
      node: node.index,
      vertex: chains.chainOfNode[node.index] ?? -1,
      topic: topicOf(graph, node) ?? '',
      partitionCount: partitionCountOf(graph, node, options),
      isKeyed: spec.kind === 'repartition-source' || spec.key !== null,
      startFrom: spec.kind === 'topic-source' ? spec.startFrom : 'earliest',
      routes: spec.kind === 'requests' ? spec.routes : [],
      forwardHeaders: spec.kind === 'requests' ? spec.forwardHeaders : [],
    });
  }
  return sources;
}

function planTopicSinks(graph: StreamGraph): PlanTopicSink[] {
  const sinks: PlanTopicSink[] = [];
  const afterRequests = reachedByRequests(graph);
  for (const { index, id, spec } of graph.nodes) {
    if (spec.kind === 'topic-sink') {
      const { topic, guarantee } = spec;
      addTopicSink(sinks, { operatorId: id, node: index, topic, guarantee, repartition: null });
    } else if (spec.kind === 'repartition-sink') {
      const repartition = { carriesRequests: afterRequests.has(index) };
      const { topic } = spec;
      addTopicSink(sinks, { operatorId: id, node: index, topic, guarantee: 'exactly-once', repartition });
    }
  }
  if (graph.onError === 'dead-letter' || graph.onError === 'retry') {
    const topic = deadLetterTopicName(graph.jobName);
    addTopicSink(sinks, { operatorId: null, node: null, topic, guarantee: 'at-least-once', repartition: null });
  }
  return sinks;
}

function addTopicSink(sinks: PlanTopicSink[], sink: Omit<PlanTopicSink, 'index'>): void {
  const other = sinks.find(({ topic, guarantee }) => topic === sink.topic && guarantee !== sink.guarantee);
  if (other !== undefined) throw mixedGuarantees(sink.topic, [nameOfSink(other), nameOfSink(sink)]);
  sinks.push({ index: sinks.length, ...sink });
}

function nameOfSink({ operatorId }: Pick<PlanTopicSink, 'operatorId'>): string {
  return operatorId ?? 'dead letters';
}

function deadLetterSinkOf({ topicSinks }: Planning): number | null {
  return topicSinks.find(({ node }) => node === null)?.index ?? null;
}

/** What one writes at once would lie among what the other has not committed, and share its fate. */
function mixedGuarantees(topic: string, operators: readonly string[]): MillraceError {
  return new MillraceError(
    'MILLRACE_JOB_INVALID',
    `the sinks ${operators.map((id) => `"${id}"`).join(' and ')} write to topic "${topic}" with different guarantees`,
    { details: { topic, operators }, hint: 'Give all sinks of a topic the same guarantee, or topics of their own.' },
  );
}

function planEdges(graph: StreamGraph, { chains, chainOfNode, exchanges }: OperatorChains): PlanEdge[] {
  const edges: PlanEdge[] = [];
  for (const edge of graph.edges) {
    const exchange = exchanges[edge.index] ?? null;
    if (exchange === null) continue;
    const sourceVertex = chainOfNode[edge.source] ?? -1;
    edges.push({
      index: edges.length,
      graphEdge: edge.index,
      sourceVertex,
      sourceOperator: chains[sourceVertex]?.indexOf(edge.source) ?? -1,
      targetVertex: chainOfNode[edge.target] ?? -1,
      input: edge.input,
      sideTag: edge.sideTag,
      exchange,
    });
  }
  return edges;
}

/**
 * Empty when nobody asks: a job without request source and without `respond()`. Otherwise what requests reach, because a
 * function that throws there ends its request with a 500, whatever may answer a request that was kept in state, and the
 * sources of requests themselves, which answer repetitions.
 */
function answeringNodes(graph: StreamGraph): ReadonlySet<number> {
  const asks = graph.nodes.filter(({ spec }) => spec.kind === 'requests');
  const answers = graph.nodes.filter(({ spec }) => ANSWERING.has(spec.kind));
  if (asks.length === 0 && !answers.some(({ spec }) => spec.kind === 'respond-sink')) return new Set();
  return new Set([...answers.map((node) => node.index), ...reachedByRequests(graph)]);
}

/** The sources of requests, and whatever lies behind them. */
function reachedByRequests(graph: StreamGraph): ReadonlySet<number> {
  const reached = new Set<number>();
  for (const { index, spec } of graph.nodes) {
    if (spec.kind !== 'requests') continue;
    for (const node of downstreamOf(graph, index)) reached.add(node);
  }
  return reached;
}

function planVertex(planning: Planning, chain: readonly number[], index: number): PlanVertex {
  const operators = chain.map((node, place) => planOperator(planning, chain, node, place));
  const head = nodeAt(planning.graph, chain[0] ?? -1);
  return {
    index,
    id: head.id,
    name: operators.map((operator) => operator.name).join(' -> '),
    parallelism: planning.parallelism[head.index] ?? 0,
    operators,
    inputEdges: planning.edges.filter((edge) => edge.targetVertex === index).map((edge) => edge.index),
    outputEdges: planning.edges.filter((edge) => edge.sourceVertex === index).map((edge) => edge.index),
    topicSource: planning.topicSources.find((source) => source.node === head.index)?.index ?? null,
    alignment: head.watermarks?.alignment ?? null,
    hasEgress:
      chain.some((node) => planning.answering.has(node)) ||
      operators.some(({ topicSink }) => topicSink !== null) ||
      deadLetterSinkOf(planning) !== null,
  };
}

function planOperator(planning: Planning, chain: readonly number[], nodeIndex: number, place: number): PlanOperator {
  const node = nodeAt(planning.graph, nodeIndex);
  return {
    index: place,
    node: nodeIndex,
    id: node.id,
    isGeneratedId: node.isGeneratedId,
    name: node.name,
    kind: node.spec.kind,
    stateNamespace: stateNamespaceOf(node),
    outputs: planOutputs(planning, chain, node),
    topicSink: planning.topicSinks.find((sink) => sink.node === nodeIndex)?.index ?? null,
  };
}

function stateNamespaceOf(node: StreamNode): string | null {
  if (!KEYED.has(node.spec.kind) && node.spec.kind !== 'requests') return null;
  return node.parallelism === null ? SHARED_STATE_NAMESPACE : node.id;
}

function planOutputs({ graph, edges }: Planning, chain: readonly number[], node: StreamNode): PlanOutput[] {
  return node.outEdges.map((index): PlanOutput => {
    const edge = graph.edges[index];
    invariant(edge !== undefined, 'an output edge is in the graph');
    const crossing = edges.find((planned) => planned.graphEdge === index);
    if (crossing !== undefined) return { kind: 'edge', sideTag: edge.sideTag, edge: crossing.index };
    return { kind: 'chained', sideTag: edge.sideTag, operator: chain.indexOf(edge.target), input: edge.input };
  });
}

/** Ingress first, then exchanges by edge, producer and consumer, then egress: so numbers stay where they are as a job grows at its end. */
function planChannels(planning: Planning, vertices: readonly PlanVertex[]): PlanChannel[] {
  const channels: PlanChannel[] = [];
  const { options } = planning;
  for (const source of planning.topicSources) {
    for (const consumer of subtasksOf(vertices[source.vertex], options)) {
      const { parallelism } = vertices[source.vertex] ?? { parallelism: 1 };
      const partitions = partitionsOf(consumer.subtask, parallelism, source.partitionCount).filter((partition) =>
        isOwned(partition, options),
      );
      channels.push({ kind: 'ingress', index: channels.length, topicSource: source.index, consumer, partitions });
    }
  }
  for (const edge of planning.edges) {
    for (const producer of subtasksOf(vertices[edge.sourceVertex], options)) {
      for (const consumer of subtasksOf(vertices[edge.targetVertex], options)) {
        if (edge.exchange === 'forward' && producer.subtask !== consumer.subtask) continue;
        channels.push({ kind: 'exchange', index: channels.length, edge: edge.index, producer, consumer });
      }
    }
  }
  for (const vertex of vertices) {
    if (!vertex.hasEgress) continue;
    const topicSinks = [...vertex.operators.map(({ topicSink }) => topicSink), deadLetterSinkOf(planning)].filter(
      (sink) => sink !== null,
    );
    const responds = vertex.operators.some((operator) => planning.answering.has(operator.node));
    for (const producer of subtasksOf(vertex, options)) {
      channels.push({ kind: 'egress', index: channels.length, producer, topicSinks, responds });
    }
  }
  return channels;
}

function subtasksOf(vertex: PlanVertex | undefined, options: PlanOptions): SubtaskRef[] {
  invariant(vertex !== undefined, 'a channel joins vertices of its plan');
  return Array.from({ length: vertex.parallelism }, (_, subtask) => ({
    vertex: vertex.index,
    subtask,
    worker: subtask % options.workerCount,
  }));
}

/** Partition p goes to subtask p mod parallelism: for a topic keyed at the door, to the subtask that owns shard p. */
function partitionsOf(subtask: number, parallelism: number, partitionCount: number): number[] {
  const partitions: number[] = [];
  for (let partition = subtask; partition < partitionCount; partition += parallelism) partitions.push(partition);
  return partitions;
}

/** A partition belongs to whoever has the shard of its number; of topics with more partitions they are dealt out in turn. */
function isOwned(partition: number, { ownedShards, shardCount }: PlanOptions): boolean {
  return ownedShards === undefined || ownedShards.includes(partition % shardCount);
}

function nodeAt(graph: StreamGraph, index: number): StreamNode {
  const node = graph.nodes[index];
  invariant(node !== undefined, 'a chain holds nodes of its graph');
  return node;
}
