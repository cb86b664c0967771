import type { Clock } from '../base/clock.js';
import type {
  TopicConfig,
  TopicPort,
  TransactionalProducer,
  TransactionalProducerOptions,
} from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { ExpiredRequests } from './expired-requests.js';
import type { SourceOffsets } from './job-attempt.js';

export interface JobTopicsOptions {
  readonly port: TopicPort;
  readonly plan: ExecutionPlan;
  /** Partitions of the response topic. */
  readonly replyPartitions: number;
  /** For every topic that the job creates. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

const RESPONSE_COMMIT_DELAY_MS = 100;

/** What a job needs to know of its topics before it starts. */
export interface JobTopics {
  /** Where sources begin that no checkpoint knows. */
  readonly defaultPositions: SourceOffsets;
  /** Where the topics of sources end now. */
  readonly endPositions: SourceOffsets;
  /** By topic sink of the plan. */
  readonly sinkPartitionCounts: readonly number[];
}

/** Creates the topics of a job, or opens those that exist, and finds out where they begin and end. */
export async function openJobTopics(options: JobTopicsOptions): Promise<JobTopics> {
  const { port, plan, retentionMs, retentionBytes } = options;
  // The port refuses a topic that exists with other partitions than its shards need.
  const create = (topic: string, partitions: number): Promise<void> =>
    port.createTopic(topic, { partitions, retentionMs, retentionBytes });
  const sinkConfig = { partitions: plan.shardCount, retentionMs, retentionBytes };

  await Promise.all([
    ...plan.topicSources.map(({ topic, partitionCount }) => create(topic, partitionCount)),
    ...(plan.responseTopic === null ? [] : [createResponseTopic(port, plan.responseTopic, options)]),
  ]);
  await Promise.all(plan.topicSinks.map(({ topic }) => createUnlessThere(port, topic, sinkConfig)));

  const sources = await Promise.all(
    plan.topicSources.map(async (source) => ({ ...source, ...(await port.describe(source.topic)) })),
  );
  const sinks = await Promise.all(plan.topicSinks.map(({ topic }) => port.describe(topic)));
  return {
    defaultPositions: new Map(
      sources.map(({ operatorId, startFrom, beginOffsets, endOffsets }) => [
        operatorId,
        new Map((startFrom === 'earliest' ? beginOffsets : endOffsets).entries()),
      ]),
    ),
    endPositions: new Map(sources.map(({ operatorId, endOffsets }) => [operatorId, new Map(endOffsets.entries())])),
    sinkPartitionCounts: sinks.map(({ partitions }) => partitions),
  };
}

/** Opens the producer of a job's exactly-once sinks: what an earlier run left uncommitted is aborted when it resolves. */
export function openProducer(
  port: TopicPort,
  plan: ExecutionPlan,
  state: Pick<TransactionalProducerOptions, 'committed' | 'nextCheckpointId'> & { readonly transactionalId?: string },
): Promise<TransactionalProducer> {
  const topics = plan.topicSinks.flatMap(({ topic, guarantee }) => (guarantee === 'exactly-once' ? [topic] : []));
  return port.openTransactionalProducer({ transactionalId: plan.jobName, topics: [...new Set(topics)], ...state });
}

/**
 * What earlier runs have decided about expired requests, by the uid of the request source. Each attempt opens it anew: what
 * was in the topic before it may have run, so only the journal decides about that.
 */
export async function openExpiredRequests(
  port: TopicPort,
  plan: ExecutionPlan,
  clock: Clock,
): Promise<ReadonlyMap<string, ExpiredRequests>> {
  const requestSources = plan.topicSources.filter(({ kind }) => kind === 'requests');
  return new Map(
    await Promise.all(
      requestSources.map(
        async ({ operatorId, topic }) => [operatorId, await ExpiredRequests.open(port, topic, clock)] as const,
      ),
    ),
  );
}

/** Replies reach their callers from memory, and a replay gives them again: their disk writes leave way to the requests'. */
function createResponseTopic(port: TopicPort, topic: string, options: JobTopicsOptions): Promise<void> {
  const { replyPartitions, retentionMs, retentionBytes } = options;
  return port.createTopic(topic, {
    partitions: replyPartitions,
    retentionMs,
    retentionBytes,
    commitDelayMs: RESPONSE_COMMIT_DELAY_MS,
  });
}

/** A sink's topic that exists keeps the partitions it has. */
async function createUnlessThere(port: TopicPort, topic: string, config: TopicConfig): Promise<void> {
  if (!port.topics().includes(topic)) await port.createTopic(topic, config);
}
