import { canonicalKey, keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { KeyGroup, ShardId } from '../base/ids.js';

/**
 * The current key of one operator's state, shared by its states. Fields are public and plain because every access to
 * state reads them.
 */
export class KeyContext {
  hasKey = false;
  key: unknown = undefined;
  /** The form under which the key is looked up in memory. */
  lookupKey: string | number = '';
  keyGroup: KeyGroup = 0 as KeyGroup;
  shard: ShardId = 0 as ShardId;
  readonly #shardCount: number;

  constructor(shardCount: number) {
    this.#shardCount = shardCount;
  }

  set(key: unknown, keyGroup: KeyGroup): void {
    this.key = key;
    this.lookupKey = typeof key === 'number' || typeof key === 'string' ? key : canonicalKey(key);
    this.keyGroup = keyGroup;
    this.shard = shardOfKeyGroup(keyGroup, this.#shardCount);
    this.hasKey = true;
  }

  hashAndSet(key: unknown): void {
    this.set(key, keyGroupOf(key));
  }

  clear(): void {
    this.hasKey = false;
    this.key = undefined;
    this.lookupKey = '';
  }
}
