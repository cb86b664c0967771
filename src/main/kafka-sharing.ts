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
import { isFedByTopics, ShardGroup } from './shard-group.js';

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

/** @returns `null` for a job that has sources of its own, without topic: it is run by one instance, alone. */
export async function shareWithGroup(options: GroupSharingOptions): Promise<GroupSharing | null> {
  const { config, environment, dataDir, log, plan, store, segmentDir, clock, logger } = options;
  if (!isFedByTopics(plan)) {
    logger.warn({}, 'the job has sources without topic: it cannot be shared, so start one instance only');
    return null;
  }
  invariant(log instanceof KafkaTopics, 'a group shares topics on Kafka');
  const isShared = config.kafkaRepartition || !hasExchangeBetweenShards(options.graph);
  if (!isShared) logger.info({}, 'the job exchanges records between shards: one instance runs it, others stand by');
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
  const group = new ShardGroup({
    client: await kafkaClientOptions(config, logger),
    group: config.group,
    shardCount: config.shardCount,
    sessionTimeoutMs: config.kafkaSessionTimeoutMs,
    rebalanceTimeoutMs: config.checkpointTimeoutMs,
    checkpoints,
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
