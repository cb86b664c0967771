import type { WatermarkAlignment } from '../api/watermark-strategy.js';
import type { NodeKind, DeliveryGuarantee, RequestRouteSpec } from '../api/internal/operator-spec.js';
import type { OnError } from '../api/internal/transformation.js';
import type { GraphFingerprint } from './fingerprint.js';

/**
 * The physical form of a job: which operators run as one task, how many subtasks each has, on which worker, and every
 * channel between two subtasks and between a subtask and main.
 *
 * Plain data without functions: main computes it once and sends it to the workers by structured clone. A worker builds the
 * stream graph from the job module itself, checks it against `fingerprint`, and finds the functions of an operator at
 * `graph.nodes[operator.node].spec`, the key selector of an edge at `graph.edges[edge.graphEdge].partitioning`.
 *
 * Every `index` is the place in its list. Numbers depend on the job and on {@link PlanOptions} alone, so two computations
 * agree, and the log lines of two starts can be compared.
 */
export interface ExecutionPlan {
  readonly jobName: string;
  readonly onError: OnError;
  /** Of every vertex that does not pin its own. */
  readonly parallelism: number;
  readonly workerCount: number;
  readonly shardCount: number;
  /** The shards that this process runs, where several share the job; `null` for all. */
  readonly ownedShards: readonly number[] | null;
  readonly fingerprint: GraphFingerprint;
  /** In topological order: a vertex comes after all its inputs. */
  readonly vertices: readonly PlanVertex[];
  readonly edges: readonly PlanEdge[];
  readonly channels: readonly PlanChannel[];
  readonly topicSources: readonly PlanTopicSource[];
  readonly topicSinks: readonly PlanTopicSink[];
  /** The entry of `topicSinks` that takes records whose processing failed; `null` unless the job keeps them. */
  readonly deadLetterSink: number | null;
  /** The group whose instances exchange records by repartition topics: {@link withRepartitionTopics}. `null` when all are here. */
  readonly repartitionGroup: string | null;
  /** Whether sinks number their records by what they were made of, so that readers can drop repeats. */
  readonly numbersOutput: boolean;
  /** Where answers to requests go; `null` when no operator can answer. */
  readonly responseTopic: string | null;
  /** What the author should know: one sentence each. */
  readonly warnings: readonly string[];
}

/** One operator chain: a task, run as `parallelism` subtasks. Subtask i runs on worker i mod the number of workers. */
export interface PlanVertex {
  readonly index: number;
  /** The uid of its first operator. */
  readonly id: string;
  /** The names of its operators, as Flink writes them. */
  readonly name: string;
  readonly parallelism: number;
  /**
   * In topological order. The first is the head: the source, or the operator that takes the vertex's inputs. A chain is a
   * tree: an operator may feed several others.
   */
  readonly operators: readonly PlanOperator[];
  /** Edges that end here, ascending. */
  readonly inputEdges: readonly number[];
  /** Edges that begin here, ascending. */
  readonly outputEdges: readonly number[];
  /** The entry of `topicSources` that feeds the head; `null` when the head is an operator, or a source that runs in the worker. */
  readonly topicSource: number | null;
  /** Of a source that waits for others of its group; `null` for one that does not, and for operators. */
  readonly alignment: WatermarkAlignment | null;
  /** Whether its subtasks have an egress channel: some operator writes to a topic or can answer a request, or the job keeps dead letters. */
  readonly hasEgress: boolean;
}

export interface PlanOperator {
  /** Place within the chain. */
  readonly index: number;
  /** Place in the stream graph's nodes. */
  readonly node: number;
  /** The uid: the author's, or generated. Unique in the job; letters, digits, `.`, `_` and `-`. */
  readonly id: string;
  readonly isGeneratedId: boolean;
  readonly name: string;
  readonly kind: NodeKind;
  /**
   * Where the keyed state lies; `null` without keyed state. A request source keeps there what it needs of requests with an
   * idempotency key. Operators of default parallelism share `main`, so that a shard
   * has one store. An operator of pinned parallelism spreads shards over subtasks in its own way: its store is named by its uid.
   */
  readonly stateNamespace: string | null;
  readonly outputs: readonly PlanOutput[];
  /** The entry of `topicSinks` that this operator writes to, else `null`. */
  readonly topicSink: number | null;
}

/** Where an operator's records go. `sideTag` is `null` for the main output. */
export type PlanOutput =
  | { readonly kind: 'chained'; readonly sideTag: string | null; readonly operator: number; readonly input: 1 | 2 }
  | { readonly kind: 'edge'; readonly sideTag: string | null; readonly edge: number };

/**
 * - `forward`: subtask i to subtask i.
 * - `hash`: to the subtask that owns the shard of the record's key group.
 * - `rebalance`: in turn.
 * - `broadcast`: to each.
 */
export type ExchangeKind = 'forward' | 'hash' | 'rebalance' | 'broadcast';

/** A stream between two vertices. */
export interface PlanEdge {
  readonly index: number;
  /** Place in the stream graph's edges. */
  readonly graphEdge: number;
  readonly sourceVertex: number;
  /** Place in the source vertex's chain. */
  readonly sourceOperator: number;
  readonly targetVertex: number;
  /** Which input of the target vertex's head. */
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  readonly exchange: ExchangeKind;
}

/** One subtask and where it runs. */
export interface SubtaskRef {
  readonly vertex: number;
  readonly subtask: number;
  readonly worker: number;
}

/** One producer, one consumer: each is a ring, unless both ends are on one thread. */
export type PlanChannel = IngressChannel | ExchangeChannel | EgressChannel;

/** Whether a channel stays within one worker's thread: its elements are handed over as they are, and it needs no ring. */
export function isWithinThread(channel: PlanChannel): boolean {
  return channel.kind === 'exchange' && channel.producer.worker === channel.consumer.worker;
}

/** Main to a source's subtask: records of the topic partitions in `partitions`, in offset order within each. */
export interface IngressChannel {
  readonly kind: 'ingress';
  readonly index: number;
  /** Place in `topicSources`. */
  readonly topicSource: number;
  readonly consumer: SubtaskRef;
  readonly partitions: readonly number[];
}

/** Subtask to subtask. */
export interface ExchangeChannel {
  readonly kind: 'exchange';
  readonly index: number;
  readonly edge: number;
  readonly producer: SubtaskRef;
  readonly consumer: SubtaskRef;
}

/** Subtask to main: what its operators write to topics, and answers to requests. */
export interface EgressChannel {
  readonly kind: 'egress';
  readonly index: number;
  readonly producer: SubtaskRef;
  /** Places in `topicSinks` that this subtask writes to. */
  readonly topicSinks: readonly number[];
  /** Whether it can answer requests. */
  readonly responds: boolean;
}

/** A topic that main reads for a source vertex. Topic partition p goes to subtask p mod the vertex's parallelism. */
export interface PlanTopicSource {
  readonly index: number;
  readonly kind: 'requests' | 'topic-source' | 'repartition-source';
  readonly operatorId: string;
  /** Place in the stream graph's nodes: there lies the key function. */
  readonly node: number;
  readonly vertex: number;
  readonly topic: string;
  readonly partitionCount: number;
  readonly isKeyed: boolean;
  readonly startFrom: 'earliest' | 'latest';
  /** Empty for a plain topic. */
  readonly routes: readonly RequestRouteSpec[];
  /** Request headers, lower case, that the job wants to see. */
  readonly forwardHeaders: readonly string[];
}

/** A topic that main appends to for a sink, or for dead letters: those come from every vertex, and from no operator. */
export interface PlanTopicSink {
  readonly index: number;
  /** `null` for dead letters, as is `node`. */
  readonly operatorId: string | null;
  readonly node: number | null;
  readonly topic: string;
  readonly guarantee: DeliveryGuarantee;
  /** `null` for a topic that the job's author named. */
  readonly repartition: RepartitionHop | null;
}

/** What main has to know of records on their way to the shard of another key. */
export interface RepartitionHop {
  /** Whether a caller may wait for them: they are committed at once then, and not with the next checkpoint. */
  readonly carriesRequests: boolean;
}

/** What a plan depends on beside the job. */
export interface PlanOptions {
  /** At least 1, at most `shardCount`. */
  readonly parallelism: number;
  /** Worker threads; at least 1. */
  readonly workerCount: number;
  /** A power of two. */
  readonly shardCount: number;
  /** The shards that this process runs, where several share a job; its sources read no partition of another. All when absent. */
  readonly ownedShards?: readonly number[];
  /** Whose repartition topics the graph has; absent for a graph as its author wrote it. */
  readonly repartitionGroup?: string;
  /** @defaultValue false */
  readonly numbersOutput?: boolean;
  /** Partition counts of topics that exist and do not have `shardCount` partitions. */
  readonly topicPartitions?: ReadonlyMap<string, number>;
}
