import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import type { ShardId } from '../base/ids.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { TtlPolicy } from './ttl.js';
import {
  DEAD_EPOCH,
  type Entry,
  entryBytes,
  estimateBytes,
  KEY_GROUP_BITS,
  NamespacedEntry,
  PERSISTED,
} from './entry.js';
import { EntryList, type EntrySource, entriesOf } from './entry-list.js';
import type { KeyContext } from './key-context.js';
import type { StateKind } from './state-dictionary.js';
import type { RowKeyReader } from './key-encoding.js';
import type { NumberRowSink } from './number-blocks.js';
import type { ValueCodec } from './value-codec.js';

/**
 * The rows of one state of one operator, over all shards of a store: change tracking and copy-on-write, which every kind of
 * state shares. How rows are found is the subclasses'.
 *
 * **Epochs.** Time is cut into epochs by the barriers that the operator passes. The first change of a row within an epoch
 * puts it on the list of changed rows. At the barrier the list is handed to the snapshot as a {@link Seal}, in constant
 * time, and a new epoch begins; the snapshot serialises the list's rows in slices, between batches.
 *
 * **Copy-on-write.** A row that is sealed but not yet serialised is serialised at once, before it is overwritten, and also
 * before an object is handed out that its reader could change in place. So a snapshot holds each row as it was at the
 * barrier, and no row is copied twice.
 */

/** What a seal takes of an epoch: the changed rows, or all rows. */
export type SealKind = 'delta' | 'full';

/** Rows of one state as of one barrier, on their way into a snapshot. */
export interface Seal {
  readonly rows: StateRows;
  readonly kind: SealKind;
  /** The epoch that the barrier ended. */
  readonly epoch: number;
  /** Where serialised rows go. */
  readonly sink: RowSink;
  /** Where those of numbers go which the sink takes as such; `null` when all rows are to be serialised. */
  readonly numbers: NumberRowSink | null;
  /** The entries still to be looked at. */
  readonly entries: EntrySource;
}

export interface RowSink {
  /** @returns the bytes that the row took. */
  append(entry: Entry, rows: StateRows): number;
  /** Where rows of a namespace that lie in columns go. */
  numbersOf(rows: StateRows, namespace: Namespace): NumberRowSink;
  /** A row could not be serialised: the snapshot lacks it, and must not count as complete. */
  fail(error: Error): void;
}

/** What rows need of the store they live in. */
export interface RowHost {
  /** False for state that only ever lives in memory: nothing is tracked, and nothing stays behind a removed row. */
  readonly tracksChanges: boolean;
  /** The stored rows beneath the memtable; `null` when the memtable is everything. */
  readonly base: RowBase | null;
  readonly usage: MemoryUsage;
}

/** Rows of a shard's base, read when the memtable misses. */
export interface RowBase {
  /** Whether the base of this shard may hold any row at all. */
  mayHold(shard: ShardId): boolean;
  /** The value bytes of an entry's row, valid until the next call; `null` when there is none. */
  read(rows: StateRows, entry: Entry): Buffer | null;
  /** Calls back for each row of a key and namespace until that returns false. `reader` stands on the sub key. */
  readSubRows(
    rows: StateRows,
    keyGroup: number,
    key: unknown,
    namespace: Namespace,
    visit: (reader: RowKeyReader, value: Buffer) => boolean,
  ): void;
  /** Calls back for each row of a state in a shard. */
  readState(rows: StateRows, shard: ShardId, visit: (rowKey: Buffer, keyGroup: number) => void): void;
}

/** Estimated bytes and counts, over all states of a store. */
export class MemoryUsage {
  entries = 0;
  bytes = 0;
  /** Of rows that changed since the last barrier. */
  dirtyBytes = 0;
}

/** Names a state in errors, in dictionaries and in queries. */
export interface StateName {
  readonly operatorUid: string;
  readonly name: string;
  readonly kind: StateKind;
}

export interface StateRowsOptions {
  readonly name: StateName;
  readonly context: KeyContext;
  readonly codec: ValueCodec;
  readonly host: RowHost;
  /** By shard: the state's id in that shard's dictionary; `undefined` for shards of others. */
  readonly stateIds: readonly (number | undefined)[];
  /** Of a state whose values expire. @defaultValue `null` */
  readonly ttl?: TtlPolicy | null;
}

/** Fewer removed rows than this in the list of changed rows are not worth a sweep. */
const SWEEP_LEAST = 1024;

export abstract class StateRows {
  readonly name: StateName;
  readonly codec: ValueCodec;
  readonly stateIds: readonly (number | undefined)[];
  readonly ttl: TtlPolicy | null;
  /** Changes are stamped with this. Compared inline on every write: see {@link beforeWrite}. */
  epoch = 1;
  /** Up to this epoch, changes have reached the base: such entries may leave the memtable. */
  appliedEpoch = 0;
  /** Open seals, oldest first; empty nearly always. Compared inline on every read of an object. */
  readonly seals: Seal[] = [];
  protected readonly context: KeyContext;
  protected readonly host: RowHost;
  #dirty = new EntryList();
  /** One that a seal is done with. */
  #spare: EntryList | null = null;
  #dirtyBytes = 0;
  #deadCount = 0;

  constructor(options: StateRowsOptions) {
    this.name = options.name;
    this.context = options.context;
    this.codec = options.codec;
    this.host = options.host;
    this.stateIds = options.stateIds;
    this.ttl = options.ttl ?? null;
  }

  /** Forgets which entry belongs to the current key: after the key has changed, or entries may have left the memtable. */
  abstract invalidate(): void;
  /** Every entry, in any order; rows may be added and removed while this is walked. */
  abstract entries(): IterableIterator<Entry>;
  /** Takes an entry out of its table. */
  abstract detach(entry: Entry): void;
  /** Puts a stored row into memory. `reader` stands on the key. @returns its entry; `null` when it lies in columns */
  abstract insertStored(keyGroup: number, reader: RowKeyReader, value: unknown): Entry | null;
  /** Whether its restored rows may stay in bytes until a key of their shard is current: its rows are only found by key. */
  get mayWait(): boolean {
    return false;
  }

  /** Whether the row of this row key is in memory, or known not to exist. `reader` stands on the key. */
  abstract isInMemory(keyGroup: number, reader: RowKeyReader): boolean;

  /**
   * To be called before an entry changes, when `entry.epoch !== rows.epoch`: callers compare first, so that further changes
   * within an epoch cost one comparison.
   */
  beforeWrite(entry: Entry): void {
    if (this.seals.length > 0) this.saveForSeals(entry);
    if (entry.epoch !== this.epoch) this.#markDirty(entry);
  }

  /** Serialises an entry for the snapshots that have sealed it: before it changes, or may be changed by who reads it. */
  saveForSeals(entry: Entry): void {
    for (const seal of this.seals) if (isSealed(entry, seal)) this.#save(entry, seal);
  }

  /** After the first write of an epoch: measures the value anew. */
  measure(entry: Entry): void {
    if (this.host.base === null) return;
    this.resize(entry, entryBytes(entry) + estimateBytes(entry.value));
  }

  resize(entry: Entry, size: number): void {
    this.host.usage.bytes += size - entry.size;
    if (entry.epoch === this.epoch && this.host.tracksChanges) this.#addDirtyBytes(size - entry.size);
    entry.size = size;
  }

  /**
   * Makes the row of an entry not exist.
   *
   * @returns whether the entry is gone from its table as well, since nothing stored needs to be hidden.
   */
  erase(entry: Entry): boolean {
    if (this.seals.length > 0) this.saveForSeals(entry);
    if ((entry.bits & PERSISTED) === 0) {
      this.#bury(entry);
      return true;
    }
    if (entry.epoch !== this.epoch) this.#markDirty(entry);
    entry.value = undefined;
    return false;
  }

  /** A new entry takes the place of one that was removed: of one row there must not be two. */
  protected supersede(removed: Entry, entry: Entry): void {
    if (this.seals.length > 0) this.saveForSeals(removed);
    entry.bits |= removed.bits & PERSISTED;
    this.#bury(removed);
  }

  /** Removes a clean entry from memory, to make room. */
  evict(entry: Entry): void {
    this.detach(entry);
    this.#forgetUsage(entry);
  }

  /**
   * Ends the epoch and hands its rows to a snapshot. Constant time: this runs at the barrier.
   *
   * @returns the seal; `null` when there is nothing to take.
   */
  seal(kind: SealKind, sink: RowSink): Seal | null {
    const dirty = this.#dirty;
    const epoch = this.epoch;
    this.#dirty = this.#spare ?? new EntryList();
    this.#spare = null;
    this.#addDirtyBytes(-this.#dirtyBytes);
    this.#deadCount = 0;
    this.epoch = epoch + 1;
    const entries = kind === 'delta' ? dirty : entriesOf(this.entries());
    // Without a base, numbers are in columns; what is among the entries all the same stays apart from them.
    const areNumbersTaken = this.host.base !== null && this.codec.numberVersion !== null;
    const numbers = areNumbersTaken ? sink.numbersOf(this, VOID_NAMESPACE) : null;
    const seal: Seal = { rows: this, kind, epoch, sink, numbers, entries };
    const hasColumns = this.sealColumns(seal);
    if (kind === 'delta' && dirty.length === 0 && !hasColumns) return null;
    this.seals.push(seal);
    return seal;
  }

  /**
   * Serialises some of a seal's rows.
   *
   * @returns whether more are waiting.
   */
  saveSome(seal: Seal, rowsMax: number): boolean {
    // All are looked at before the first is saved: so the processor waits for the memory of several at a time.
    const sealed: Entry[] = [];
    let hasMore = true;
    for (let count = 0; count < rowsMax && hasMore; count++) {
      const entry = seal.entries.take();
      if (entry === null) hasMore = false;
      else if (isSealed(entry, seal)) sealed.push(entry);
    }
    for (const entry of sealed) {
      this.#save(entry, seal);
      // A stored tombstone hides nothing in memory: without a base, absent and not there are the same.
      if (entry.value === undefined && entry.epoch !== this.epoch && this.host.base === null) this.#bury(entry);
    }
    if (hasMore || this.saveColumns(seal, rowsMax)) return true;
    this.#endSeal(seal);
    return false;
  }

  /** A stored value, from its bytes. */
  decode(source: Buffer, start: number, end: number): unknown {
    try {
      return this.codec.read(source, start, end);
    } catch (error) {
      const { operatorUid, name } = this.name;
      const isOfSchema =
        MillraceError.is(error, 'MILLRACE_STATE_INCOMPATIBLE') ||
        MillraceError.is(error, 'MILLRACE_STATE_MIGRATION_FAILED');
      if (isOfSchema) {
        throw new MillraceError(error.code, `state '${name}' of operator '${operatorUid}': ${error.message}`, {
          details: { ...error.details, operator: operatorUid, state: name },
          ...(error.hint === null ? {} : { hint: error.hint }),
          cause: error.cause,
        });
      }
      throw new MillraceError(
        'MILLRACE_DESERIALISATION_FAILED',
        `a stored value of state '${name}' of operator '${operatorUid}' cannot be read`,
        {
          details: { operator: operatorUid, state: name },
          hint: 'Use the serde, and the version of it, that wrote the state.',
          cause: error,
        },
      );
    }
  }

  /** Sets, or removes, a row of those that {@link sealColumns} saves as it is stored. */
  setStoredNumber(_namespace: Namespace, _key: number, _value: number | undefined): void {
    invariant(false, 'only states with columns are given numbers');
  }

  /** Begins to save rows that are kept beside the entries. Constant time. @returns whether there are any */
  protected sealColumns(_seal: Seal): boolean {
    return false;
  }

  /** Saves some of them. @returns whether more are waiting */
  protected saveColumns(_seal: Seal, _rowsMax: number): boolean {
    return false;
  }

  /** Adds a new entry to the counts. The caller puts it into its table, and changes it next. */
  protected adopt(entry: Entry): void {
    entry.size = entryBytes(entry);
    this.host.usage.entries += 1;
    this.host.usage.bytes += entry.size;
  }

  /** Adds an entry that holds what is stored. */
  protected adoptStored(entry: Entry, value: unknown): void {
    entry.value = value;
    if (value !== undefined && this.host.tracksChanges) entry.bits |= PERSISTED;
    this.adopt(entry);
    if (this.host.base !== null) this.resize(entry, entry.size + estimateBytes(value));
  }

  /** Whether a row that is not in memory may be stored. */
  protected mayBeStored(shard: ShardId): boolean {
    return this.host.base !== null && this.host.base.mayHold(shard);
  }

  protected noKey(): MillraceError {
    const { operatorUid, name } = this.name;
    return new MillraceError(
      'MILLRACE_STATE_NO_KEY',
      `state '${name}' of operator '${operatorUid}' was accessed while no key is current`,
      {
        details: { operator: operatorUid, state: name },
        hint: 'Use keyed state only while a record or a timer of a keyed stream is processed.',
      },
    );
  }

  #endSeal(seal: Seal): void {
    this.seals.splice(this.seals.indexOf(seal), 1);
    const { entries } = seal;
    if (!(entries instanceof EntryList) || !entries.isWorthKeeping) return;
    entries.reuse();
    this.#spare = entries;
  }

  #markDirty(entry: Entry): void {
    entry.epoch = this.epoch;
    if (!this.host.tracksChanges) return;
    this.#dirty.add(entry);
    this.#addDirtyBytes(entry.size);
  }

  #addDirtyBytes(bytes: number): void {
    this.#dirtyBytes += bytes;
    this.host.usage.dirtyBytes += bytes;
  }

  #save(entry: Entry, seal: Seal): void {
    entry.savedEpoch = seal.epoch;
    const { value } = entry;
    const isAbsent = value === undefined || this.#isForgotten(value);
    if (isAbsent && (entry.bits & PERSISTED) === 0) return;
    if (seal.numbers !== null && saveNumber(entry, seal.numbers)) {
      this.#noteStored(entry, isAbsent);
      return;
    }
    let bytes: number;
    try {
      if (isAbsent) entry.value = undefined;
      bytes = seal.sink.append(entry, this);
    } catch (error) {
      // The snapshot fails, not the record that happens to be processed. The row stays with what has to be stored.
      seal.sink.fail(this.#named(error, entry));
      if (entry.epoch !== this.epoch) this.#markDirty(entry);
      return;
    } finally {
      // Memory keeps it until somebody reads it, or adds to it.
      entry.value = value;
    }
    this.#noteStored(entry, isAbsent);
    // Objects take several times their serialised size; how large a serialised row is says more than a sample.
    if (this.host.base !== null && !isAbsent && typeof value === 'object') {
      this.resize(entry, Math.max(entry.size, entryBytes(entry) + 4 * bytes));
    }
  }

  #noteStored(entry: Entry, isAbsent: boolean): void {
    // With a base, a tombstone leaves the row stored until its segment has been applied.
    const isStored = !isAbsent || this.host.base !== null;
    entry.bits = isStored ? entry.bits | PERSISTED : entry.bits & ~PERSISTED;
  }

  /** What has expired is not stored any more. State for tests is stored as it is, which is what Flink does unless told otherwise. */
  #isForgotten(value: unknown): boolean {
    return this.ttl !== null && this.host.tracksChanges && this.ttl.hasAllExpired(value);
  }

  /** Removes an entry for good, whether or not it is on the list of changed rows. */
  #bury(entry: Entry): void {
    this.detach(entry);
    this.#forgetUsage(entry);
    const wasDirty = entry.epoch === this.epoch && this.host.tracksChanges;
    if (wasDirty) this.#addDirtyBytes(-entry.size);
    entry.epoch = DEAD_EPOCH;
    entry.value = undefined;
    if (wasDirty) this.#countDead();
  }

  #forgetUsage(entry: Entry): void {
    this.host.usage.entries -= 1;
    this.host.usage.bytes -= entry.size;
  }

  /** Rows that come and go within an epoch, as windows' do, must not pile up in the list of changed rows. */
  #countDead(): void {
    this.#deadCount += 1;
    if (this.#deadCount < SWEEP_LEAST || this.#deadCount * 2 < this.#dirty.length) return;
    this.#dirty.keep((entry) => entry.epoch === this.epoch);
    this.#deadCount = 0;
  }

  #named(error: unknown, entry: Entry): Error {
    const { operatorUid, name } = this.name;
    const known = MillraceError.is(error) ? error : null;
    const reason = error instanceof Error ? error.message : String(error);
    return new MillraceError(
      'MILLRACE_SERIALISATION_FAILED',
      `state '${name}' of operator '${operatorUid}' cannot be stored: ${reason}`,
      {
        details: { ...known?.details, operator: operatorUid, state: name, keyGroup: entry.bits & KEY_GROUP_BITS },
        hint: known?.hint ?? 'The serde of this state threw.',
        cause: error,
      },
    );
  }
}

/** Saves the row of a number, or its removal, under a 32-bit integer. @returns false for any other, of which nothing is done */
function saveNumber(entry: Entry, numbers: NumberRowSink): boolean {
  const { key, value } = entry;
  if (typeof key !== 'number' || (key | 0) !== key || entry instanceof NamespacedEntry) return false;
  if (value === undefined) {
    numbers.appendRemoved(key);
    return true;
  }
  if (typeof value !== 'number') return false;
  numberToSave[0] = value;
  numbers.append(key, numberToSave, 0);
  return true;
}

const numberToSave = new Float64Array(1);

/** Whether a seal still needs an entry as it is now. */
function isSealed(entry: Entry, seal: Seal): boolean {
  if (entry.savedEpoch >= seal.epoch || entry.epoch === DEAD_EPOCH) return false;
  return seal.kind === 'full' ? entry.epoch <= seal.epoch : entry.epoch === seal.epoch;
}
