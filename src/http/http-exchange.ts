import type { ServerResponse } from 'node:http';

import type { MonotonicClock } from '../base/clock.js';
import type { CorrelationId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type {
  JobControl,
  KeyableRequest,
  Reply,
  IdempotencyOptions,
  RequestEnvelope,
  RequestListener,
  RequestRoute,
  RequestTrace,
} from '../main/job-control.js';
import type { AsyncResults } from './async-results.js';
import type { Connection, ConnectionUser } from './connection-tracker.js';
import { isServerFault, problemOfCode, problemOfError } from './error-mapper.js';
import type { HttpMetrics, RouteMetrics } from './http-metrics.js';
import { PendingRequest } from './pending-requests.js';
import type { PendingEnd, PendingRequests } from './pending-requests.js';
import type { Preferences } from './prefer-header.js';
import type { Problem } from './problem.js';
import { type AnswerOptions, writeBytes, writeProblem, writeReply } from './reply-writer.js';

/**
 * One HTTP request on its way through the job: what is submitted, who is told, and who waits, in one object, so that a
 * request costs one allocation of a fixed shape and no closure or promise.
 *
 * Thread: main.
 */

/** What all exchanges of a gateway share. */
export interface ExchangeContext {
  readonly control: JobControl;
  readonly pending: PendingRequests;
  readonly results: AsyncResults;
  readonly metrics: HttpMetrics;
  readonly monotonic: MonotonicClock;
  readonly logger: Logger;
  readonly retryAfterSeconds: number;
  /** New requests are turned away, and connections closed with their next answer. */
  isDraining: boolean;
}

/** What the front of the gateway has read and checked. */
export interface CheckedRequest {
  readonly id: string;
  readonly route: RequestRoute;
  readonly metrics: RouteMetrics;
  readonly request: KeyableRequest;
  readonly body: Uint8Array;
  readonly idempotency: IdempotencyOptions | null;
  /** The caller's. */
  readonly traceparent: string | null;
  /** `null` unless the request is traced. */
  readonly trace: RequestTrace | null;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** When it was whole, on the monotonic clock. */
  readonly startedAtMs: number;
  /** How long the client waits on its connection. */
  readonly waitMs: number;
  /** How long the job may take. */
  readonly timeoutMs: number;
  readonly preferences: Preferences;
}

/** What a request holds beside its body: itself, its headers, its place in the table. */
export const REQUEST_OVERHEAD_BYTES = 1_024;
const RESULT_PATH = '/requests/';

export class HttpExchange extends PendingRequest implements RequestEnvelope, RequestListener, ConnectionUser {
  override readonly correlationId: CorrelationId;
  override readonly sizeBytes: number;
  override readonly expiresAtMs: number;
  readonly route: RequestRoute;
  readonly request: KeyableRequest;
  readonly body: Uint8Array;
  readonly deadline: number;
  readonly idempotency: IdempotencyOptions | null;
  readonly traceparent: string | null;
  readonly isTraced: boolean;
  connectionNext: ConnectionUser | null = null;
  connectionPrevious: ConnectionUser | null = null;
  readonly #context: ExchangeContext;
  readonly #response: ServerResponse;
  readonly #connection: Connection;
  readonly #metrics: RouteMetrics;
  /** When the request was whole, on the monotonic clock. */
  readonly startedAtMs: number;
  readonly #answerByMs: number;
  readonly #preferences: Preferences;
  readonly #trace: RequestTrace | null;
  #isSubmitted = false;
  /** Where its record lies; `null` until it is durable. */
  #position: string | null = null;
  #refusal: Error | null = null;

  constructor(context: ExchangeContext, checked: CheckedRequest, response: ServerResponse, connection: Connection) {
    super();
    this.correlationId = checked.id as CorrelationId;
    this.sizeBytes = checked.body.byteLength + REQUEST_OVERHEAD_BYTES;
    this.expiresAtMs = checked.startedAtMs + checked.waitMs;
    this.route = checked.route;
    this.request = checked.request;
    this.body = checked.body;
    this.deadline = checked.deadline;
    this.idempotency = checked.idempotency;
    this.traceparent = checked.trace === null ? checked.traceparent : checked.trace.traceparent;
    this.isTraced = checked.trace !== null;
    this.#trace = checked.trace;
    this.#context = context;
    this.#response = response;
    this.#connection = connection;
    this.#metrics = checked.metrics;
    this.startedAtMs = checked.startedAtMs;
    this.#answerByMs = checked.startedAtMs + checked.timeoutMs;
    this.#preferences = checked.preferences;
  }

  /** Starts the exchange. What happens from here on ends in exactly one answer, or in a hang-up. */
  start(): void {
    if (this.#connection.isClosed) {
      this.#metrics.count(499);
      return;
    }
    this.#connection.add(this);
    this.#context.pending.offer(this);
  }

  override onAdmitted(): void {
    const { control, pending, results, logger } = this.#context;
    // The promise is made before the request is durable, because afterwards it could no longer be turned away.
    if (this.#preferences.respondAsync && !results.expect(this.correlationId, this.#answerByMs)) {
      pending.end(this, 'crowded-out');
      return;
    }
    this.#isSubmitted = true;
    try {
      control.submit(this, this);
    } catch (error) {
      logger.error({ err: error, route: this.route.route }, 'submitting a request threw');
      this.onRefused(error as Error);
    }
  }

  onDurable(position: string): void {
    this.#position = position;
    this.#trace?.onDurable();
    const { respondAsync, waitMs } = this.#preferences;
    if (respondAsync && waitMs === 0) this.#context.pending.end(this, 'detached');
  }

  onRefused(error: Error): void {
    this.#refusal = error;
    // Whoever was told to come back finds nothing: it never ran.
    this.#context.results.forget(this.correlationId);
    this.#context.pending.end(this, 'refused');
  }

  onHangUp(): void {
    this.#context.pending.end(this, 'hung-up');
  }

  override onEnded(end: PendingEnd, reply: Reply | null): void {
    this.#connection.remove(this);
    const status = this.#answer(end, reply);
    this.#metrics.observe(status, this.#context.monotonic.nowMs() - this.startedAtMs);
    this.#trace?.onAnswered(status);
  }

  /** @returns the status for the metrics. */
  #answer(end: PendingEnd, reply: Reply | null): number {
    switch (end) {
      case 'replied':
        return this.#writeReply(reply);
      case 'detached':
        return this.#writeAccepted();
      case 'expired':
        return this.#preferences.respondAsync && this.#position !== null ? this.#writeAccepted() : this.#writeExpired();
      case 'crowded-out':
        return this.#writeCode('MILLRACE_BACKPRESSURE');
      case 'shut-down':
        return this.#writeShutDown();
      case 'refused':
        return this.#writeRefusal();
      case 'hung-up':
        return 499;
    }
  }

  #writeReply(reply: Reply | null): number {
    if (this.#preferences.respondAsync) this.#context.results.forget(this.correlationId);
    return reply === null
      ? this.#writeCode('MILLRACE_INTERNAL')
      : writeReply(this.#response, reply, this.#answerOptions());
  }

  #writeAccepted(): number {
    const location = RESULT_PATH + this.correlationId;
    const headers = ['location', location, 'preference-applied', 'respond-async', 'cache-control', 'no-store'];
    headers.push('retry-after', String(this.#context.retryAfterSeconds), 'content-type', 'application/json');
    const body = JSON.stringify({ id: this.correlationId, status: 'running', result: location });
    writeBytes(this.#response, 202, headers, Buffer.from(body), this.#answerOptions());
    return 202;
  }

  #writeExpired(): number {
    const isPromised = this.#context.results.expect(this.correlationId, this.#context.monotonic.nowMs());
    const problem: Problem = { code: 'MILLRACE_DEADLINE_EXCEEDED' };
    return this.#writeProblem(isPromised ? { ...problem, result: RESULT_PATH + this.correlationId } : problem);
  }

  /** What was submitted may be in the log already, and is then processed after the restart: its result can be asked for then. */
  #writeShutDown(): number {
    const problem = problemOfCode('MILLRACE_SHUTTING_DOWN', this.#context.retryAfterSeconds);
    return this.#writeProblem(this.#isSubmitted ? { ...problem, result: RESULT_PATH + this.correlationId } : problem);
  }

  #writeRefusal(): number {
    const problem = problemOfError(this.#refusal, this.#context.retryAfterSeconds);
    if (isServerFault(problem)) {
      this.#context.logger.error({ err: this.#refusal, route: this.route.route }, 'a request was refused');
    }
    return this.#writeProblem(problem);
  }

  #writeCode(code: Problem['code']): number {
    return this.#writeProblem(problemOfCode(code, this.#context.retryAfterSeconds));
  }

  #writeProblem(problem: Problem): number {
    return writeProblem(this.#response, problem, this.#answerOptions());
  }

  #answerOptions(): AnswerOptions {
    return { requestId: this.correlationId, closes: this.#context.isDraining, position: this.#position };
  }
}
