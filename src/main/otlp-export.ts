import { setTimeout as delay } from 'node:timers/promises';
import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { HrTime, SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { TraceSpan } from '../protocol/trace-span.js';

/** Spans that wait for the collector; further ones are dropped. */
const WAITING_MAX = 8192;
/** Longest wait of a span before it is sent, in milliseconds. */
const SEND_INTERVAL_MS = 1000;
/** Time for one sending. */
const SEND_TIMEOUT_MS = 10_000;
/** Time for the last sending, at the process's end. */
const CLOSE_MS_MAX = 5_000;

/**
 * Sends spans to an OpenTelemetry collector, by OTLP over HTTP in JSON. Loaded only when there is one: the libraries take a
 * tenth of a second and some megabytes.
 *
 * Spans are made where they happen, with ids of their own, so of the SDK only its queue and its exporter are used. A
 * collector that does not answer costs nothing but the spans that find no room.
 *
 * Thread: main.
 */
export class OtlpExport {
  readonly #processor: BatchSpanProcessor;
  readonly #shared: Pick<ReadableSpan, 'resource' | 'instrumentationScope'>;

  constructor(options: { url: string; serviceName: string; version: string }) {
    const { url, serviceName, version } = options;
    this.#processor = new BatchSpanProcessor({
      exporter: new OTLPTraceExporter({ url, timeoutMillis: SEND_TIMEOUT_MS }),
      maxQueueSize: WAITING_MAX,
      scheduledDelayMillis: SEND_INTERVAL_MS,
    });
    this.#shared = {
      resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
      instrumentationScope: { name: 'millrace', version },
    };
  }

  add(span: TraceSpan): void {
    this.#processor.onEnd({ ...this.#shared, ...spanOf(span) });
  }

  /** Sends what waits. A collector that is not there must not keep the process from ending well. */
  async close(): Promise<void> {
    const sent = this.#processor.shutdown().catch(() => undefined);
    await Promise.race([sent, delay(CLOSE_MS_MAX, undefined, { ref: false })]);
  }
}

function spanOf(span: TraceSpan): Omit<ReadableSpan, 'resource' | 'instrumentationScope'> {
  const context: SpanContext = { traceId: span.traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED };
  return {
    name: span.name,
    kind: kindOf[span.kind],
    spanContext: () => context,
    ...(span.parentId === null
      ? {}
      : { parentSpanContext: { traceId: span.traceId, spanId: span.parentId, traceFlags: TraceFlags.SAMPLED } }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.startMs + span.durationMs),
    duration: hrTime(span.durationMs),
    status: span.error === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: attributesOf(span),
    links: [],
    events: [],
    ended: true,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

const kindOf: Readonly<Record<TraceSpan['kind'], SpanKind>> = {
  request: SpanKind.SERVER,
  append: SpanKind.PRODUCER,
  operator: SpanKind.INTERNAL,
  reply: SpanKind.PRODUCER,
};

/** Counts and names, no keys and no values: a collector is another party. */
function attributesOf({
  requestId,
  kind,
  name,
  status,
  place,
  stateReads,
  stateWrites,
  emitted,
}: TraceSpan): Record<string, string | number> {
  const attributes: Record<string, string | number> = { 'millrace.request_id': requestId };
  if (kind === 'request') attributes['http.route'] = name;
  if (status !== null) attributes['http.response.status_code'] = status;
  if (place !== null) {
    attributes['millrace.operator'] = place.operator;
    attributes['millrace.subtask'] = place.subtask;
    attributes['millrace.worker'] = place.worker;
    attributes['millrace.attempt'] = place.attempt;
  }
  if (kind === 'operator') attributes['millrace.emitted'] = emitted;
  for (const [state, count] of Object.entries(stateReads)) attributes[`millrace.state.${state}.reads`] = count;
  for (const [state, count] of Object.entries(stateWrites)) attributes[`millrace.state.${state}.writes`] = count;
  return attributes;
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
