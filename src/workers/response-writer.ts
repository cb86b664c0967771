import {
  CONTENT_TYPE_HEADER,
  CORRELATION_ID_HEADER,
  IDEMPOTENCY_OWNER_HEADER,
  REPLY_TO_HEADER,
  STATUS_HEADER,
  TRACEPARENT_HEADER,
} from '../api/internal/request-headers.js';
import type { RequestHandle } from '../api/process-function.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Responder } from '../operators/operator.js';
import { RecordBlockWriter } from '../protocol/record-block-writer.js';
import { ANY_PARTITION, appendRecordBlock, RESPONSE_SINK } from '../protocol/topic-record-codec.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import type { Answer, GuardResponses } from './idempotency-guard.js';
import type { TaskTracer } from './task-tracer.js';

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
const CORRELATION_ID_NAME = Buffer.from(CORRELATION_ID_HEADER);
const REPLY_TO_NAME = Buffer.from(REPLY_TO_HEADER);
const STATUS_NAME = Buffer.from(STATUS_HEADER);
const CONTENT_TYPE_NAME = Buffer.from(CONTENT_TYPE_HEADER);
const TRACEPARENT_NAME = Buffer.from(TRACEPARENT_HEADER);
const OWNER_NAME = Buffer.from(IDEMPOTENCY_OWNER_HEADER);
const TO_RESPONSES = { partition: ANY_PARTITION, offset: RESPONSE_SINK };

/** Keeps answers of requests with an idempotency key. */
export interface AnswerKeeper {
  owns(owner: string): boolean;
  keepAnswer(owner: string, correlationId: string, answer: Answer): void;
}

/**
 * Encodes answers to requests and sends them to the main thread, which appends them to the response topic.
 *
 * One per subtask, on the subtask's egress channel.
 */
export class ResponseWriter implements Responder, GuardResponses {
  /** The guard of this subtask's own source; `null` without one. */
  keeper: AnswerKeeper | null = null;
  readonly #output: ChannelOutput;
  readonly #clock: Clock;
  readonly #writer = new RecordBlockWriter();

  readonly #tracer: TaskTracer;

  constructor(output: ChannelOutput, clock: Clock, tracer: TaskTracer) {
    this.#output = output;
    this.#clock = clock;
    this.#tracer = tracer;
  }

  respond(handle: RequestHandle, value: unknown, status: number): void {
    this.#answer(handle, { status, contentType: JSON_TYPE, body: encodeJson(value, handle) });
  }

  /**
   * Answers the request whose record could not be processed. Says nothing of the cause but its code: clients are strangers.
   *
   * @param isFinal whether the record does not run again: the failure then is the answer to every repetition
   */
  respondFailure(handle: RequestHandle, error: MillraceError, isFinal: boolean): void {
    const answer = problemOf(handle, error);
    if (isFinal) this.#answer(handle, answer);
    else this.#write(handle, answer, null);
  }

  repeat(handle: RequestHandle, answer: Answer): void {
    this.#write(handle, answer, null);
  }

  refuse(handle: RequestHandle, code: Parameters<GuardResponses['refuse']>[1]): void {
    this.#write(handle, problemOf(handle, new MillraceError(code, refusals[code])), null);
  }

  /** Sends an answer, and has it kept where its request has an idempotency key. */
  #answer(handle: RequestHandle, answer: Answer): void {
    const owner = handle.idempotency;
    if (owner === undefined) return this.#write(handle, answer, null);
    const isKeptHere = this.keeper?.owns(owner) === true;
    this.#write(handle, answer, isKeptHere ? null : owner);
    if (isKeptHere) this.keeper?.keepAnswer(owner, handle.correlationId, answer);
  }

  /** @param owner who is to keep the answer, in another subtask; `null` for nobody */
  #write(handle: RequestHandle, { status, contentType, body }: Answer, owner: string | null): void {
    const writer = this.#writer;
    writer.begin(null, body);
    writer.addHeader(CORRELATION_ID_NAME, handle.correlationId, 'utf8');
    writer.addHeader(REPLY_TO_NAME, handle.replyTo, 'utf8');
    writer.addHeader(STATUS_NAME, String(status), 'latin1');
    writer.addHeader(CONTENT_TYPE_NAME, contentType, 'latin1');
    if (owner !== null) writer.addHeader(OWNER_NAME, owner, 'utf8');
    const trace = handle.trace === undefined ? null : this.#tracer.onReply(handle, status);
    if (trace !== null) writer.addHeader(TRACEPARENT_NAME, trace, 'latin1');
    appendRecordBlock(this.#output.batch, writer.end(this.#clock.now(), TO_RESPONSES));
    this.#output.recordWritten();
  }
}

const refusals = {
  MILLRACE_IDEMPOTENCY_CONFLICT: 'the request with this Idempotency-Key is still being processed',
  MILLRACE_IDEMPOTENCY_MISMATCH: 'this Idempotency-Key was used for a request with another payload',
} as const;

function problemOf(handle: RequestHandle, error: MillraceError): Answer {
  const status = error.httpStatus;
  const problem = {
    type: `urn:millrace:error:${error.code.slice('MILLRACE_'.length).toLowerCase().replaceAll('_', '-')}`,
    title: status < 500 ? 'The request cannot be processed' : 'The request failed',
    status,
    detail: status < 500 ? error.message : 'an operator failed while it processed this request',
    code: error.code,
    instance: `urn:uuid:${handle.correlationId}`,
  };
  return { status, contentType: PROBLEM_TYPE, body: Buffer.from(JSON.stringify(problem)) };
}

function encodeJson(value: unknown, handle: RequestHandle): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw unserialisable(handle, cause);
  }
  if (text === undefined) throw unserialisable(handle, undefined);
  return Buffer.from(text);
}

function unserialisable(handle: RequestHandle, cause: unknown): MillraceError {
  return new MillraceError('MILLRACE_SERIALISATION_FAILED', 'the answer to a request has no JSON form', {
    details: { correlationId: handle.correlationId },
    hint: 'Answer with plain objects, arrays, strings, numbers, booleans or null; functions, undefined, bigint and cycles have no JSON form.',
    cause,
  });
}

/** Stands in where the plan has found that no operator can answer. */
export const noResponder: Responder = {
  respond: (handle) => {
    throw new MillraceError(
      'MILLRACE_INVARIANT_VIOLATED',
      'an operator answers a request, but its task has no way to',
      {
        details: { correlationId: handle.correlationId },
      },
    );
  },
};
