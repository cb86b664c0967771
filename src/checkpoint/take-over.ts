/**
 * The state of shards that an instance takes over from others of its group: which checkpoint holds each of them, and what of it has
 * to be fetched.
 *
 * A shard that was here before may have left a base, and a process that starts again has the segments of its last checkpoint:
 * what lies here and is current is not fetched. A base that is older is brought up to date by the segments that it lacks.
 *
 * Thread: main, while no store has the folders open.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointId, ShardId } from '../base/ids.js';
import {
  type BaseHandle,
  type SegmentHandle,
  segmentFilesOf,
  type SnapshotHandle,
} from '../protocol/snapshot-handle.js';
import type { ArchiveFolder } from './archive-folder.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';
import type { LocalBase, LocalBases } from './local-bases.js';

/** What takes shards over. */
export interface Heir {
  readonly shardCount: number;
  readonly stateBackend: 'heap' | 'lmdb';
  /** Those in which its operators keep state. */
  readonly namespaces: Iterable<string>;
  /** Names the state of shards that nobody has had. */
  readonly lineage: string;
}

/** Of each shard that is taken over, the handle of the checkpoint that its offset names; of every other, an empty one. */
export function mergeSnapshots(
  { shardCount, stateBackend, namespaces, lineage }: Heir,
  manifests: readonly (readonly [CheckpointManifest, ReadonlySet<number>])[],
): SnapshotHandle[] {
  const merged: SnapshotHandle[] = [];
  const covered = new Map([...namespaces].map((namespace) => [namespace, new Set<number>()]));
  for (const [{ snapshots }, wanted] of manifests) {
    for (const handle of snapshots) {
      const shards = handle.shards.filter((shard) => wanted.has(shard));
      const known = covered.get(handle.namespace) ?? new Set();
      covered.set(handle.namespace, known);
      if (shards.length === 0) continue;
      for (const shard of shards) known.add(shard);
      const bases = handle.bases.filter(({ shard }) => wanted.has(shard));
      merged.push({
        ...handle,
        shards,
        bases,
        segments: sectionsOf(handle.segments, ({ shard }) => wanted.has(shard)),
      });
    }
  }
  for (const [namespace, known] of covered) {
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId).filter(
      (shard) => !known.has(shard),
    );
    if (shards.length === 0) continue;
    const bases = stateBackend === 'heap' ? [] : shards.map((shard) => ({ shard, checkpointId: 0, lineage }));
    const checkpointId = 0 as CheckpointId;
    merged.push({ namespace, backend: stateBackend, checkpointId, shards, shardCount, segments: [], bases, bytes: 0, rows: 0 }); // prettier-ignore
  }
  return merged;
}

export interface TakeOverOptions {
  /** Those that are taken over. */
  readonly shards: ReadonlySet<number>;
  readonly folder: ArchiveFolder;
  readonly segmentDir: string;
  readonly bases: LocalBases;
  /** The first that will be taken with these shards. */
  readonly nextCheckpointId: CheckpointId;
}

/** What was done, for the log. */
export interface TakenOver {
  /** To restore from. */
  readonly snapshots: readonly SnapshotHandle[];
  readonly keptBases: number;
  readonly fetchedBases: number;
  readonly keptSegments: number;
  readonly fetchedSegments: number;
}

/** Brings what merged handles name into the folders of this instance. */
export async function takeOver(merged: readonly SnapshotHandle[], options: TakeOverOptions): Promise<TakenOver> {
  const kept: LocalBase[] = [];
  const lacking: (LocalBase & BaseHandle)[] = [];
  for (const { namespace, bases } of merged) {
    for (const base of bases) {
      if (!options.shards.has(base.shard)) continue;
      const { shard, lineage = '', checkpointId } = base;
      const heldId = options.bases.find(namespace, shard, lineage);
      if (heldId !== null && heldId >= checkpointId) kept.push({ namespace, shard, lineage, checkpointId: heldId });
      else lacking.push({ ...base, namespace, lineage });
    }
  }
  const fetchedBases = await replaceBases(lacking, options);
  const snapshots = merged.map((handle) => overBases(handle, [...kept, ...lacking]));
  const { keptSegments, fetchedSegments } = await fetchSegments(snapshots, options);
  return { snapshots, keptBases: kept.length, fetchedBases, keptSegments, fetchedSegments };
}

/** A kill leaves bases of which nothing is known, or complete ones. */
async function replaceBases(lacking: readonly (LocalBase & BaseHandle)[], options: TakeOverOptions): Promise<number> {
  const { folder, bases, nextCheckpointId } = options;
  await bases.drop(lacking);
  let fetched = 0;
  for (const base of lacking) {
    if (base.checkpointId === 0) continue;
    await folder.fetchBase(base, join(bases.folderOf(base.namespace, base.shard), 'data.mdb'));
    fetched += 1;
  }
  await bases.keep(lacking, nextCheckpointId);
  return fetched;
}

/** A handle over the bases that are here. */
function overBases(handle: SnapshotHandle, here: readonly LocalBase[]): SnapshotHandle {
  const held = new Map(
    here
      .filter(({ namespace }) => namespace === handle.namespace)
      .map(({ shard, checkpointId }) => [shard, checkpointId]),
  );
  const bases = handle.bases.flatMap(({ shard }) => {
    const checkpointId = held.get(shard);
    return checkpointId === undefined ? [] : [{ shard, checkpointId }];
  });
  const segments = sectionsOf(handle.segments, ({ shard }, { checkpointId }) => checkpointId > (held.get(shard) ?? 0));
  return { ...handle, bases, segments };
}

async function fetchSegments(
  snapshots: readonly SnapshotHandle[],
  { folder, segmentDir }: TakeOverOptions,
): Promise<{ keptSegments: number; fetchedSegments: number }> {
  let keptSegments = 0;
  let fetchedSegments = 0;
  for (const file of segmentFilesOf(snapshots)) {
    const path = join(segmentDir, file);
    const isHere = await access(path).then(
      () => true,
      () => false,
    );
    if (isHere) keptSegments += 1;
    else {
      await folder.fetchSegment(file, path);
      fetchedSegments += 1;
    }
  }
  return { keptSegments, fetchedSegments };
}

/** Segments with some of their sections; those left without are not needed. */
function sectionsOf(
  segments: readonly SegmentHandle[],
  isWanted: (section: SegmentHandle['sections'][number], segment: SegmentHandle) => boolean,
): SegmentHandle[] {
  return segments.flatMap((segment) => {
    const sections = segment.sections.filter((section) => isWanted(section, segment));
    return sections.length === 0 ? [] : [{ ...segment, sections }];
  });
}
