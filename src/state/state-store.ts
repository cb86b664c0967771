import { join } from 'node:path';
import { setImmediate } from 'node:timers';
import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import { systemMonotonicClock, type Clock, type MonotonicClock } from '../base/clock.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { RestoredState, SnapshotHandle } from '../protocol/snapshot-handle.js';
import type { AwaitedRows } from './awaited-rows.js';
import { BaseApplier } from './base-applier.js';
import { BaseVerifier } from './base-verifier.js';
import { Evictor } from './evictor.js';
import { fileNameOf } from '../storage/file-names.js';
import { KeyContext } from './key-context.js';
import { RowKeyReader } from './key-encoding.js';
import { OperatorStateBackend, type BackendHost } from './keyed-state-backend.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import { LmdbRowBase } from './lmdb-row-base.js';
import { uidTaken } from './memory-state-store.js';
import { SegmentChain, type ChainSegment } from './segment-chain.js';
import type { Shard } from './shard.js';
import { declareRows, loadShard, shardsById } from './shard-states.js';
import { SnapshotQueue } from './snapshot-queue.js';
import { type RestoredBases, restoreHeap, restoreLmdb } from './state-restore.js';
import { MemoryUsage, type RowHost, type StateRows, type StateRowsOptions } from './state-rows.js';
import { TtlSweeper } from './ttl-sweeper.js';
import type { ValueCodec } from './value-codec.js';

/**
 * The keyed state of some shards on one thread, made durable by checkpoints: a memtable, and beneath it segment files and,
 * with lmdb, a base per shard.
 *
 * ```text
 *   write ─▶ memtable ──barrier──▶ sealed rows ──slices──▶ segment file ──complete──▶ base (lmdb)
 *               ▲                                            (redo log)                 │
 *               └───────────────────────────── miss ◀──────────────────────────────────┘
 * ```
 *
 * A checkpoint's life here: {@link beginSnapshot} for each operator as the barrier passes it, {@link finishSnapshot} when
 * all have, {@link notifyCheckpointComplete} once it is complete everywhere. An aborted checkpoint's rows are not given
 * back: its segment is written all the same and becomes part of the next one's.
 *
 * Thread: the one that opened it; nothing blocks it but a read that misses, and restoring. All background work happens in
 * {@link runSlice}, between two records.
 */

export interface StateStoreOptions {
  readonly backend: 'heap' | 'lmdb';
  readonly namespace: string;
  /** Names the store among those of its namespace, in the names of its files. */
  readonly label: string;
  /** The bases lie in `<stateDir>/<namespace>/shard-NNN`. Made when needed. */
  readonly stateDir: string;
  /** Where segments go. Must exist. */
  readonly segmentDir: string;
  readonly shards: readonly ShardId[];
  /** Of the namespace: a power of two. */
  readonly shardCount: number;
  /** How much memory rows may take with lmdb, estimated. Means nothing to heap. */
  readonly memtableBudgetBytes: number;
  readonly clock: Clock;
  /** `null` for a start from nothing. */
  readonly restore: RestoredState | null;
  /**
   * With lmdb: how many segments of completed checkpoints may wait for each other before they are written to the base
   * together; half as many of large ones. @defaultValue 1
   */
  readonly segmentsHeldMax?: number;
  /**
   * With lmdb: bases of so many bytes together are checked before they are opened; the others while they are in use, and are
   * not written to before. @defaultValue 8 MiB
   */
  readonly checkedBytesMax?: number;
  /** With lmdb: this process has checked the bases before, or is about to. They are not checked again. @defaultValue false */
  readonly areBasesKnown?: boolean;
  /** Measures slices. @defaultValue the system's */
  readonly monotonicClock?: MonotonicClock;
  /** Calls back in a later turn of the event loop. @defaultValue `setImmediate` */
  readonly schedule?: (step: () => void) => void;
}

/** What a store holds, for metrics. */
export interface StateStoreStats {
  /** Rows in memory. */
  readonly entries: number;
  /** Estimated. */
  readonly memtableBytes: number;
  readonly memtableBudgetBytes: number;
  /** Estimated, of rows that changed since the last barrier. */
  readonly dirtyBytes: number;
  /** Snapshots being serialised or written. */
  readonly pendingSnapshots: number;
  /** Segments of completed checkpoints that are not in the base yet. */
  readonly pendingSegments: number;
  /** How often in a row writing to the base has failed. */
  readonly baseFailures: number;
}

/** Some hundred thousand rows: checked in a few hundredths of a second. */
const CHECKED_AT_OPENING_BYTES_MAX = 8 << 20;
/** With so much of its budget changed, a store asks for a checkpoint before its time. */
const DIRTY_SHARE_MAX = 1 / 3;
/** With so many times its budget in memory while the base is being written, a store asks for inputs to wait. */
const OVERLOAD_FACTOR = 2;
/** Held back, so many bytes are enough to read at a restore, and to keep in memory. */
const HELD_BYTES_MANY = 32 << 20;
/** A slice that nobody gave a budget to: between two turns of the event loop. */
const IDLE_SLICE_MS = 1;

export class StateStore implements BackendHost, RowHost {
  readonly clock: Clock;
  readonly tracksChanges = true;
  readonly base: LmdbRowBase | null;
  readonly usage = new MemoryUsage();
  readonly #options: StateStoreOptions;
  readonly #monotonicClock: MonotonicClock;
  readonly #shards: readonly (Shard | undefined)[];
  readonly #environments: (LmdbEnvironment | null)[];
  readonly #backends = new Map<string, OperatorStateBackend>();
  readonly #chain: SegmentChain;
  readonly #snapshots: SnapshotQueue;
  readonly #applier: BaseApplier<ChainSegment> | null;
  readonly #verifier: BaseVerifier;
  readonly #evictor: Evictor | null;
  readonly #sweeper: TtlSweeper;
  /** Up to this checkpoint, segments have been given to the applier. */
  #enqueuedId = 0;
  /** Of operators, restored rows that are still to come into memory. */
  #awaited: AwaitedRows[] = [];
  /** Folders that bases are being copied into. */
  readonly #copies = new Set<string>();
  #copying: Promise<unknown> = Promise.resolve();
  #isDriving = false;
  #isClosed = false;
  #failure: Error | null = null;

  private constructor(
    options: StateStoreOptions,
    shards: readonly (Shard | undefined)[],
    chain: SegmentChain,
    { environments, replayed }: RestoredBases,
  ) {
    this.#options = options;
    this.clock = options.clock;
    this.#monotonicClock = options.monotonicClock ?? systemMonotonicClock;
    this.#shards = shards;
    this.#chain = chain;
    this.#environments = environments;
    const isLmdb = options.backend === 'lmdb';
    this.base = isLmdb ? new LmdbRowBase(environments, replayed) : null;
    this.#evictor = isLmdb ? new Evictor(this.usage, options.memtableBudgetBytes) : null;
    this.#sweeper = new TtlSweeper(this.base, options.shards);
    this.#applier = isLmdb ? this.#createApplier(environments) : null;
    this.#verifier = new BaseVerifier(
      options.areBasesKnown === true ? [] : environments.filter((base) => base?.isChecked === false),
      () => this.#drive(),
    );
    this.#snapshots = new SnapshotQueue({ ...options, shards, chain, onProgress: () => this.#drive() });
  }

  /**
   * Opens the store and brings its shards to the state of the checkpoint in `restore`.
   *
   * @throws MillraceError `MILLRACE_STATE_CORRUPT` naming file and position when something stored is damaged or missing;
   *   `MILLRACE_STATE_INCOMPATIBLE` when it is of another number of shards, of a later checkpoint or of a newer release
   */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    const { namespace, shardCount, segmentDir, backend, restore } = options;
    invariant(shardCount > 0 && (shardCount & (shardCount - 1)) === 0, 'the number of shards is a power of two');
    const shards = shardsById(options.shards, shardCount);
    const chain = new SegmentChain();
    const where = { namespace, shardCount, segmentDir, stateDir: baseDirOf(options) };
    if (backend === 'lmdb') {
      // Reading a base whole takes longer than all else that an attempt of a job does before it runs.
      const isKnown = options.areBasesKnown === true;
      const checkedBytesMax = isKnown ? 0 : (options.checkedBytesMax ?? CHECKED_AT_OPENING_BYTES_MAX);
      const restored = await restoreLmdb({ ...where, checkedBytesMax }, shards, restore);
      chain.adopt(restored.segments, false);
      const store = new StateStore(options, shards, chain, restored);
      store.#applyRestored(restore?.checkpointId ?? 0);
      return store;
    }
    if (restore !== null) {
      const { handles, isForeign } = await restoreHeap(where, shards, restore);
      chain.adopt(
        handles.map((handle) => ({ handle, sections: [] })),
        isForeign,
      );
    }
    return new StateStore(options, shards, chain, { environments: [], segments: [], replayed: [] });
  }

  /** The state of one operator. Once per operator uid. */
  openBackend(operatorUid: string): OperatorStateBackend {
    if (this.#backends.has(operatorUid)) throw uidTaken(operatorUid);
    const backend = new OperatorStateBackend(operatorUid, this, new KeyContext(this.#options.shardCount));
    this.#backends.set(operatorUid, backend);
    return backend;
  }

  /**
   * The barrier of a checkpoint has reached this operator: what it writes from now on belongs to the next one. Constant
   * time. The barrier of a checkpoint that was aborted meanwhile does nothing.
   */
  beginSnapshot(operatorUid: string, checkpointId: CheckpointId): void {
    const backend = this.#backends.get(operatorUid);
    if (backend === undefined) return;
    this.#snapshots.seal(checkpointId, backend);
  }

  /**
   * Every operator has had its barrier: serialises what is left, writes the segment, and resolves when it is durable.
   * Operators that had none, as they have finished, are part of the snapshot as they are.
   *
   * @throws MillraceError `MILLRACE_SERIALISATION_FAILED` when a value cannot be stored, a storage error when the segment
   *   cannot be written, `MILLRACE_CHECKPOINT_DECLINED` when the checkpoint was aborted. What was to be stored stays with
   *   the next checkpoint.
   */
  async finishSnapshot(checkpointId: CheckpointId): Promise<SnapshotHandle> {
    for (const backend of this.#backends.values()) this.#snapshots.seal(checkpointId, backend);
    const finished = this.#snapshots.finish(checkpointId);
    this.#drive();
    const written = await finished;
    const { namespace, backend, shardCount } = this.#options;
    return {
      namespace,
      backend,
      checkpointId,
      shards: [...this.#options.shards].sort((a, b) => a - b),
      shardCount,
      segments: written.segments,
      bases: this.#durableBases,
      bytes: written.bytes,
      rows: written.rows,
    };
  }

  /** The checkpoint is complete everywhere: its rows may go into the base. */
  notifyCheckpointComplete(checkpointId: CheckpointId): void {
    this.#sweeper.grant();
    const applier = this.#applier;
    if (applier === null) return;
    const segments = this.#chain.upTo(checkpointId).filter((segment) => segment.checkpointId > this.#enqueuedId);
    if (segments.length === 0 || !this.#isWorthApplying(segments)) return;
    this.#enqueuedId = checkpointId;
    applier.add(segments);
    this.#drive();
  }

  /** The checkpoint will not complete. Its rows become part of the next one. */
  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    this.#snapshots.abort(checkpointId);
    this.#drive();
  }

  /**
   * Serialises, writes to the base, evicts: for about `budgetMs`, between two records.
   *
   * @returns whether more is waiting that can be done now; not so while it is the disk's turn
   * @throws when the base could not be written again and again
   */
  runSlice(budgetMs: number): boolean {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosed || !this.#hasWork) return false;
    const deadline = this.#monotonicClock.nowMs() + budgetMs;
    let hasMore = this.#step();
    while (hasMore && (this.#monotonicClock.nowMs() < deadline || this.#isFarOverBudget)) hasMore = this.#step();
    // Entries may have left their tables.
    for (const backend of this.#backends.values()) backend.invalidate();
    return hasMore;
  }

  /** Whether so much has changed that a checkpoint should come early. Only lmdb has a budget to keep. */
  get needsCheckpoint(): boolean {
    if (this.#evictor === null) return false;
    return this.usage.dirtyBytes > this.#options.memtableBudgetBytes * DIRTY_SHARE_MAX;
  }

  /**
   * Whether inputs should wait: memory is far over its budget, and the base is being written, which will relieve it. Never
   * while relief needs a barrier to come through those inputs.
   */
  get isOverloaded(): boolean {
    if (this.#applier === null || this.#applier.pendingCount === 0) return false;
    return this.usage.bytes > this.#options.memtableBudgetBytes * OVERLOAD_FACTOR;
  }

  /** Whether writes are under way whose end is told through the event loop. */
  get hasPendingIo(): boolean {
    const isWaiting = this.#verifier.isWaiting || (this.#applier?.isWaiting ?? false);
    return this.#snapshots.isWriting || isWaiting || this.#copies.size > 0 || this.#isDriving;
  }

  get namespace(): string {
    return this.#options.namespace;
  }

  owns(shard: ShardId): boolean {
    return this.#shards[shard] !== undefined;
  }

  /**
   * Copies the base of a shard into a folder, in the background.
   *
   * @returns the checkpoint that the copy holds at least; it may hold rows of any that completes before this resolves. 0 when
   *   there is no base: nothing is copied then, and every row is in the segments.
   */
  async copyBase(shard: ShardId, folder: string): Promise<number> {
    const environment = this.#environments[shard] ?? null;
    if (environment === null || environment.durableCheckpointId === 0) return 0;
    const checkpointId = environment.durableCheckpointId;
    this.#copies.add(folder);
    const copying = environment.copyTo(folder).finally(() => this.#copies.delete(folder));
    this.#copying = Promise.allSettled([this.#copying, copying]);
    await copying;
    return checkpointId;
  }

  /** What a query sees of a key whose shard is here; `undefined` when there is nothing. */
  query(operatorUid: string, stateName: string, key: unknown): unknown {
    if (this.#shards[shardOfKeyGroup(keyGroupOf(key), this.#options.shardCount)] === undefined) return undefined;
    return this.#backends.get(operatorUid)?.query(stateName, key);
  }

  /** The states of an operator that can be queried. */
  stateNames(operatorUid: string): string[] {
    return this.#backends.get(operatorUid)?.stateNames() ?? [];
  }

  stats(): StateStoreStats {
    return {
      entries: this.usage.entries,
      memtableBytes: this.usage.bytes,
      memtableBudgetBytes: this.#options.memtableBudgetBytes,
      dirtyBytes: this.usage.dirtyBytes,
      pendingSnapshots: this.#snapshots.pendingCount,
      pendingSegments: this.#applier?.pendingCount ?? 0,
      baseFailures: this.#applier?.failureCount ?? 0,
    };
  }

  /** Waits for writes under way and closes every file. Takes no checkpoint. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#snapshots.close();
    await this.#snapshots.settle();
    await this.#applier?.settle();
    await this.#verifier.settle();
    await this.#copying;
    for (const [shard, environment] of this.#environments.entries()) {
      this.#environments[shard] = null;
      await environment?.close();
    }
  }

  rowsOptions(name: StateRowsOptions['name'], serde: string, context: KeyContext, codec: ValueCodec): StateRowsOptions {
    return { name, context, codec, host: this, stateIds: declareRows(this.#shards, name, serde) };
  }

  loadRestored(rows: StateRows, awaited: AwaitedRows): void {
    for (const shard of this.#shards) {
      if (shard === undefined || shard.restored === null) continue;
      if (rows.mayWait) awaited.add(shard, rows);
      else loadShard(shard, rows);
    }
    if (!awaited.isEmpty && !this.#awaited.includes(awaited)) this.#awaited.push(awaited);
    const all = [...this.#allRows(), rows];
    this.#evictor?.watch(all);
    this.#sweeper.watch(all);
  }

  forEachStored(rows: StateRows, visit: (reader: RowKeyReader, keyGroup: number) => void): void {
    const reader = new RowKeyReader();
    for (const shard of this.#options.shards) {
      this.base?.readState(rows, shard, (rowKey, keyGroup) => {
        reader.open(rowKey, 0, rowKey.length);
        if (rows.isInMemory(keyGroup, reader)) return;
        reader.open(rowKey, 0, rowKey.length);
        visit(reader, keyGroup);
      });
    }
  }

  /** Whether there is anything to do, now or once the disk has done its part. */
  get #hasWork(): boolean {
    const isApplying = this.#verifier.isPending || (this.#applier?.pendingCount ?? 0) > 0;
    const hasRowsToRemove = (this.#evictor?.canEvict ?? false) || this.#sweeper.hasWork;
    const isBusy = isApplying || this.#snapshots.pendingCount > 0 || hasRowsToRemove;
    return isBusy || this.#awaited.length > 0;
  }

  /**
   * A transaction per shard and second would cost the disk more than the log itself, and a row that changes every second is
   * written once instead of many times. Bounded, so that a restore has few segments to read; and at once when memory needs
   * what only the base can relieve.
   */
  #isWorthApplying(segments: readonly ChainSegment[]): boolean {
    const { segmentsHeldMax = 1, memtableBudgetBytes } = this.#options;
    const heldBytes = segments.reduce((sum, { handle }) => sum + handle.bytes, 0);
    const heldMax = heldBytes > HELD_BYTES_MANY ? segmentsHeldMax / 2 : segmentsHeldMax;
    return segments.length >= heldMax || this.usage.bytes > memtableBudgetBytes / 2;
  }

  /** Brings some restored rows into memory. @returns whether more wait */
  #loadSome(): boolean {
    this.#awaited[0]?.loadNext();
    this.#awaited = this.#awaited.filter(({ isEmpty }) => !isEmpty);
    return this.#awaited.length > 0;
  }

  get #isFarOverBudget(): boolean {
    return this.usage.bytes > this.#options.memtableBudgetBytes * 1.25 && (this.#evictor?.canEvict ?? false);
  }

  #step(): boolean {
    const hasSnapshotWork = this.#snapshots.step();
    // A base is written to only after it has been checked.
    const hasApplierWork = this.#verifier.isPending ? this.#verifier.step() : (this.#applier?.step() ?? false);
    const hasEvictorWork = this.#evictor?.step() ?? false;
    const hasSweeperWork = this.#sweeper.step();
    const hasRestoredRows = this.#awaited.length > 0 && this.#loadSome();
    return hasRestoredRows || hasSnapshotWork || hasApplierWork || hasEvictorWork || hasSweeperWork;
  }

  /**
   * Goes on by itself after writes have ended, as the thread may be asleep. A loop that is awake calls
   * {@link runSlice} anyway.
   */
  #drive(): void {
    if (this.#isDriving || this.#isClosed) return;
    this.#isDriving = true;
    const schedule = this.#options.schedule ?? setImmediate;
    schedule(() => {
      this.#isDriving = false;
      try {
        if (!this.#isClosed && this.runSlice(IDLE_SLICE_MS)) this.#drive();
      } catch (error) {
        // Thrown again by the next slice that someone asks for.
        this.#failure = error as Error;
      }
    });
  }

  /** What the bases lack of the checkpoint that the store goes on from is written to them first. */
  #applyRestored(checkpointId: number): void {
    this.#enqueuedId = checkpointId;
    this.#applier?.add(this.#chain.upTo(checkpointId as CheckpointId));
    this.#drive();
  }

  get #durableBases(): SnapshotHandle['bases'] {
    return this.#environments.flatMap((environment, shard) =>
      environment === null ? [] : [{ shard: shard as ShardId, checkpointId: environment.durableCheckpointId }],
    );
  }

  #allRows(): StateRows[] {
    return [...this.#backends.values()].flatMap(({ allRows }) => allRows);
  }

  #createApplier(environments: (LmdbEnvironment | null)[]): BaseApplier<ChainSegment> {
    return new BaseApplier<ChainSegment>({
      stateDir: baseDirOf(this.#options),
      shards: this.#shards,
      environments,
      onCommitted: (segments) => {
        for (const { epochs } of segments) {
          for (const { rows, epoch } of epochs) rows.appliedEpoch = Math.max(rows.appliedEpoch, epoch);
        }
        // The first round has all that was restored.
        this.base?.forgetReplayed();
        this.#evictor?.retry();
      },
      onDurable: (segments) => this.#chain.drop(segments),
      onProgress: () => this.#drive(),
      isUrgent: () => this.isOverloaded,
      monotonicClock: this.#monotonicClock,
    });
  }
}

function baseDirOf({ stateDir, namespace }: StateStoreOptions): string {
  return join(stateDir, fileNameOf(namespace));
}
