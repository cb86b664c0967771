import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import type { NumberRowSink } from './number-blocks.js';
import { NumberTable } from './number-table.js';
import type { MemoryUsage, Seal } from './state-rows.js';

/** A window over few keys must not take the room of one over many. */
const WINDOW_SLOTS_LEAST = 16;

/**
 * The {@link NumberTable}s of one state: one for rows without a namespace, and one per namespace that is a number, as those of
 * windows of one size are. A table goes when its last row has gone and nothing of it is to be stored any more, so what a window
 * held is given back when the window ends.
 *
 * Namespaces that are texts have none: sessions have few rows each, and a table would be larger than they are.
 */
export class NumberColumns {
  readonly #usage: MemoryUsage;
  readonly #tracksChanges: boolean;
  readonly #tables = new Map<Namespace, NumberTable>();

  constructor(options: { usage: MemoryUsage; tracksChanges: boolean }) {
    this.#usage = options.usage;
    this.#tracksChanges = options.tracksChanges;
  }

  canHold(namespace: Namespace): boolean {
    return namespace === VOID_NAMESPACE || typeof namespace === 'number';
  }

  get(namespace: Namespace): NumberTable | null {
    return this.#tables.get(namespace) ?? null;
  }

  /** The table of a namespace that {@link canHold} allows, made when there is none. */
  getOrMake(namespace: Namespace): NumberTable {
    return this.#tables.get(namespace) ?? this.#make(namespace);
  }

  /** Calls back for every row. */
  forEach(visit: (key: number, namespace: Namespace) => void): void {
    for (const [namespace, table] of this.#tables) for (const [key] of table.rows()) visit(key, namespace);
  }

  /** After a row of the namespace was removed. @returns whether its table has gone */
  dropIfEmpty(namespace: Namespace, table: NumberTable): boolean {
    if (namespace === VOID_NAMESPACE || !table.isEmpty) return false;
    this.#tables.delete(namespace);
    return true;
  }

  /** Begins to save all tables. @returns whether there is anything to save */
  seal(seal: Seal, sinkOf: (namespace: Namespace) => NumberRowSink): boolean {
    let hasAny = false;
    for (const [namespace, table] of this.#tables) if (table.seal(seal, sinkOf(namespace))) hasAny = true;
    return hasAny;
  }

  /** Saves some rows of a seal. @returns whether more are waiting */
  saveSome(seal: Seal, rowsMax: number): boolean {
    for (const [namespace, table] of this.#tables) {
      if (table.saveSome(seal, rowsMax)) return true;
      this.dropIfEmpty(namespace, table);
    }
    return false;
  }

  #make(namespace: Namespace): NumberTable {
    const table = new NumberTable({
      usage: this.#usage,
      tracksChanges: this.#tracksChanges,
      ...(namespace === VOID_NAMESPACE ? {} : { slotsLeast: WINDOW_SLOTS_LEAST }),
    });
    this.#tables.set(namespace, table);
    return table;
  }
}
