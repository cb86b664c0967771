import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import { ArchivedState } from '../../../src/checkpoint/archived-state.js';
import type { CheckpointManifest } from '../../../src/checkpoint/checkpoint-manifest.js';
import type { SegmentHandle } from '../../../src/protocol/snapshot-handle.js';
import { aManifest, aSnapshot } from '../../helpers/checkpoint-builders.js';

/**
 * A job with two shards as its rows: what each checkpoint changed, how far each base has been written, and copies of bases that
 * hold any moment between their beginning and their end.
 */
class World {
  readonly state = new ArchivedState();
  readonly manifests: CheckpointManifest[] = [];
  /** By checkpoint, then by shard: the rows that it wrote. */
  readonly #written: Map<number, number>[][] = [[new Map<number, number>(), new Map<number, number>()]];
  readonly #segments: SegmentHandle[] = [];
  readonly #bases = [baseOf(), baseOf()];
  /** Copies under way, by shard. */
  readonly #copying: ({ readonly checkpointId: number; readonly rows: Map<number, number> } | null)[] = [null, null];
  /** By shard and checkpoint, as they lie elsewhere. */
  readonly copies = new Map<string, { readonly appliedId: number; readonly rows: Map<number, number> }>();

  get newestId(): number {
    return this.#written.length - 1;
  }

  checkpoint(rows: readonly (readonly [shard: number, key: number])[]): void {
    const id = this.#written.length;
    const written = [new Map<number, number>(), new Map<number, number>()];
    for (const [shard, key] of rows) written[shard]?.set(key, id);
    this.#written.push(written);
    const sections = [0, 1]
      .filter((shard) => (written[shard]?.size ?? 0) > 0)
      .map((shard) => ({ shard: shard as ShardId, position: 0, frameCount: 1, rows: 1 }));
    const segment = {
      file: `${id}.seg`,
      checkpointId: id as CheckpointId,
      kind: 'delta',
      bytes: 1,
      rows: 1,
      sections,
    } as const;
    this.#segments.push(segment);
    const oldest = Math.min(...this.#bases.map(({ appliedId }) => appliedId));
    const manifest = aManifest(id, {
      snapshots: [
        aSnapshot(id, {
          segments: this.#segments.filter(({ checkpointId }) => checkpointId > oldest),
          bases: this.#bases.map(({ appliedId }, shard) => ({ shard: shard as ShardId, checkpointId: appliedId })),
        }),
      ],
    });
    this.manifests.push(manifest);
    this.state.add(manifest);
  }

  /** Writes one more row of a completed checkpoint into a base; the last one of a checkpoint also records it. */
  apply(shard: number): void {
    const base = this.#bases[shard];
    if (base === undefined || base.appliedId === this.newestId) return;
    const rows = [...(this.#written[base.appliedId + 1]?.[shard] ?? [])];
    const next = rows[base.partial];
    if (next === undefined) {
      base.appliedId += 1;
      base.partial = 0;
    } else {
      base.rows.set(...next);
      base.partial += 1;
    }
  }

  beginCopy(shard: number): void {
    const base = this.#bases[shard];
    if (base === undefined) return;
    this.#copying[shard] ??= { checkpointId: base.appliedId, rows: new Map() };
  }

  /** The copy is of this moment; it ends `later` rows afterwards. */
  endCopy(shard: number, later: number): void {
    const copying = this.#copying[shard];
    const base = this.#bases[shard];
    if (copying === null || copying === undefined || base === undefined) return;
    const copy = { appliedId: base.appliedId, rows: new Map(base.rows) };
    for (let step = 0; step < later; step++) this.apply(shard);
    this.#copying[shard] = null;
    const { checkpointId } = copying;
    if (checkpointId > 0) this.copies.set(`${shard}-${checkpointId}`, copy);
    this.state.addBase({ namespace: 'main', shard: shard as ShardId, checkpointId }, this.newestId);
  }

  /** What a restore from elsewhere finds: the copy, and over it the segments that it lacks. */
  restored(described: CheckpointManifest, shard: number): Map<number, number> {
    const [handle] = described.snapshots;
    const base = handle?.bases.find((one) => one.shard === shard)?.checkpointId ?? 0;
    const copy = base === 0 ? { appliedId: 0, rows: new Map<number, number>() } : this.copies.get(`${shard}-${base}`);
    if (copy === undefined) throw new Error('the manifest names a copy that is not there');
    const rows = new Map(copy.rows);
    for (const { checkpointId } of handle?.segments ?? []) {
      if (checkpointId <= copy.appliedId) continue;
      for (const [key, value] of this.#written[checkpointId]?.[shard] ?? []) rows.set(key, value);
    }
    return rows;
  }

  expected(id: number, shard: number): Map<number, number> {
    const rows = new Map<number, number>();
    for (let checkpoint = 1; checkpoint <= id; checkpoint++) {
      for (const [key, value] of this.#written[checkpoint]?.[shard] ?? []) rows.set(key, value);
    }
    return rows;
  }
}

function baseOf(): { appliedId: number; partial: number; rows: Map<number, number> } {
  return { appliedId: 0, partial: 0, rows: new Map() };
}

const shard = fc.nat(1);
const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .array(fc.tuple(shard, fc.nat(5)), { maxLength: 6 })
        .map((rows) => ({ kind: 'checkpoint', rows }) as const),
    },
    { weight: 6, arbitrary: shard.map((of) => ({ kind: 'apply', of }) as const) },
    { weight: 2, arbitrary: shard.map((of) => ({ kind: 'begin', of }) as const) },
    { weight: 2, arbitrary: fc.tuple(shard, fc.nat(4)).map(([of, later]) => ({ kind: 'end', of, later }) as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'prune' } as const) },
  ),
  { maxLength: 60 },
);

describe('state that lies elsewhere', () => {
  it('is that of the checkpoint, whatever the copies of bases caught of later ones', () => {
    let describedCount = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = new World();
        for (const step of sequence) {
          if (step.kind === 'checkpoint') world.checkpoint(step.rows);
          else if (step.kind === 'apply') world.apply(step.of);
          else if (step.kind === 'begin') world.beginCopy(step.of);
          else if (step.kind === 'end') world.endCopy(step.of, step.later);
          const newest = world.manifests.at(-1);
          const described = newest === undefined ? null : world.state.describe(newest);
          if (newest === undefined || described === null) continue;
          describedCount += 1;
          for (const of of [0, 1])
            expect(world.restored(described, of)).toEqual(world.expected(newest.checkpointId, of));
          if (step.kind === 'prune') world.state.prune(newest.checkpointId);
        }
      }),
      { numRuns: 2000 },
    );
    expect(describedCount, 'the property has looked at something').toBeGreaterThan(1000);
  });

  it('of a job that had bases before is described only once they have been copied', () => {
    const state = new ArchivedState();
    const bases = [0, 1].map((of) => ({ shard: of as ShardId, checkpointId: of === 0 ? 4 : 0 }));
    const manifest = (id: number): CheckpointManifest => aManifest(id, { snapshots: [aSnapshot(id, { bases })] });
    state.add(manifest(7));
    expect(state.describe(manifest(7))).toBeNull();
    expect(state.missingBases()).toEqual([{ namespace: 'main', shard: 0 }]);
    state.addBase({ namespace: 'main', shard: 0 as ShardId, checkpointId: 5 }, 8);
    // The copy may hold rows of checkpoint 8.
    expect(state.describe(manifest(7))).toBeNull();
    state.add(manifest(8));
    expect(state.describe(manifest(8))?.snapshots[0]?.bases).toEqual([
      { shard: 0, checkpointId: 5 },
      { shard: 1, checkpointId: 0 },
    ]);
  });

  it('goes on from what an earlier process archived, unless something is missing in between', () => {
    const archived = aManifest(10, {
      snapshots: [aSnapshot(10, { bases: [{ shard: 0 as ShardId, checkpointId: 6 }] })],
    });
    const local = (base: number): CheckpointManifest =>
      aManifest(14, { snapshots: [aSnapshot(14, { bases: [{ shard: 0 as ShardId, checkpointId: base }] })] });
    expect(new ArchivedState().adopt(archived, local(10))).toBe(true);
    // What checkpoint 11 changed went into the base, and its segment is gone.
    expect(new ArchivedState().adopt(archived, local(11))).toBe(false);
    expect(new ArchivedState().adopt(local(10), archived)).toBe(false);
  });
});
