import type { KeyGroup, ShardId } from '../../base/ids.js';
import { invariant } from '../../base/invariant.js';

/**
 * Key → bytes → key group → shard → subtask.
 *
 * For a power-of-two shard count S the shard of a key is the partition that Kafka's own default partitioner gives it over
 * S partitions, so a record keyed at the door, or by any Kafka producer with the same key bytes, is already at its shard.
 *
 * The number of key groups never changes: it is stored with the state and in every checkpoint. Shard and worker counts may.
 */

/** Number of key groups. Fixed for ever: stored state is ordered by key group. */
export const KEY_GROUP_COUNT = 1024;

/** Number of shards, unless configured. A power of two, at most {@link KEY_GROUP_COUNT}. */
export const DEFAULT_SHARD_COUNT = 16;

/**
 * Murmur2 with Kafka's seed, over `bytes[start, end)`.
 *
 * Source: Austin Appleby's MurmurHash2 (public domain), in the form that Kafka's `Utils.murmur2` fixes (seed 0x9747b28c).
 */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const m = 0x5bd1e995;
  const length = end - start;
  let h = (0x9747b28c ^ length) | 0;
  const wholeEnd = start + (length & ~3);
  let at = start;
  while (at < wholeEnd) {
    let k =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24) |
      0;
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
    at += 4;
  }
  const tailLength = length & 3;
  if (tailLength === 3) h ^= (bytes[at + 2] as number) << 16;
  if (tailLength >= 2) h ^= (bytes[at + 1] as number) << 8;
  if (tailLength >= 1) h = Math.imul(h ^ (bytes[at] as number), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h | 0;
}

/** The key group of a key's bytes. */
export function keyGroupOfBytes(bytes: Uint8Array, start: number, end: number): KeyGroup {
  return (murmur2(bytes, start, end) & 0x7fffffff & (KEY_GROUP_COUNT - 1)) as KeyGroup;
}

/** The key group of a 32-bit integer's eight bytes, big-endian, without writing them down: the same as of the bytes. */
export function keyGroupOfInt32(key: number): KeyGroup {
  const m = 0x5bd1e995;
  // The high half is the sign; its bytes are all equal.
  let k = Math.imul(key >> 31, m);
  k ^= k >>> 24;
  let h = Math.imul(0x9747b28c ^ 8, m) ^ Math.imul(k, m);
  k = Math.imul((key << 24) | ((key & 0xff00) << 8) | ((key >>> 8) & 0xff00) | (key >>> 24), m);
  k ^= k >>> 24;
  h = Math.imul(h, m) ^ Math.imul(k, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return (h & 0x7fffffff & (KEY_GROUP_COUNT - 1)) as KeyGroup;
}

/** The shard that a key group belongs to. `shardCount` is a power of two, so this equals hash mod shardCount. */
export function shardOfKeyGroup(keyGroup: KeyGroup, shardCount: number): ShardId {
  return (keyGroup & (shardCount - 1)) as ShardId;
}

/** The subtask that owns a shard at a parallelism. */
export function subtaskOfShard(shard: ShardId, parallelism: number): number {
  return shard % parallelism;
}

/** The shards that a subtask owns at a parallelism, ascending. */
export function shardsOfSubtask(subtaskIndex: number, parallelism: number, shardCount: number): ShardId[] {
  invariant(subtaskIndex < parallelism, 'a subtask index is below the parallelism');
  const shards: ShardId[] = [];
  for (let shard = subtaskIndex; shard < shardCount; shard += parallelism) shards.push(shard as ShardId);
  return shards;
}
