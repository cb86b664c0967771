import type { Namespace } from '../api/internal/state-backend.js';
import type { KeyGroup } from '../base/ids.js';
import { canonicalKey } from '../api/internal/key-bytes.js';

/** One timer: of a key and a namespace, at the timestamp of its group. */
export interface TimerEntry {
  readonly key: unknown;
  readonly keyGroup: KeyGroup;
  readonly namespace: Namespace;
  isDeleted: boolean;
}

/** All timers of one timestamp, in the order of registering. Those before `next` have fired. */
interface TimerGroup {
  readonly timestamp: number;
  readonly entries: TimerEntry[];
  next: number;
  liveCount: number;
  /** Entries by key; built once a group outgrows a linear search. Entries of one key that differ in namespace share a slot. */
  index: Map<string | number, TimerEntry | TimerEntry[]> | null;
}

/** Up to this many entries a group is searched from end to end. */
const LINEAR_SEARCH_MAX = 8;
/** Below this many, empty groups are not worth a sweep. */
const SWEEP_LEAST = 1024;
/** A group keeps at most this many deleted entries more than live ones. */
const COMPACT_LEAST = 64;

/**
 * The timers of one time domain, earliest first; each (key, namespace, timestamp) at most once.
 *
 * Timers that share a timestamp form a group, and the binary heap holds timestamps only: windows that end together cost one
 * heap entry for all their keys. Within a group the order is that of registering. A group that lost all its timers stays
 * in the heap until its turn, or until empty groups are the majority and are swept out, so deleting is constant on average
 * and memory is bounded by twice the live timers.
 *
 * Pure: no clock, no state. The timer service keeps the rows that make timers durable.
 */
export class TimerQueue {
  /** Min-heap of the timestamps of `#groups`. */
  #heap = new Float64Array(64);
  #heapSize = 0;
  readonly #groups = new Map<number, TimerGroup>();
  #emptyGroupCount = 0;
  #count = 0;

  /** Number of timers. */
  get size(): number {
    return this.#count;
  }

  /** The earliest timer's timestamp; `undefined` when there is none. */
  peekTimestamp(): number | undefined {
    while (this.#heapSize > 0) {
      const timestamp = this.#heap[0] as number;
      const group = this.#groups.get(timestamp);
      if (group !== undefined && group.liveCount > 0) return timestamp;
      this.#popGroup(timestamp);
    }
    return undefined;
  }

  /** Takes out the earliest timer, which {@link peekTimestamp} has just announced. */
  poll(): TimerEntry | undefined {
    const timestamp = this.peekTimestamp();
    if (timestamp === undefined) return undefined;
    const group = this.#groups.get(timestamp) as TimerGroup;
    let entry = group.entries[group.next++] as TimerEntry;
    while (entry.isDeleted) entry = group.entries[group.next++] as TimerEntry;
    this.#removeEntry(group, entry);
    return entry;
  }

  /** @returns whether the timer is new. */
  add(timestamp: number, key: unknown, keyGroup: KeyGroup, namespace: Namespace): boolean {
    let group = this.#groups.get(timestamp);
    if (group === undefined) {
      group = { timestamp, entries: [], next: 0, liveCount: 0, index: null };
      this.#groups.set(timestamp, group);
      this.#pushTimestamp(timestamp);
    } else {
      if (findEntry(group, key, namespace) !== undefined) return false;
      if (group.liveCount === 0) this.#emptyGroupCount--;
    }
    const entry: TimerEntry = { key, keyGroup, namespace, isDeleted: false };
    group.entries.push(entry);
    group.liveCount++;
    this.#count++;
    if (group.index !== null) addToIndex(group.index, entry);
    else if (group.entries.length - group.next > LINEAR_SEARCH_MAX) group.index = buildIndex(group);
    return true;
  }

  /** @returns whether there was such a timer. */
  remove(timestamp: number, key: unknown, namespace: Namespace): boolean {
    const group = this.#groups.get(timestamp);
    if (group === undefined) return false;
    const entry = findEntry(group, key, namespace);
    if (entry === undefined) return false;
    this.#removeEntry(group, entry);
    return true;
  }

  #removeEntry(group: TimerGroup, entry: TimerEntry): void {
    entry.isDeleted = true;
    group.liveCount--;
    this.#count--;
    if (group.index !== null) removeFromIndex(group.index, entry);
    if (group.liveCount > 0) {
      if (group.entries.length > group.liveCount * 2 + COMPACT_LEAST) compact(group);
      return;
    }
    group.entries.length = 0;
    group.next = 0;
    group.index = null;
    this.#emptyGroupCount++;
    if (this.#emptyGroupCount > SWEEP_LEAST && this.#emptyGroupCount * 2 > this.#heapSize) this.#sweepEmptyGroups();
  }

  #sweepEmptyGroups(): void {
    let size = 0;
    for (let i = 0; i < this.#heapSize; i++) {
      const timestamp = this.#heap[i] as number;
      if ((this.#groups.get(timestamp) as TimerGroup).liveCount === 0) this.#groups.delete(timestamp);
      else this.#heap[size++] = timestamp;
    }
    this.#heapSize = size;
    this.#emptyGroupCount = 0;
    for (let i = (size >>> 1) - 1; i >= 0; i--) siftDown(this.#heap, size, i, this.#heap[i] as number);
  }

  #popGroup(timestamp: number): void {
    this.#groups.delete(timestamp);
    this.#emptyGroupCount--;
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

function compact(group: TimerGroup): void {
  let size = 0;
  for (let i = group.next; i < group.entries.length; i++) {
    const entry = group.entries[i] as TimerEntry;
    if (!entry.isDeleted) group.entries[size++] = entry;
  }
  group.entries.length = size;
  group.next = 0;
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

function findEntry(group: TimerGroup, key: unknown, namespace: Namespace): TimerEntry | undefined {
  const lookup = canonicalKey(key);
  if (group.index === null) {
    for (let i = group.next; i < group.entries.length; i++) {
      const entry = group.entries[i] as TimerEntry;
      if (!entry.isDeleted && entry.namespace === namespace && canonicalKey(entry.key) === lookup) return entry;
    }
    return undefined;
  }
  const slot = group.index.get(lookup);
  if (slot === undefined) return undefined;
  if (!Array.isArray(slot)) return slot.namespace === namespace ? slot : undefined;
  return slot.find((entry) => entry.namespace === namespace);
}

function buildIndex(group: TimerGroup): Map<string | number, TimerEntry | TimerEntry[]> {
  const index = new Map<string | number, TimerEntry | TimerEntry[]>();
  for (let i = group.next; i < group.entries.length; i++) {
    const entry = group.entries[i] as TimerEntry;
    if (!entry.isDeleted) addToIndex(index, entry);
  }
  return index;
}

function addToIndex(index: Map<string | number, TimerEntry | TimerEntry[]>, entry: TimerEntry): void {
  const lookup = canonicalKey(entry.key);
  const slot = index.get(lookup);
  if (slot === undefined) index.set(lookup, entry);
  else if (Array.isArray(slot)) slot.push(entry);
  else index.set(lookup, [slot, entry]);
}

function removeFromIndex(index: Map<string | number, TimerEntry | TimerEntry[]>, entry: TimerEntry): void {
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
