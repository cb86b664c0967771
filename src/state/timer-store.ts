import { VOID_NAMESPACE, type Namespace, type TimerTable } from '../api/internal/state-backend.js';
import { NamespacedEntry, type Entry } from './entry.js';
import type { RowKeyReader } from './key-encoding.js';
import { SingleRows } from './single-rows.js';

/**
 * The rows of timers: `[key, namespace, timestamp]`. Timers of one timestamp and namespace lie in one table, as the timers
 * of a window do that ends for many keys at once.
 */
export class TimerRows extends SingleRows {
  protected override memoryNamespace(entry: Entry): Namespace {
    return timerNamespace(entry.subKey as number, entry.namespace);
  }

  protected override makeNamespacedEntry(key: unknown, keyGroup: number, namespace: Namespace): Entry {
    if (typeof namespace === 'number') return new NamespacedEntry(key, keyGroup, VOID_NAMESPACE, namespace);
    const separator = namespace.search(/[#$]/);
    const timestamp = Number(namespace.slice(0, separator));
    const rest = namespace.slice(separator + 1);
    return new NamespacedEntry(key, keyGroup, namespace[separator] === '#' ? Number(rest) : rest, timestamp);
  }

  protected override readNamespace(reader: RowKeyReader): Namespace {
    const namespace = reader.readNamespace();
    return timerNamespace(reader.readElement() as number, namespace);
  }
}

/**
 * Timestamp and namespace in one: the timestamp alone when there is no namespace, else `timestamp#number` or
 * `timestamp$string`.
 */
export function timerNamespace(timestamp: number, namespace: Namespace): Namespace {
  if (namespace === VOID_NAMESPACE) return timestamp;
  return typeof namespace === 'number' ? `${timestamp}#${namespace}` : `${timestamp}$${namespace}`;
}

export class TimerTableImpl implements TimerTable {
  readonly #rows: TimerRows;
  readonly #forEachStored: (visit: (reader: RowKeyReader) => void) => void;

  /** @param forEachStored visits stored timers that are not in memory; the reader stands on the key */
  constructor(rows: TimerRows, forEachStored: (visit: (reader: RowKeyReader) => void) => void) {
    this.#rows = rows;
    this.#forEachStored = forEachStored;
  }

  add(timestamp: number, namespace: Namespace): void {
    this.#rows.setNamespace(timerNamespace(timestamp, namespace));
    this.#rows.write(true);
  }

  remove(timestamp: number, namespace: Namespace): void {
    this.#rows.setNamespace(timerNamespace(timestamp, namespace));
    this.#rows.remove();
  }

  peek(): unknown {
    return undefined;
  }

  forEach(visit: (timestamp: number, key: unknown, namespace: Namespace) => void): void {
    for (const entry of this.#rows.entries()) {
      if (entry.value !== undefined) visit(entry.subKey as number, entry.key, entry.namespace);
    }
    this.#forEachStored((reader) => {
      const key = reader.readElement();
      const namespace = reader.readNamespace();
      visit(reader.readElement() as number, key, namespace);
    });
  }
}
