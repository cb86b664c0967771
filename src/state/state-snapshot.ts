import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { Namespace } from '../api/internal/state-backend.js';
import type { KeyGroup, ShardId } from '../base/ids.js';
import { type Entry, KEY_GROUP_BITS } from './entry.js';
import { NumberSink, type ShardBlocks } from './number-blocks.js';
import type { SnapshotSection } from './section.js';
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
  /** Rows taken so far; those of numbers are counted once they are framed. */
  rows = 0;
  /** Why rows are missing; `null` when none are. */
  failure: Error | null = null;
  readonly #shards: readonly (Shard | undefined)[];
  /** By shard, as are the numbers. */
  readonly #buffers: (WriteBuffer | undefined)[] = [];
  readonly #numbers: (ShardBlocks | undefined)[] = [];
  #open: Seal[] = [];
  #toSort: WriteBuffer[] | null = null;
  #nextToFrame = 0;
  readonly #sections: SnapshotSection[] = [];

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
    return bytes;
  }

  numbersOf({ codec, stateIds }: StateRows, namespace: Namespace): NumberSink {
    return new NumberSink(this.#numbers, { namespace, version: codec.numberVersion ?? 1, stateIds });
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
    this.#nextToFrame += 1;
    if (shard !== undefined) this.#frame(shard);
    return this.#nextToFrame < this.#shards.length;
  }

  /** The rows by shard, ascending; shards without any are left out. */
  toSections(): readonly SnapshotSection[] {
    while (this.saveSome());
    while (this.sortSome());
    while (this.#nextToFrame < this.#shards.length) this.frameSome();
    return this.#sections;
  }

  #frame(shard: Shard): void {
    const buffer = this.#buffers[shard.id];
    const numbers = this.#numbers[shard.id];
    if (buffer === undefined && numbers === undefined) return;
    const dictionary = [...shard.dictionary.entries];
    const { frames, rows } = buffer?.toSection(shard.id, dictionary) ?? { frames: [], rows: 0 };
    const numberCount = numbers?.rowCount ?? 0;
    this.rows += numberCount;
    this.#sections.push({
      shard: shard.id,
      dictionary,
      rowFrames: frames,
      numberFrames: numbers?.finish() ?? [],
      rows: rows + numberCount,
    });
    this.#buffers[shard.id] = undefined;
    this.#numbers[shard.id] = undefined;
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
