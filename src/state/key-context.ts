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
  readonly #shardCount: number;
  /** Negative: of a key whose group nobody has asked for yet. */
  #keyGroup = 0;

  constructor(shardCount: number) {
    this.#shardCount = shardCount;
  }

  /** Hashes the key only once its key group is asked for: rows of numbers are found without. */
  set(key: unknown): void {
    if (typeof key === 'number') {
      this.lookupKey = key;
      this.#keyGroup = -1;
    } else {
      // At once, as not everything can be a key.
      this.#keyGroup = keyGroupOf(key);
      this.lookupKey = typeof key === 'string' ? key : canonicalKey(key);
    }
    this.key = key;
    this.hasKey = true;
  }

  setWithGroup(key: unknown, keyGroup: KeyGroup): void {
    this.key = key;
    this.lookupKey = typeof key === 'number' || typeof key === 'string' ? key : canonicalKey(key);
    this.#keyGroup = keyGroup;
    this.hasKey = true;
  }

  get keyGroup(): KeyGroup {
    if (this.#keyGroup < 0) this.#keyGroup = keyGroupOf(this.key);
    return this.#keyGroup as KeyGroup;
  }

  get shard(): ShardId {
    return shardOfKeyGroup(this.keyGroup, this.#shardCount);
  }

  clear(): void {
    this.hasKey = false;
    this.key = undefined;
    this.lookupKey = '';
    this.#keyGroup = 0;
  }
}
