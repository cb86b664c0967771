import {
  CONTENT_TYPE_HEADER,
  CORRELATION_ID_HEADER,
  REPLY_TO_HEADER,
  REQUEST_HEADER,
  type RequestLine,
  STATUS_HEADER,
} from '../api/internal/request-headers.js';
import { headerTextOf, type RecordFields } from '../api/internal/record-block.js';
import type { TopicPort, TopicRecord } from '../connectors/topic.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { TopicContents } from './topic-contents.js';

/** Which requests are asked for: the one that an id names, or all with a key. */
export type Wanted = { readonly id: string } | { readonly key: string };

/** A request as it lies in its topic. */
export interface RecordedRequest {
  readonly id: string;
  /** `POST /orders` */
  readonly line: string;
  /** The uid of the source that reads it. */
  readonly sourceId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** When it was written. */
  readonly timestamp: number;
}

/** An answer, as it lies in its topic or as a replay gives it. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  readonly timestamp: number;
}

/** In the order in which they were written, topic by topic. */
export async function findRequests(
  port: TopicPort,
  { topicSources }: ExecutionPlan,
  wanted: Wanted,
): Promise<RecordedRequest[]> {
  const found: RecordedRequest[] = [];
  for (const { topic, operatorId: sourceId } of topicSources) {
    const contents = await TopicContents.open(port, topic);
    await contents.forEach((record) => {
      const id = headerTextOf(record, CORRELATION_ID_HEADER, 'utf8');
      if (id === null || headerTextOf(record, REPLY_TO_HEADER, 'utf8') === null || !isWanted(wanted, id, record))
        return;
      const { partition, offset, timestamp } = record;
      found.push({ id, line: lineOf(record), sourceId, topic, partition, offset, timestamp });
    });
    contents.close();
  }
  return found;
}

/** What was answered, by the id of the request. */
export async function findAnswers(
  port: TopicPort,
  { responseTopic }: ExecutionPlan,
  ids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  if (responseTopic === null) return answers;
  const contents = await TopicContents.open(port, responseTopic);
  await contents.forEach((record) => {
    const id = headerTextOf(record, CORRELATION_ID_HEADER, 'utf8') ?? '';
    // What a restart gives again is the same: the first is what the caller got.
    if (ids.has(id) && !answers.has(id)) answers.set(id, answerOf(record));
  });
  contents.close();
  return answers;
}

/** A copy of what the record says. */
export function answerOf(record: RecordFields): Answer {
  return {
    status: Number(headerTextOf(record, STATUS_HEADER, 'latin1') ?? 200),
    contentType: headerTextOf(record, CONTENT_TYPE_HEADER, 'latin1') ?? 'application/json',
    body: Buffer.from(record.value ?? []),
    timestamp: record.timestamp,
  };
}

function isWanted(wanted: Wanted, id: string, { key }: TopicRecord): boolean {
  if ('id' in wanted) return id === wanted.id;
  return key !== null && Buffer.from(key).toString('utf8') === wanted.key;
}

function lineOf(record: TopicRecord): string {
  const text = headerTextOf(record, REQUEST_HEADER, 'utf8');
  if (text === null) return '';
  const { method, path } = JSON.parse(text) as RequestLine;
  return `${method} ${path}`;
}
