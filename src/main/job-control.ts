import type { IdempotencyOptions } from '../api/internal/idempotency.js';
import type { CorrelationId } from '../base/ids.js';

export type { IdempotencyOptions } from '../api/internal/idempotency.js';

/**
 * The one door through which `http/` sees the running job. Implemented in `main/`, so the gateway knows no worker, no ring
 * and no topic adapter.
 */

/** One HTTP route that a job's `env.requests(...)` declared. Plain data but for the two functions, which are the author's. */
export interface RequestRoute {
  /** Upper case. */
  readonly method: string;
  /** In fastify's syntax: `/counters/:name`. */
  readonly path: string;
  /** As the job wrote it: `POST /counters/:name`. */
  readonly route: string;
  /** Names the source in the job graph. */
  readonly sourceUid: string;
  /** JSON Schema of the body; `null` accepts any JSON. */
  readonly bodySchema: object | null;
  /** JSON Schema of the query string; `null` accepts any. */
  readonly querySchema: object | null;
  /** JSON Schema of the 200 response, for the OpenAPI document only; `null` when unknown. */
  readonly responseSchema: object | null;
  /** Shown in the OpenAPI document. */
  readonly summary: string | null;
  /** Time that a request may take, in milliseconds, when the caller sets no deadline; `null` for the gateway's default. */
  readonly timeoutMs: number | null;
  /** Largest body in bytes; `null` for the gateway's default. */
  readonly bodyLimitBytes: number | null;
  /** Request headers, lower case, that the job wants to see. */
  readonly forwardHeaders: readonly string[];
  /** Whether a request without an `Idempotency-Key` is refused. */
  readonly requiresIdempotencyKey: boolean;
  /** The record's key; `null` spreads requests over all partitions. Needs the parsed body only if it reads it. */
  readonly key: ((request: KeyableRequest) => unknown) | null;
}

/** What a route's key function may look at. */
export interface KeyableRequest {
  readonly method: string;
  readonly path: string;
  /** The route that matched, as the job wrote it. */
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A request on its way to the request topic. */
export interface RequestEnvelope {
  readonly correlationId: CorrelationId;
  readonly route: RequestRoute;
  readonly request: KeyableRequest;
  /** The body's bytes as received; empty when there was none. */
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Of a request that came with an `Idempotency-Key`. */
  readonly idempotency: IdempotencyOptions | null;
  /** W3C trace context to pass on; `null` when the caller sent none and the request is not traced. */
  readonly traceparent: string | null;
  /** Whether the operators note what they do for this request. */
  readonly isTraced: boolean;
}

/** Traces of requests: where each was, when, and what it touched there. */
export interface RequestTracing {
  /** Share of requests that are traced unasked, from 0 to 1. */
  readonly sample: number;
  /** @returns `null` when the request is not traced */
  begin(
    requestId: string,
    route: RequestRoute,
    caller: { readonly traceparent: string | null; readonly isForced: boolean },
  ): RequestTrace | null;
}

/** A request that is traced, as the gateway sees it. */
export interface RequestTrace {
  /** What goes with the request's record. */
  readonly traceparent: string;
  onDurable(): void;
  onAnswered(status: number): void;
}

/** Told whether the request became durable. Called at most once, either one. Must not throw. */
export interface RequestListener {
  /** @param position where its record lies: `topic:partition:offset` */
  onDurable(position: string): void;
  onRefused(error: Error): void;
}

/** An answer from the response topic. Its memory is only valid during the call. */
export interface Reply {
  readonly correlationId: CorrelationId;
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** When the answer was written, in milliseconds since the epoch. */
  readonly timestamp: number;
}

/** Whether the job can serve, and if not, why not: one sentence per reason. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** A vertex of the running graph: one operator chain. Field names follow Flink's REST API. */
export interface VertexDescription {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  readonly operators: readonly { readonly uid: string; readonly name: string; readonly kind: string }[];
  readonly inputs: readonly { readonly id: string; readonly ship_strategy: string }[];
}

export type JobStatus =
  'INITIALIZING' | 'RUNNING' | 'RESTARTING' | 'FAILING' | 'FAILED' | 'CANCELLING' | 'CANCELED' | 'FINISHED';

export interface JobDescription {
  readonly jid: string;
  readonly name: string;
  readonly state: JobStatus;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  readonly parallelism: number;
  readonly plan: { readonly nodes: readonly VertexDescription[] };
}

export interface JobControl {
  describe(): JobDescription;
  /**
   * Whether requests are taken. They are also while the process is not ready for its checkpoints' sake, and while the job
   * restarts: then they wait in their topic for the next attempt.
   */
  readonly takesRequests: boolean;
  /** What a load balancer is told. */
  readiness(): Readiness;
  routes(): readonly RequestRoute[];
  /** Puts a request on its request topic. Returns at once. */
  submit(envelope: RequestEnvelope, listener: RequestListener): void;
  /** Where every reply of this instance's reply partition goes, from the first one after start. Set once, before serving. */
  onReply(receive: (reply: Reply) => void): void;
}
