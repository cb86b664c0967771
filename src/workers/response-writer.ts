import {
  CONTENT_TYPE_HEADER,
  CORRELATION_ID_HEADER,
  REPLY_TO_HEADER,
  STATUS_HEADER,
} from '../api/internal/request-headers.js';
import type { RequestHandle } from '../api/process-function.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Responder } from '../operators/operator.js';
import { RecordBlockWriter } from '../protocol/record-block-writer.js';
import { ANY_PARTITION, appendRecordBlock, RESPONSE_SINK } from '../protocol/topic-record-codec.js';
import type { ChannelOutput } from '../protocol/channel-output.js';

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
const CORRELATION_ID_NAME = Buffer.from(CORRELATION_ID_HEADER);
const REPLY_TO_NAME = Buffer.from(REPLY_TO_HEADER);
const STATUS_NAME = Buffer.from(STATUS_HEADER);
const CONTENT_TYPE_NAME = Buffer.from(CONTENT_TYPE_HEADER);
const TO_RESPONSES = { partition: ANY_PARTITION, offset: RESPONSE_SINK };

/**
 * Encodes answers to requests and sends them to the main thread, which appends them to the response topic.
 *
 * One per subtask, on the subtask's egress channel.
 */
export class ResponseWriter implements Responder {
  readonly #output: ChannelOutput;
  readonly #clock: Clock;
  readonly #writer = new RecordBlockWriter();

  constructor(output: ChannelOutput, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  respond(handle: RequestHandle, value: unknown, status: number): void {
    this.#write(handle, encodeJson(value, handle), JSON_TYPE, status);
  }

  /** Answers the request whose record could not be processed. Says nothing of the cause but its code: clients are strangers. */
  respondFailure(handle: RequestHandle, error: MillraceError): void {
    const status = error.httpStatus;
    const problem = {
      type: `urn:millrace:error:${error.code}`,
      title: status < 500 ? 'The request cannot be processed' : 'The request failed',
      status,
      detail: status < 500 ? error.message : 'an operator failed while it processed this request',
      code: error.code,
      instance: `/requests/${handle.correlationId}`,
    };
    this.#write(handle, Buffer.from(JSON.stringify(problem)), PROBLEM_TYPE, status);
  }

  #write(handle: RequestHandle, value: Uint8Array, contentType: string, status: number): void {
    const writer = this.#writer;
    writer.begin(null, value);
    writer.addHeader(CORRELATION_ID_NAME, handle.correlationId, 'utf8');
    writer.addHeader(REPLY_TO_NAME, handle.replyTo, 'utf8');
    writer.addHeader(STATUS_NAME, String(status), 'latin1');
    writer.addHeader(CONTENT_TYPE_NAME, contentType, 'latin1');
    appendRecordBlock(this.#output.batch, writer.end(this.#clock.now(), TO_RESPONSES));
    this.#output.recordWritten();
  }
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
