import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import type { RestoredState, SegmentHandle, SnapshotHandle } from '../protocol/snapshot-handle.js';
import { environmentPath } from './base-applier.js';
import { LmdbEnvironment } from './lmdb-environment.js';
import { MergeCursor, type Section } from './section.js';
import { readSegment } from './segment-file.js';
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
  sections: Map<ShardId, Section[]>;
  sources: Map<SnapshotHandle, Set<ShardId>>;
  handles: Map<string, SegmentHandle>;
}> {
  const sources = sourcesOf(options, shards, restore);
  const sections = new Map<ShardId, Section[]>();
  const handles = new Map<string, SegmentHandle>();
  for (const [source, owned] of sources) {
    for (const { shard, checkpointId } of source.bases) {
      if (checkpointId > 0 && owned.has(shard)) sections.set(shard, [await readBase(options, shard, checkpointId)]);
    }
    for (const segment of source.segments) {
      const read = await readSegment(options.segmentDir, segment, owned);
      handles.set(segment.file, segment);
      for (const section of read) sections.set(section.shard, [...(sections.get(section.shard) ?? []), section]);
    }
  }
  return { sections, sources, handles };
}

/** All rows of a base as a section, for a store that keeps no base. */
async function readBase(options: RestoreOptions, shard: ShardId, needed: number): Promise<Section> {
  const path = environmentPath(options.stateDir, shard);
  const environment = await LmdbEnvironment.openExisting(path, shard, options.shardCount);
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
    return rows.toSection(shard, environment.dictionary);
  } finally {
    await environment.close();
  }
}

/**
 * Opens the bases of an lmdb store and replays the segments that they lack.
 *
 * @returns the environments by shard; `null` where there is none yet
 */
export async function restoreLmdb(
  options: RestoreOptions,
  shards: Shards,
  restore: RestoredState | null,
): Promise<(LmdbEnvironment | null)[]> {
  const environments: (LmdbEnvironment | null)[] = shards.map(() => null);
  try {
    const sources = restore === null ? new Map<SnapshotHandle, Set<ShardId>>() : sourcesOf(options, shards, restore);
    for (const shard of shards) {
      if (shard === undefined) continue;
      const path = environmentPath(options.stateDir, shard.id);
      const environment = await LmdbEnvironment.openExisting(path, shard.id, options.shardCount);
      environments[shard.id] = environment;
      if (environment !== null) shard.dictionary.merge(environment.dictionary);
      requireUsableBase(shard.id, environment, restore, sources, path);
    }
    for (const [source, owned] of sources) await replay(options, shards, environments, source, owned);
    return environments;
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

/**
 * A base must hold at least what the checkpoint relies on, and nothing of a later one: the segments in between would be
 * missing, or could not be taken back.
 */
function requireUsableBase(
  shard: ShardId,
  environment: LmdbEnvironment | null,
  restore: RestoredState | null,
  sources: ReadonlyMap<SnapshotHandle, ReadonlySet<ShardId>>,
  path: string,
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
  const source = [...sources].find(([, owned]) => owned.has(shard))?.[0];
  const needed = source?.bases.find((base) => base.shard === shard)?.checkpointId ?? 0;
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

async function replay(
  options: RestoreOptions,
  shards: Shards,
  environments: (LmdbEnvironment | null)[],
  source: SnapshotHandle,
  owned: ReadonlySet<ShardId>,
): Promise<void> {
  const sections = new Map<ShardId, Section[]>();
  let newestId = 0;
  for (const segment of source.segments) {
    newestId = Math.max(newestId, segment.checkpointId);
    // Segments that a base holds already may be gone from the disk: they are not even looked for.
    const lacking = [...owned].filter(
      (shard) => (environments[shard]?.appliedCheckpointId ?? 0) < segment.checkpointId,
    );
    const read = await readSegment(options.segmentDir, segment, new Set(lacking));
    for (const section of read) sections.set(section.shard, [...(sections.get(section.shard) ?? []), section]);
  }
  for (const [id, found] of sections) {
    const shard = shards[id];
    if (shard === undefined) continue;
    for (const section of found) shard.dictionary.merge(section.dictionary);
    const path = environmentPath(options.stateDir, id);
    const environment = environments[id] ?? LmdbEnvironment.create(path, id, options.shardCount);
    environments[id] = environment;
    environment.writeRowsSync(new MergeCursor(found), {
      checkpointId: newestId,
      dictionary: [...shard.dictionary.entries],
    });
  }
}
