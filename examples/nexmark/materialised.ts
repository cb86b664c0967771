import type { Row, RowChange } from './events.js';

/** A query's result table, in the making: rows that are added, and rows that replace those of their key. */
export class MaterialisedTable {
  readonly #added: Row[] = [];
  readonly #keyed = new Map<string | number, Row>();

  apply({ key, row }: RowChange): void {
    if (key === null) this.#added.push(row);
    else this.#keyed.set(key, row);
  }

  /** One line per row, sorted by UTF-16 code unit. */
  lines(): string[] {
    return [...this.#added, ...this.#keyed.values()].map((row) => JSON.stringify(row)).sort();
  }
}
