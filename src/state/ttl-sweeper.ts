/**
 * Removes what has outlived its time to live though nobody reads it: Flink's `cleanupIncrementally`, and for the lmdb backend
 * what its compaction filter does. Reading would remove a value too, but of most keys that expire nobody ever hears again.
 *
 * A hand goes round all rows that have a time to live: those in memory, then those in the base of each shard that memory does
 * not know better. Each checkpoint lets it look at so many rows, in steps between batches. A row that has expired is removed
 * as any other is: the next checkpoint holds its deletion, and with that the base loses it.
 *
 * Thread: the store's.
 */
import type { ShardId } from '../base/ids.js';
import type { Entry } from './entry.js';
import { RowKeyReader } from './key-encoding.js';
import type { LmdbRowBase, RowPlace } from './lmdb-row-base.js';
import type { StateRows } from './state-rows.js';

/** Rows that the hand looks at for each checkpoint: at one a second, four million in about 17 minutes. */
const ROWS_PER_CHECKPOINT = 4096;
/** Rows looked at between two looks at the clock. */
const ROWS_PER_STEP = 64;

/** Where the hand is within one state: among its rows in memory, or in the base of a shard. */
type Hand =
  | { readonly kind: 'memory'; readonly rows: StateRows; readonly entries: Iterator<Entry> }
  | { readonly kind: 'base'; readonly rows: StateRows; readonly shards: ShardId[]; place: RowPlace | null };

export class TtlSweeper {
  readonly #base: LmdbRowBase | null;
  readonly #shards: readonly ShardId[];
  readonly #reader = new RowKeyReader();
  #rows: readonly StateRows[] = [];
  #next = 0;
  #hand: Hand | null = null;
  /** Rows that may still be looked at before the next checkpoint. */
  #quota = 0;
  /** States whose rows the hand has still to visit in this round; no more than one round for each checkpoint. */
  #statesLeft = 0;

  /** @param base `null` when memory is everything */
  constructor(base: LmdbRowBase | null, shards: readonly ShardId[]) {
    this.#base = base;
    this.#shards = shards;
  }

  /** Tells that states were added. */
  watch(rows: readonly StateRows[]): void {
    this.#rows = rows.filter(({ ttl }) => ttl !== null);
  }

  /** A checkpoint has completed: the hand may go on. */
  grant(): void {
    if (this.#rows.length === 0) return;
    this.#quota = ROWS_PER_CHECKPOINT;
    this.#statesLeft = this.#rows.length + (this.#hand === null ? 0 : 1);
  }

  get hasWork(): boolean {
    return this.#quota > 0 && this.#statesLeft > 0;
  }

  /** Looks at a few rows. @returns whether there is more to do before the next checkpoint */
  step(): boolean {
    if (!this.hasWork) return false;
    this.#hand ??= this.#nextHand();
    const hand = this.#hand;
    const looked = hand.kind === 'memory' ? sweepMemory(hand) : this.#sweepBase(hand);
    this.#quota -= Math.max(looked, 1);
    if (looked < ROWS_PER_STEP && isAtEnd(hand)) this.#leave(hand);
    return this.hasWork;
  }

  #nextHand(): Hand {
    const rows = this.#rows[this.#next % this.#rows.length] as StateRows;
    this.#next = (this.#next + 1) % this.#rows.length;
    return { kind: 'memory', rows, entries: rows.entries() };
  }

  /** From memory to the base, and from there to the next state. */
  #leave(hand: Hand): void {
    if (hand.kind === 'memory' && this.#base !== null) {
      this.#hand = { kind: 'base', rows: hand.rows, shards: [...this.#shards], place: null };
      return;
    }
    this.#hand = null;
    this.#statesLeft -= 1;
  }

  #sweepBase(hand: Hand & { readonly kind: 'base' }): number {
    const { rows } = hand;
    const shard = hand.shards[0];
    if (shard === undefined || this.#base === null) return 0;
    const expired: { readonly keyGroup: number; readonly rowKey: Buffer; readonly value: unknown }[] = [];
    const found = this.#base.visitState(rows, shard, hand.place, ROWS_PER_STEP, (rowKey, keyGroup, bytes) => {
      const value = rows.decode(bytes, 0, bytes.length);
      if (rows.ttl?.hasAllExpired(value) !== true) return;
      this.#reader.open(rowKey, 0, rowKey.length);
      if (!rows.isInMemory(keyGroup, this.#reader)) expired.push({ keyGroup, rowKey: Buffer.from(rowKey), value });
    });
    // Nothing is changed while the base is being walked.
    for (const { keyGroup, rowKey, value } of expired) {
      this.#reader.open(rowKey, 0, rowKey.length);
      const entry = rows.insertStored(keyGroup, this.#reader, value);
      if (entry !== null) rows.erase(entry);
    }
    hand.place = found.place;
    if (found.place === null) hand.shards.shift();
    return found.count;
  }
}

function sweepMemory({ rows, entries }: Hand & { readonly kind: 'memory' }): number {
  for (let count = 0; count < ROWS_PER_STEP; count++) {
    const next = entries.next();
    if (next.done === true) return count;
    const { value } = next.value;
    if (value !== undefined && rows.ttl?.hasAllExpired(value) === true) rows.erase(next.value);
  }
  return ROWS_PER_STEP;
}

/** Asked when a step has found fewer rows than it may look at. */
function isAtEnd(hand: Hand): boolean {
  return hand.kind === 'memory' || hand.shards.length === 0;
}
