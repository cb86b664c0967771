import { canonicalKey } from '../api/internal/key-bytes.js';
import type { Namespace } from '../api/internal/state-backend.js';
import type { KeyGroup } from '../base/ids.js';

/** One timer: of a key and a namespace, at a timestamp that its place in the queue says. */
export class TimerEntry {
  readonly key: unknown;
  readonly keyGroup: KeyGroup;
  readonly namespace: Namespace;
  isDeleted = false;

  constructor(key: unknown, keyGroup: KeyGroup, namespace: Namespace) {
    this.key = key;
    this.keyGroup = keyGroup;
    this.namespace = namespace;
  }

  isOf(key: unknown, namespace: Namespace): boolean {
    if (this.namespace !== namespace) return false;
    return this.key === key || canonicalKey(this.key) === canonicalKey(key);
  }
}

/** Entries by key. Those of one key that differ in namespace share a slot. */
type KeyIndex = Map<string | number, TimerEntry | TimerEntry[]>;

/** Up to this many entries a group is searched from end to end. */
const LINEAR_SEARCH_MAX = 8;
/** Below this many, timestamps without a timer are not worth a sweep. */
const SWEEP_LEAST = 1024;
/** A group keeps at most this many deleted entries more than live ones. */
const COMPACT_LEAST = 64;

/** Stands for a timestamp that is in the heap and has lost its timers. */
const NO_TIMERS = Symbol('no timers');

/** The timers of one timestamp that has had several: in the order of registering. Never without a live one. */
class TimerGroup {
  liveCount = 0;
  #entries: TimerEntry[] = [];
  /** Entries before it have fired. */
  #next = 0;
  #index: KeyIndex | null = null;

  find(key: unknown, namespace: Namespace): TimerEntry | undefined {
    if (this.#index === null) {
      for (let i = this.#next; i < this.#entries.length; i++) {
        const entry = this.#entries[i] as TimerEntry;
        if (!entry.isDeleted && entry.isOf(key, namespace)) return entry;
      }
      return undefined;
    }
    const slot = this.#index.get(canonicalKey(key));
    if (slot === undefined) return undefined;
    if (!Array.isArray(slot)) return slot.namespace === namespace ? slot : undefined;
    return slot.find((entry) => entry.namespace === namespace);
  }

  add(entry: TimerEntry): void {
    this.#entries.push(entry);
    this.liveCount++;
    if (this.#index !== null) addToIndex(this.#index, entry);
    else if (this.#entries.length - this.#next > LINEAR_SEARCH_MAX) this.#buildIndex();
  }

  /** Takes out the first live entry. */
  poll(): TimerEntry {
    let entry = this.#entries[this.#next++] as TimerEntry;
    while (entry.isDeleted) entry = this.#entries[this.#next++] as TimerEntry;
    this.remove(entry);
    return entry;
  }

  remove(entry: TimerEntry): void {
    entry.isDeleted = true;
    this.liveCount--;
    if (this.#index !== null) removeFromIndex(this.#index, entry);
    if (this.#entries.length > this.liveCount * 2 + COMPACT_LEAST) this.#compact();
  }

  #buildIndex(): void {
    this.#index = new Map();
    for (let i = this.#next; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as TimerEntry;
      if (!entry.isDeleted) addToIndex(this.#index, entry);
    }
  }

  #compact(): void {
    let size = 0;
    for (let i = this.#next; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as TimerEntry;
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
export class TimerQueue {
  /** Min-heap of the keys of `#timers`. */
  #heap = new Float64Array(64);
  #heapSize = 0;
  readonly #timers = new Map<number, TimerEntry | TimerGroup | typeof NO_TIMERS>();
  #emptyCount = 0;
  #count = 0;

  /** Number of timers. */
  get size(): number {
    return this.#count;
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

  /** Takes out the earliest timer. */
  poll(): TimerEntry | undefined {
    const timestamp = this.peekTimestamp();
    if (timestamp === undefined) return undefined;
    const slot = this.#timers.get(timestamp);
    this.#count--;
    if (slot instanceof TimerGroup) {
      const entry = slot.poll();
      if (slot.liveCount === 0) this.#popTimestamp(timestamp);
      return entry;
    }
    this.#popTimestamp(timestamp);
    return slot as TimerEntry;
  }

  /** @returns whether the timer is new. */
  add(timestamp: number, key: unknown, keyGroup: KeyGroup, namespace: Namespace): boolean {
    const slot = this.#timers.get(timestamp);
    if (slot instanceof TimerGroup) {
      if (slot.find(key, namespace) !== undefined) return false;
      slot.add(new TimerEntry(key, keyGroup, namespace));
    } else if (slot instanceof TimerEntry) {
      if (slot.isOf(key, namespace)) return false;
      const group = new TimerGroup();
      group.add(slot);
      group.add(new TimerEntry(key, keyGroup, namespace));
      this.#timers.set(timestamp, group);
    } else {
      if (slot === undefined) this.#pushTimestamp(timestamp);
      else this.#emptyCount--;
      this.#timers.set(timestamp, new TimerEntry(key, keyGroup, namespace));
    }
    this.#count++;
    return true;
  }

  /** @returns whether there was such a timer. */
  remove(timestamp: number, key: unknown, namespace: Namespace): boolean {
    const slot = this.#timers.get(timestamp);
    if (slot instanceof TimerGroup) {
      const entry = slot.find(key, namespace);
      if (entry === undefined) return false;
      slot.remove(entry);
      if (slot.liveCount === 0) this.#markEmpty(timestamp);
    } else if (slot instanceof TimerEntry) {
      if (!slot.isOf(key, namespace)) return false;
      this.#markEmpty(timestamp);
    } else {
      return false;
    }
    this.#count--;
    return true;
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

function addToIndex(index: KeyIndex, entry: TimerEntry): void {
  const lookup = canonicalKey(entry.key);
  const slot = index.get(lookup);
  if (slot === undefined) index.set(lookup, entry);
  else if (Array.isArray(slot)) slot.push(entry);
  else index.set(lookup, [slot, entry]);
}

function removeFromIndex(index: KeyIndex, entry: TimerEntry): void {
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
