import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Config } from '../base/config-table.js';
import { invariant } from '../base/invariant.js';
import type { Logger } from '../base/log.js';
import type { CheckpointStore } from '../checkpoint/checkpoint-store.js';
import { LocalBases } from '../checkpoint/local-bases.js';
import { openObjectStore } from '../checkpoint/open-object-store.js';
import { KafkaTopics } from '../connectors/kafka/kafka-topics.js';
import type { TopicPort } from '../connectors/topic.js';
import { createExecutionPlan } from '../graph/create-execution-plan.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { hasExchangeBetweenShards, withRepartitionTopics } from '../graph/repartition-topics.js';
import type { StreamGraph } from '../graph/stream-graph.js';
import { GroupCheckpoints } from './group-checkpoints.js';
import type { ReplyPlace } from './job-manager.js';
import { kafkaClientOptions } from './kafka-transport.js';
import { ShardGroup } from './shard-group.js';

export interface GroupSharingOptions {
  readonly config: Config;
  /** Holds the credentials of a store in object storage. */
  readonly environment: NodeJS.ProcessEnv;
  readonly dataDir: string;
  readonly log: TopicPort;
  readonly graph: StreamGraph;
  /** Of an instance that runs all shards. */
  readonly plan: ExecutionPlan;
  readonly store: CheckpointStore;
  readonly segmentDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a job needs to be one of several instances. */
export interface GroupSharing {
  readonly group: ShardGroup;
  readonly checkpoints: GroupCheckpoints;
  /** Of the first attempt, which runs nothing until the group has assigned something. */
  readonly plan: ExecutionPlan;
  /** Of the shards that are run now, over another number of workers. */
  readonly planOf: (parallelism: number) => ExecutionPlan;
  readonly replyPlace: ReplyPlace;
  /** Where bases lie. */
  readonly stateDir: string;
}

/**
 * Makes a job one of several instances' that share its shards. One with sources of its own, without topic, and one that is not to
 * use repartition topics although it needs them, is run by one instance; the others stand by.
 */
export async function shareWithGroup(options: GroupSharingOptions): Promise<GroupSharing> {
  const { config, environment, dataDir, log, plan, store, segmentDir, clock, logger } = options;
  invariant(log instanceof KafkaTopics, 'a group shares topics on Kafka');
  const whyAlone = reasonToRunAlone(options);
  const isShared = whyAlone === null;
  if (!isShared) logger.info({}, `${whyAlone}: one instance of the group runs it, others stand by`);
  const claimTopic = plan.topicSources.length > 0 ? null : `${config.group}-${plan.jobName}.claims`;
  if (claimTopic !== null) await log.createTopic(claimTopic, { ...config, partitions: config.shardCount });
  const graph = isShared ? withRepartitionTopics(options.graph, config.group, config.shardCount) : options.graph;
  const stateDir = join(dataDir, 'group-state');
  const checkpoints = new GroupCheckpoints({
    store,
    segmentDir,
    bases: await LocalBases.open(stateDir),
    stateBackend: config.stateBackend,
    workDir: join(stateDir, 'copies'),
    shared: await openObjectStore(config.kafkaStateStore ?? join(dataDir, 'group'), environment),
    topics: log,
    group: config.group,
    jobName: plan.jobName,
    claimTopic,
    isShared,
    clock,
    logger,
  });
  let { parallelism } = config;
  const planFor = (ownedShards: readonly number[]): ExecutionPlan =>
    createExecutionPlan(graph, {
      parallelism,
      workerCount: parallelism,
      shardCount: config.shardCount,
      ownedShards,
      numbersOutput: true,
      ...(isShared ? { repartitionGroup: config.group } : {}),
    });
  const graphTopics = planFor([]).topicSources.map(({ topic }) => topic);
  const group = new ShardGroup({
    client: await kafkaClientOptions(config, logger),
    group: config.group,
    shardCount: config.shardCount,
    sessionTimeoutMs: config.kafkaSessionTimeoutMs,
    rebalanceTimeoutMs: config.checkpointTimeoutMs,
    checkpoints,
    topics: claimTopic === null ? graphTopics : [claimTopic],
    isExclusive: !isShared,
    planFor,
    logger,
  });
  const planOf = (wanted: number): ExecutionPlan => {
    parallelism = wanted;
    return planFor(group.shards);
  };
  const replyPlace = replyPlaceOf(dataDir, config.shardCount);
  return { group, checkpoints, plan: planFor([]), planOf, replyPlace, stateDir };
}

/** The same after a restart, so that answers which came too late for the process before can still be fetched. */
function replyPlaceOf(dataDir: string, partitionCount: number): ReplyPlace {
  const hash = createHash('sha256').update(`${hostname()}:${dataDir}`).digest().readUInt32BE(0);
  return { partitionCount, partition: hash % partitionCount };
}

/** `null` for a job whose shards several instances can run. */
function reasonToRunAlone({ plan, graph, config }: GroupSharingOptions): string | null {
  const isFedByTopics = plan.vertices.every(
    ({ inputEdges, topicSource }) => inputEdges.length > 0 || topicSource !== null,
  );
  // What a source of its own gives belongs to no shard.
  if (!isFedByTopics) return 'the job has sources without topic';
  if (!config.kafkaRepartition && hasExchangeBetweenShards(graph)) return 'the job exchanges records between shards';
  return null;
}
