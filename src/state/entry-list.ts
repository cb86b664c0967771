import type { Entry } from './entry.js';

/** Entries that are taken one after another. */
export interface EntrySource {
  /** @returns the next one; `null` when there is none left */
  take(): Entry | null;
}

/** Less room than this is not worth giving back. */
const ROOM_LEAST = 1024;

/**
 * The entries that changed in an epoch, in the order of their first change. Their number is much the same from epoch to epoch, so the
 * room of a list that has been emptied serves again: to let a list of a hundred thousand grow anew each second costs more than
 * to add to it.
 */
export class EntryList implements EntrySource {
  /** `null` where an entry was taken: this must not be what keeps it in memory. */
  readonly #items: (Entry | null)[] = [];
  #end = 0;
  #next = 0;

  /** Entries that are still to be taken. */
  get length(): number {
    return this.#end - this.#next;
  }

  /** Whether at least a quarter of its room was needed this time, or there is little of it. */
  get isWorthKeeping(): boolean {
    return this.#end * 4 >= this.#items.length || this.#items.length < ROOM_LEAST;
  }

  add(entry: Entry): void {
    this.#items[this.#end++] = entry;
  }

  take(): Entry | null {
    if (this.#next === this.#end) return null;
    const entry = this.#items[this.#next] as Entry;
    this.#items[this.#next++] = null;
    return entry;
  }

  /** Drops those of which `isWanted` says false. Of a list that nothing was taken of. */
  keep(isWanted: (entry: Entry) => boolean): void {
    let kept = 0;
    for (let at = 0; at < this.#end; at++) {
      const entry = this.#items[at] as Entry;
      if (isWanted(entry)) this.#items[kept++] = entry;
    }
    this.#items.fill(null, kept, this.#end);
    this.#end = kept;
  }

  /** Begins anew, with the room that there is. Of a list that everything was taken of. */
  reuse(): void {
    this.#end = 0;
    this.#next = 0;
  }
}

/** What an iterator gives. */
export function entriesOf(iterator: Iterator<Entry>): EntrySource {
  return {
    take: () => {
      const next = iterator.next();
      return next.done === true ? null : next.value;
    },
  };
}
