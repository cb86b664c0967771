/** Branded numbers and strings, so that two ids cannot change places. */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A checkpoint's number: 1, 2, 3, … over the whole life of a job, restarts included. */
export type CheckpointId = Brand<number, 'CheckpointId'>;
/** A key group: 0 … {@link KEY_GROUP_COUNT} - 1 (api/internal/key-groups.ts). */
export type KeyGroup = Brand<number, 'KeyGroup'>;
/** A shard: 0 … shardCount - 1; the unit of keyed state and of its movement between threads. */
export type ShardId = Brand<number, 'ShardId'>;
/** Names one request from the gateway to its reply: a random UUID, so that it cannot be guessed. */
export type CorrelationId = Brand<string, 'CorrelationId'>;
