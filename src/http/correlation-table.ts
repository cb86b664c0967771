/**
 * A hash table from correlation ids to what waits for them, in place of a `Map`.
 *
 * A `Map` that sees as many deletions as insertions is copied whole every hundred operations or so, and each dead copy keeps
 * everything that it last held alive until the next major collection: half of all requests with their sockets and buffers
 * would grow old that way. This table is one array that is written in place: open addressing with linear probing, and a
 * deletion moves the entries behind it up, so that no tombstones gather.
 *
 * Ids are random, so a part of their text serves as the hash.
 */

/** What can be stored: it knows its own id. */
export interface Correlated {
  readonly correlationId: string;
}

const CAPACITY_MIN = 256;
/** Characters of an id that make its hash: the first eight of a UUID are random hexadecimal digits. */
const HASH_LENGTH = 8;

function hashOf(id: string): number {
  let hash = 0;
  for (let index = 0; index < HASH_LENGTH; index += 1) hash = (Math.imul(hash, 31) + id.charCodeAt(index)) | 0;
  // The low bits of neighbouring texts are alike; the multiplication brings all of them into the high ones.
  return Math.imul(hash, 0x9e3779b1) >>> 8;
}

export class CorrelationTable<T extends Correlated> {
  #slots: (T | null)[] = new Array<T | null>(CAPACITY_MIN).fill(null);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): T | undefined {
    return this.#slots[this.#find(id)] ?? undefined;
  }

  /** Stores an entry. @returns false when its id is taken; nothing happens then. */
  add(entry: T): boolean {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    const slot = this.#find(entry.correlationId);
    if (this.#slots[slot] !== null) return false;
    this.#slots[slot] = entry;
    this.#size += 1;
    return true;
  }

  /** @returns false when there is no entry of this id. */
  delete(id: string): boolean {
    const slot = this.#find(id);
    if (this.#slots[slot] === null) return false;
    this.#size -= 1;
    this.#closeGap(slot);
    return true;
  }

  /** Everything in the table, as a list of its own. */
  entries(): T[] {
    return this.#slots.filter((entry) => entry !== null);
  }

  /** The slot that holds the id, or the empty one where it belongs. */
  #find(id: string): number {
    let slot = hashOf(id) & this.#mask;
    for (let entry = this.#slots[slot]; entry; entry = this.#slots[slot]) {
      if (entry.correlationId === id) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  /** Empties a slot, and moves into it whatever behind it could not be reached over the gap. */
  #closeGap(emptied: number): void {
    let gap = emptied;
    let slot = (gap + 1) & this.#mask;
    for (let entry = this.#slots[slot]; entry; entry = this.#slots[slot]) {
      const home = hashOf(entry.correlationId) & this.#mask;
      const distanceFromHome = (slot - home) & this.#mask;
      const distanceFromGap = (slot - gap) & this.#mask;
      if (distanceFromHome >= distanceFromGap) {
        this.#slots[gap] = entry;
        gap = slot;
      }
      slot = (slot + 1) & this.#mask;
    }
    this.#slots[gap] = null;
  }

  #grow(): void {
    const entries = this.entries();
    this.#slots = new Array<T | null>(2 * this.#slots.length).fill(null);
    this.#mask = this.#slots.length - 1;
    for (const entry of entries) this.#slots[this.#find(entry.correlationId)] = entry;
  }
}
