import type { BroadcastState } from '../api/broadcast-functions.js';
import { canonicalKey } from '../api/internal/key-bytes.js';

/** One broadcast state of one subtask: a map in memory, whole in each snapshot. */
export class BroadcastStateMap<K, V> implements BroadcastState<K, V> {
  readonly #entries = new Map<string | number, readonly [K, V]>();

  get(key: K): V | undefined {
    return this.#entries.get(canonicalKey(key))?.[1];
  }

  contains(key: K): boolean {
    return this.#entries.has(canonicalKey(key));
  }

  entries(): Iterable<readonly [K, V]> {
    return this.#entries.values();
  }

  put(key: K, value: V): void {
    this.#entries.set(canonicalKey(key), [key, value]);
  }

  remove(key: K): void {
    this.#entries.delete(canonicalKey(key));
  }

  clear(): void {
    this.#entries.clear();
  }

  snapshot(): readonly unknown[] {
    return [...this.#entries.values()];
  }

  restore(entries: readonly unknown[]): void {
    for (const [key, value] of entries as readonly (readonly [K, V])[]) this.put(key, value);
  }
}
