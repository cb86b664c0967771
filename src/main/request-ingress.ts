import { formatIdempotency } from '../api/internal/idempotency.js';
import { keyToBytes } from '../api/internal/key-bytes.js';
import { murmur2 } from '../api/internal/key-groups.js';
import type { RecordBlock } from '../api/internal/record-block.js';
import {
  CORRELATION_ID_HEADER,
  DEADLINE_HEADER,
  IDEMPOTENCY_HEADER,
  REPLY_TO_HEADER,
  REQUEST_HEADER,
  type RequestLine,
  TRACE_HEADER,
  TRACEPARENT_HEADER,
} from '../api/internal/request-headers.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { AppendListener, TopicPort } from '../connectors/topic.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import { RecordBlockWriter } from '../protocol/record-block-writer.js';
import { BlockRecord } from './block-record.js';
import type { RequestEnvelope, RequestListener } from './job-control.js';

/**
 * Puts requests on their request topics: the body's bytes as they came, everything else in headers.
 *
 * Thread: main. A request is acknowledged, and later processed, only when its record is durable.
 */
export class RequestIngress {
  readonly #port: TopicPort;
  readonly #clock: Clock;
  readonly #replyTo: string;
  readonly #writer = new RecordBlockWriter();
  readonly #record = new BlockRecord();
  readonly #sources: ReadonlyMap<string, PlanTopicSource>;
  #turn = 0;

  constructor(options: { port: TopicPort; clock: Clock; replyTo: string; sources: readonly PlanTopicSource[] }) {
    this.#port = options.port;
    this.#clock = options.clock;
    this.#replyTo = options.replyTo;
    this.#sources = new Map(options.sources.map((source) => [source.operatorId, source]));
  }

  submit(envelope: RequestEnvelope, listener: RequestListener): void {
    const source = this.#sources.get(envelope.route.sourceUid);
    invariant(source !== undefined, 'a route belongs to a request source of the plan');
    const key = keyBytesOf(envelope);
    const { idempotency } = envelope;
    this.#record.block = this.#encode(envelope, key);
    // Without a key of their own, repetitions meet by the client's.
    const placing = key === null && idempotency !== null ? Buffer.from(idempotency.key) : key;
    const partition = this.#partitionOf(placing, source.partitionCount);
    this.#record.partition = partition;
    this.#port.append(source.topic, this.#record, new RequestAppend(listener, source.topic, partition));
  }

  /** As Kafka's own producers: by the key's hash, else in turn. */
  #partitionOf(key: Uint8Array | null, partitionCount: number): number {
    if (key !== null) return (murmur2(key, 0, key.length) & 0x7fffffff) % partitionCount;
    this.#turn = (this.#turn + 1) % partitionCount;
    return this.#turn;
  }

  #encode(envelope: RequestEnvelope, key: Uint8Array | null): RecordBlock {
    const { correlationId, route, request, deadline, idempotency, traceparent, isTraced, body } = envelope;
    const line: RequestLine = {
      method: request.method,
      path: request.path,
      route: route.route,
      params: request.params,
      query: request.query,
      headers: forwarded(request.headers, route.forwardHeaders),
    };
    const writer = this.#writer;
    writer.begin(key, body);
    writer.addHeader(CORRELATION_ID_NAME, correlationId, 'latin1');
    writer.addHeader(REPLY_TO_NAME, this.#replyTo, 'utf8');
    writer.addHeader(DEADLINE_NAME, String(deadline), 'latin1');
    writer.addHeader(REQUEST_NAME, JSON.stringify(line), 'utf8');
    if (idempotency !== null) writer.addHeader(IDEMPOTENCY_NAME, formatIdempotency(idempotency), 'utf8');
    if (traceparent !== null) writer.addHeader(TRACEPARENT_NAME, traceparent, 'latin1');
    if (isTraced) writer.addHeader(TRACE_NAME, '1', 'latin1');
    return writer.end(this.#clock.now());
  }
}

const CORRELATION_ID_NAME = Buffer.from(CORRELATION_ID_HEADER);
const REPLY_TO_NAME = Buffer.from(REPLY_TO_HEADER);
const DEADLINE_NAME = Buffer.from(DEADLINE_HEADER);
const REQUEST_NAME = Buffer.from(REQUEST_HEADER);
const IDEMPOTENCY_NAME = Buffer.from(IDEMPOTENCY_HEADER);
const TRACE_NAME = Buffer.from(TRACE_HEADER);
const TRACEPARENT_NAME = Buffer.from(TRACEPARENT_HEADER);

/** The author's key function runs at the door: what it throws is the author's failure, told to this one caller. */
function keyBytesOf({ route, request }: RequestEnvelope): Uint8Array | null {
  if (route.key === null) return null;
  try {
    return keyToBytes(route.key(request));
  } catch (cause) {
    throw new MillraceError('MILLRACE_USER_FUNCTION_FAILED', `the key function of route "${route.route}" failed`, {
      details: { route: route.route, source: route.sourceUid },
      hint: 'A key function must give a string or a number for every request that passes the schema.',
      cause,
    });
  }
}

function forwarded(
  headers: Readonly<Record<string, string>>,
  wanted: readonly string[],
): Readonly<Record<string, string>> {
  if (wanted.length === 0) return {};
  const chosen: Record<string, string> = {};
  for (const name of wanted) {
    const value = headers[name];
    if (value !== undefined) chosen[name] = value;
  }
  return chosen;
}

/** What the log calls back, in the request's own terms. */
class RequestAppend implements AppendListener {
  readonly #listener: RequestListener;
  readonly #topic: string;
  readonly #partition: number;

  constructor(listener: RequestListener, topic: string, partition: number) {
    this.#listener = listener;
    this.#topic = topic;
    this.#partition = partition;
  }

  onAppended(offset: number): void {
    this.#listener.onDurable(`${this.#topic}:${String(this.#partition)}:${String(offset)}`);
  }

  onAppendFailed(error: Error): void {
    this.#listener.onRefused(error);
  }
}
