import {
  type Described,
  dictionary,
  flag,
  integer,
  list,
  nullable,
  number,
  object,
  oneOf,
  text,
} from '../json-schemas.js';

/** What `/requests` answers, and the routes for traces of requests. */

export type Requests = Described<typeof requestsSchema>;
export const requestsSchema = object({
  pendingCount: integer,
  pendingBytes: integer,
  waitingCount: integer,
  resultCount: integer,
  connectionCount: integer,
  routes: list(
    object({
      method: text,
      route: text,
      isOwn: flag,
      count: integer,
      byStatus: dictionary(integer),
      latencyMs: object({ p50: number, p90: number, p99: number, p999: number, mean: number }),
    }),
  ),
  pending: list(
    object({
      id: text,
      route: text,
      stage: oneOf('waiting', 'pending'),
      ageMs: number,
      remainingMs: number,
      bytes: integer,
    }),
  ),
});

const summary = {
  requestId: text,
  traceId: text,
  route: nullable(text),
  status: nullable(integer),
  startMs: number,
  durationMs: number,
  spanCount: integer,
};

export type TraceSummary = Described<typeof traceSummarySchema>;
export const traceSummarySchema = object(summary);

export type TraceSpan = Described<typeof spanSchema>;
const spanSchema = object({
  traceId: text,
  spanId: text,
  parentId: nullable(text),
  requestId: text,
  kind: oneOf('request', 'append', 'operator', 'reply'),
  name: text,
  startMs: number,
  durationMs: number,
  status: nullable(integer),
  error: nullable(text),
  place: nullable(object({ vertex: text, subtask: integer, worker: integer, operator: text, attempt: integer })),
  stateReads: dictionary(integer),
  stateWrites: dictionary(integer),
  emitted: integer,
});

/** Spans by start. */
export type Trace = Described<typeof traceSchema>;
export const traceSchema = object({ ...summary, droppedCount: integer, spans: list(spanSchema) });
