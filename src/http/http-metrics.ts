import { histogramSamples, type MetricFamily, type MetricSample } from '../metrics/prometheus.js';
import { DurationHistogram } from './duration-histogram.js';

/**
 * Counts requests per route, cheaply: a request costs two array increments. Everything else is done when someone asks.
 *
 * Labels are bounded: the routes that the job and the gateway declared, `unmatched` for every path beside them, and `none`
 * for what was not even a request.
 */

/** Upper bounds in seconds: from what memory can do to the longest usual deadline. */
const BUCKETS: readonly number[] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const STATUS_MAX = 600;

/** The counts of one route. */
export class RouteMetrics {
  readonly method: string;
  readonly route: string;
  /** The gateway's own, not one that the job declared. */
  readonly isOwn: boolean;
  readonly #statusCounts = new Float64Array(STATUS_MAX);
  /** Those that have been counted. */
  readonly #statuses: number[] = [];
  /** One more than the bounds: the last is +Inf. */
  readonly #bucketCounts = new Float64Array(BUCKETS.length + 1);
  #secondsSum = 0;

  constructor(method: string, route: string, isOwn: boolean) {
    this.method = method;
    this.route = route;
    this.isOwn = isOwn;
  }

  /** Counts an answer without a time: one given before there was a whole request. */
  count(status: number): void {
    const index = status >= 0 && status < STATUS_MAX ? status : 0;
    const before = this.#statusCounts[index] ?? 0;
    if (before === 0) this.#statuses.push(index);
    this.#statusCounts[index] = before + 1;
  }

  /** Counts an answer, and the time since the request was whole. */
  observe(status: number, durationMs: number): void {
    this.count(status);
    const seconds = durationMs / 1_000;
    let bucket = 0;
    while (seconds > (BUCKETS[bucket] ?? Infinity)) bucket += 1;
    this.#bucketCounts[bucket] = (this.#bucketCounts[bucket] ?? 0) + 1;
    this.#secondsSum += seconds;
  }

  /** The counts by status, of those that have been given. */
  statusCounts(): [status: number, count: number][] {
    return this.#statuses.map((status) => [status, this.#statusCounts[status] ?? 0]);
  }

  /** A copy of the durations. */
  durations(): DurationHistogram {
    const boundsMs = BUCKETS.map((seconds) => seconds * 1000);
    return new DurationHistogram(boundsMs, [...this.#bucketCounts], this.#secondsSum * 1000);
  }

  requestSamples(): MetricSample[] {
    const { method, route } = this;
    return this.statusCounts().map(([status, count]) => ({ labels: { method, route, status }, value: count }));
  }

  durationSamples(): MetricSample[] {
    if (this.#statuses.length === 0) return [];
    const { method, route } = this;
    const durations = { bounds: BUCKETS, counts: [...this.#bucketCounts], sum: this.#secondsSum };
    return histogramSamples({ method, route }, durations);
  }
}

/** What the gateway holds right now, read when someone asks. */
export interface GatewayLevels {
  readonly pendingCount: number;
  readonly pendingBytes: number;
  readonly waiterCount: number;
  readonly resultCount: number;
  readonly resultBytes: number;
  readonly receivingBytes: number;
  readonly connectionCount: number;
}

export class HttpMetrics {
  readonly #routes: RouteMetrics[] = [];
  /** Requests for a path that nothing serves. */
  readonly unmatched = this.route('*', 'unmatched', { isOwn: true });
  /** What came over a connection and was not a request. */
  readonly unparsed = this.route('*', 'none', { isOwn: true });
  /** Replies whose request had ended, and that were kept to be fetched. */
  repliesKept = 0;
  /** Replies whose request had ended or was never here, and that were dropped. */
  repliesDropped = 0;
  /** Connections cut because their client did not take its answer. */
  slowReaders = 0;

  /** The counts of every route so far. */
  get routes(): readonly RouteMetrics[] {
    return this.#routes;
  }

  /** The counts of a new route. */
  route(method: string, route: string, { isOwn }: { readonly isOwn: boolean } = { isOwn: false }): RouteMetrics {
    const metrics = new RouteMetrics(method, route, isOwn);
    this.#routes.push(metrics);
    return metrics;
  }

  /** Everything, as Prometheus sees it. */
  families(levels: GatewayLevels): MetricFamily[] {
    return [
      {
        name: 'millrace_http_requests_total',
        help: 'HTTP requests answered, by route, method and status. 499: the client hung up first.',
        type: 'counter',
        samples: this.#routes.flatMap((route) => route.requestSamples()),
      },
      {
        name: 'millrace_http_request_duration_seconds',
        help: 'Time from the last byte of a request to its answer, by route.',
        type: 'histogram',
        samples: this.#routes.flatMap((route) => route.durationSamples()),
      },
      gauge('millrace_pending_requests', 'Requests that wait for their reply.', levels.pendingCount),
      gauge('millrace_pending_bytes', 'Bytes of requests that wait for their reply.', levels.pendingBytes),
      gauge('millrace_pending_waiters', 'Requests that wait for a place among the pending ones.', levels.waiterCount),
      gauge('millrace_async_results', 'Results kept to be fetched, running ones included.', levels.resultCount),
      gauge('millrace_async_results_bytes', 'Bytes of results kept to be fetched.', levels.resultBytes),
      gauge('millrace_http_receiving_bytes', 'Bytes of bodies that are being received.', levels.receivingBytes),
      gauge('millrace_http_connections', 'Open connections.', levels.connectionCount),
      {
        name: 'millrace_http_slow_readers_total',
        help: 'Connections cut because their client did not take its answer.',
        type: 'counter',
        samples: [{ labels: {}, value: this.slowReaders }],
      },
      {
        name: 'millrace_late_replies_total',
        help: 'Replies that came when nobody waited on a connection any more.',
        type: 'counter',
        samples: [
          { labels: { fate: 'kept' }, value: this.repliesKept },
          { labels: { fate: 'dropped' }, value: this.repliesDropped },
        ],
      },
    ];
  }
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] };
}
