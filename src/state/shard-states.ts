import type { ShardId } from '../base/ids.js';
import { Shard } from './shard.js';
import type { StateName, StateRows } from './state-rows.js';

/** What both kinds of store do with the shards they own. */

/** An array with a {@link Shard} at the index of each owned one. */
export function shardsById(owned: readonly ShardId[], shardCount: number): (Shard | undefined)[] {
  const shards: (Shard | undefined)[] = new Array<undefined>(shardCount).fill(undefined);
  for (const id of owned) shards[id] = new Shard(id);
  return shards;
}

/**
 * Enters a state into the dictionary of every shard.
 *
 * @returns its ids, by shard
 */
export function declareRows(
  shards: readonly (Shard | undefined)[],
  name: StateName,
  serde: string,
): (number | undefined)[] {
  return shards.map((shard) => shard?.dictionary.idOf(name.operatorUid, name.name, name.kind, serde));
}

/** Moves the restored rows of a state in a shard, which until now were only bytes, into memory. */
export function loadShard(shard: Shard, rows: StateRows): void {
  shard.restored?.take(rows.stateIds[shard.id] as number, {
    numberVersion: rows.codec.numberVersion,
    onRow: (reader, { keyGroup, source, valueStart, valueEnd }) => {
      rows.insertStored(keyGroup, reader, rows.decode(source, valueStart, valueEnd));
    },
    onNumber: (namespace, key, value) => rows.setStoredNumber(namespace, key, value),
  });
}
