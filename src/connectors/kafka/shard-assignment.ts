/**
 * Who of a group gets which shards: as even as can be, and with as few moves as that takes.
 *
 * Cooperative: a shard that somebody still owns is not given away. Its owner is told to let it go, does so behind a checkpoint,
 * and joins again; then it is free. So members that keep their shards never stop for the others, and no shard has two owners
 * that both know of no other.
 *
 * Pure: the leader of the group computes it for all, from what each member says of itself.
 */

export interface GroupMember {
  readonly id: string;
  /** Shards that it runs now. */
  readonly owned: readonly number[];
  /** The generation of the group in which it got them; of two that claim the same shard the later one has it. */
  readonly generation: number;
}

export interface AssignmentOptions {
  readonly shardCount: number;
  /** The job cannot be spread over instances: one of them has every shard, the others stand by. */
  readonly isExclusive: boolean;
}

/** By member: the shards that it may run from now on, ascending. */
export type ShardAssignment = ReadonlyMap<string, readonly number[]>;

export function assignShards(members: readonly GroupMember[], options: AssignmentOptions): ShardAssignment {
  const { shardCount } = options;
  const owners = ownersOf(members, shardCount);
  const quotas = quotasOf(members, owners, options);
  const kept = new Map(members.map(({ id }) => [id, [] as number[]]));
  const free: number[] = [];
  for (let shard = 0; shard < shardCount; shard++) {
    const owner = owners.get(shard);
    const shards = owner === undefined ? undefined : kept.get(owner);
    if (owner === undefined || shards === undefined) free.push(shard);
    // What is beyond the quota is let go now and given away when its owner has said so.
    else if (shards.length < (quotas.get(owner) ?? 0)) shards.push(shard);
  }
  for (const shard of free) {
    const [neediest] = [...kept]
      .map(([id, shards]) => ({ id, shards, lacking: (quotas.get(id) ?? 0) - shards.length }))
      .sort((a, b) => b.lacking - a.lacking || (a.id < b.id ? -1 : 1));
    if (neediest !== undefined && neediest.lacking > 0) neediest.shards.push(shard);
  }
  return new Map([...kept].map(([id, shards]) => [id, shards.sort((a, b) => a - b)]));
}

function ownersOf(members: readonly GroupMember[], shardCount: number): Map<number, string> {
  const owners = new Map<number, GroupMember>();
  for (const member of members) {
    for (const shard of member.owned) {
      if (shard >= shardCount) continue;
      const other = owners.get(shard);
      if (other === undefined || other.generation < member.generation) owners.set(shard, member);
    }
  }
  return new Map([...owners].map(([shard, { id }]) => [shard, id]));
}

/** How many each may have; the larger shares go to those who have most already. They sum up to the number of shards. */
function quotasOf(
  members: readonly GroupMember[],
  owners: ReadonlyMap<number, string>,
  { shardCount, isExclusive }: AssignmentOptions,
): Map<string, number> {
  const ownedCounts = new Map(members.map(({ id }) => [id, 0]));
  for (const owner of owners.values()) ownedCounts.set(owner, (ownedCounts.get(owner) ?? 0) + 1);
  const byOwned = [...ownedCounts].sort(([idA, a], [idB, b]) => b - a || (idA < idB ? -1 : 1));
  if (isExclusive) return new Map(byOwned.map(([id], index) => [id, index === 0 ? shardCount : 0]));
  const least = Math.floor(shardCount / members.length);
  const larger = shardCount % members.length;
  return new Map(byOwned.map(([id], index) => [id, least + (index < larger ? 1 : 0)]));
}
