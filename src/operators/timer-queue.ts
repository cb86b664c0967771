import { canonicalKey } from '../api/internal/key-bytes.js';
import type { Namespace } from '../api/internal/state-backend.js';

/** A timer as the queue sees it. Its owner makes it, of the current key, when the queue asks for it. */
export interface QueuedTimer {
  readonly timestamp: number;
  readonly key: unknown;
  readonly namespace: Namespace;
  /** The queue's own mark: it has fired, or was deleted. */
  isDeleted: boolean;
}

/** Entries by key. Those of one key that differ in namespace share a slot. */
type KeyIndex<T> = Map<string | number, T | T[]>;

/** Up to this many entries a group is searched from end to end. */
const LINEAR_SEARCH_MAX = 8;
/** Below this many, timestamps without a timer are not worth a sweep. */
const SWEEP_LEAST = 1024;
/** A group keeps at most this many deleted entries more than live ones. */
const COMPACT_LEAST = 64;

/** Stands for a timestamp that is in the heap and has lost its timers. */
const NO_TIMERS = Symbol('no timers');

/** The timers of one timestamp that has had several: in the order of registering. Never without a live one. */
class TimerGroup<T extends QueuedTimer> {
  liveCount = 0;
  #entries: T[] = [];
  /** Entries before it have fired. */
  #next = 0;
  #index: KeyIndex<T> | null = null;

  find(key: unknown, namespace: Namespace): T | undefined {
    if (this.#index === null) {
      for (let i = this.#next; i < this.#entries.length; i++) {
        const entry = this.#entries[i] as T;
        if (!entry.isDeleted && isOf(entry, key, namespace)) return entry;
      }
      return undefined;
    }
    const slot = this.#index.get(canonicalKey(key));
    if (slot === undefined) return undefined;
    if (Array.isArray(slot)) return slot.find((entry) => entry.namespace === namespace && !entry.isDeleted);
    return slot.namespace === namespace && !slot.isDeleted ? slot : undefined;
  }

  add(entry: T): void {
    this.#entries.push(entry);
    this.liveCount++;
    if (this.#index !== null) addToIndex(this.#index, entry);
    else if (this.#entries.length - this.#next > LINEAR_SEARCH_MAX) this.#buildIndex();
  }

  /** Takes out the first live entry. It stays in the index, as deleted: the whole group is about to go. */
  poll(): T {
    let entry = this.#entries[this.#next++] as T;
    while (entry.isDeleted) entry = this.#entries[this.#next++] as T;
    entry.isDeleted = true;
    this.liveCount--;
    return entry;
  }

  remove(entry: T): void {
    entry.isDeleted = true;
    this.liveCount--;
    if (this.#index !== null) removeFromIndex(this.#index, entry);
    if (this.#entries.length > this.liveCount * 2 + COMPACT_LEAST) this.#compact();
  }

  #buildIndex(): void {
    this.#index = new Map();
    for (let i = this.#next; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as T;
      if (!entry.isDeleted) addToIndex(this.#index, entry);
    }
  }

  #compact(): void {
    let size = 0;
    for (let i = this.#next; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as T;
      if (!entry.isDeleted) this.#entries[size++] = entry;
    }
    this.#entries.length = size;
    this.#next = 0;
  }
}

/**
 * The timers of one time domain, earliest first; each (key, namespace, timestamp) at most once.
 *
 * The binary heap holds distinct timestamps only, and a map leads from each to its timer, or to the group of its timers:
 * windows that end together cost one heap entry for all their keys. Within a timestamp the order is that of registering. A
 * timestamp that lost all its timers stays in the heap until its turn, or until such timestamps are the majority and are
 * swept out, so deleting is constant on average and memory is bounded by twice the live timers.
 *
 * Pure: no clock, no state. The timer service keeps the rows that make timers durable.
 */
export class TimerQueue<T extends QueuedTimer> {
  /** Min-heap of the keys of `#timers`. */
  #heap = new Float64Array(64);
  #heapSize = 0;
  readonly #timers = new Map<number, T | TimerGroup<T> | typeof NO_TIMERS>();
  #emptyCount = 0;
  #count = 0;

  /** Number of timers. */
  get size(): number {
    return this.#count;
  }

  /** Takes out the earliest timer, if it is due at `limit`. */
  pollUpTo(limit: number): T | undefined {
    while (this.#heapSize > 0) {
      const timestamp = this.#heap[0] as number;
      if (timestamp > limit) return undefined;
      const slot = this.#timers.get(timestamp);
      if (slot instanceof TimerGroup) {
        this.#count--;
        const entry = slot.poll();
        if (slot.liveCount === 0) this.#popTimestamp(timestamp);
        return entry;
      }
      this.#popTimestamp(timestamp);
      if (slot === NO_TIMERS) this.#emptyCount--;
      else {
        this.#count--;
        return slot;
      }
    }
    return undefined;
  }

  /** The earliest timer's timestamp; `undefined` when there is none. */
  peekTimestamp(): number | undefined {
    while (this.#heapSize > 0) {
      const timestamp = this.#heap[0] as number;
      if (this.#timers.get(timestamp) !== NO_TIMERS) return timestamp;
      this.#emptyCount--;
      this.#popTimestamp(timestamp);
    }
    return undefined;
  }

  /**
   * Adds the timer that `create` makes, unless there is one of this timestamp, key and namespace already.
   *
   * @returns whether it is new
   */
  add(
    timestamp: number,
    key: unknown,
    namespace: Namespace,
    create: (timestamp: number, namespace: Namespace) => T,
  ): boolean {
    const slot = this.#timers.get(timestamp);
    if (slot === undefined || slot === NO_TIMERS) {
      if (slot === undefined) this.#pushTimestamp(timestamp);
      else this.#emptyCount--;
      this.#timers.set(timestamp, create(timestamp, namespace));
    } else if (slot instanceof TimerGroup) {
      if (slot.find(key, namespace) !== undefined) return false;
      slot.add(create(timestamp, namespace));
    } else {
      if (isOf(slot, key, namespace)) return false;
      const group = new TimerGroup<T>();
      group.add(slot);
      group.add(create(timestamp, namespace));
      this.#timers.set(timestamp, group);
    }
    this.#count++;
    return true;
  }

  /** @returns the timer that was taken out; `null` when there was none. */
  remove(timestamp: number, key: unknown, namespace: Namespace): T | null {
    const slot = this.#timers.get(timestamp);
    if (slot === undefined || slot === NO_TIMERS) return null;
    if (slot instanceof TimerGroup) {
      const entry = slot.find(key, namespace);
      if (entry === undefined) return null;
      slot.remove(entry);
      if (slot.liveCount === 0) this.#markEmpty(timestamp);
      this.#count--;
      return entry;
    }
    if (!isOf(slot, key, namespace)) return null;
    this.#markEmpty(timestamp);
    this.#count--;
    return slot;
  }

  #markEmpty(timestamp: number): void {
    this.#timers.set(timestamp, NO_TIMERS);
    this.#emptyCount++;
    if (this.#emptyCount > SWEEP_LEAST && this.#emptyCount * 2 > this.#heapSize) this.#sweep();
  }

  #sweep(): void {
    let size = 0;
    for (let i = 0; i < this.#heapSize; i++) {
      const timestamp = this.#heap[i] as number;
      if (this.#timers.get(timestamp) === NO_TIMERS) this.#timers.delete(timestamp);
      else this.#heap[size++] = timestamp;
    }
    this.#heapSize = size;
    this.#emptyCount = 0;
    for (let i = (size >>> 1) - 1; i >= 0; i--) siftDown(this.#heap, size, i, this.#heap[i] as number);
  }

  /** Takes out the heap's first timestamp, which is this one. */
  #popTimestamp(timestamp: number): void {
    this.#timers.delete(timestamp);
    const last = this.#heap[--this.#heapSize] as number;
    if (this.#heapSize > 0) siftDown(this.#heap, this.#heapSize, 0, last);
  }

  #pushTimestamp(timestamp: number): void {
    if (this.#heapSize === this.#heap.length) {
      const larger = new Float64Array(this.#heap.length * 2);
      larger.set(this.#heap);
      this.#heap = larger;
    }
    siftUp(this.#heap, this.#heapSize++, timestamp);
  }
}

function isOf(timer: QueuedTimer, key: unknown, namespace: Namespace): boolean {
  if (timer.namespace !== namespace) return false;
  return timer.key === key || canonicalKey(timer.key) === canonicalKey(key);
}

function siftUp(heap: Float64Array, from: number, timestamp: number): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    const parentTimestamp = heap[parent] as number;
    if (parentTimestamp <= timestamp) break;
    heap[at] = parentTimestamp;
    at = parent;
  }
  heap[at] = timestamp;
}

function siftDown(heap: Float64Array, size: number, from: number, timestamp: number): void {
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child++;
    const childTimestamp = heap[child] as number;
    if (timestamp <= childTimestamp) break;
    heap[at] = childTimestamp;
    at = child;
  }
  heap[at] = timestamp;
}

function addToIndex<T extends QueuedTimer>(index: KeyIndex<T>, entry: T): void {
  const lookup = canonicalKey(entry.key);
  const slot = index.get(lookup);
  if (slot === undefined || (!Array.isArray(slot) && slot.isDeleted)) index.set(lookup, entry);
  else if (Array.isArray(slot)) slot.push(entry);
  else index.set(lookup, [slot, entry]);
}

function removeFromIndex<T extends QueuedTimer>(index: KeyIndex<T>, entry: T): void {
  const lookup = canonicalKey(entry.key);
  const slot = index.get(lookup);
  if (!Array.isArray(slot)) {
    index.delete(lookup);
    return;
  }
  slot.splice(slot.indexOf(entry), 1);
  const only = slot[0];
  if (slot.length === 1 && only !== undefined) index.set(lookup, only);
}
