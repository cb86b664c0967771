import type { BroadcastState } from '../api/broadcast-functions.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { InternalMapState, KeyedStateBackend } from '../api/internal/state-backend.js';
import type { KeyGroup } from '../base/ids.js';

/** Which shard's broadcast state an operator means. */
export class ShardInProcess {
  /** Of the shard that a broadcast record is for; `null` while the shard is that of the current key. */
  broadcastKey: number | null = null;
  readonly #shardKeys: readonly number[];

  /** @param shardKeys by shard, the key that stands for it */
  constructor(shardKeys: readonly number[]) {
    this.#shardKeys = shardKeys;
  }

  keyFor(keyGroup: KeyGroup): number {
    return this.broadcastKey ?? this.#keyOf(keyGroup);
  }

  /** Whether a key belongs to the shard that the broadcast record is for. */
  has(keyGroup: KeyGroup): boolean {
    return this.#keyOf(keyGroup) === this.broadcastKey;
  }

  #keyOf(keyGroup: KeyGroup): number {
    return this.#shardKeys[shardOfKeyGroup(keyGroup, this.#shardKeys.length)] ?? -1;
  }
}

/**
 * Broadcast state where shards move between instances: each shard has its own, as keyed state under a key that stands for the
 * shard. So it is written, restored and moved with all else of the shard, at the same position of the broadcast stream.
 *
 * Every access sets that key, and the record's own again behind it.
 */
export class ShardBroadcastState<K, V> implements BroadcastState<K, V> {
  readonly #keyedState: KeyedStateBackend;
  readonly #map: InternalMapState<K, V>;
  readonly #shard: ShardInProcess;
  #key: unknown = undefined;
  #keyGroup = 0 as KeyGroup;

  constructor(keyedState: KeyedStateBackend, map: InternalMapState<K, V>, shard: ShardInProcess) {
    this.#keyedState = keyedState;
    this.#map = map;
    this.#shard = shard;
  }

  get(key: K): V | undefined {
    this.#enterShard();
    try {
      return this.#map.get(key);
    } finally {
      this.#leaveShard();
    }
  }

  contains(key: K): boolean {
    this.#enterShard();
    try {
      return this.#map.contains(key);
    } finally {
      this.#leaveShard();
    }
  }

  /** As of now: the shard's key is not kept while they are walked. */
  entries(): Iterable<readonly [K, V]> {
    this.#enterShard();
    try {
      return [...this.#map.entries()];
    } finally {
      this.#leaveShard();
    }
  }

  put(key: K, value: V): void {
    this.#enterShard();
    try {
      this.#map.put(key, value);
    } finally {
      this.#leaveShard();
    }
  }

  remove(key: K): void {
    this.#enterShard();
    try {
      this.#map.remove(key);
    } finally {
      this.#leaveShard();
    }
  }

  clear(): void {
    this.#enterShard();
    try {
      this.#map.clear();
    } finally {
      this.#leaveShard();
    }
  }

  #enterShard(): void {
    this.#key = this.#keyedState.getCurrentKey();
    this.#keyGroup = this.#keyedState.getCurrentKeyGroup();
    this.#keyedState.setCurrentKey(this.#shard.keyFor(this.#keyGroup));
  }

  #leaveShard(): void {
    if (this.#key === undefined) this.#keyedState.clearCurrentKey();
    else this.#keyedState.setCurrentKeyAndGroup(this.#key, this.#keyGroup);
  }
}
