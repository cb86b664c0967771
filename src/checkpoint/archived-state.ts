/**
 * What of a job's keyed state lies elsewhere: which copies of bases, which segments; and from that the manifest under which a
 * checkpoint can be restored from there alone.
 *
 * Heap: a checkpoint's handles name everything, and go as they are. Lmdb: they name the segments that the local bases lack, so
 * a checkpoint elsewhere needs copies of the bases, and every segment since.
 *
 * **Copies are fuzzy.** A copy is made while its base is being written: it holds the checkpoint that was durable when copying
 * began, and may hold rows of any that completed before it ended. So it serves checkpoints from the newest completed one at its
 * end on: the segments since its beginning, which are replayed over it, hold all of those rows.
 *
 * **No gap.** Segments are only known from the first checkpoint on that was added. What they do not cover, a shard's base at that
 * time, has to be copied before any checkpoint can be described: {@link ArchivedState.missingBases}.
 *
 * Pure; any thread.
 */
import type { ShardId } from '../base/ids.js';
import type { BaseHandle, SegmentHandle, SnapshotHandle } from '../protocol/snapshot-handle.js';
import type { ArchivedBase } from './archive-folder.js';
import type { CheckpointManifest } from './checkpoint-manifest.js';

/** What of a checkpoint says where its keyed state lies. */
type ArchivedSnapshots = Pick<CheckpointManifest, 'checkpointId' | 'snapshots'>;

/** A copy that is elsewhere. */
interface BaseCopy {
  readonly checkpointId: number;
  /** As in the handles of bases. */
  readonly writer: string | undefined;
  /** The least checkpoint that it serves. */
  readonly servesFrom: number;
}

interface ShardState {
  /** Segments are known of every change after this checkpoint. */
  readonly knownFrom: number;
  /** As in the handles of bases. */
  readonly lineage: string | undefined;
  /** What the local base is known to hold. */
  heldId: number;
  /** Oldest first: the one in use, and a newer one that is yet to be. */
  copies: BaseCopy[];
}

class NamespaceState {
  readonly shards = new Map<ShardId, ShardState>();
  /** By file, oldest first. */
  readonly segments = new Map<string, SegmentHandle>();

  /** A file is listed by each handle that needs some of its sections: they add up. */
  addSegments(segments: readonly SegmentHandle[]): void {
    for (const segment of segments) {
      const known = this.segments.get(segment.file);
      const added =
        known === undefined
          ? segment.sections
          : segment.sections.filter(({ shard }) => !known.sections.some((section) => section.shard === shard));
      if (known !== undefined && added.length === 0) continue;
      this.segments.set(segment.file, { ...segment, sections: [...(known?.sections ?? []), ...added] });
    }
  }
}

export class ArchivedState {
  readonly #namespaces = new Map<string, NamespaceState>();

  /**
   * Goes on from a checkpoint that is archived already, if what has been added since leaves no gap.
   *
   * @param archived as it was described before
   * @param local the checkpoint from which the job goes on
   * @returns whether it does
   */
  adopt(archived: ArchivedSnapshots, local: ArchivedSnapshots): boolean {
    if (archived.checkpointId > local.checkpointId) return false;
    const isGap = lmdbHandles(local).some(({ bases }) =>
      bases.some(({ checkpointId }) => checkpointId > archived.checkpointId),
    );
    if (isGap) return false;
    for (const handle of lmdbHandles(archived)) {
      const namespace = this.#namespace(handle.namespace);
      for (const shard of handle.shards) {
        const base = handle.bases.find((one) => one.shard === shard);
        const knownFrom = base?.checkpointId ?? 0;
        const copy = { checkpointId: knownFrom, writer: base?.writer, servesFrom: archived.checkpointId };
        const copies = knownFrom === 0 ? [] : [copy];
        namespace.shards.set(shard, { knownFrom, lineage: base?.lineage, heldId: 0, copies });
      }
      namespace.addSegments(handle.segments);
    }
    return true;
  }

  /** Takes note of a completed checkpoint. Each one has to be added, in order. */
  add(manifest: CheckpointManifest): void {
    for (const handle of lmdbHandles(manifest)) {
      const namespace = this.#namespace(handle.namespace);
      for (const shard of handle.shards) {
        const heldId = handle.bases.find((one) => one.shard === shard)?.checkpointId ?? 0;
        const known = namespace.shards.get(shard);
        if (known === undefined) {
          namespace.shards.set(shard, { knownFrom: heldId, lineage: undefined, heldId, copies: [] });
        } else known.heldId = heldId;
      }
      namespace.addSegments(handle.segments);
    }
  }

  /** Bases that have to be copied before a checkpoint can be described. */
  missingBases(): Omit<ArchivedBase, 'checkpointId'>[] {
    return this.#bases(({ knownFrom, copies }) => knownFrom > (copies.at(-1)?.checkpointId ?? 0));
  }

  /** Every base that has gone on since its last copy: to be copied anew when the segments since then have become too many. */
  changedBases(): Omit<ArchivedBase, 'checkpointId'>[] {
    return this.#bases(({ heldId, copies }) => heldId > (copies.at(-1)?.checkpointId ?? 0));
  }

  /** Segments that a restore would replay. */
  get segmentCount(): number {
    return [...this.#namespaces.values()].reduce((count, { segments }) => count + segments.size, 0);
  }

  /** Bytes of segments that a restore would replay. */
  get segmentBytes(): number {
    let bytes = 0;
    for (const { segments } of this.#namespaces.values())
      for (const segment of segments.values()) bytes += segment.bytes;
    return bytes;
  }

  /**
   * A copy is there.
   *
   * @param servesFrom the newest checkpoint that had completed when copying ended
   */
  addBase({ namespace, shard, checkpointId, writer }: ArchivedBase, servesFrom: number): void {
    this.#namespace(namespace).shards.get(shard)?.copies.push({ checkpointId, writer, servesFrom });
  }

  /** The manifest of a checkpoint as it can be restored from elsewhere; `null` while bases are missing for it. */
  describe(manifest: CheckpointManifest): CheckpointManifest | null {
    const snapshots: SnapshotHandle[] = [];
    for (const handle of manifest.snapshots) {
      const described =
        handle.backend === 'heap' ? { ...handle, bases: [] } : this.#describe(handle, manifest.checkpointId);
      if (described === null) return null;
      snapshots.push(described);
    }
    return { ...manifest, snapshots };
  }

  /** Forgets copies that newer ones have replaced for this checkpoint, and segments that no checkpoint from it on needs. */
  prune(checkpointId: number): void {
    for (const { shards, segments } of this.#namespaces.values()) {
      for (const state of shards.values()) {
        const inUse = state.copies.findLastIndex(({ servesFrom }) => servesFrom <= checkpointId);
        state.copies = state.copies.slice(Math.max(0, inUse));
      }
      const held = (shard: ShardId): number => shards.get(shard)?.copies[0]?.checkpointId ?? 0;
      for (const [file, segment] of segments) {
        if (segment.sections.every(({ shard }) => segment.checkpointId <= held(shard))) segments.delete(file);
      }
    }
  }

  #describe(handle: SnapshotHandle, checkpointId: number): SnapshotHandle | null {
    const { shards, segments } = this.#namespace(handle.namespace);
    const held = new Map<ShardId, number>();
    const bases: BaseHandle[] = [];
    for (const shard of handle.shards) {
      const state = shards.get(shard);
      const copy = state?.copies.findLast(({ servesFrom }) => servesFrom <= checkpointId);
      const heldId = copy?.checkpointId ?? 0;
      if (state === undefined || heldId < state.knownFrom) return null;
      held.set(shard, heldId);
      const { lineage } = state;
      bases.push({
        shard,
        checkpointId: heldId,
        ...(copy?.writer === undefined ? {} : { writer: copy.writer }),
        ...(lineage === undefined ? {} : { lineage }),
      });
    }
    const needed: SegmentHandle[] = [];
    for (const segment of segments.values()) {
      if (segment.checkpointId > checkpointId) continue;
      const sections = segment.sections.filter(({ shard }) => segment.checkpointId > (held.get(shard) ?? Infinity));
      if (sections.length > 0) needed.push({ ...segment, sections });
    }
    return { ...handle, bases, segments: needed.sort((a, b) => a.checkpointId - b.checkpointId) };
  }

  #bases(isWanted: (state: ShardState) => boolean): Omit<ArchivedBase, 'checkpointId'>[] {
    return [...this.#namespaces].flatMap(([namespace, { shards }]) =>
      [...shards].filter(([, state]) => isWanted(state)).map(([shard]) => ({ namespace, shard })),
    );
  }

  #namespace(name: string): NamespaceState {
    let namespace = this.#namespaces.get(name);
    if (namespace === undefined) {
      namespace = new NamespaceState();
      this.#namespaces.set(name, namespace);
    }
    return namespace;
  }
}

function lmdbHandles({ snapshots }: ArchivedSnapshots): SnapshotHandle[] {
  return snapshots.filter(({ backend }) => backend === 'lmdb');
}
