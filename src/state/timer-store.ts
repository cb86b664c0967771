import { canonicalKey } from '../api/internal/key-bytes.js';
import type { Namespace, TimerRow, TimerTable } from '../api/internal/state-backend.js';
import type { KeyGroup } from '../base/ids.js';
import { Entry, KEY_GROUP_BITS, PERSISTED } from './entry.js';
import type { RowKeyReader } from './key-encoding.js';
import { StateRows } from './state-rows.js';

/** Places of removed rows are closed up when there are this many, and more of them than of others. */
const CLOSE_UP_LEAST = 1024;

/** A timer: its row in memory, and its place in the timer queue. */
export class TimerEntry extends Entry implements TimerRow {
  readonly timestamp: number;
  isDeleted = false;
  /** Where it stands among the rows in memory; -1 when it is not there. */
  place = -1;
  readonly #namespace: Namespace;

  constructor(key: unknown, keyGroup: number, namespace: Namespace, timestamp: number) {
    super(key, keyGroup);
    this.#namespace = namespace;
    this.timestamp = timestamp;
  }

  get keyGroup(): KeyGroup {
    return (this.bits & KEY_GROUP_BITS) as KeyGroup;
  }

  override get namespace(): Namespace {
    return this.#namespace;
  }

  override get subKey(): number {
    return this.timestamp;
  }
}

/**
 * The rows of timers: `[key, namespace, timestamp]`.
 *
 * Nobody looks a timer up here: the timer queue holds every timer in memory, and with it its row. So rows are only a list,
 * and adding and removing one costs no lookup by key. The exception are removed rows that a stored one has to be hidden by:
 * the same timer may be registered again before the next checkpoint, and then takes the removed row's place.
 *
 * A removed row leaves a hole in the list. Holes are closed up only while no snapshot walks over the list; the evictor may
 * miss rows for one round.
 */
export class TimerRows extends StateRows {
  #entries: (TimerEntry | undefined)[] = [];
  #holes = 0;
  /** Removed rows that are still to be stored as removed, by identity. */
  readonly #removed = new Map<string, TimerEntry>();
  /** The identities of all rows in memory, while stored ones are compared with them. */
  #identities: Set<string> | null = null;

  override invalidate(): void {
    // No row is remembered.
  }

  override *entries(): IterableIterator<TimerEntry> {
    // The list may grow, and be replaced, meanwhile.
    for (let place = 0; place < this.#entries.length; place++) {
      const entry = this.#entries[place];
      if (entry !== undefined) yield entry;
    }
  }

  /** A timer of the current key that does not exist yet. */
  add(timestamp: number, namespace: Namespace): TimerEntry {
    const { hasKey, key, keyGroup, shard } = this.context;
    if (!hasKey) throw this.noKey();
    const entry = new TimerEntry(key, keyGroup, namespace, timestamp);
    this.#enter(entry);
    if (this.mayBeStored(shard)) entry.bits |= PERSISTED;
    this.adopt(entry);
    if (this.#removed.size > 0) {
      const removed = this.#removed.get(identityOf(key, namespace, timestamp));
      if (removed !== undefined) this.supersede(removed, entry);
    }
    this.beforeWrite(entry);
    entry.value = true;
    this.measure(entry);
    return entry;
  }

  remove(entry: TimerEntry): void {
    // A row that has left memory comes back, to say that it is gone.
    if (entry.place < 0) {
      this.#enter(entry);
      this.adoptStored(entry, true);
    }
    const isGone = this.erase(entry);
    if (!isGone) this.#removed.set(identityOf(entry.key, entry.namespace, entry.timestamp), entry);
  }

  override detach(entry: TimerEntry): void {
    this.#entries[entry.place] = undefined;
    entry.place = -1;
    this.#holes++;
    if (this.#holes >= CLOSE_UP_LEAST && this.#holes * 2 > this.#entries.length) this.#closeUp();
    if (this.#removed.size === 0) return;
    const identity = identityOf(entry.key, entry.namespace, entry.timestamp);
    if (this.#removed.get(identity) === entry) this.#removed.delete(identity);
  }

  override insertStored(keyGroup: number, reader: RowKeyReader, value: unknown): Entry {
    const entry = readEntry(keyGroup, reader);
    this.#enter(entry);
    this.adoptStored(entry, value);
    return entry;
  }

  override isInMemory(_keyGroup: number, reader: RowKeyReader): boolean {
    const { key, namespace, timestamp } = readEntry(0, reader);
    return this.#identities?.has(identityOf(key, namespace, timestamp)) ?? false;
  }

  /** While `visit` runs, {@link isInMemory} can be asked. */
  withIdentities(visit: () => void): void {
    this.#identities = new Set();
    for (const { key, namespace, timestamp } of this.entries()) {
      this.#identities.add(identityOf(key, namespace, timestamp));
    }
    try {
      visit();
    } finally {
      this.#identities = null;
    }
  }

  #enter(entry: TimerEntry): void {
    entry.place = this.#entries.length;
    this.#entries.push(entry);
  }

  #closeUp(): void {
    if (this.seals.length > 0) return;
    const closed: TimerEntry[] = [];
    for (const entry of this.#entries) {
      if (entry === undefined) continue;
      entry.place = closed.length;
      closed.push(entry);
    }
    this.#entries = closed;
    this.#holes = 0;
  }
}

function readEntry(keyGroup: number, reader: RowKeyReader): TimerEntry {
  const key = reader.readElement();
  const namespace = reader.readNamespace();
  return new TimerEntry(key, keyGroup, namespace, reader.readElement() as number);
}

function identityOf(key: unknown, namespace: Namespace, timestamp: number): string {
  const lookup = canonicalKey(key);
  return `${timestamp}|${typeof namespace}|${namespace}|${typeof lookup}|${lookup}`;
}

export class TimerTableImpl implements TimerTable {
  readonly #rows: TimerRows;
  readonly #forEachStored: (visit: (reader: RowKeyReader, keyGroup: number) => void) => void;

  /** @param forEachStored visits stored timers that are not in memory; the reader stands on the key */
  constructor(rows: TimerRows, forEachStored: (visit: (reader: RowKeyReader, keyGroup: number) => void) => void) {
    this.#rows = rows;
    this.#forEachStored = forEachStored;
  }

  add(timestamp: number, namespace: Namespace): TimerRow {
    return this.#rows.add(timestamp, namespace);
  }

  remove(row: TimerRow): void {
    // Every row of this table is one that it has made.
    this.#rows.remove(row as TimerEntry);
  }

  peek(): unknown {
    return undefined;
  }

  forEach(visit: (row: TimerRow) => void): void {
    for (const entry of this.#rows.entries()) if (entry.value !== undefined) visit(entry);
    this.#rows.withIdentities(() => {
      // What stays in the base is shown as a row that has left memory.
      this.#forEachStored((reader, keyGroup) => visit(readEntry(keyGroup, reader)));
    });
  }
}
