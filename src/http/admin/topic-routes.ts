import type { FastifyInstance } from 'fastify';

import type { TopicStatus } from '../../main/job-admin.js';
import { notFound } from './admin-context.js';
import type { AdminContext } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { anything, dictionary, integer, list, nullable, object, oneOf, text } from './json-schemas.js';
import { integerParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';

/** Topics: their partitions, how far the job has read them, and the records in them. */

export interface TopicParams {
  readonly topic: string;
}

const RECORDS_MAX = 500;
const RECORDS_DEFAULT = 50;

const topicSchema = object({
  name: text,
  role: oneOf('requests', 'responses', 'source', 'sink', 'other'),
  sizeBytes: integer,
  retentionMs: nullable(integer),
  retentionBytes: nullable(integer),
  recordCount: integer,
  lag: nullable(integer),
  partitions: list(
    object({
      partition: integer,
      beginOffset: integer,
      endOffset: integer,
      position: nullable(integer),
      lag: nullable(integer),
    }),
  ),
});

const bytesSchema = {
  type: 'object',
  properties: { encoding: oneOf('none', 'json', 'text', 'base64'), json: anything, text, base64: text },
  required: ['encoding'],
};

const recordSchema = object({
  partition: integer,
  offset: integer,
  timestamp: integer,
  key: bytesSchema,
  value: bytesSchema,
  valueBytes: integer,
  headers: dictionary(text),
});

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
        answer: object({ beginOffset: integer, endOffset: integer, records: list(recordSchema) }),
        params,
        query: recordsQuery,
      }),
    },
    async (request) => {
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

export function topicAnswer(topic: TopicStatus): object {
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
