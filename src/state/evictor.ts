import { type Entry, USED } from './entry.js';
import type { MemoryUsage, StateRows } from './state-rows.js';

/** Entries looked at between two looks at the clock. */
const ENTRIES_PER_STEP = 64;
const GROWTH_WORTH_A_SEARCH = 1.1;

/**
 * Keeps the memtable within its budget, by second chance: a hand goes round all entries; one that was used since the hand
 * last came by is spared once, one that was not leaves, if what it holds is in the base. An access therefore only sets a
 * bit: nothing is moved in a list.
 */
export class Evictor {
  readonly #usage: MemoryUsage;
  readonly #budgetBytes: number;
  #rows: readonly StateRows[] = [];
  #next = 0;
  #hand: Iterator<Entry> | null = null;
  #current: StateRows | null = null;
  /** Entries seen since one was evicted. Two rounds without a find: everything is in use or not yet in the base. */
  #fruitless = 0;
  /** How many entries there were when the search was given up; many more are worth another one. */
  #entriesAtEnd = Infinity;

  constructor(usage: MemoryUsage, budgetBytes: number) {
    this.#usage = usage;
    this.#budgetBytes = budgetBytes;
  }

  /** Tells that states were added. */
  watch(rows: readonly StateRows[]): void {
    this.#rows = rows;
  }

  /** Tells that rows have reached the base: there may be something to find again. */
  retry(): void {
    this.#fruitless = 0;
    this.#entriesAtEnd = Infinity;
  }

  get isOverBudget(): boolean {
    return this.#usage.bytes > this.#budgetBytes;
  }

  /** Whether a search for entries to evict is under way, or worth beginning. */
  get canEvict(): boolean {
    if (!this.isOverBudget) return false;
    const { entries } = this.#usage;
    if (this.#fruitless <= 2 * entries + ENTRIES_PER_STEP) return true;
    this.#entriesAtEnd = Math.min(this.#entriesAtEnd, entries);
    if (entries < this.#entriesAtEnd * GROWTH_WORTH_A_SEARCH + ENTRIES_PER_STEP) return false;
    this.retry();
    return true;
  }

  /** Evicts a few entries. @returns whether there is more to do, and any hope of doing it */
  step(): boolean {
    if (!this.canEvict) return false;
    for (let count = 0; count < ENTRIES_PER_STEP; count++) {
      const entry = this.#advance();
      if (entry === null) return false;
      this.#fruitless += 1;
      if ((entry.bits & USED) !== 0) {
        entry.bits &= ~USED;
        continue;
      }
      const rows = this.#current;
      if (rows === null || entry.epoch > rows.appliedEpoch) continue;
      rows.evict(entry);
      this.#fruitless = 0;
      if (!this.isOverBudget) return false;
    }
    return true;
  }

  #advance(): Entry | null {
    for (let tries = 0; tries <= this.#rows.length; tries++) {
      const next = this.#hand?.next();
      if (next !== undefined && next.done !== true) return next.value;
      if (this.#rows.length === 0) return null;
      this.#next = (this.#next + 1) % this.#rows.length;
      this.#current = this.#rows[this.#next] as StateRows;
      this.#hand = this.#current.entries();
    }
    this.#fruitless = Infinity;
    return null;
  }
}
