import { MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import type { SegmentHandle } from '../protocol/snapshot-handle.js';
import { fileNameOf } from '../storage/file-names.js';
import type { OperatorStateBackend } from './keyed-state-backend.js';
import type { SegmentChain } from './segment-chain.js';
import { writeSegment, type SegmentContent } from './segment-file.js';
import type { Shard } from './shard.js';
import type { SealKind } from './state-rows.js';
import { StateSnapshot } from './state-snapshot.js';

/**
 * The snapshots of a store on their way to disk, in the order of their checkpoints.
 *
 * ```text
 *   seal … seal      finish or abort
 *   OPEN ──────────▶ CLOSED ──slices: serialise, sort, frame──▶ FRAMED ──▶ written: part of the chain
 *                                                                  ▲  │
 *                                                                  └──┘ failed: again with the next one
 * ```
 *
 * A snapshot that was aborted, or whose writing failed, keeps its place: its rows are nowhere else. It becomes part of the
 * chain as a delta, before that of the checkpoint that follows.
 */
export interface SnapshotQueueOptions {
  readonly backend: 'heap' | 'lmdb';
  readonly namespace: string;
  readonly label: string;
  readonly segmentDir: string;
  readonly shardCount: number;
  readonly shards: readonly (Shard | undefined)[];
  readonly chain: SegmentChain;
  /** Writing has ended: {@link SnapshotQueue.step} can do more. */
  readonly onProgress: () => void;
}

/** What a checkpoint wrote. */
export interface WrittenSnapshot {
  readonly bytes: number;
  readonly rows: number;
  /** What a restore needs, this checkpoint's own segment included. */
  readonly segments: readonly SegmentHandle[];
}

interface Work {
  readonly checkpointId: CheckpointId;
  readonly snapshot: StateSnapshot;
  readonly sealed: Set<OperatorStateBackend>;
  isClosed: boolean;
  isAborted: boolean;
  resolve: (written: WrittenSnapshot) => void;
  reject: (error: unknown) => void;
}

interface Framed {
  readonly work: Work;
  readonly content: SegmentContent;
}

export class SnapshotQueue {
  readonly #options: SnapshotQueueOptions;
  /** Oldest first; the first is the one that is serialised. */
  #works: Work[] = [];
  /** Framed and not durable yet, oldest first. */
  #framed: Framed[] = [];
  #writing: Promise<void> | null = null;
  #newestId = 0;
  #newestAbortedId = 0;
  #isClosed = false;

  constructor(options: SnapshotQueueOptions) {
    this.#options = options;
  }

  get pendingCount(): number {
    return this.#works.length + this.#framed.length;
  }

  get isWriting(): boolean {
    return this.#writing !== null;
  }

  /** Takes an operator's rows as they are; once per operator and checkpoint. Constant time. */
  seal(checkpointId: CheckpointId, backend: OperatorStateBackend): void {
    if (checkpointId <= this.#newestAbortedId) return;
    const work = this.#workOf(checkpointId);
    if (work === null || work.sealed.has(backend)) return;
    work.sealed.add(backend);
    if (work.snapshot.kind === 'full') backend.loadAll();
    work.snapshot.seal(backend.allRows);
  }

  /** Resolves when the checkpoint's segment is durable, and with it every segment before. */
  finish(checkpointId: CheckpointId): Promise<WrittenSnapshot> {
    if (this.#isClosed) return Promise.reject(closed());
    const work = checkpointId <= this.#newestAbortedId ? null : this.#workOf(checkpointId);
    if (work === null) return Promise.reject(declined(checkpointId));
    work.isClosed = true;
    return new Promise((resolve, reject) => {
      work.resolve = resolve;
      work.reject = reject;
    });
  }

  abort(checkpointId: CheckpointId): void {
    this.#newestAbortedId = Math.max(this.#newestAbortedId, checkpointId);
    for (const work of this.#works) {
      if (work.checkpointId > checkpointId) continue;
      work.isAborted = work.isAborted || !work.isClosed;
      work.isClosed = true;
      work.reject(declined(work.checkpointId));
    }
  }

  /** Does a little. @returns whether more can be done now */
  step(): boolean {
    const work = this.#works[0];
    if (work === undefined) return false;
    const { snapshot } = work;
    if (snapshot.saveSome()) return true;
    if (!work.isClosed) return false;
    if (snapshot.sortSome() || snapshot.frameSome()) return true;
    this.#works.shift();
    this.#framed.push({ work, content: this.#contentOf(work) });
    if (this.#writing === null) this.#startWriting();
    return this.#works.length > 0;
  }

  /** Gives up what is not being written. */
  close(): void {
    this.#isClosed = true;
    for (const work of this.#works) work.reject(closed());
    this.#works = [];
  }

  /** Resolves when nothing is being written. */
  async settle(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    for (const { work } of this.#framed) work.reject(closed());
  }

  #workOf(checkpointId: CheckpointId): Work | null {
    const known = this.#works.find((work) => work.checkpointId === checkpointId);
    if (known !== undefined) return known.isClosed ? null : known;
    if (checkpointId <= this.#newestId) return null;
    this.#newestId = checkpointId;
    // A checkpoint that another one follows before all operators had its barrier was given up.
    for (const older of this.#works) {
      older.isAborted ||= !older.isClosed;
      older.isClosed = true;
    }
    const work: Work = {
      checkpointId,
      snapshot: new StateSnapshot(this.#nextKind(), this.#options.shards),
      sealed: new Set(),
      isClosed: false,
      isAborted: false,
      resolve: () => undefined,
      reject: () => undefined,
    };
    this.#works.push(work);
    return work;
  }

  #nextKind(): SealKind {
    if (this.#options.backend === 'lmdb') return 'delta';
    const pending = [...this.#works, ...this.#framed.map(({ work }) => work)];
    return !pending.some(isFull) && this.#options.chain.wantsFull ? 'full' : 'delta';
  }

  #contentOf(work: Work): SegmentContent {
    const { namespace, label, shardCount } = this.#options;
    const { checkpointId, snapshot } = work;
    return {
      file: `${fileNameOf(label)}-${String(checkpointId).padStart(10, '0')}.seg`,
      namespace,
      checkpointId,
      kind: isFull(work) ? 'full' : 'delta',
      shardCount,
      sections: snapshot.toSections(),
    };
  }

  #startWriting(): void {
    this.#writing = this.#writeFramed().finally(() => {
      this.#writing = null;
      this.#options.onProgress();
    });
  }

  /** Writes what is framed, in order. A failure ends it; the next snapshot to be framed tries again. */
  async #writeFramed(): Promise<void> {
    for (let next = this.#framed[0]; next !== undefined; next = this.#framed[0]) {
      try {
        const bytes = await this.#write(next);
        this.#framed.shift();
        this.#settleWork(next.work, bytes);
      } catch (error) {
        for (const { work } of this.#framed) work.reject(error);
        return;
      }
    }
  }

  /** @returns the bytes written */
  async #write({ work, content }: Framed): Promise<number> {
    const { chain, segmentDir, backend } = this.#options;
    const hasBase = backend === 'lmdb';
    // Only what the base needs is kept in memory.
    const epochs = hasBase ? work.snapshot.seals.map(({ rows, epoch }) => ({ rows, epoch })) : [];
    // An idle store writes nothing. A full segment without rows still makes those before it superfluous, and changes that
    // were undone within an epoch still have to be released by the progress of the base.
    const isNeeded = content.sections.length > 0 || epochs.length > 0 || (content.kind === 'full' && !chain.isEmpty);
    if (!isNeeded) return 0;
    const handle = await writeSegment(segmentDir, content);
    const sections = hasBase ? content.sections : [];
    chain.add({ handle, checkpointId: work.checkpointId, sections, epochs });
    return handle.bytes;
  }

  #settleWork({ snapshot, checkpointId, resolve, reject }: Work, bytes: number): void {
    if (snapshot.failure !== null) reject(snapshot.failure);
    else resolve({ bytes, rows: snapshot.rows, segments: this.#options.chain.handlesUpTo(checkpointId) });
  }
}

/** Whether a snapshot holds all rows of all operators: one cut short, or lacking a row, only counts as a delta. */
function isFull({ snapshot, isAborted }: Work): boolean {
  return snapshot.kind === 'full' && !isAborted && snapshot.failure === null;
}

function declined(checkpointId: CheckpointId): MillraceError {
  return new MillraceError('MILLRACE_CHECKPOINT_DECLINED', `checkpoint ${checkpointId} was aborted`, {
    details: { checkpointId, reason: 'aborted' },
  });
}

function closed(): MillraceError {
  return new MillraceError('MILLRACE_SHUTTING_DOWN', 'the state store was closed before the snapshot was written');
}
