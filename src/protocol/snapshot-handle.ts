import type { CheckpointId, ShardId } from '../base/ids.js';

/**
 * Where the keyed state of one state store lies as of one checkpoint: what a worker acknowledges with, what the manifest of
 * a checkpoint keeps, and what a restore starts from. Plain data.
 *
 * A handle is whole by itself: `segments` lists every file that is needed on top of the base, in the order in which they
 * are to be replayed. A handle of a later checkpoint lists fewer or other files once some of them have been applied to the
 * base (lmdb) or replaced by a full segment (heap). Which files may be deleted follows from the handles that are still kept:
 * {@link segmentFilesOf}.
 */
export interface SnapshotHandle {
  /** `main`, or the uid of an operator with a parallelism of its own. */
  readonly namespace: string;
  readonly backend: 'heap' | 'lmdb';
  readonly checkpointId: CheckpointId;
  /** Every shard that the store owned, ascending, whether or not it holds anything. */
  readonly shards: readonly ShardId[];
  /** Number of shards in the namespace. Stored state cannot be read under another number. */
  readonly shardCount: number;
  /** Oldest first. */
  readonly segments: readonly SegmentHandle[];
  /** The checkpoint that each shard's LMDB base held, durably, when this was written. Empty for the heap backend. */
  readonly bases: readonly BaseHandle[];
  /** Bytes written for this checkpoint alone. */
  readonly bytes: number;
  /** Rows written for this checkpoint alone. */
  readonly rows: number;
}

/** One file of changed rows: one per store and checkpoint, so that a checkpoint costs a worker one `fdatasync`. */
export interface SegmentHandle {
  /** Name within the folder of segments. */
  readonly file: string;
  readonly checkpointId: CheckpointId;
  /** A full segment holds all rows: what came before it is not needed. */
  readonly kind: 'full' | 'delta';
  readonly bytes: number;
  readonly rows: number;
  /** Where in the file the rows of each shard lie, ascending by shard; shards without changed rows are left out. */
  readonly sections: readonly SectionHandle[];
}

export interface SectionHandle {
  readonly shard: ShardId;
  /** Position in the file of the section's first frame. */
  readonly position: number;
  readonly frameCount: number;
  readonly rows: number;
}

export interface BaseHandle {
  readonly shard: ShardId;
  /** 0: the base did not exist. */
  readonly checkpointId: number;
  /** In a store that several instances write: who put the copy there. Absent where there is one writer, and without a copy. */
  readonly writer?: string;
  /**
   * Where instances take shards over from each other: names the life of the shard's state, from a start with nothing on. Ids of
   * checkpoints grow within it, and mean nothing to another. Absent elsewhere.
   */
  readonly lineage?: string;
}

/** What a store is restored from: the handles of all stores of one namespace, as the manifest of the checkpoint has them. */
export interface RestoredState {
  readonly checkpointId: CheckpointId;
  readonly handles: readonly SnapshotHandle[];
}

/** The files that these handles need. Any other segment file is left over and may be deleted once these are durable. */
export function segmentFilesOf(handles: Iterable<SnapshotHandle>): Set<string> {
  const files = new Set<string>();
  for (const handle of handles) for (const segment of handle.segments) files.add(segment.file);
  return files;
}
