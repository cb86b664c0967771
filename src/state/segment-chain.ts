import type { CheckpointId } from '../base/ids.js';
import type { SegmentHandle } from '../protocol/snapshot-handle.js';
import type { SnapshotSection } from './section.js';
import type { StateRows } from './state-rows.js';

/** A segment that a store has written, or was restored from. */
export interface ChainSegment {
  readonly handle: SegmentHandle;
  readonly checkpointId: CheckpointId;
  /** The rows, kept until they are in the base; empty where there is none to go to. */
  readonly sections: readonly SnapshotSection[];
  /** The epochs whose changes have reached the base once this segment has. */
  readonly epochs: readonly SealedEpoch[];
}

/** A segment of the checkpoint that a store goes on from. */
export type RestoredSegment = Pick<ChainSegment, 'handle' | 'sections'>;

/** An epoch of the rows of one state. */
export interface SealedEpoch {
  readonly rows: StateRows;
  readonly epoch: number;
}

/** Deltas are replaced by a full segment once they are this many … */
const DELTA_COUNT_MAX = 30;
/** … or larger together than the last full one, and than this. */
const DELTA_BYTES_LEAST = 1 << 20;

/**
 * The segments that a restore needs, oldest first: on top of the base with lmdb, from the last full segment on with heap.
 */
export class SegmentChain {
  #segments: ChainSegment[] = [];
  /** Taken over from other stores, or from another ownership of shards: to be replaced by a full segment soon. */
  #isForeign = false;

  /** Takes over what was restored; with lmdb, together with the rows that the base lacks. */
  adopt(segments: readonly RestoredSegment[], isForeign: boolean): void {
    this.#segments = segments.map(({ handle, sections }) => ({
      handle,
      checkpointId: handle.checkpointId,
      sections,
      epochs: [],
    }));
    this.#isForeign = isForeign;
  }

  /** Adds a segment that is durable. A full one makes those before it superfluous. */
  add(segment: ChainSegment): void {
    if (segment.handle.kind === 'full') {
      this.#segments = [];
      this.#isForeign = false;
    }
    this.#segments.push(segment);
  }

  /** Drops segments that the base holds on disk. */
  drop(segments: readonly ChainSegment[]): void {
    const dropped = new Set(segments);
    this.#segments = this.#segments.filter((segment) => !dropped.has(segment));
  }

  /** What a handle of this checkpoint lists. */
  handlesUpTo(checkpointId: CheckpointId): SegmentHandle[] {
    return this.upTo(checkpointId).map(({ handle }) => handle);
  }

  upTo(checkpointId: CheckpointId): ChainSegment[] {
    return this.#segments.filter((segment) => segment.checkpointId <= checkpointId);
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  /** Whether the chain has grown so long that the next segment should be a full one. */
  get wantsFull(): boolean {
    if (this.#isForeign) return true;
    const [first, ...rest] = this.#segments;
    if (first === undefined || first.handle.kind !== 'full') return true;
    if (rest.length >= DELTA_COUNT_MAX) return true;
    const deltaBytes = rest.reduce((sum, { handle }) => sum + handle.bytes, 0);
    return deltaBytes > Math.max(DELTA_BYTES_LEAST, first.handle.bytes);
  }
}
