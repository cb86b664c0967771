import type { RequestSourceSpec, TopicSourceSpec } from '../api/internal/operator-spec.js';
import {
  CORRELATION_ID_HEADER,
  DEADLINE_HEADER,
  IDEMPOTENCY_ANSWER_HEADER,
  REPLY_TO_HEADER,
  REQUEST_HEADER,
  type RequestLine,
  TRACE_HEADER,
  TRACEPARENT_HEADER,
} from '../api/internal/request-headers.js';
import type { HttpRequest } from '../api/http-request.js';
import type { RequestHandle } from '../api/process-function.js';
import { MillraceError } from '../base/errors.js';
import type { RecordScope } from '../operators/operator.js';
import type { DeadLetterWriter } from './dead-letter-writer.js';
import type { IdempotencyGuard } from './idempotency-guard.js';
import type { TopicRecordReader } from './input-channel.js';
import { TopicRecordCursor } from '../protocol/topic-record-codec.js';
import { parseTraceparent } from '../protocol/trace-span.js';

const EMPTY = Buffer.alloc(0);
/** Names a record of the topic. */
export function placeInTopic(partition: number, offset: number): string {
  return `${String(partition)}:${String(offset)}`;
}

/** What every request has; one that is traced has more. */
const HEADERS_OF_A_REQUEST = 4;

/**
 * The worker's part of a source that main feeds: turns topic records into values, and sets the record scope: where the
 * record came from, and the request that it carries.
 */
export class TopicSourceReader implements TopicRecordReader {
  /** The event timestamp of the record that {@link advance} decoded: when it was appended. */
  timestamp = 0;
  value: unknown = undefined;
  readonly #spec: RequestSourceSpec | TopicSourceSpec;
  readonly #sourceIndex: number;
  readonly #topic: string;
  readonly #scope: RecordScope;
  readonly #guard: IdempotencyGuard | null;
  /** `null`, nearly always, costs a comparison per record. */
  readonly #deadly: ReadonlySet<string> | null;
  readonly #cursor = new TopicRecordCursor();

  constructor(options: {
    spec: RequestSourceSpec | TopicSourceSpec;
    sourceIndex: number;
    topic: string;
    scope: RecordScope;
    /** Of a request source; `null` for a plain topic. */
    guard: IdempotencyGuard | null;
    /** Records, by partition and offset, that are refused unseen: processing them has ended the thread each time. */
    deadly: ReadonlySet<string>;
  }) {
    this.#spec = options.spec;
    this.#sourceIndex = options.sourceIndex;
    this.#topic = options.topic;
    this.#scope = options.scope;
    this.#guard = options.guard;
    this.#deadly = options.deadly.size === 0 ? null : options.deadly;
  }

  get partition(): number {
    return this.#cursor.partition;
  }

  get offset(): number {
    return this.#cursor.offset;
  }

  keep(failure: MillraceError, deadLetters: DeadLetterWriter): void {
    deadLetters.writeSourceRecord(failure, this.#cursor);
  }

  open(frame: Buffer, start: number, end: number): void {
    this.#cursor.open(frame, start, end);
  }

  advance(): boolean {
    const cursor = this.#cursor;
    do {
      if (!cursor.advance()) return false;
      this.#enterScope(cursor);
    } while (this.#guard !== null && !this.#isAdmitted(this.#guard));
    if (this.#deadly !== null) this.#refuseIn(this.#deadly, cursor);
    this.timestamp = cursor.timestamp;
    this.value = this.#decode();
    return true;
  }

  #refuseIn(deadly: ReadonlySet<string>, { partition, offset }: TopicRecordCursor): void {
    if (!deadly.has(placeInTopic(partition, offset))) return;
    throw new MillraceError(
      'MILLRACE_RECORD_POISONOUS',
      `record ${String(offset)} of topic partition ${this.#topic}-${String(partition)} has ended its worker each time`,
      {
        details: { topic: this.#topic, partition, offset },
        hint: 'Its processing runs out of memory, ends the thread, or never comes to an end.',
      },
    );
  }

  /** Repetitions of a request end here, and so do answers that come back to be kept. */
  #isAdmitted(guard: IdempotencyGuard): boolean {
    const cursor = this.#cursor;
    const { request } = this.#scope;
    if (request !== null) return (this.#scope.request = guard.admit(cursor, request)) !== null;
    const name = cursor.headerText(IDEMPOTENCY_ANSWER_HEADER);
    if (name === null) return true;
    guard.takeAnswer(cursor, name);
    return false;
  }

  #enterScope(cursor: TopicRecordCursor): void {
    const scope = this.#scope;
    scope.originSource = this.#sourceIndex;
    scope.originPartition = cursor.partition;
    scope.originOffset = cursor.offset;
    scope.originTime = cursor.timestamp;
    scope.request = this.#requestHandle();
  }

  /** A request that came through a plain topic, sent by a foreign service, is answered as well. */
  #requestHandle(): RequestHandle | null {
    const correlationId = this.#cursor.headerText(CORRELATION_ID_HEADER);
    if (correlationId === null) return null;
    const replyTo = this.#cursor.headerText(REPLY_TO_HEADER);
    if (replyTo === null) return null;
    const deadline = Number(this.#cursor.headerText(DEADLINE_HEADER) ?? Infinity);
    const handle = { correlationId, replyTo, deadline };
    return this.#cursor.headerCount > HEADERS_OF_A_REQUEST ? this.#withTrace(handle) : handle;
  }

  #withTrace(handle: RequestHandle): RequestHandle {
    if (this.#cursor.headerText(TRACE_HEADER) === null) return handle;
    const trace = this.#cursor.headerText(TRACEPARENT_HEADER, 'latin1') ?? '';
    return parseTraceparent(trace) === null ? handle : { ...handle, trace };
  }

  #decode(): unknown {
    try {
      const value = this.#cursor.value ?? EMPTY;
      return this.#spec.kind === 'requests' ? this.#decodeRequest(value) : this.#spec.serde.deserialise(value);
    } catch (cause) {
      const { partition, offset } = this.#cursor;
      throw new MillraceError(
        'MILLRACE_DESERIALISATION_FAILED',
        `record ${String(offset)} of topic partition ${this.#topic}-${String(partition)} cannot be decoded`,
        { details: { topic: this.#topic, partition, offset }, cause },
      );
    }
  }

  #decodeRequest(value: Buffer): HttpRequest {
    const line = JSON.parse(this.#cursor.headerText(REQUEST_HEADER) ?? '{}') as RequestLine;
    const body: unknown = value.length === 0 ? undefined : JSON.parse(value.toString('utf8'));
    return {
      method: line.method,
      path: line.path,
      route: line.route,
      params: line.params,
      query: line.query,
      headers: line.headers,
      body,
    };
  }
}
