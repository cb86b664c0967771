/**
 * The record headers that carry a request through topics. A foreign service at either end of a topic keeps them on its
 * answer; Millrace adds nothing else to a record.
 */

/** UTF-8 of the correlation id, on request and reply. */
export const CORRELATION_ID_HEADER = 'millrace-correlation-id';
/** UTF-8 `topic:partition` to which the reply goes, on the request. */
export const REPLY_TO_HEADER = 'millrace-reply-to';
/** ASCII decimal milliseconds since the epoch, on the request: expired work is dropped before it runs. */
export const DEADLINE_HEADER = 'millrace-deadline';
/** UTF-8 JSON of {@link RequestLine}, on the request. */
export const REQUEST_HEADER = 'millrace-request';
/** ASCII decimal HTTP status, on the reply; 200 when absent. */
export const STATUS_HEADER = 'millrace-status';
/** Media type of the reply's value; `application/json` when absent. */
export const CONTENT_TYPE_HEADER = 'content-type';
/** On a request with an `Idempotency-Key`: its options (idempotency.ts). */
export const IDEMPOTENCY_HEADER = 'millrace-idempotency';
/** On a reply that its owner has to keep: the owner (idempotency.ts). */
export const IDEMPOTENCY_OWNER_HEADER = 'millrace-idempotency-owner';
/** On a request topic, on a record that is the answer to an earlier one: the name under which it is kept. */
export const IDEMPOTENCY_ANSWER_HEADER = 'millrace-idempotency-answer';
/** W3C trace context: of a request that is traced, of the step that wrote the record; else the caller's, unchanged. */
export const TRACEPARENT_HEADER = 'traceparent';
/** On a request that is traced, beside its trace context; the value means nothing. */
export const TRACE_HEADER = 'millrace-trace';

/** Everything of a request but its body. */
export interface RequestLine {
  readonly method: string;
  readonly path: string;
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** On a sink's record: what it was made of, the same when it is written again. */
export const SEQUENCE_HEADER = 'millrace-sequence';
