import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import type { RestoredState, SegmentHandle, SnapshotHandle } from '../protocol/snapshot-handle.js';
import { environmentPath } from './base-applier.js';
import { LmdbEnvironment } from './lmdb-environment.js';
import { CHECKED_BYTES_MAX } from './lmdb-file-check.js';
import { ReplayedRows } from './replayed-rows.js';
import type { SnapshotSection } from './section.js';
import { SectionMerge } from './section-merge.js';
import type { RestoredSegment } from './segment-chain.js';
import { readSnapshotSections } from './segment-file.js';
import type { Shard } from './shard.js';
import { shardCountChanged } from './memory-state-store.js';
import { WriteBuffer } from './write-buffer.js';

/**
 * Bringing a store's shards to the state of a checkpoint. Each shard was part of exactly one store's snapshot; which one does not
 * matter, so shards may have other owners now.
 */
export interface RestoreOptions {
  readonly namespace: string;
  readonly stateDir: string;
  readonly segmentDir: string;
  readonly shardCount: number;
}

type Shards = readonly (Shard | undefined)[];

/**
 * Reads the rows of a heap store: the segments of a heap store, or the bases and segments of an lmdb store.
 *
 * @returns the segments that the store goes on from, and whether they are all its own: if not, they are to be replaced by a
 *   full segment at once
 */
export async function restoreHeap(
  options: RestoreOptions,
  shards: Shards,
  restore: RestoredState,
): Promise<{ handles: SegmentHandle[]; isForeign: boolean }> {
  const { sections, sources, handles } = await readSections(options, shards, restore);
  for (const shard of shards) shard?.restore(sections.get(shard.id) ?? []);
  const ownedCount = shards.filter((shard) => shard !== undefined).length;
  const isForeign =
    sources.size !== 1 ||
    [...sources.keys()].some(({ backend, shards: owned }) => backend !== 'heap' || owned.length !== ownedCount);
  return { handles: [...handles.values()], isForeign };
}

/** What the stored rows of shards lie in, oldest first: the rows of a base, and those of every segment. */
export async function readSections(
  options: RestoreOptions,
  shards: Shards,
  restore: RestoredState,
): Promise<{
  sections: Map<ShardId, SnapshotSection[]>;
  sources: Map<SnapshotHandle, Set<ShardId>>;
  handles: Map<string, SegmentHandle>;
}> {
  const sources = sourcesOf(options, shards, restore);
  const sections = new Map<ShardId, SnapshotSection[]>();
  const handles = new Map<string, SegmentHandle>();
  for (const [source, owned] of sources) {
    for (const { shard, checkpointId } of source.bases) {
      if (checkpointId > 0 && owned.has(shard)) sections.set(shard, [await readBase(options, shard, checkpointId)]);
    }
    for (const segment of source.segments) {
      const read = await readSnapshotSections(options.segmentDir, segment, owned);
      handles.set(segment.file, segment);
      for (const section of read) sections.set(section.shard, [...(sections.get(section.shard) ?? []), section]);
    }
  }
  return { sections, sources, handles };
}

/** All rows of a base as a section, for a store that keeps no base. */
async function readBase(options: RestoreOptions, shard: ShardId, needed: number): Promise<SnapshotSection> {
  const path = environmentPath(options.stateDir, shard);
  const { shardCount } = options;
  const all = { checkedBytesMax: CHECKED_BYTES_MAX, durable: needed };
  const environment = await LmdbEnvironment.openExisting(path, { shard, shardCount }, all);
  const applied = environment?.appliedCheckpointId ?? 0;
  if (environment === null || applied < needed) throw baseTooOld(path, applied, needed, needed);
  try {
    const rows = new WriteBuffer();
    const prefix = Buffer.alloc(2);
    for (let keyGroup = shard as number; keyGroup < KEY_GROUP_COUNT; keyGroup += options.shardCount) {
      prefix.writeUInt16BE(keyGroup);
      environment.readRange(prefix, (key, value) => {
        rows.appendRow(key, value);
        return true;
      });
    }
    const { frames, ...section } = rows.toSection(shard, environment.dictionary);
    return { ...section, rowFrames: frames, numberFrames: [] };
  } finally {
    await environment.close();
  }
}

/** An lmdb store's part of a checkpoint, opened. */
export interface RestoredBases {
  /** By shard; `null` where there is none yet. */
  readonly environments: (LmdbEnvironment | null)[];
  /** Of the checkpoint, oldest first, with the rows that our bases lack. */
  readonly segments: readonly RestoredSegment[];
  /** The same rows, by shard. */
  readonly replayed: readonly (ReplayedRows | undefined)[];
}

/** Opens the bases of an lmdb store, and reads the segments that they lack. Writes nothing. */
export async function restoreLmdb(
  options: RestoreOptions & { readonly checkedBytesMax: number },
  shards: Shards,
  restore: RestoredState | null,
): Promise<RestoredBases> {
  const environments: (LmdbEnvironment | null)[] = shards.map(() => null);
  let checkedBytesMax = options.checkedBytesMax;
  try {
    const sources = restore === null ? new Map<SnapshotHandle, Set<ShardId>>() : sourcesOf(options, shards, restore);
    for (const shard of shards) {
      if (shard === undefined) continue;
      const { id } = shard;
      const path = environmentPath(options.stateDir, id);
      const durable = durableIn(sources, id);
      const { shardCount } = options;
      const environment = await LmdbEnvironment.openExisting(
        path,
        { shard: id, shardCount },
        { checkedBytesMax, durable },
      );
      environments[id] = environment;
      if (environment !== null) {
        checkedBytesMax -= environment.isChecked ? environment.bytesAtOpening : 0;
        shard.dictionary.merge(environment.dictionary);
      }
      requireUsableBase({ path, needed: durable }, environment, restore);
    }
    const segments: RestoredSegment[] = [];
    for (const [source, owned] of sources) {
      segments.push(...(await readLacking(options, environments, { source, owned })));
    }
    segments.sort((a, b) => a.handle.checkpointId - b.handle.checkpointId);
    return { environments, segments, replayed: replayedRows(shards, segments) };
  } catch (error) {
    for (const environment of environments) await environment?.close();
    throw error;
  }
}

/** Which of our shards each handle holds. Handles that hold none are left out. */
function sourcesOf(options: RestoreOptions, shards: Shards, restore: RestoredState): Map<SnapshotHandle, Set<ShardId>> {
  const sources = new Map<SnapshotHandle, Set<ShardId>>();
  for (const handle of restore.handles) {
    if (handle.namespace !== options.namespace) continue;
    if (handle.shardCount !== options.shardCount) throw shardCountChanged(handle.shardCount, options.shardCount);
    const owned = handle.shards.filter((shard) => shards[shard] !== undefined);
    if (owned.length > 0) sources.set(handle, new Set(owned));
  }
  for (const shard of shards) {
    if (shard === undefined || [...sources.values()].some((owned) => owned.has(shard.id))) continue;
    throw new MillraceError(
      'MILLRACE_STATE_CORRUPT',
      `checkpoint ${restore.checkpointId} says nothing of shard ${shard.id} of '${options.namespace}'`,
      { details: { checkpointId: restore.checkpointId, namespace: options.namespace, shard: shard.id } },
    );
  }
  return sources;
}

/** The checkpoint that the base of a shard held durably when the manifest was written. */
function durableIn(sources: ReadonlyMap<SnapshotHandle, ReadonlySet<ShardId>>, shard: ShardId): number {
  const source = [...sources].find(([, owned]) => owned.has(shard))?.[0];
  return source?.bases.find((base) => base.shard === shard)?.checkpointId ?? 0;
}

/**
 * A base must hold at least what the checkpoint relies on, and nothing of a later one: the segments in between would be
 * missing, or could not be taken back.
 */
function requireUsableBase(
  { path, needed }: { readonly path: string; readonly needed: number },
  environment: LmdbEnvironment | null,
  restore: RestoredState | null,
): void {
  const applied = environment?.appliedCheckpointId ?? 0;
  const restoredId = restore?.checkpointId ?? 0;
  if (applied > restoredId) {
    const what = restore === null ? 'the job starts without one' : `the job is to go on from checkpoint ${restoredId}`;
    throw new MillraceError(
      'MILLRACE_STATE_INCOMPATIBLE',
      `the state base '${path}' holds checkpoint ${applied}, and ${what}`,
      {
        details: { path, applied, checkpointId: restoredId },
        hint: 'Go on from the newest checkpoint, or move the state folder aside to start without state.',
      },
    );
  }
  if (applied >= needed) return;
  throw baseTooOld(path, applied, needed, restoredId);
}

function baseTooOld(path: string, applied: number, needed: number, checkpointId: number): MillraceError {
  return new MillraceError(
    'MILLRACE_STATE_CORRUPT',
    `the state base '${path}' holds checkpoint ${applied}, and checkpoint ${checkpointId} needs at least ${needed} there`,
    {
      details: { path, applied, needed, checkpointId },
      hint: 'The folder was lost or replaced by an older copy: restore it together with the checkpoints.',
    },
  );
}

async function readLacking(
  options: RestoreOptions,
  environments: readonly (LmdbEnvironment | null)[],
  { source, owned }: { readonly source: SnapshotHandle; readonly owned: ReadonlySet<ShardId> },
): Promise<RestoredSegment[]> {
  // Several at a time: they are small, and a start waits for them.
  return Promise.all(
    source.segments.map(async (handle) => {
      // Segments that a base holds already may be gone from the disk: they are not even looked for.
      const lacking = [...owned].filter(
        (shard) => (environments[shard]?.appliedCheckpointId ?? 0) < handle.checkpointId,
      );
      return { handle, sections: await readSnapshotSections(options.segmentDir, handle, new Set(lacking)) };
    }),
  );
}

function replayedRows(shards: Shards, segments: readonly RestoredSegment[]): (ReplayedRows | undefined)[] {
  return shards.map((shard) => {
    if (shard === undefined) return undefined;
    const sections = segments.flatMap((segment) => segment.sections.filter((section) => section.shard === shard.id));
    for (const section of sections) shard.dictionary.merge(section.dictionary);
    return sections.length === 0 ? undefined : new ReplayedRows(new SectionMerge(sections).sections);
  });
}
