/**
 * One step of a traced request: what it was, when, and what it touched. All steps of a request have one trace id, and each
 * names the step that led to it, so that they form a tree: gateway, topic, operators, reply.
 */
export interface TraceSpan {
  /** 32 hexadecimal digits, as in a W3C trace context. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** `null` of a request whose caller sent no trace context. */
  readonly parentId: string | null;
  /** Correlation id of the request. */
  readonly requestId: string;
  /**
   * `request`: from its arrival to its answer. `append`: until its record is durable. `operator`: one record's way through one
   * operator, those behind it in the same chain included. `reply`: an operator has answered.
   */
  readonly kind: 'request' | 'append' | 'operator' | 'reply';
  /** The route, the topic, or the operator. */
  readonly name: string;
  /** Milliseconds since the epoch, with a fraction. */
  readonly startMs: number;
  readonly durationMs: number;
  /** HTTP status of `request` and `reply`. */
  readonly status: number | null;
  /** Code of the error with which the step ended. */
  readonly error: string | null;
  /** Where it ran; `null` for what main does itself. */
  readonly place: SpanPlace | null;
  /** Calls that read keyed state, by the state's name. */
  readonly stateReads: Readonly<Record<string, number>>;
  /** Calls that changed it. */
  readonly stateWrites: Readonly<Record<string, number>>;
  /** Records that the operator emitted. */
  readonly emitted: number;
}

export interface SpanPlace {
  /** The vertex's id. */
  readonly vertex: string;
  readonly subtask: number;
  readonly worker: number;
  /** The operator's uid. */
  readonly operator: string;
  /** Which attempt of the job, from 0: a restart runs a request again. */
  readonly attempt: number;
}

/** A trace id and the step within it. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const SAMPLED = 1;

/** Reads a W3C `traceparent`; `null` when it is none. */
export function parseTraceparent(text: string): (TraceContext & { readonly isSampled: boolean }) | null {
  const match = TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, traceId = '', spanId = '', flags = ''] = match;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

/** The `traceparent` of a step that is traced. */
export function formatTraceparent({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-01`;
}
