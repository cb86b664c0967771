import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import { canonicalKey } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup } from '../api/internal/key-groups.js';
import type { KeyGroup } from '../base/ids.js';
import { type Entry, KEY_GROUP_BITS, NamespacedEntry, PERSISTED, USED } from './entry.js';
import { compareElements, type RowKeyReader } from './key-encoding.js';
import { ShardTables, type LookupKey } from './shard-tables.js';
import { StateRows, type StateRowsOptions } from './state-rows.js';

/** The entries of one map that are in memory. */
class Bucket {
  readonly key: unknown;
  readonly keyGroup: number;
  readonly namespace: Namespace;
  readonly entries = new Map<LookupKey, Entry>();
  /** The entries in order of their keys; `null` after one was added or removed. */
  sorted: Entry[] | null = null;

  constructor(key: unknown, keyGroup: number, namespace: Namespace) {
    this.key = key;
    this.keyGroup = keyGroup;
    this.namespace = namespace;
  }
}

/**
 * Rows of map states: one per entry of a map, so that a change costs one row however large the map is.
 *
 * Iteration goes in the order of the stored form of the keys: integers, other numbers, strings, each ascending. The order
 * of insertion would be cheaper, but a map that was restored would not have it any more, and a replay could answer
 * differently from the first run.
 */
export class MapRows extends StateRows {
  readonly #tables: ShardTables<Bucket>;
  #current: Bucket | null = null;
  #namespace: Namespace = VOID_NAMESPACE;

  constructor(options: StateRowsOptions) {
    super(options);
    this.#tables = new ShardTables(options.stateIds.map((id) => id !== undefined));
  }

  setNamespace(namespace: Namespace): void {
    if (namespace === this.#namespace) return;
    this.#namespace = namespace;
    this.#current = null;
  }

  override invalidate(): void {
    this.#current = null;
  }

  /** The value of a map key, as something that its reader may change in place; `undefined` when there is none. */
  readForUpdate(subKey: unknown): unknown {
    const entry = this.#find(subKey);
    if (entry === undefined) return undefined;
    const value = entry.value;
    if (this.seals.length > 0 && typeof value === 'object') this.saveForSeals(entry);
    return value;
  }

  write(subKey: unknown, value: unknown): void {
    const entry = this.#findInMemory(subKey) ?? this.#createUnread(subKey);
    if (entry.epoch === this.epoch) {
      entry.value = value;
      return;
    }
    this.beforeWrite(entry);
    entry.value = value;
    this.measure(entry);
  }

  remove(subKey: unknown): void {
    let entry = this.#findInMemory(subKey);
    if (entry === undefined) {
      if (!this.mayBeStored(this.context.shard)) return;
      entry = this.#createUnread(subKey);
    } else if (entry.value === undefined) {
      return;
    }
    this.erase(entry);
  }

  /** Whether the current map has no entry. */
  isEmpty(): boolean {
    const bucket = this.#bucket();
    if (bucket !== undefined) {
      for (const entry of bucket.entries.values()) if (entry.value !== undefined) return false;
    }
    return !this.mayBeStored(this.context.shard) || this.#storedEntries(1).length === 0;
  }

  /**
   * The entries of the current map in order, as they are now: later changes of the map do not show, except that values
   * of entries in memory are read when they are reached.
   */
  sortedEntries(): readonly Entry[] {
    const bucket = this.#bucket();
    const stored = this.mayBeStored(this.context.shard) ? this.#storedEntries(Infinity) : [];
    if (bucket === undefined) return stored;
    bucket.sorted ??= [...bucket.entries.values()].sort((a, b) => compareElements(a.subKey, b.subKey));
    if (stored.length === 0) return bucket.sorted;
    return [...bucket.sorted, ...stored].sort((a, b) => compareElements(a.subKey, b.subKey));
  }

  /** Before the value of an entry of {@link sortedEntries} is handed out. */
  handOut(entry: Entry): unknown {
    if (this.seals.length > 0 && typeof entry.value === 'object') this.saveForSeals(entry);
    return entry.value;
  }

  /** Removes all entries of the current map. */
  clear(): void {
    for (const entry of this.sortedEntries()) this.remove(entry.subKey);
  }

  override *entries(): IterableIterator<Entry> {
    for (const bucket of this.#tables.values()) yield* bucket.entries.values();
  }

  /** One entry of each map without a namespace that has any in memory. */
  *voidEntries(): IterableIterator<Entry> {
    for (const bucket of this.#tables.voidValues()) {
      for (const entry of bucket.entries.values()) {
        if (entry.value === undefined) continue;
        yield entry;
        break;
      }
    }
  }

  override detach(entry: Entry): void {
    const shard = this.#shardOf(entry.bits & KEY_GROUP_BITS);
    const lookupKey = canonicalKey(entry.key);
    const bucket = this.#tables.get(shard, entry.namespace, lookupKey);
    if (bucket === undefined) return;
    bucket.entries.delete(canonicalKey(entry.subKey));
    bucket.sorted = null;
    if (bucket.entries.size > 0) return;
    this.#tables.delete(shard, entry.namespace, lookupKey);
    if (this.#current === bucket) this.#current = null;
  }

  override insertStored(keyGroup: number, reader: RowKeyReader, value: unknown): Entry {
    const key = reader.readElement();
    const namespace = reader.readNamespace();
    const subKey = reader.readElement();
    const lookupKey = canonicalKey(key);
    const shard = this.#shardOf(keyGroup);
    let bucket = this.#tables.get(shard, namespace, lookupKey);
    if (bucket === undefined) {
      bucket = new Bucket(key, keyGroup, namespace);
      this.#tables.set(shard, namespace, lookupKey, bucket);
    }
    const entry = insert(bucket, subKey);
    this.adoptStored(entry, value);
    return entry;
  }

  override isInMemory(keyGroup: number, reader: RowKeyReader): boolean {
    const lookupKey = canonicalKey(reader.readElement());
    const bucket = this.#tables.get(this.#shardOf(keyGroup), reader.readNamespace(), lookupKey);
    return bucket?.entries.has(canonicalKey(reader.readElement())) ?? false;
  }

  #shardOf(keyGroup: number): ReturnType<typeof shardOfKeyGroup> {
    return shardOfKeyGroup(keyGroup as KeyGroup, this.stateIds.length);
  }

  #bucket(): Bucket | undefined {
    if (this.#current !== null) return this.#current;
    const context = this.context;
    if (!context.hasKey) throw this.noKey();
    const bucket = this.#tables.get(context.shard, this.#namespace, context.lookupKey);
    if (bucket !== undefined) this.#current = bucket;
    return bucket;
  }

  #bucketForWrite(): Bucket {
    const known = this.#bucket();
    if (known !== undefined) return known;
    const { key, lookupKey, keyGroup, shard } = this.context;
    const bucket = new Bucket(key, keyGroup, this.#namespace);
    this.#tables.set(shard, this.#namespace, lookupKey, bucket);
    this.#current = bucket;
    return bucket;
  }

  #find(subKey: unknown): Entry | undefined {
    return this.#findInMemory(subKey) ?? (this.mayBeStored(this.context.shard) ? this.#load(subKey) : undefined);
  }

  #findInMemory(subKey: unknown): Entry | undefined {
    const entry = this.#bucket()?.entries.get(canonicalKey(subKey));
    if (entry !== undefined && (entry.bits & USED) === 0) entry.bits |= USED;
    return entry;
  }

  #createUnread(subKey: unknown): Entry {
    const entry = insert(this.#bucketForWrite(), subKey);
    if (this.mayBeStored(this.context.shard)) entry.bits |= PERSISTED;
    this.adopt(entry);
    return entry;
  }

  #load(subKey: unknown): Entry {
    const { key, keyGroup } = this.context;
    // Read before it is entered: after a failure it must not pass for a row that is known to be absent.
    const wanted = new NamespacedEntry(key, keyGroup, this.#namespace, subKey);
    const bytes = this.host.base?.read(this, wanted) ?? null;
    const value = bytes === null ? undefined : this.decode(bytes, 0, bytes.length);
    enter(this.#bucketForWrite(), wanted);
    this.adoptStored(wanted, value);
    return wanted;
  }

  /**
   * The stored entries of the current map that memory does not know better. They are not kept in memory: walking a large
   * map must not push everything else out.
   */
  #storedEntries(countMax: number): Entry[] {
    const known = this.#bucket()?.entries;
    const { key, keyGroup } = this.context;
    const stored: Entry[] = [];
    this.host.base?.readSubRows(this, keyGroup, key, this.#namespace, (reader, value) => {
      const subKey = reader.readElement();
      if (known?.has(canonicalKey(subKey)) === true) return true;
      const entry = new NamespacedEntry(key, keyGroup, this.#namespace, subKey);
      entry.value = this.decode(value, 0, value.length);
      return stored.push(entry) < countMax;
    });
    return stored;
  }
}

function insert(bucket: Bucket, subKey: unknown): Entry {
  return enter(bucket, new NamespacedEntry(bucket.key, bucket.keyGroup, bucket.namespace, subKey));
}

function enter(bucket: Bucket, entry: Entry): Entry {
  bucket.entries.set(canonicalKey(entry.subKey), entry);
  bucket.sorted = null;
  return entry;
}
