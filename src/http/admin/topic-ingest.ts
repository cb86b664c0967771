import type { Readable } from 'node:stream';

import type { FastifyInstance } from 'fastify';

import type { Clock } from '../../base/clock.js';
import type { IngestRecord, JobAdmin, TopicStatus } from '../../main/job-admin.js';
import { ProblemError } from '../problem.js';
import type { AdminContext } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { integer, object } from './json-schemas.js';
import { LineSplitter } from './line-splitter.js';
import { requireTopic } from './topic-routes.js';
import type { TopicParams } from './topic-routes.js';

/** A line may be as long as the largest record that is sensible to keep in memory. */
const LINE_BYTES_MAX = 1024 * 1024;
/** Records on their way to the disk; while there are more, nothing is read from the connection. */
const UNDURABLE_BYTES_MAX = 8 * 1024 * 1024;
const NDJSON_TYPE = /^application\/(x-ndjson|jsonl|x-jsonlines)\b/;

/**
 * `POST /topics/:topic/records`: records of a topic, one JSON object per line: `{"value": …, "key": "…", "partition": 3,
 * "timestamp": 1700000000000}`, of which only `value` must be there. Streamed: a body of any length takes the memory of the
 * records that are not durable yet.
 *
 * The answer comes when everything is durable. Of a body that is cut off or has a wrong line, what came before is kept, and the
 * answer says how much that is.
 */
export function addTopicIngestRoute(app: FastifyInstance, { admin, clock }: AdminContext): void {
  app.register((scope, _options, done) => {
    scope.addContentTypeParser(NDJSON_TYPE, (_request, payload, parsed) => parsed(null, payload));
    scope.post<{ Params: TopicParams }>(
      '/topics/:topic/records',
      {
        schema: {
          ...adminSchema({
            tag: 'topics',
            summary: 'Appends records, one JSON object per line, and answers when all are durable',
            answer: object({ appended: integer }),
            params: ['topic'],
          }),
          consumes: ['application/x-ndjson'],
          body: {
            type: 'string',
            description: 'Lines of {"value": …, "key"?: text, "partition"?: n, "timestamp"?: ms}',
          },
        },
      },
      async (request, reply) => {
        const body = (request.body ?? null) as Readable | null;
        // What of the body nobody reads is dropped: the next request on this connection comes behind it.
        request.raw.once('error', () => undefined);
        if (body !== null) reply.raw.once('finish', () => body.resume());
        const coding = request.headers['content-encoding'];
        // Nothing is decompressed, so nothing can expand.
        if (coding !== undefined && coding !== 'identity') {
          throw new ProblemError({ code: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED', accept: 'application/x-ndjson' });
        }
        const topic = requireTopic(await admin.topics(), request.params);
        if (topic.role === 'requests' || topic.role === 'responses') {
          throw invalid('Requests and answers belong to the gateway: this topic takes no others.');
        }
        return { appended: body === null ? 0 : await new Ingest(admin, topic, clock).run(body) };
      },
    );
    done();
  });
}

class Ingest {
  readonly #admin: JobAdmin;
  readonly #topic: TopicStatus;
  readonly #clock: Clock;
  #lineCount = 0;
  #appendedCount = 0;
  #undurableBytes = 0;
  #failure: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(admin: JobAdmin, topic: TopicStatus, clock: Clock) {
    this.#admin = admin;
    this.#topic = topic;
    this.#clock = clock;
  }

  /** @returns how many records are durable. */
  async run(body: Readable): Promise<number> {
    const lines = new LineSplitter(LINE_BYTES_MAX);
    try {
      // Not destroyed when a line is wrong: its connection has to carry the answer.
      for await (const chunk of body.iterator({ destroyOnReturn: false })) {
        for (const line of lines.push(chunk as Buffer)) this.#take(line);
        if (lines.isTooLong) throw this.#wrong(`is longer than ${LINE_BYTES_MAX} bytes`, this.#lineCount + 1);
        if (this.#undurableBytes > UNDURABLE_BYTES_MAX) await this.#durableTo(UNDURABLE_BYTES_MAX / 2);
        if (this.#failure !== null) throw this.#failure;
      }
      this.#take(lines.end());
    } finally {
      await this.#durableTo(0);
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#appendedCount;
  }

  #take(line: Buffer): void {
    this.#lineCount++;
    const text = line.toString().trim();
    if (text === '') return;
    const record = this.#parse(text);
    this.#undurableBytes += line.length;
    this.#admin.append(this.#topic, record, (error) => {
      this.#undurableBytes -= line.length;
      if (error === null) this.#appendedCount++;
      else this.#failure ??= error;
      this.#wake();
    });
  }

  /** Resolves when no more than this is on its way to the disk. */
  async #durableTo(bytes: number): Promise<void> {
    while (this.#undurableBytes > bytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = () => undefined;
  }

  #parse(text: string): IngestRecord {
    let line: unknown;
    try {
      line = JSON.parse(text);
    } catch {
      throw this.#wrong('is no JSON');
    }
    if (typeof line !== 'object' || line === null || Array.isArray(line)) throw this.#wrong('is no object');
    const { value, key = null, partition = null, timestamp = this.#clock.now() } = line as Record<string, unknown>;
    if (value === undefined) throw this.#wrong('has no value', this.#lineCount, '/value');
    if (key !== null && typeof key !== 'string')
      throw this.#wrong('has a key that is no text', this.#lineCount, '/key');
    if (partition !== null && !this.#isPartition(partition)) {
      throw this.#wrong('names a partition that is not there', this.#lineCount, '/partition');
    }
    if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw this.#wrong('has a timestamp that is no time', this.#lineCount, '/timestamp');
    }
    return { key, partition, timestamp, value: Buffer.from(JSON.stringify(value)) };
  }

  #isPartition(partition: unknown): partition is number {
    return Number.isInteger(partition) && this.#topic.partitions[partition as number] !== undefined;
  }

  #wrong(what: string, line = this.#lineCount, pointer = ''): ProblemError {
    return invalid(`Line ${line} ${what}; the records before it are appended.`, { pointer, message: what, line });
  }
}

function invalid(detail: string, fault?: { pointer: string; message: string; line: number }): ProblemError {
  return new ProblemError({
    code: 'MILLRACE_REQUEST_INVALID',
    detail,
    ...(fault === undefined ? {} : { errors: [fault] }),
  });
}
