import type { ServerResponse } from 'node:http';

import type { FastifyInstance } from 'fastify';

import type { JobAdmin, TopicRecordView, TopicStatus, TopicTail } from '../../main/job-admin.js';
import { ProblemError } from '../problem.js';
import type { AdminContext } from './admin-context.js';
import { invalidParameter, textParameter } from './query-parameters.js';
import type { Query } from './query-parameters.js';
import { requireTopic } from './topic-routes.js';
import type { TopicParams } from './topic-routes.js';

/** Streams at one time; each has a reader of its own. */
const STREAMS_MAX = 64;
/** Records taken in one go before others get their turn. */
const POLL_RECORDS_MAX = 100;
/** So that whatever lies between does not take the connection for dead. */
const HEARTBEAT_MS = 15_000;

const EVENT_ID = /^\d+:\d+(,\d+:\d+)*$/;

/**
 * `GET /topics/:topic/stream`: the records of a topic as server-sent events, from now on or from the first that is stored, for as
 * long as the client listens. Each event's id says how far every partition was read, so that a client that comes back with
 * `Last-Event-ID` misses nothing and gets nothing twice. A client that does not read holds back its own stream alone.
 */
export function addTopicStreamRoute(app: FastifyInstance, { admin }: AdminContext): void {
  const streams = new Set<TopicStream>();
  app.addHook('preClose', (done) => {
    for (const stream of streams) stream.end();
    done();
  });
  app.get<{ Params: TopicParams; Querystring: Query }>(
    '/topics/:topic/stream',
    { schema: streamSchema },
    async (request, reply) => {
      const topic = requireTopic(await admin.topics(), request.params);
      const positions = positionsOf(topic, request.query, request.headers['last-event-id']);
      if (streams.size >= STREAMS_MAX) {
        throw new ProblemError({ code: 'MILLRACE_BACKPRESSURE', detail: 'Too many topics are streamed.' });
      }
      reply.hijack();
      const stream = new TopicStream(admin, topic.name, positions, reply.raw);
      streams.add(stream);
      reply.raw.on('close', () => streams.delete(stream));
      stream.start();
    },
  );
}

const streamSchema = {
  tags: ['topics'],
  summary: 'Records of a topic as they come, as server-sent events',
  params: { type: 'object', properties: { topic: { type: 'string' } }, required: ['topic'] },
  querystring: {
    type: 'object',
    properties: { from: { type: 'string', enum: ['earliest', 'latest'], default: 'latest' } },
  },
  headers: {
    type: 'object',
    properties: { 'last-event-id': { type: 'string', description: 'Goes on behind this event.' } },
  },
  response: { 200: { description: 'Events `record`', content: { 'text/event-stream': { schema: {} } } } },
};

/** @throws ProblemError `MILLRACE_REQUEST_INVALID` when the id is none that was given, or `from` is no place. */
function positionsOf(topic: TopicStatus, query: Query, lastEventId: unknown): Map<number, number> {
  const from = textParameter(query, 'from') ?? 'latest';
  if (from !== 'latest' && from !== 'earliest') throw invalidParameter('from', "must be 'earliest' or 'latest'");
  const positions = new Map(
    topic.partitions.map(({ partition, beginOffset, endOffset }) => [
      partition,
      from === 'latest' ? endOffset : beginOffset,
    ]),
  );
  if (lastEventId === undefined) return positions;
  if (typeof lastEventId !== 'string' || !EVENT_ID.test(lastEventId)) throw invalidEventId();
  for (const entry of lastEventId.split(',')) {
    const [partition = -1, offset = -1] = entry.split(':').map(Number);
    const known = topic.partitions[partition];
    if (known === undefined || offset > known.endOffset) throw invalidEventId();
    // What was dropped meanwhile cannot be sent any more.
    positions.set(partition, Math.max(offset, known.beginOffset));
  }
  return positions;
}

function invalidEventId(): ProblemError {
  return new ProblemError({
    code: 'MILLRACE_REQUEST_INVALID',
    detail: 'The header last-event-id is not the id of an event of this topic.',
  });
}

class TopicStream {
  readonly #admin: JobAdmin;
  readonly #topic: string;
  readonly #positions: Map<number, number>;
  readonly #response: ServerResponse;
  #tail: TopicTail | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #hasRoom = true;

  constructor(admin: JobAdmin, topic: string, positions: Map<number, number>, response: ServerResponse) {
    this.#admin = admin;
    this.#topic = topic;
    this.#positions = positions;
    this.#response = response;
  }

  start(): void {
    const response = this.#response;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write(': open\n\n');
    response.on('close', () => this.#close());
    response.on('drain', () => {
      this.#hasRoom = true;
      this.#pump();
    });
    this.#heartbeat = setInterval(() => response.write(': alive\n\n'), HEARTBEAT_MS).unref();
    this.#tail = this.#admin.tail(this.#topic, this.#positions, () => setImmediate(() => this.#pump()));
    this.#pump();
  }

  end(): void {
    this.#close();
    this.#response.end();
  }

  #pump(): void {
    if (this.#tail === null || !this.#hasRoom) return;
    try {
      const takenCount = this.#tail.poll(POLL_RECORDS_MAX, (record) => this.#send(record));
      // The others' turn in between.
      if (takenCount > 0) setImmediate(() => this.#pump());
    } catch {
      // The topic was cut before its reader got there, or its log is closed: the client comes back with its id.
      this.end();
    }
  }

  #send(record: TopicRecordView): void {
    this.#positions.set(record.partition, record.offset + 1);
    const id = [...this.#positions].map(([partition, offset]) => `${partition}:${offset}`).join(',');
    this.#hasRoom = this.#response.write(`id: ${id}\nevent: record\ndata: ${JSON.stringify(record)}\n\n`);
  }

  #close(): void {
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#tail?.close();
    this.#tail = null;
  }
}
