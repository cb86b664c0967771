import type { AsyncOutputMode } from '../api/async-function.js';
import type { RequestHandle } from '../api/process-function.js';
import type { WatermarkStatus } from './operator.js';

/** A record whose request is under way or to be started, with what is known of its origin. */
export interface AsyncRecord<In, Out> {
  readonly kind: 'record';
  readonly value: In;
  readonly timestamp: number;
  readonly request: RequestHandle | null;
  readonly originSource: number;
  readonly originPartition: number;
  readonly originOffset: number;
  readonly originTime: number;
  /** Which start of the request is the present one; outcomes of earlier ones do not count. */
  attempt: number;
  /** Whether its time is over: it is not started again. */
  isExpired: boolean;
  /** The outcome that counts, which may still have to be made durable; `null` while there is none. */
  outcome: readonly Out[] | null;
  /** The same once the record may leave. */
  results: readonly Out[] | null;
}

export interface AsyncWatermark {
  readonly kind: 'watermark';
  readonly timestamp: number;
}

export interface AsyncStatus {
  readonly kind: 'status';
  readonly status: WatermarkStatus;
}

export type AsyncEntry<In, Out> = AsyncRecord<In, Out> | AsyncWatermark | AsyncStatus;

/** Stream elements that wait for results, and the order in which they may leave. */
export interface AsyncQueue<In, Out> {
  /** Elements that have not left. */
  readonly size: number;
  put(entry: AsyncEntry<In, Out>): void;
  /** The record, which was put, has its results. */
  complete(record: AsyncRecord<In, Out>): void;
  /** Takes out the next element that may leave; `null` when there is none. */
  poll(): AsyncEntry<In, Out> | null;
  /** Everything that has not left, in the order of arrival. */
  values(): readonly AsyncEntry<In, Out>[];
}

export function createAsyncQueue<In, Out>(mode: AsyncOutputMode): AsyncQueue<In, Out> {
  return mode === 'ordered' ? new OrderedAsyncQueue() : new UnorderedAsyncQueue();
}

/** Results leave in the order in which their records came. */
class OrderedAsyncQueue<In, Out> implements AsyncQueue<In, Out> {
  #entries: AsyncEntry<In, Out>[] = [];
  #head = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  put(entry: AsyncEntry<In, Out>): void {
    this.#entries.push(entry);
  }

  complete(): void {
    // Its place in the queue decides when it leaves.
  }

  poll(): AsyncEntry<In, Out> | null {
    const entry = this.#entries[this.#head];
    if (entry === undefined || (entry.kind === 'record' && entry.results === null)) return null;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  values(): readonly AsyncEntry<In, Out>[] {
    return this.#entries.slice(this.#head);
  }
}

/** Records between two watermarks, and the watermark or status that ends them. */
interface Segment<In, Out> {
  readonly incomplete: Set<AsyncRecord<In, Out>>;
  /** In the order of completion. */
  completed: AsyncRecord<In, Out>[];
  end: AsyncWatermark | AsyncStatus | null;
}

/** Results leave as they complete, but never cross a watermark. */
class UnorderedAsyncQueue<In, Out> implements AsyncQueue<In, Out> {
  readonly #segments: Segment<In, Out>[] = [newSegment<In, Out>()];
  readonly #segmentOf = new Map<AsyncRecord<In, Out>, Segment<In, Out>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  put(entry: AsyncEntry<In, Out>): void {
    this.#size++;
    const last = this.#segments.at(-1) as Segment<In, Out>;
    if (entry.kind === 'record') {
      last.incomplete.add(entry);
      this.#segmentOf.set(entry, last);
      return;
    }
    last.end = entry;
    this.#segments.push(newSegment());
  }

  complete(record: AsyncRecord<In, Out>): void {
    const segment = this.#segmentOf.get(record);
    if (segment === undefined) return;
    this.#segmentOf.delete(record);
    segment.incomplete.delete(record);
    segment.completed.push(record);
  }

  poll(): AsyncEntry<In, Out> | null {
    const first = this.#segments[0] as Segment<In, Out>;
    const completed = first.completed.shift();
    if (completed !== undefined) {
      this.#size--;
      return completed;
    }
    if (first.incomplete.size > 0 || first.end === null) return null;
    this.#segments.shift();
    this.#size--;
    return first.end;
  }

  values(): readonly AsyncEntry<In, Out>[] {
    const values: AsyncEntry<In, Out>[] = [];
    for (const { completed, incomplete, end } of this.#segments) {
      values.push(...completed, ...incomplete);
      if (end !== null) values.push(end);
    }
    return values;
  }
}

function newSegment<In, Out>(): Segment<In, Out> {
  return { incomplete: new Set(), completed: [], end: null };
}
