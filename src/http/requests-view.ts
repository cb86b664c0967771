import type { MonotonicClock } from '../base/clock.js';
import type { AsyncResults } from './async-results.js';
import type { DurationHistogram } from './duration-histogram.js';
import { HttpExchange } from './http-exchange.js';
import type { HttpMetrics } from './http-metrics.js';
import type { PendingRequests } from './pending-requests.js';

/** A request that is under way. */
export interface PendingRequestView {
  readonly id: string;
  readonly route: string;
  /** `waiting`: for a place among the pending ones. */
  readonly stage: 'waiting' | 'pending';
  readonly ageMs: number;
  /** Until its caller gets 504. */
  readonly remainingMs: number;
  readonly bytes: number;
}

export interface RequestStatistics {
  readonly pendingCount: number;
  readonly pendingBytes: number;
  readonly waitingCount: number;
  readonly resultCount: number;
  readonly connectionCount: number;
  readonly routes: readonly RouteStatistics[];
}

export interface RouteStatistics {
  readonly method: string;
  readonly route: string;
  /** The gateway's own, not one that the job declared. */
  readonly isOwn: boolean;
  readonly byStatus: readonly (readonly [status: number, count: number])[];
  readonly durations: DurationHistogram;
}

export interface RequestsViewOptions {
  readonly metrics: HttpMetrics;
  readonly pending: PendingRequests;
  readonly results: AsyncResults;
  readonly monotonic: MonotonicClock;
  readonly connectionCount: () => number;
}

/** Looks at what the gateway holds, for the admin API. Costs nothing until somebody asks. */
export class RequestsView {
  readonly #options: RequestsViewOptions;

  constructor(options: RequestsViewOptions) {
    this.#options = options;
  }

  /** Requests that wait for a place or for their answer, the oldest first. */
  pending(limit: number): readonly PendingRequestView[] {
    const nowMs = this.#options.monotonic.nowMs();
    return this.#options.pending
      .requests()
      .filter((request) => request instanceof HttpExchange)
      .toSorted((a, b) => a.startedAtMs - b.startedAtMs)
      .slice(0, limit)
      .map((request) => ({
        id: request.correlationId,
        route: request.route.route,
        stage: request.isWaiting ? 'waiting' : 'pending',
        ageMs: nowMs - request.startedAtMs,
        remainingMs: request.expiresAtMs - nowMs,
        bytes: request.sizeBytes,
      }));
  }

  /** What the gateway holds, and how its routes have answered so far. */
  statistics(): RequestStatistics {
    const { metrics, pending, results, connectionCount } = this.#options;
    return {
      pendingCount: pending.count,
      pendingBytes: pending.bytes,
      waitingCount: pending.waiterCount,
      resultCount: results.count,
      connectionCount: connectionCount(),
      routes: metrics.routes.map((route) => ({
        method: route.method,
        route: route.route,
        isOwn: route.isOwn,
        byStatus: route.statusCounts(),
        durations: route.durations(),
      })),
    };
  }
}
