import type { ShardId } from '../base/ids.js';
import type { Shard } from './shard.js';
import { loadShard } from './shard-states.js';
import type { StateRows } from './state-rows.js';

/**
 * Restored rows of one operator that still lie in bytes, and come into memory shard by shard: when a key of their shard is first
 * current, or when the store finds the time. So an operator of a million keys works after some milliseconds, and no key is ever
 * seen without its rows.
 *
 * Invariants: a state that waits in a shard has no row of it in memory, so nothing that comes in later can be older than what
 * is there; whoever walks all rows of a state has them all loaded first.
 */
export class AwaitedRows {
  /** Compared with every key. */
  isEmpty = true;
  readonly #waiting = new Map<ShardId, { readonly shard: Shard; readonly states: StateRows[] }>();
  #failure: Error | null = null;

  /** The rows of a state in a shard are to be loaded later. */
  add(shard: Shard, rows: StateRows): void {
    shard.restored?.claim(rows.stateIds[shard.id] as number);
    const waiting = this.#waiting.get(shard.id) ?? { shard, states: [] };
    waiting.states.push(rows);
    this.#waiting.set(shard.id, waiting);
    this.isEmpty = false;
  }

  /** @throws why rows cannot be read; from then on always, as what came in before is not all */
  load(id: ShardId): void {
    if (this.#failure !== null) throw this.#failure;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    try {
      for (const rows of waiting.states) loadShard(waiting.shard, rows);
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#waiting.delete(id);
    this.isEmpty = this.#waiting.size === 0;
  }

  /** Loads what is left of one shard. */
  loadNext(): void {
    const [next] = this.#waiting.keys();
    if (next !== undefined) this.load(next);
  }

  loadAll(): void {
    while (!this.isEmpty) this.loadNext();
  }
}
