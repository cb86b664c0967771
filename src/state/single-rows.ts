import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import { canonicalKey } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { KeyGroup } from '../base/ids.js';
import { Entry, KEY_GROUP_BITS, NamespacedEntry, PERSISTED, USED } from './entry.js';
import type { RowKeyReader } from './key-encoding.js';
import { ShardTables } from './shard-tables.js';
import { StateRows, type StateRowsOptions } from './state-rows.js';

/**
 * Rows of which a key has one, or one per namespace: those of value, list, reducing and aggregating states, and timers.
 *
 * The states call this once or twice per record, so a found row is remembered in {@link current} until the key changes.
 */
export class SingleRows extends StateRows {
  /** The entry of the current key and namespace, once it was looked up. States read it inline. */
  current: Entry | null = null;
  readonly #tables: ShardTables<Entry>;
  #namespace: Namespace = VOID_NAMESPACE;

  constructor(options: StateRowsOptions) {
    super(options);
    this.#tables = new ShardTables(options.stateIds.map((id) => id !== undefined));
  }

  setNamespace(namespace: Namespace): void {
    if (namespace === this.#namespace) return;
    this.#namespace = namespace;
    this.current = null;
  }

  override invalidate(): void {
    this.current = null;
  }

  /** The entry of the current key and namespace, from memory or from the base; `undefined` when there is none. */
  find(): Entry | undefined {
    return this.#findInMemory() ?? (this.mayBeStored(this.context.shard) ? this.#load() : undefined);
  }

  /** The value of the current key and namespace, to be read only; `undefined` when there is no row. */
  read(): unknown {
    const entry = this.current ?? this.find();
    return entry === undefined ? undefined : entry.value;
  }

  /** The value of the current key and namespace as something that its reader may change in place. */
  readForUpdate(): unknown {
    const entry = this.current ?? this.find();
    if (entry === undefined) return undefined;
    const value = entry.value;
    if (this.seals.length > 0 && typeof value === 'object') this.saveForSeals(entry);
    return value;
  }

  /** Sets the row of the current key and namespace. */
  write(value: unknown): void {
    const entry = this.current ?? this.#findInMemory() ?? this.#createUnread();
    if (entry.epoch === this.epoch) {
      entry.value = value;
      return;
    }
    this.beforeWrite(entry);
    entry.value = value;
    this.measure(entry);
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

  /** The entries without a namespace. */
  voidEntries(): IterableIterator<Entry> {
    return this.#tables.voidValues();
  }

  override detach(entry: Entry): void {
    const shard = shardOfKeyGroup((entry.bits & KEY_GROUP_BITS) as KeyGroup, this.stateIds.length);
    this.#tables.delete(shard, this.memoryNamespace(entry), canonicalKey(entry.key));
  }

  override insertStored(keyGroup: number, reader: RowKeyReader, value: unknown): void {
    const key = reader.readElement();
    const namespace = this.readNamespace(reader);
    const entry = this.#make(key, keyGroup, namespace);
    const shard = shardOfKeyGroup(keyGroup as KeyGroup, this.stateIds.length);
    this.#tables.set(shard, namespace, canonicalKey(key), entry);
    this.adoptStored(entry, value);
  }

  override isInMemory(keyGroup: number, reader: RowKeyReader): boolean {
    const lookupKey = canonicalKey(reader.readElement());
    const shard = shardOfKeyGroup(keyGroup as KeyGroup, this.stateIds.length);
    return this.#tables.get(shard, this.readNamespace(reader), lookupKey) !== undefined;
  }

  /** The namespace under which an entry lies in memory. Timers have a form of their own. */
  protected memoryNamespace(entry: Entry): Namespace {
    return entry.namespace;
  }

  protected makeNamespacedEntry(key: unknown, keyGroup: number, namespace: Namespace): Entry {
    return new NamespacedEntry(key, keyGroup, namespace, undefined);
  }

  protected readNamespace(reader: RowKeyReader): Namespace {
    return reader.readNamespace();
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
    return namespace === VOID_NAMESPACE ? new Entry(key, keyGroup) : this.makeNamespacedEntry(key, keyGroup, namespace);
  }
}
