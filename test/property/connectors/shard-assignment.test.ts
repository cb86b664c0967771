import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards, type GroupMember } from '../../../src/connectors/kafka/shard-assignment.js';

const SHARDS = 16;
const options = { shardCount: SHARDS, isExclusive: false };

/** A group as it runs: members join, leave, die, and take up what they are given. */
class Group {
  members: GroupMember[] = [];
  generation = 0;
  moves = 0;

  /** Until nobody has anything to let go. */
  settle(isExclusive = false): void {
    for (let round = 0; round < 5; round++) {
      this.generation++;
      const before = this.members;
      const assignment = assignShards(before, { shardCount: SHARDS, isExclusive });
      this.members = before.map(({ id }) => ({ id, owned: assignment.get(id) ?? [], generation: this.generation }));
      expectOneOwner(before, this.members);
      for (const [index, { owned }] of this.members.entries()) {
        this.moves += owned.filter((shard) => before[index]?.owned.includes(shard) !== true).length;
      }
      if (this.members.every(({ owned }, index) => String(owned) === String(before[index]?.owned))) return;
    }
    throw new Error('the group does not settle');
  }

  join(id: string): void {
    this.members.push({ id, owned: [], generation: 0 });
  }

  leave(index: number): void {
    this.members.splice(index % Math.max(1, this.members.length), 1);
  }
}

/** No shard is given to anybody while somebody else still runs it. */
function expectOneOwner(before: readonly GroupMember[], after: readonly GroupMember[]): void {
  for (const [index, { owned }] of after.entries()) {
    const others = new Set(before.flatMap(({ owned: shards }, other) => (other === index ? [] : shards)));
    const gained = owned.filter((shard) => before[index]?.owned.includes(shard) !== true);
    expect(gained.filter((shard) => others.has(shard))).toEqual([]);
  }
}

describe('assignShards', () => {
  it('gives every shard one owner and everybody as much as anybody else, whoever joins, leaves or dies', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('join' as const), id: fc.string({ minLength: 1 }) }),
      fc.record({ kind: fc.constant('leave' as const), index: fc.nat(10) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const group = new Group();
        for (const [index, next] of steps.entries()) {
          if (next.kind === 'join') group.join(`${next.id}-${index}`);
          else group.leave(next.index);
          if (group.members.length === 0) continue;
          group.settle();
          const counts = group.members.map(({ owned }) => owned.length);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
          const all = group.members.flatMap(({ owned }) => owned).sort((a, b) => a - b);
          expect(all).toEqual(Array.from({ length: SHARDS }, (_, shard) => shard));
        }
      }),
    );
  });

  it('moves no more than it must: a third of the shards when a third instance joins two', () => {
    const group = new Group();
    group.join('a');
    group.settle();
    group.join('b');
    group.settle();
    group.moves = 0;
    group.join('c');
    group.settle();
    expect(group.moves).toBe(Math.floor(SHARDS / 3));
  });

  it('gives a dead member’s shards to the others, who keep their own', () => {
    const group = new Group();
    for (const id of ['a', 'b', 'c']) group.join(id);
    group.settle();
    group.moves = 0;
    const lost = group.members[1]?.owned.length ?? 0;
    group.leave(1);
    group.settle();
    expect(group.moves).toBe(lost);
  });

  it('gives everything to one when the job cannot be spread, and to another when that one is gone', () => {
    const group = new Group();
    for (const id of ['a', 'b', 'c']) group.join(id);
    group.settle(true);
    expect(group.members.map(({ owned }) => owned.length).sort((a, b) => a - b)).toEqual([0, 0, SHARDS]);
    const active = group.members.findIndex(({ owned }) => owned.length > 0);
    group.leave(active);
    group.settle(true);
    expect(group.members.map(({ owned }) => owned.length).sort((a, b) => a - b)).toEqual([0, SHARDS]);
  });

  it('believes of two that claim a shard the one that got it later', () => {
    const zombie = { id: 'a-zombie', owned: [0, 1], generation: 3 };
    const owner = { id: 'owner', owned: [0], generation: 4 };
    const assignment = assignShards([zombie, owner], { ...options, shardCount: 2 });
    expect([assignment.get('owner'), assignment.get('a-zombie')]).toEqual([[0], [1]]);
  });
});
