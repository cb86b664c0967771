import type { MonotonicClock } from '../base/clock.js';
import { invariant } from '../base/invariant.js';
import type { Reply } from '../main/job-control.js';
import { CorrelationTable } from './correlation-table.js';
import { WheelTimer } from './timer-wheel.js';
import type { TimerWheel } from './timer-wheel.js';

/**
 * The requests that wait for their answers: a table bounded by count and by bytes, with a bounded queue in front of it.
 *
 *                 no room                      room
 *     NEW ───────────────────▶ WAITING ─────────────────▶ ADMITTED
 *      │    room                  │  in order of arrival     │
 *      ├──────────────────────────┼─────────────────────────▶│
 *      │ queue full               │ waited too long          │ reply, deadline,
 *      ▼                          ▼                          ▼ refusal, hang-up
 *     ENDED ◀──────────────────────────────────────────────────
 *
 * **Invariant:** a request ends exactly once, and whoever ends it first decides how. **Invariant:** the table never holds
 * more than its bounds. **Invariant:** no request overtakes another that waits for a place; one that needs many bytes holds
 * back those behind it, so that it cannot starve.
 *
 * Knows nothing of HTTP. Thread: main. Nothing here blocks, and nothing allocates per request but the map's own entry.
 */

/** How a request ended. */
export type PendingEnd =
  /** Its reply came. */
  | 'replied'
  /** Its deadline passed after it was admitted. */
  | 'expired'
  /** No place came free in time, or too many waited for one already. It was never admitted. */
  | 'crowded-out'
  /** It could not be put on its request topic. */
  | 'refused'
  /** Nobody listens any more. */
  | 'hung-up'
  /** It goes on without holding a place; its answer will be fetched. */
  | 'detached'
  /** The gateway closes. */
  | 'shut-down';

/** Places of a request's life, in order. Numbers, so that the hot path compares integers. */
const NEW = 0;
const WAITING = 1;
const ADMITTED = 2;
const ENDED = 3;

/** One request. Extend it; the fields `pending…` and `waiting…` belong to {@link PendingRequests}. */
export abstract class PendingRequest extends WheelTimer {
  /** What correlates the reply. */
  abstract readonly correlationId: string;
  /** What the request counts against the bound of bytes. */
  abstract readonly sizeBytes: number;
  /** When it expires, on the monotonic clock. */
  abstract readonly expiresAtMs: number;

  pendingStage = NEW;
  pendingTable: PendingRequests | null = null;
  waitingNext: PendingRequest | null = null;
  waitingPrevious: PendingRequest | null = null;

  /** Whether it still waits for a place. */
  get isWaiting(): boolean {
    return this.pendingStage === WAITING;
  }

  get isEnded(): boolean {
    return this.pendingStage === ENDED;
  }

  /** It has a place: submit it. May end the request before it returns. Must not throw. */
  abstract onAdmitted(): void;

  /**
   * It is over, and holds no place any more. Called exactly once. Must not throw.
   *
   * @param reply given for `replied` only; its memory is valid during the call.
   */
  abstract onEnded(end: PendingEnd, reply: Reply | null): void;

  override onTimer(): void {
    this.pendingTable?.onTimer(this);
  }
}

export interface PendingRequestsOptions {
  readonly clock: MonotonicClock;
  readonly wheel: TimerWheel;
  /** Most requests with a place. */
  readonly countMax: number;
  /** Most bytes of requests with a place. */
  readonly bytesMax: number;
  /** Longest time that a request waits for a place, in milliseconds. */
  readonly waitMs: number;
  /** Most requests that wait for a place. */
  readonly waitersMax: number;
  /** Most bytes of requests that wait for a place. */
  readonly waitersBytesMax: number;
}

export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  readonly #wheel: TimerWheel;
  readonly #admitted = new CorrelationTable<PendingRequest>();
  #bytes = 0;
  #firstWaiter: PendingRequest | null = null;
  #lastWaiter: PendingRequest | null = null;
  #waiterCount = 0;
  #waiterBytes = 0;
  #isAdmitting = false;
  #onIdle: (() => void) | null = null;

  constructor(options: PendingRequestsOptions) {
    this.#options = options;
    this.#wheel = options.wheel;
  }

  /** Requests with a place. */
  get count(): number {
    return this.#admitted.size;
  }

  /** Bytes of requests with a place. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Requests that wait for a place. */
  get waiterCount(): number {
    return this.#waiterCount;
  }

  get waiterBytes(): number {
    return this.#waiterBytes;
  }

  /** The requests that wait for a place or for their answer, as a list of its own. */
  requests(): PendingRequest[] {
    const requests = this.#admitted.entries();
    for (let waiter = this.#firstWaiter; waiter !== null; waiter = waiter.waitingNext) requests.push(waiter);
    return requests;
  }

  /**
   * Takes a request in: admits it at once, queues it, or ends it as `crowded-out`. Before it returns the request may be
   * admitted and even ended.
   */
  offer(request: PendingRequest): void {
    invariant(request.pendingStage === NEW, 'a request is offered once');
    request.pendingTable = this;
    if (this.#firstWaiter === null && this.#hasRoom(request)) {
      this.#admit(request);
      return;
    }
    if (!this.#mayWait(request)) {
      request.pendingStage = ENDED;
      request.onEnded('crowded-out', null);
      return;
    }
    this.#enqueue(request);
  }

  /**
   * Ends the request that a reply belongs to.
   *
   * @returns false when no admitted request has this correlation id: unknown, or ended before.
   */
  reply(reply: Reply): boolean {
    const request = this.#admitted.get(reply.correlationId);
    if (request === undefined) return false;
    this.#end(request, 'replied', reply);
    return true;
  }

  /**
   * Ends a request.
   *
   * @returns false when it had ended before; nothing happens then.
   */
  end(request: PendingRequest, end: Exclude<PendingEnd, 'replied'>): boolean {
    if (request.pendingStage === NEW || request.pendingStage === ENDED) return false;
    this.#end(request, end, null);
    return true;
  }

  /** Ends everything that still waits for a place. What has a place goes on. @returns how many ended. */
  endWaiters(end: Exclude<PendingEnd, 'replied'>): number {
    let endedCount = 0;
    // With a large one gone from the head, the next might fit: it is to end, not to be admitted.
    this.#isAdmitting = true;
    while (this.#firstWaiter !== null) {
      this.#end(this.#firstWaiter, end, null);
      endedCount += 1;
    }
    this.#isAdmitting = false;
    return endedCount;
  }

  /** Ends everything. @returns how many ended. */
  endAll(end: Exclude<PendingEnd, 'replied'>): number {
    let endedCount = this.endWaiters(end);
    for (const request of this.#admitted.entries()) {
      this.#end(request, end, null);
      endedCount += 1;
    }
    return endedCount;
  }

  /** Calls back once, when no request has a place or waits for one; at once when that is so now. */
  whenIdle(onIdle: () => void): void {
    if (this.#isIdle()) onIdle();
    else this.#onIdle = onIdle;
  }

  /** The request's own timer fired. For {@link PendingRequest} only. */
  onTimer(request: PendingRequest): void {
    this.#end(request, request.pendingStage === WAITING ? 'crowded-out' : 'expired', null);
  }

  #hasRoom(request: PendingRequest): boolean {
    return this.#admitted.size < this.#options.countMax && this.#bytes + request.sizeBytes <= this.#options.bytesMax;
  }

  #mayWait(request: PendingRequest): boolean {
    return (
      this.#waiterCount < this.#options.waitersMax &&
      this.#waiterBytes + request.sizeBytes <= this.#options.waitersBytesMax &&
      // It would wait for ever, and everything behind it too.
      request.sizeBytes <= this.#options.bytesMax
    );
  }

  #admit(request: PendingRequest): void {
    request.pendingStage = ADMITTED;
    invariant(this.#admitted.add(request), 'a correlation id is pending once');
    this.#bytes += request.sizeBytes;
    this.#wheel.schedule(request, request.expiresAtMs);
    request.onAdmitted();
  }

  #enqueue(request: PendingRequest): void {
    request.pendingStage = WAITING;
    request.waitingPrevious = this.#lastWaiter;
    if (this.#lastWaiter === null) this.#firstWaiter = request;
    else this.#lastWaiter.waitingNext = request;
    this.#lastWaiter = request;
    this.#waiterCount += 1;
    this.#waiterBytes += request.sizeBytes;
    this.#wheel.schedule(request, Math.min(this.#options.clock.nowMs() + this.#options.waitMs, request.expiresAtMs));
  }

  #dequeue(request: PendingRequest): void {
    const { waitingNext: next, waitingPrevious: previous } = request;
    if (previous === null) this.#firstWaiter = next;
    else previous.waitingNext = next;
    if (next === null) this.#lastWaiter = previous;
    else next.waitingPrevious = previous;
    request.waitingNext = null;
    request.waitingPrevious = null;
    this.#waiterCount -= 1;
    this.#waiterBytes -= request.sizeBytes;
  }

  #end(request: PendingRequest, end: PendingEnd, reply: Reply | null): void {
    if (request.pendingStage === WAITING) {
      this.#dequeue(request);
    } else {
      invariant(this.#admitted.delete(request.correlationId), 'an admitted request is in the table');
      this.#bytes -= request.sizeBytes;
    }
    this.#wheel.cancel(request);
    request.pendingStage = ENDED;
    request.onEnded(end, reply);
    if (this.#firstWaiter !== null) this.#admitWaiters();
    if (this.#onIdle !== null && this.#isIdle()) this.#reportIdle(this.#onIdle);
  }

  /** Admits from the head of the queue while there is room. An admission that ends at once comes back here: one loop does it all. */
  #admitWaiters(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    for (let head = this.#firstWaiter; head !== null && this.#hasRoom(head); head = this.#firstWaiter) {
      this.#dequeue(head);
      this.#admit(head);
    }
    this.#isAdmitting = false;
  }

  #isIdle(): boolean {
    return this.#admitted.size === 0 && this.#waiterCount === 0;
  }

  #reportIdle(onIdle: () => void): void {
    this.#onIdle = null;
    onIdle();
  }
}
