import type { FastifyInstance } from 'fastify';

import type { TopicStatus } from '../../main/job-admin.js';
import { notFound } from './admin-context.js';
import type { AdminContext } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { recordsSchema, topicSchema } from './answers/topics.js';
import type { Topic, TopicRecords } from './answers/topics.js';
import { list, object } from './json-schemas.js';
import { integerParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Topics: their partitions, how far the job has read them, and the records in them. */

export interface TopicParams {
  readonly topic: string;
}

const RECORDS_MAX = 500;
const RECORDS_DEFAULT = 50;

const recordsQuery = {
  type: 'object',
  properties: {
    partition: { type: 'integer', minimum: 0, default: 0 },
    offset: {
      type: 'integer',
      description: 'First offset to read. Below 0: so many before the end. Without it: the newest records.',
    },
    limit: { type: 'integer', minimum: 1, maximum: RECORDS_MAX, default: RECORDS_DEFAULT },
  },
};

export function addTopicRoutes(app: FastifyInstance, { admin }: AdminContext): void {
  const params = ['topic'];
  app.get(
    '/topics',
    { schema: adminSchema({ tag: 'topics', summary: 'The topics', answer: object({ topics: list(topicSchema) }) }) },
    async () => ({ topics: (await admin.topics()).map(topicAnswer) }),
  );

  app.get<{ Params: TopicParams }>(
    '/topics/:topic',
    { schema: adminSchema({ tag: 'topics', summary: 'A topic', answer: topicSchema, params }) },
    async (request) => topicAnswer(requireTopic(await admin.topics(), request.params)),
  );

  app.get<{ Params: TopicParams; Querystring: Query }>(
    '/topics/:topic/records',
    {
      schema: adminSchema({
        tag: 'topics',
        summary: 'Records of a topic partition, decoded',
        answer: recordsSchema,
        params,
        query: recordsQuery,
      }),
    },
    async (request): Promise<TopicRecords> => {
      const topic = requireTopic(await admin.topics(), request.params);
      const { query } = request;
      const limit = integerParameter(query, 'limit', { least: 1, most: RECORDS_MAX, byDefault: RECORDS_DEFAULT });
      const most = topic.partitions.length - 1;
      const partition = integerParameter(query, 'partition', { least: 0, most, byDefault: 0 });
      const { beginOffset = 0, endOffset = 0 } = topic.partitions[partition] ?? {};
      const most53 = Number.MAX_SAFE_INTEGER;
      const asked = integerParameter(query, 'offset', { least: -most53, most: most53, byDefault: -limit });
      const offset = Math.max(beginOffset, asked < 0 ? endOffset + asked : asked);
      const records = await admin.browse({ topic: topic.name, partition, offset, limit });
      return { beginOffset, endOffset, records };
    },
  );
}

/** @throws ProblemError when there is no such topic. */
export function requireTopic(topics: readonly TopicStatus[], { topic }: TopicParams): TopicStatus {
  const found = topics.find(({ name }) => name === topic);
  if (found === undefined) throw notFound('There is no topic of this name.');
  return found;
}

export function topicAnswer(topic: TopicStatus): Topic {
  const { partitions } = topic;
  const lags = partitions.flatMap(({ lag }) => (lag === null ? [] : [lag]));
  return {
    name: topic.name,
    role: topic.role,
    sizeBytes: topic.sizeBytes,
    // JSON has no infinity.
    retentionMs: Number.isFinite(topic.retentionMs) ? topic.retentionMs : null,
    retentionBytes: Number.isFinite(topic.retentionBytes) ? topic.retentionBytes : null,
    recordCount: partitions.reduce((sum, { beginOffset, endOffset }) => sum + endOffset - beginOffset, 0),
    lag: lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0),
    partitions,
  };
}
