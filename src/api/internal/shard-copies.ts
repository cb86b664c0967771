import { keyGroupOf } from './key-bytes.js';
import { shardOfKeyGroup } from './key-groups.js';

/** A broadcast record on its way to one shard: a key of that shard, and the record. */
export type ShardCopy = readonly [key: number, value: unknown];

/** By shard: the least whole number that is a key of it. It stands for the shard itself, where something belongs to no key. */
export function keysOfShards(shardCount: number): readonly number[] {
  const keys: number[] = [];
  for (let key = 0, found = 0; found < shardCount; key++) {
    const shard = shardOfKeyGroup(keyGroupOf(key), shardCount);
    if (keys[shard] !== undefined) continue;
    keys[shard] = key;
    found += 1;
  }
  return keys;
}
