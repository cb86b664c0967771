import type { MonotonicClock } from '../base/clock.js';
import type { Prng } from '../base/prng.js';
import { formatTraceparent, parseTraceparent, type TraceSpan } from '../protocol/trace-span.js';
import type { TraceSummary, TraceView } from './job-admin.js';
import type { RequestRoute, RequestTrace, RequestTracing } from './job-control.js';

/** Traces kept, the newest; more would be memory that nobody looks at. */
export const TRACES_MAX = 200;
/** Spans kept of one trace; further ones are counted. */
const SPANS_MAX = 500;

export interface RequestTracesOptions {
  /** Share of requests that are traced, from 0 to 1. */
  readonly sample: number;
  readonly clock: MonotonicClock;
  /** Chooses which requests are traced. */
  readonly prng: Prng;
  /** So many random bytes, in hexadecimal: ids have to differ from those of every other process. */
  readonly newId: (bytes: number) => string;
  /** Where each span goes as well, once it has ended. */
  readonly onSpan?: (span: TraceSpan) => void;
}

/**
 * Decides which requests are traced, gathers the spans of those that are, and keeps the newest traces.
 *
 * Spans come from the gateway, and from workers in reports. One may come long after its request was answered: a trace takes
 * spans as long as it is kept. Those of a request that came in elsewhere, at another instance of a Kafka group or before a
 * restart, make a trace without the gateway's part.
 *
 * Thread: main. Costs a comparison per request while nothing is traced.
 */
export class RequestTraces implements RequestTracing {
  readonly sample: number;
  readonly #options: RequestTracesOptions;
  /** By request, oldest first. */
  readonly #traces = new Map<string, KeptTrace>();

  constructor(options: RequestTracesOptions) {
    this.sample = options.sample;
    this.#options = options;
  }

  begin(
    requestId: string,
    route: RequestRoute,
    { traceparent, isForced }: { traceparent: string | null; isForced: boolean },
  ): RequestTrace | null {
    const parent = traceparent === null ? null : parseTraceparent(traceparent);
    if (!isForced && !this.#isSampled(parent?.isSampled === true)) return null;
    const { newId } = this.#options;
    const ids = {
      traceId: parent?.traceId ?? newId(16),
      request: newId(8),
      append: newId(8),
      parent: parent?.spanId ?? null,
    };
    return new OpenTrace(requestId, route, ids, this.#options.clock, (span) => this.add(span));
  }

  /** Takes a span that has ended. */
  add(span: TraceSpan): void {
    this.#options.onSpan?.(span);
    const known = this.#traces.get(span.requestId);
    if (known !== undefined) return known.add(span);
    const oldest = this.#traces.size < TRACES_MAX ? undefined : this.#traces.keys().next().value;
    if (oldest !== undefined) this.#traces.delete(oldest);
    const trace = new KeptTrace(span.traceId);
    trace.add(span);
    this.#traces.set(span.requestId, trace);
  }

  /** The newest first. */
  list(): TraceSummary[] {
    return [...this.#traces].toReversed().map(([requestId, trace]) => trace.summary(requestId));
  }

  /** `null` when there is none of this request, or no more. */
  find(requestId: string): TraceView | null {
    return this.#traces.get(requestId)?.view(requestId) ?? null;
  }

  /** What a caller's own tracing has decided counts as soon as this process traces at all. */
  #isSampled(isCallersSampled: boolean): boolean {
    return this.sample > 0 && (isCallersSampled || this.#options.prng.next() < this.sample);
  }
}

/** The gateway's part of a trace. */
class OpenTrace implements RequestTrace {
  readonly traceparent: string;
  readonly #requestId: string;
  readonly #route: RequestRoute;
  readonly #ids: { readonly traceId: string; readonly request: string; readonly append: string };
  readonly #parent: string | null;
  readonly #clock: MonotonicClock;
  readonly #startMs: number;
  readonly #add: (span: TraceSpan) => void;

  constructor(
    requestId: string,
    route: RequestRoute,
    ids: { traceId: string; request: string; append: string; parent: string | null },
    clock: MonotonicClock,
    add: (span: TraceSpan) => void,
  ) {
    this.#requestId = requestId;
    this.#route = route;
    this.#ids = ids;
    this.#parent = ids.parent;
    this.#clock = clock;
    this.#startMs = clock.nowMs();
    this.#add = add;
    this.traceparent = formatTraceparent({ traceId: ids.traceId, spanId: ids.append });
  }

  onDurable(): void {
    const { append, request } = this.#ids;
    this.#end({ spanId: append, parentId: request, kind: 'append', name: `append ${this.#route.sourceUid}` });
  }

  onAnswered(status: number): void {
    const { request } = this.#ids;
    const error = status >= 500 ? `HTTP ${String(status)}` : null;
    const { route } = this.#route;
    this.#end({ spanId: request, parentId: this.#parent, kind: 'request', name: route, status, error });
  }

  #end(
    span: Pick<TraceSpan, 'spanId' | 'parentId' | 'kind' | 'name'> & Partial<Pick<TraceSpan, 'status' | 'error'>>,
  ): void {
    this.#add({
      traceId: this.#ids.traceId,
      requestId: this.#requestId,
      startMs: this.#startMs,
      durationMs: this.#clock.nowMs() - this.#startMs,
      status: null,
      error: null,
      place: null,
      stateReads: {},
      stateWrites: {},
      emitted: 0,
      ...span,
    });
  }
}

/** The spans of one request, as they come. */
class KeptTrace {
  readonly #traceId: string;
  readonly #spans: TraceSpan[] = [];
  #droppedCount = 0;

  constructor(traceId: string) {
    this.#traceId = traceId;
  }

  add(span: TraceSpan): void {
    if (this.#spans.length < SPANS_MAX) this.#spans.push(span);
    else this.#droppedCount++;
  }

  summary(requestId: string): TraceSummary {
    const request = this.#spans.find(({ kind }) => kind === 'request');
    const startMs = Math.min(...this.#spans.map((span) => span.startMs));
    const endMs = Math.max(...this.#spans.map((span) => span.startMs + span.durationMs));
    return {
      requestId,
      traceId: this.#traceId,
      route: request?.name ?? null,
      status: request?.status ?? null,
      startMs,
      durationMs: request?.durationMs ?? endMs - startMs,
      spanCount: this.#spans.length + this.#droppedCount,
    };
  }

  view(requestId: string): TraceView {
    // Of two that begin together the longer holds the other.
    const spans = this.#spans.toSorted((a, b) => a.startMs - b.startMs || b.durationMs - a.durationMs);
    return { ...this.summary(requestId), droppedCount: this.#droppedCount, spans };
  }
}
