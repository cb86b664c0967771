import type { Serde } from '../api/serde.js';
import { invariant } from '../base/invariant.js';
import type { IngressChannel, PlanTopicSource, PlanVertex } from '../graph/execution-plan.js';
import type { StreamGraph } from '../graph/stream-graph.js';
import type { RecordScope } from '../operators/operator.js';
import { IdempotencyGuard } from './idempotency-guard.js';
import type { TopicRecordReader } from './input-channel.js';
import type { ChainTarget } from './operator-chain.js';
import { RepartitionReader } from './repartition-reader.js';
import type { ResponseWriter } from './response-writer.js';
import type { TaskHost } from './task-host.js';
import { placeInTopic, TopicSourceReader } from './topic-source-reader.js';

/** The task whose source is fed by main. */
export interface TopicReaderContext {
  readonly host: TaskHost;
  readonly vertex: PlanVertex;
  readonly subtask: number;
  readonly graph: StreamGraph;
  readonly scope: RecordScope;
  readonly serde: Serde<unknown>;
  /** `null` for a task that answers no request. */
  readonly responses: ResponseWriter | null;
  readonly now: () => number;
}

/**
 * Makes what turns the records of an ingress channel into values.
 *
 * @param heads where the chain begins, by input
 * @returns `null` for a repartition source without partitions, which is fed nothing
 */
export function openTopicReader(
  context: TopicReaderContext,
  channel: IngressChannel,
  heads: readonly ChainTarget[],
): TopicRecordReader | null {
  const { host, graph, scope } = context;
  const source = host.plan.topicSources[channel.topicSource];
  const spec = source === undefined ? undefined : graph.nodes[source.node]?.spec;
  invariant(source !== undefined && spec !== undefined, 'an ingress channel belongs to a source of the plan');
  const { index: sourceIndex, topic } = source;
  if (spec.kind === 'repartition-source') return openRepartitionReader(context, topic, channel.partitions, heads);
  invariant(spec.kind === 'requests' || spec.kind === 'topic-source', 'main feeds sources that read topics');
  const guard = spec.kind === 'requests' ? openIdempotencyGuard(context, source, channel.partitions) : null;
  return new TopicSourceReader({ spec, sourceIndex, topic, scope, guard, deadly: deadlyRecordsOf(host, source) });
}

function deadlyRecordsOf({ setAside }: TaskHost, { operatorId }: PlanTopicSource): ReadonlySet<string> {
  const records = setAside.flatMap((culprit) =>
    culprit.kind === 'record' && culprit.isDeadly && culprit.record.sourceId === operatorId ? [culprit.record] : [],
  );
  return new Set(records.map(({ partition, offset }) => placeInTopic(partition, offset)));
}

function openRepartitionReader(
  { host, scope, serde, now }: TopicReaderContext,
  topic: string,
  partitions: readonly number[],
  [output]: readonly ChainTarget[],
): RepartitionReader | null {
  invariant(output !== undefined, 'a source has an output');
  if (partitions.length === 0) return null;
  const { shardCount } = host.plan;
  return new RepartitionReader({ topic, scope, serde, partitions, shardCount, output, now });
}

function openIdempotencyGuard(
  { host, vertex, subtask, responses }: TopicReaderContext,
  { topic, operatorId, partitionCount }: PlanTopicSource,
  partitions: readonly number[],
): IdempotencyGuard {
  const namespace = vertex.operators[0]?.stateNamespace ?? null;
  invariant(namespace !== null && responses !== null, 'a request source has state, and answers');
  invariant(partitionCount === host.plan.shardCount, 'a request topic has a partition for each shard');
  const backend = host.openKeyedState(namespace, subtask, operatorId);
  const guard = new IdempotencyGuard({ topic, partitions, backend, responses });
  responses.keeper = guard;
  return guard;
}
