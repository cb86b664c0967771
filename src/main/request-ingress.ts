import { keyToBytes } from '../api/internal/key-bytes.js';
import { murmur2 } from '../api/internal/key-groups.js';
import {
  CORRELATION_ID_HEADER,
  DEADLINE_HEADER,
  REPLY_TO_HEADER,
  REQUEST_HEADER,
  type RequestLine,
  TRACEPARENT_HEADER,
} from '../api/internal/request-headers.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { AppendListener, RecordHeader, TopicPort } from '../connectors/topic.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import type { RequestEnvelope, RequestListener } from './job-control.js';

/**
 * Puts requests on their request topics: the body's bytes as they came, everything else in headers.
 *
 * Thread: main. A request is acknowledged, and later processed, only when its record is durable.
 */
export class RequestIngress {
  readonly #port: TopicPort;
  readonly #clock: Clock;
  readonly #replyTo: Uint8Array;
  readonly #sources: ReadonlyMap<string, PlanTopicSource>;
  #turn = 0;

  constructor(options: { port: TopicPort; clock: Clock; replyTo: string; sources: readonly PlanTopicSource[] }) {
    this.#port = options.port;
    this.#clock = options.clock;
    this.#replyTo = Buffer.from(options.replyTo);
    this.#sources = new Map(options.sources.map((source) => [source.operatorId, source]));
  }

  submit(envelope: RequestEnvelope, listener: RequestListener): void {
    const source = this.#sources.get(envelope.route.sourceUid);
    invariant(source !== undefined, 'a route belongs to a request source of the plan');
    const key = keyBytesOf(envelope);
    const record = {
      partition: this.#partitionOf(key, source.partitionCount),
      key,
      value: envelope.body,
      headers: this.#headersOf(envelope),
      timestamp: this.#clock.now(),
    };
    this.#port.append(source.topic, record, new RequestAppend(listener));
  }

  /** As Kafka's own producers: by the key's hash, else in turn. */
  #partitionOf(key: Uint8Array | null, partitionCount: number): number {
    if (key !== null) return (murmur2(key, 0, key.length) & 0x7fffffff) % partitionCount;
    this.#turn = (this.#turn + 1) % partitionCount;
    return this.#turn;
  }

  #headersOf({ correlationId, route, request, deadline, traceparent }: RequestEnvelope): RecordHeader[] {
    const line: RequestLine = {
      method: request.method,
      path: request.path,
      route: route.route,
      params: request.params,
      query: request.query,
      headers: forwarded(request.headers, route.forwardHeaders),
    };
    const headers: RecordHeader[] = [
      [CORRELATION_ID_HEADER, Buffer.from(correlationId, 'latin1')],
      [REPLY_TO_HEADER, this.#replyTo],
      [DEADLINE_HEADER, Buffer.from(String(deadline), 'latin1')],
      [REQUEST_HEADER, Buffer.from(JSON.stringify(line))],
    ];
    if (traceparent !== null) headers.push([TRACEPARENT_HEADER, Buffer.from(traceparent, 'latin1')]);
    return headers;
  }
}

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

  constructor(listener: RequestListener) {
    this.#listener = listener;
  }

  onAppended(): void {
    this.#listener.onDurable();
  }

  onAppendFailed(error: Error): void {
    this.#listener.onRefused(error);
  }
}
