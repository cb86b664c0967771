import { join } from 'node:path';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import { settledWithin } from './event-loop.js';
import { LmdbEnvironment } from './lmdb-environment.js';
import { MergeCursor, type SnapshotSection } from './section.js';
import { SectionMerge } from './section-merge.js';
import type { Shard } from './shard.js';

/**
 * Writes the segments of completed checkpoints into the bases of their shards, in slices between batches.
 *
 * Shards are written one after another, and a shard's rows in a few transactions, of which the last one also
 * records the checkpoint: so at most one thread of the process-wide pool is taken by this store, and the files of the
 * embedded log do not wait behind state.
 *
 * A shard's rows are merged first (section-merge.ts), and those of segments that completed while a round was under way by the
 * next one: of rows written more than once only the newest goes to the base. A round that failed, as on a full disk, is tried
 * again a second later, whole, together with what has come since: writing a row twice means the same. Nothing is lost
 * meanwhile, since the segments stay.
 *
 * One thread: the store's. Nothing here waits; {@link step} is called again after `onProgress`.
 */

/** A segment on its way into the base. */
export interface PendingSegment {
  readonly checkpointId: number;
  readonly sections: readonly SnapshotSection[];
}

export interface BaseApplierOptions<S extends PendingSegment> {
  /** The folder of the store's environments. */
  readonly stateDir: string;
  readonly shards: readonly (Shard | undefined)[];
  /** By shard; this fills in environments as they come into being. */
  readonly environments: (LmdbEnvironment | null)[];
  /** The rows of these segments can now be read from the base. */
  readonly onCommitted: (segments: readonly S[]) => void;
  /** The base holds them on disk: their files are no longer needed. */
  readonly onDurable: (segments: readonly S[]) => void;
  /** A transaction has ended: {@link BaseApplier.step} can do more. */
  readonly onProgress: () => void;
  /** Whether inputs wait for the base. */
  readonly isUrgent: () => boolean;
  readonly monotonicClock: MonotonicClock;
}

/**
 * A transaction costs a flush, and its rows hold up the thread for about a microsecond each: a shard's part is cut into few
 * transactions, but not into long ones, unless inputs wait for the base anyway.
 */
const TRANSACTIONS_PER_SHARD = 4;
const ROWS_PER_TRANSACTION_LEAST = 512;
const ROWS_PER_TRANSACTION_MOST = 4096;
const ROWS_PER_URGENT_TRANSACTION = 16_384;
const TRANSACTIONS_IN_FLIGHT_MAX = 8;
/** After so many failed rounds in a row the store gives up, and says why. */
const FAILURES_MAX = 60;
const RETRY_MS = 1000;
const SETTLE_TURNS_MAX = 100;

interface Round<S> {
  readonly segments: readonly S[];
  readonly shardsLeft: Shard[];
  readonly touched: LmdbEnvironment[];
}

/** A round's part of a shard before it is written. */
interface ShardPart {
  readonly environment: LmdbEnvironment;
  readonly checkpointId: number;
  readonly shard: Shard;
  readonly merge: SectionMerge;
}

interface ShardWrite extends ShardPart {
  readonly cursor: MergeCursor;
  readonly rowsPerTransaction: number;
  /** At most so many rows are left. */
  rowsLeft: number;
}

export class BaseApplier<S extends PendingSegment> {
  readonly #options: BaseApplierOptions<S>;
  #queue: S[] = [];
  #round: Round<S> | null = null;
  #merging: ShardPart | null = null;
  #write: ShardWrite | null = null;
  #inFlight = 0;
  #isWaitingForShard = false;
  #flushing: Promise<void> = Promise.resolve();
  #flushCount = 0;
  #failureCount = 0;
  #failure: Error | null = null;
  #retryAtMs = 0;

  constructor(options: BaseApplierOptions<S>) {
    this.#options = options;
  }

  /** Segments that are not in the base yet. */
  get pendingCount(): number {
    return this.#queue.length + (this.#round?.segments.length ?? 0);
  }

  /** Rounds in a row that failed. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** Whether native writes are under way whose end is told through the event loop. */
  get isWaiting(): boolean {
    return this.#inFlight > 0 || this.#flushCount > 0;
  }

  /** Takes the segments of a completed checkpoint, oldest first. */
  add(segments: readonly S[]): void {
    this.#queue.push(...segments);
  }

  /**
   * Hands some rows to the native writer.
   *
   * @returns whether more can be done now; not so while a transaction has to end first
   * @throws why the base is damaged, or could not be written for a minute
   */
  step(): boolean {
    this.#throwIfHopeless();
    if (this.#inFlight >= TRANSACTIONS_IN_FLIGHT_MAX || this.#isWaitingForShard) return false;
    if (this.#write !== null) return this.#writeSome(this.#write);
    if (this.#merging !== null) return this.#mergeSome(this.#merging);
    if (this.#round === null && !this.#startRound()) return false;
    this.#nextShard();
    return true;
  }

  /** Resolves when no flush is under way; after a failure lmdb-js may never say so, and is not waited for long. */
  async settle(): Promise<void> {
    if (this.#failure === null) await this.#flushing;
    else await settledWithin(this.#flushing, SETTLE_TURNS_MAX);
  }

  #throwIfHopeless(): void {
    if (this.#failure === null) return;
    const isCorrupt = MillraceError.is(this.#failure, 'MILLRACE_STATE_CORRUPT');
    if (isCorrupt || this.#failureCount >= FAILURES_MAX) throw this.#failure;
  }

  #startRound(): boolean {
    if (this.#queue.length === 0 || this.#options.monotonicClock.nowMs() < this.#retryAtMs) return false;
    const segments = this.#queue;
    this.#queue = [];
    const touchedShards = new Set(segments.flatMap(({ sections }) => sections.map(({ shard }) => shard)));
    // What an earlier process committed is flushed by a transaction of its own: the round's end says that it is on disk.
    const isTouched = (id: ShardId): boolean =>
      touchedShards.has(id) || this.#options.environments[id]?.isFlushed === false;
    const shardsLeft = this.#options.shards.filter((shard) => shard !== undefined && isTouched(shard.id));
    this.#round = { segments, shardsLeft: shardsLeft as Shard[], touched: [] };
    return true;
  }

  #nextShard(): void {
    const round = this.#round;
    if (round === null) return;
    const shard = round.shardsLeft.shift();
    if (shard === undefined) {
      this.#endRound(round);
      return;
    }
    const environment = this.#environmentOf(shard.id);
    round.touched.push(environment);
    const sections: SnapshotSection[] = [];
    // Not that of the round: segments that were restored with it may be of another instance, which had other shards.
    let checkpointId = environment.appliedCheckpointId;
    for (const segment of round.segments) {
      const ofShard = segment.sections.filter((section) => section.shard === shard.id);
      if (ofShard.length > 0) checkpointId = Math.max(checkpointId, segment.checkpointId);
      sections.push(...ofShard);
    }
    this.#merging = { environment, shard, checkpointId, merge: new SectionMerge(sections) };
  }

  #mergeSome(part: ShardPart): boolean {
    if (part.merge.step()) return true;
    const { sections } = part.merge;
    const rows = sections.reduce((sum, section) => sum + section.rows, 0);
    this.#merging = null;
    this.#write = {
      ...part,
      cursor: new MergeCursor(sections),
      rowsPerTransaction: Math.min(
        Math.max(Math.ceil(rows / TRANSACTIONS_PER_SHARD), ROWS_PER_TRANSACTION_LEAST),
        ROWS_PER_TRANSACTION_MOST,
      ),
      rowsLeft: rows,
    };
    return true;
  }

  #writeSome(write: ShardWrite): boolean {
    const { environment, cursor, checkpointId, shard } = write;
    // The record that ends a shard's part goes only behind rows that are known to be committed.
    const mayEnd = this.#inFlight === 0;
    const rowsMax = this.#options.isUrgent() ? ROWS_PER_URGENT_TRANSACTION : write.rowsPerTransaction;
    if (write.rowsLeft < rowsMax && !mayEnd) return false;
    const end = mayEnd ? { checkpointId, dictionary: [...shard.dictionary.entries] } : null;
    const { isEnd, committed } = environment.writeRows(cursor, rowsMax, end);
    write.rowsLeft -= rowsMax;
    this.#inFlight += 1;
    if (isEnd) {
      this.#write = null;
      // The next shard's rows wait: one shard, one native thread.
      this.#isWaitingForShard = true;
    }
    const round = this.#round;
    committed.then(
      () => {
        this.#inFlight -= 1;
        if (isEnd) {
          environment.resetReader();
          this.#isWaitingForShard = false;
        }
        this.#options.onProgress();
      },
      (error: Error) => {
        this.#inFlight -= 1;
        this.#fail(round, error);
        this.#options.onProgress();
      },
    );
    return true;
  }

  #endRound({ segments, touched }: Round<S>): void {
    this.#round = null;
    this.#failureCount = 0;
    this.#failure = null;
    this.#options.onCommitted(segments);
    this.#flushCount += 1;
    const applied = touched.map((environment) => ({ environment, checkpointId: environment.appliedCheckpointId }));
    this.#flushing = Promise.all([this.#flushing, ...touched.map((environment) => environment.flushed())]).then(
      () => {
        this.#flushCount -= 1;
        for (const { environment, checkpointId } of applied) {
          environment.durableCheckpointId = checkpointId;
          environment.isFlushed = true;
        }
        this.#options.onDurable(segments);
      },
      (error: Error) => {
        this.#flushCount -= 1;
        this.#fail(null, error);
      },
    );
  }

  /** Puts the segments of a failed round back to the front, once. */
  #fail(round: Round<S> | null, error: Error): void {
    this.#failure = error;
    if (round !== null && round !== this.#round) return;
    this.#failureCount += 1;
    this.#retryAtMs = this.#options.monotonicClock.nowMs() + RETRY_MS;
    if (round === null) return;
    this.#queue = [...round.segments, ...this.#queue];
    this.#round = null;
    this.#merging = null;
    this.#write = null;
    this.#isWaitingForShard = false;
  }

  #environmentOf(shard: ShardId): LmdbEnvironment {
    const { stateDir, environments } = this.#options;
    const known = environments[shard];
    if (known !== null && known !== undefined) return known;
    const created = LmdbEnvironment.create(environmentPath(stateDir, shard), shard, environments.length);
    environments[shard] = created;
    return created;
  }
}

export function environmentPath(stateDir: string, shard: ShardId): string {
  return join(stateDir, `shard-${String(shard).padStart(3, '0')}`);
}
