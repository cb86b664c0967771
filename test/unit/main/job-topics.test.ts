import { describe, expect, it } from 'vitest';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import type { ExecutionPlan } from '../../../src/graph/execution-plan.js';
import { buildStreamGraph } from '../../../src/graph/stream-graph.js';
import { defineJob } from '../../../src/api/job.js';
import { topicSink } from '../../../src/api/sink.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import { openExpiredRequests, openJobTopics } from '../../../src/main/job-topics.js';
import { keepAll, withTemporaryLog } from '../../helpers/temporary-log.js';

const clock = { now: () => 0 };

function plan(): ExecutionPlan {
  const job = defineJob('shop', (env) => {
    const orders = env.requests('POST /orders').uid('orders');
    orders.map((request) => request.path).sinkTo(topicSink('paths', jsonSerde<string>()));
    orders.map((request) => request.path).respond();
  });
  return createExecutionPlan(buildStreamGraph(job.build()), { parallelism: 2, workerCount: 2, shardCount: 8 });
}

describe("a job's topics", () => {
  it('are created with a partition for each shard, and requests begin at the beginning', async () => {
    await withTemporaryLog(async (log) => {
      const { topicSources, responseTopic } = plan();
      const topics = await openJobTopics({ port: log, plan: plan(), replyPartitions: 1, ...keepAll });
      const expired = await openExpiredRequests(log, plan(), clock);
      const requests = topicSources[0]?.topic ?? '';
      expect(new Set(log.topics())).toEqual(new Set([requests, `${requests}.expired`, responseTopic, 'paths']));
      expect((await log.describe(requests)).partitions).toBe(8);
      expect((await log.describe(responseTopic ?? '')).partitions).toBe(1);
      expect([...(topics.defaultPositions.get('orders') ?? [])]).toEqual(
        Array.from({ length: 8 }, (_, partition) => [partition, 0]),
      );
      expect([...expired.keys()]).toEqual(['orders']);
    });
  });

  it("refuse a source's topic with other partitions than its shards, and take a sink's as it is", async () => {
    await withTemporaryLog(async (log) => {
      await log.createTopic('paths', { partitions: 3, ...keepAll });
      const topics = await openJobTopics({ port: log, plan: plan(), replyPartitions: 1, ...keepAll });
      expect(topics.sinkPartitionCounts).toEqual([3]);
    });
    await withTemporaryLog(async (log) => {
      await log.createTopic(plan().topicSources[0]?.topic ?? '', { partitions: 3, ...keepAll });
      await expect(openJobTopics({ port: log, plan: plan(), replyPartitions: 1, ...keepAll })).rejects.toMatchObject({
        code: 'MILLRACE_TOPIC_PARTITIONS_MISMATCH',
      });
    });
  });
});
