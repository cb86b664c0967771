import type { MonotonicClock } from '../base/clock.js';
import type { Reply } from '../main/job-control.js';
import { WheelTimer } from './timer-wheel.js';
import type { TimerWheel } from './timer-wheel.js';

/**
 * Answers that nobody waits for on an open connection: of requests sent with `Prefer: respond-async`, and replies that came
 * after their deadline or after the client hung up. They are fetched by the request's id, which is random and so cannot be
 * guessed.
 *
 * Bounded by count, bytes and age. What was promised to a client is kept longest: to make room, replies that nobody was
 * promised go first, then finished results, oldest first. A request that still runs keeps its entry, and when the table is
 * full of those, the next promise is not made.
 *
 * The table is memory only. After a restart it starts empty; replies that come again by replay are kept as unpromised
 * ones, so a client that polls still finds them as long as there is room.
 *
 * Thread: main.
 */

/** What an entry counts beside its body: id, map entry, timer links, content type. */
const ENTRY_OVERHEAD_BYTES = 512;

/** A stored answer. */
export interface AsyncResult {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  /** When the answer was written, in milliseconds since the epoch. */
  readonly timestamp: number;
}

/** What is known of a request: `null` while it runs. */
export type AsyncLookup = { readonly result: AsyncResult | null } | undefined;

export interface AsyncResultsOptions {
  readonly clock: MonotonicClock;
  readonly wheel: TimerWheel;
  readonly countMax: number;
  readonly bytesMax: number;
  /** How long a finished result is kept, in milliseconds. */
  readonly ttlMs: number;
}

class ResultEntry extends WheelTimer {
  readonly correlationId: string;
  readonly table: AsyncResults;
  result: AsyncResult | null = null;

  constructor(correlationId: string, table: AsyncResults) {
    super();
    this.correlationId = correlationId;
    this.table = table;
  }

  get sizeBytes(): number {
    return ENTRY_OVERHEAD_BYTES + (this.result === null ? 0 : this.result.body.length);
  }

  override onTimer(): void {
    this.table.forget(this.correlationId);
  }
}

type Shelf = Map<string, ResultEntry>;

export class AsyncResults {
  readonly #options: AsyncResultsOptions;
  /** Promised and still running. A `Map` keeps insertion order, which is the order of eviction. */
  readonly #running: Shelf = new Map();
  /** Promised and finished. */
  readonly #finished: Shelf = new Map();
  /** Finished, and promised to nobody. */
  readonly #unpromised: Shelf = new Map();
  #bytes = 0;

  constructor(options: AsyncResultsOptions) {
    this.#options = options;
  }

  /** Entries, running ones included. */
  get count(): number {
    return this.#running.size + this.#finished.size + this.#unpromised.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Requests whose answer was promised and has not come. */
  get runningCount(): number {
    return this.#running.size;
  }

  /**
   * Promises that the answer of a request can be fetched later. A promise that was made before stands as it is.
   *
   * @param untilMs how long to wait for the answer, on the monotonic clock; the time to live is added to it.
   * @returns false when the table is full of requests that still run: then nothing is promised.
   */
  expect(correlationId: string, untilMs: number): boolean {
    if (this.#running.has(correlationId) || this.#finished.has(correlationId)) return true;
    const early = this.#take(this.#unpromised, correlationId);
    const entry = early ?? new ResultEntry(correlationId, this);
    if (!this.#makeRoom(entry.sizeBytes, true)) return false;
    this.#put(early === undefined ? this.#running : this.#finished, entry, untilMs + this.#options.ttlMs);
    return true;
  }

  /** Drops whatever is known of a request: its promise, or its result. */
  forget(correlationId: string): void {
    if (this.#take(this.#running, correlationId) !== undefined) return;
    if (this.#take(this.#finished, correlationId) !== undefined) return;
    this.#take(this.#unpromised, correlationId);
  }

  /**
   * Keeps a reply that no pending request waits for. The first one of a request wins. Copies the body.
   *
   * @returns whether it was kept.
   */
  accept(reply: Reply): boolean {
    const id = reply.correlationId;
    if (this.#finished.has(id) || this.#unpromised.has(id)) return false;
    const isPromised = this.#running.has(id);
    const entry = this.#take(this.#running, id) ?? new ResultEntry(id, this);
    if (!this.#makeRoom(ENTRY_OVERHEAD_BYTES + reply.body.length, isPromised)) return false;
    entry.result = {
      status: reply.status,
      contentType: reply.contentType,
      body: Buffer.from(reply.body),
      timestamp: reply.timestamp,
    };
    const expiresAtMs = this.#options.clock.nowMs() + this.#options.ttlMs;
    this.#put(isPromised ? this.#finished : this.#unpromised, entry, expiresAtMs);
    return true;
  }

  find(correlationId: string): AsyncLookup {
    return this.#finished.get(correlationId) ?? this.#running.get(correlationId) ?? this.#unpromised.get(correlationId);
  }

  #put(shelf: Shelf, entry: ResultEntry, expiresAtMs: number): void {
    shelf.set(entry.correlationId, entry);
    this.#bytes += entry.sizeBytes;
    this.#options.wheel.schedule(entry, expiresAtMs);
  }

  #take(shelf: Shelf, correlationId: string): ResultEntry | undefined {
    const entry = shelf.get(correlationId);
    if (entry === undefined) return undefined;
    shelf.delete(correlationId);
    this.#bytes -= entry.sizeBytes;
    this.#options.wheel.cancel(entry);
    return entry;
  }

  /** Evicts until an entry of this size fits. Only a promised one may push out promised ones. */
  #makeRoom(sizeBytes: number, isPromised: boolean): boolean {
    if (sizeBytes > this.#options.bytesMax) return false;
    this.#evict(this.#unpromised, sizeBytes);
    if (isPromised) this.#evict(this.#finished, sizeBytes);
    return this.#fits(sizeBytes);
  }

  #fits(sizeBytes: number): boolean {
    return this.count < this.#options.countMax && this.#bytes + sizeBytes <= this.#options.bytesMax;
  }

  /** Drops the oldest of a shelf until something of this size fits, or the shelf is empty. */
  #evict(shelf: Shelf, sizeBytes: number): void {
    for (const correlationId of shelf.keys()) {
      if (this.#fits(sizeBytes)) return;
      this.#take(shelf, correlationId);
    }
  }
}
