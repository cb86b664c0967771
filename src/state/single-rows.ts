import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import { canonicalKey, keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { KeyGroup } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import { Entry, KEY_GROUP_BITS, NamespacedEntry, PERSISTED, USED } from './entry.js';
import type { RowKeyReader } from './key-encoding.js';
import { NumberColumns } from './number-columns.js';
import type { NumberTable } from './number-table.js';
import { ShardTables } from './shard-tables.js';
import { StateRows, type Seal, type StateRowsOptions } from './state-rows.js';

/** The current key's slot in the table of numbers was not looked up. */
const UNKNOWN_SLOT = -2;
const NO_SLOT = -1;

/**
 * Rows of which a key has one, or one per namespace: those of value, list, reducing and aggregating states.
 *
 * The states call this once or twice per record, so a found row is remembered in {@link current} until the key changes.
 *
 * A row lies in one of two places: as an {@link Entry}; or, when memory is all there is beneath and the serialiser is the
 * default one, in {@link NumberColumns}, if key and value are numbers.
 */
export class SingleRows extends StateRows {
  /** The entry of the current key and namespace, once it was looked up. States read it inline. */
  current: Entry | null = null;
  readonly #tables: ShardTables<Entry>;
  #namespace: Namespace = VOID_NAMESPACE;
  readonly #columns: NumberColumns;
  readonly #hasColumns: boolean;
  /** The columns of the current namespace; `null` when it has none, so far. */
  #numbers: NumberTable | null = null;
  #slot = UNKNOWN_SLOT;

  constructor(options: StateRowsOptions) {
    super(options);
    const { usage, tracksChanges } = options.host;
    this.#columns = new NumberColumns({ usage, tracksChanges });
    this.#hasColumns = options.host.base === null && options.codec.numberVersion !== null;
    this.#tables = new ShardTables(options.stateIds.map((id) => id !== undefined));
  }

  override get mayWait(): boolean {
    // What has a time to live is swept.
    return this.ttl === null;
  }

  setNamespace(namespace: Namespace): void {
    if (namespace === this.#namespace) return;
    this.#namespace = namespace;
    this.#numbers = this.#columns.get(namespace);
    this.invalidate();
  }

  override invalidate(): void {
    this.current = null;
    this.#slot = UNKNOWN_SLOT;
  }

  /** The entry of the current key and namespace, from memory or from the base; `undefined` when there is none. */
  #find(): Entry | undefined {
    return this.#findInMemory() ?? (this.mayBeStored(this.context.shard) ? this.#load() : undefined);
  }

  /** The value of the current key and namespace, to be read only; `undefined` when there is no row. */
  read(): unknown {
    if (this.#numbers !== null && this.#findSlot(this.#numbers) >= 0) return this.#numbers.read(this.#slot);
    const entry = this.current ?? this.#find();
    return entry === undefined ? undefined : entry.value;
  }

  /** The value of the current key and namespace as something that its reader may change in place. */
  readForUpdate(): unknown {
    if (this.#numbers !== null && this.#findSlot(this.#numbers) >= 0) return this.#numbers.read(this.#slot);
    const entry = this.current ?? this.#find();
    if (entry === undefined) return undefined;
    const value = entry.value;
    if (this.seals.length > 0 && typeof value === 'object') this.saveForSeals(entry);
    return value;
  }

  /** Sets the row of the current key and namespace. */
  write(value: unknown): void {
    if (typeof value === 'number' ? this.#writeNumber(value) : this.#moveOutOfNumbers()) return;
    const entry = this.current ?? this.#findInMemory() ?? this.#createUnread();
    if (entry.epoch === this.epoch) {
      entry.value = value;
      return;
    }
    this.beforeWrite(entry);
    const isAsLarge = typeof value === 'number' && typeof entry.value === 'number';
    entry.value = value;
    if (!isAsLarge) this.measure(entry);
  }

  /**
   * Announces that the value of the current row, which {@link readForUpdate} returned, is about to be changed in place.
   *
   * @param addedBytes by how much the value is going to grow, roughly
   */
  touch(addedBytes: number): void {
    const entry = this.current;
    if (entry === null) return;
    if (entry.epoch !== this.epoch) this.beforeWrite(entry);
    if (addedBytes !== 0) this.resize(entry, entry.size + addedBytes);
  }

  /** Removes the row of the current key and namespace. */
  remove(): void {
    if (this.#numbers !== null && this.#findSlot(this.#numbers) >= 0) {
      this.#numbers.remove(this.#slot, this.epoch);
      if (this.#columns.dropIfEmpty(this.#namespace, this.#numbers)) this.#numbers = null;
      return;
    }
    let entry = this.current ?? this.#findInMemory();
    if (entry === undefined) {
      if (!this.mayBeStored(this.context.shard)) return;
      entry = this.#createUnread();
    } else if (entry.value === undefined) {
      return;
    }
    if (this.erase(entry)) this.current = null;
  }

  /** Takes the value of another namespace of the current key out, for merging. */
  take(namespace: Namespace): unknown {
    const before = this.#namespace;
    this.setNamespace(namespace);
    const value = this.readForUpdate();
    if (value !== undefined) this.remove();
    this.setNamespace(before);
    return value;
  }

  override entries(): IterableIterator<Entry> {
    return this.#tables.values();
  }

  /** The entries without a namespace; those of numbers are copies. */
  *voidEntries(): IterableIterator<Entry> {
    yield* this.#tables.voidValues();
    for (const [key, value] of this.#columns.get(VOID_NAMESPACE)?.rows() ?? []) {
      const entry = new Entry(key, keyGroupOf(key));
      entry.value = value;
      yield entry;
    }
  }

  /** Calls back for every row in memory. */
  forEachInMemory(visit: (key: unknown, namespace: Namespace) => void): void {
    for (const entry of this.#tables.values()) if (entry.value !== undefined) visit(entry.key, entry.namespace);
    this.#columns.forEach(visit);
  }

  override detach(entry: Entry): void {
    const shard = shardOfKeyGroup((entry.bits & KEY_GROUP_BITS) as KeyGroup, this.stateIds.length);
    this.#tables.delete(shard, entry.namespace, canonicalKey(entry.key));
  }

  override insertStored(keyGroup: number, reader: RowKeyReader, value: unknown): Entry | null {
    const key = reader.readElement();
    const namespace = reader.readNamespace();
    if (this.#canBeInColumns(namespace) && isColumnNumber(value) && isInt32(key)) {
      this.setStoredNumber(namespace, key, value);
      return null;
    }
    const entry = this.#make(key, keyGroup, namespace);
    const shard = shardOfKeyGroup(keyGroup as KeyGroup, this.stateIds.length);
    this.#tables.set(shard, namespace, canonicalKey(key), entry);
    this.adoptStored(entry, value);
    return entry;
  }

  override setStoredNumber(namespace: Namespace, key: number, value: number | undefined): void {
    const table = this.#columns.getOrMake(namespace);
    table.setStored(key, value);
    if (value === undefined) this.#columns.dropIfEmpty(namespace, table);
    if (namespace === this.#namespace) this.#numbers = this.#columns.get(namespace);
  }

  override isInMemory(keyGroup: number, reader: RowKeyReader): boolean {
    const lookupKey = canonicalKey(reader.readElement());
    const shard = shardOfKeyGroup(keyGroup as KeyGroup, this.stateIds.length);
    return this.#tables.get(shard, reader.readNamespace(), lookupKey) !== undefined;
  }

  protected override sealColumns(seal: Seal): boolean {
    return this.#columns.seal(seal, (namespace) => seal.sink.numbersOf(this, namespace));
  }

  protected override saveColumns(seal: Seal, rowsMax: number): boolean {
    const hasMore = this.#columns.saveSome(seal, rowsMax);
    // An empty table may have gone.
    if (!hasMore) this.#numbers = this.#columns.get(this.#namespace);
    return hasMore;
  }

  /** The current row's place among the numbers, negative for none. Kept until the key changes. */
  #findSlot(numbers: NumberTable): number {
    if (this.#slot !== UNKNOWN_SLOT) return this.#slot;
    const { context } = this;
    if (!context.hasKey) throw this.noKey();
    const key = context.lookupKey;
    this.#slot = isInt32(key) ? numbers.find(key) : NO_SLOT;
    return this.#slot;
  }

  /** @returns whether the number was written: false when the row has to be an entry */
  #writeNumber(value: number): boolean {
    const numbers = this.#numbers;
    if (numbers !== null && this.#findSlot(numbers) >= 0) {
      if (!isColumnNumber(value)) return this.#moveOutOfNumbers();
      numbers.write(this.#slot, value, this.epoch);
      return true;
    }
    if (!this.#canBeInColumns(this.#namespace) || !isColumnNumber(value)) return false;
    const { context } = this;
    if (!isInt32(context.lookupKey) || this.current !== null || this.#findInMemory() !== undefined) return false;
    invariant(this.stateIds[context.shard] !== undefined, 'a key is only ever processed by the owner of its shard');
    this.#numbers ??= this.#columns.getOrMake(this.#namespace);
    this.#slot = this.#numbers.insert(context.lookupKey, value, this.epoch);
    return true;
  }

  /** Makes the current row an entry, if it is a number so far. @returns false: the caller writes to the entry next */
  #moveOutOfNumbers(): false {
    const numbers = this.#numbers;
    if (numbers === null || this.#findSlot(numbers) < 0) return false;
    const isStored = numbers.moveOut(this.#slot);
    this.#slot = NO_SLOT;
    const entry = this.#createUnread();
    if (isStored) entry.bits |= PERSISTED;
    return false;
  }

  #canBeInColumns(namespace: Namespace): boolean {
    return this.#hasColumns && this.#columns.canHold(namespace);
  }

  #findInMemory(): Entry | undefined {
    const context = this.context;
    if (!context.hasKey) throw this.noKey();
    const entry = this.#tables.get(context.shard, this.#namespace, context.lookupKey);
    if (entry === undefined) return undefined;
    if ((entry.bits & USED) === 0) entry.bits |= USED;
    this.current = entry;
    return entry;
  }

  /**
   * A new entry for a caller that overwrites the row, and so need not read it. A later deletion must assume that the row is
   * stored.
   */
  #createUnread(): Entry {
    const { key, keyGroup, shard } = this.context;
    const entry = this.#make(key, keyGroup, this.#namespace);
    this.#enter(entry);
    if (this.mayBeStored(shard)) entry.bits |= PERSISTED;
    this.adopt(entry);
    return entry;
  }

  /** Reads the row from the base. That it is absent there is remembered too: a new key is asked for more than once. */
  #load(): Entry {
    const { key, keyGroup } = this.context;
    const entry = this.#make(key, keyGroup, this.#namespace);
    // Read before it is entered: after a failure it must not pass for a row that is known to be absent.
    const bytes = this.host.base?.read(this, entry) ?? null;
    const value = bytes === null ? undefined : this.decode(bytes, 0, bytes.length);
    this.#enter(entry);
    this.adoptStored(entry, value);
    return entry;
  }

  /** Makes an entry that belongs to the current key and namespace the current one. */
  #enter(entry: Entry): void {
    this.#tables.set(this.context.shard, this.#namespace, this.context.lookupKey, entry);
    this.current = entry;
  }

  #make(key: unknown, keyGroup: number, namespace: Namespace): Entry {
    return namespace === VOID_NAMESPACE
      ? new Entry(key, keyGroup)
      : new NamespacedEntry(key, keyGroup, namespace, undefined);
  }
}

function isInt32(key: unknown): key is number {
  return typeof key === 'number' && (key | 0) === key;
}

/** Minus zero would come out of the columns as zero. */
function isColumnNumber(value: unknown): value is number {
  return typeof value === 'number' && (value !== 0 || !Object.is(value, -0));
}
