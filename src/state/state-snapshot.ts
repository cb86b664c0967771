import type { ShardId } from '../base/ids.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { KeyGroup } from '../base/ids.js';
import { type Entry, KEY_GROUP_BITS } from './entry.js';
import type { Section } from './section.js';
import type { Shard } from './shard.js';
import type { RowSink, Seal, SealKind, StateRows } from './state-rows.js';
import { WriteBuffer } from './write-buffer.js';

/** Rows looked at between two looks at the clock: some tens of microseconds. */
const ROWS_PER_STEP = 64;

/**
 * The rows of all states of a store as of one checkpoint, in the making: operators seal theirs as the barrier passes them,
 * the store serialises sealed rows in slices, and at the end come the sections, sorted.
 *
 * One thread. Nothing here waits or writes to disk.
 */
export class StateSnapshot implements RowSink {
  readonly kind: SealKind;
  /** Every seal that was taken, for what is to be done when the snapshot has reached the base. */
  readonly seals: Seal[] = [];
  /** Rows and bytes serialised so far. */
  rows = 0;
  bytes = 0;
  /** Why rows are missing; `null` when none are. */
  failure: Error | null = null;
  readonly #shards: readonly (Shard | undefined)[];
  readonly #buffers: (WriteBuffer | undefined)[] = [];
  #open: Seal[] = [];
  #toSort: WriteBuffer[] | null = null;
  #nextToFrame = 0;
  readonly #sections: Section[] = [];

  /** @param shards by shard; `undefined` for those of others */
  constructor(kind: SealKind, shards: readonly (Shard | undefined)[]) {
    this.kind = kind;
    this.#shards = shards;
    if (kind === 'full') this.#copyRestored();
  }

  /** Takes the rows that an operator's states hold at its barrier. Constant time. */
  seal(allRows: readonly StateRows[]): void {
    for (const rows of allRows) {
      const seal = rows.seal(this.kind, this);
      if (seal === null) continue;
      this.seals.push(seal);
      this.#open.push(seal);
    }
  }

  append(entry: Entry, rows: StateRows): number {
    const shard = shardOfKeyGroup((entry.bits & KEY_GROUP_BITS) as KeyGroup, this.#shards.length);
    const bytes = this.#bufferOf(shard).append(entry, rows.stateIds[shard] as number, rows.codec);
    this.rows += 1;
    this.bytes += bytes;
    return bytes;
  }

  fail(error: Error): void {
    this.failure ??= error;
  }

  /** Serialises a few sealed rows. @returns whether more are waiting. */
  saveSome(): boolean {
    const seal = this.#open[0];
    if (seal === undefined) return false;
    if (!seal.rows.saveSome(seal, ROWS_PER_STEP)) this.#open.shift();
    return this.#open.length > 0;
  }

  /** Once every operator has sealed and every row is serialised: sorts some. @returns whether more are waiting. */
  sortSome(): boolean {
    this.#toSort ??= this.#buffers.filter((buffer) => buffer !== undefined);
    const buffer = this.#toSort.at(-1);
    if (buffer === undefined) return false;
    if (!buffer.sortSome()) this.#toSort.pop();
    return this.#toSort.length > 0;
  }

  /** Once sorted: frames the rows of one more shard. @returns whether more are waiting */
  frameSome(): boolean {
    const shard = this.#shards[this.#nextToFrame];
    const buffer = this.#buffers[this.#nextToFrame];
    this.#nextToFrame += 1;
    if (buffer !== undefined && shard !== undefined) {
      this.#sections.push(buffer.toSection(shard.id, [...shard.dictionary.entries]));
      this.#buffers[shard.id] = undefined;
    }
    return this.#nextToFrame < this.#shards.length;
  }

  /** The rows by shard, ascending; shards without any are left out. */
  toSections(): readonly Section[] {
    while (this.saveSome());
    while (this.sortSome());
    while (this.#nextToFrame < this.#shards.length) this.frameSome();
    return this.#sections;
  }

  #bufferOf(shard: ShardId): WriteBuffer {
    let buffer = this.#buffers[shard];
    if (buffer === undefined) {
      buffer = new WriteBuffer();
      this.#buffers[shard] = buffer;
    }
    return buffer;
  }

  #copyRestored(): void {
    for (const shard of this.#shards) {
      if (shard?.restored === null || shard === undefined) continue;
      this.rows += shard.restored.copyTo(this.#bufferOf(shard.id));
    }
  }
}
