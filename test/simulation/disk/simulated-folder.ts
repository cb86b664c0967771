import type { Prng } from '../../../src/base/prng.js';
import type { SimulatedFile } from './simulated-file.js';

export type Entry = SimulatedFile | SimulatedFolder;

/** Names that get or lose an entry together: two for a renaming. */
type Change = readonly (readonly [name: string, entry: Entry | null])[];

/** A folder as the system sees it, and as it would be found after the power was lost: with any of its last changes undone. */
export class SimulatedFolder {
  #entries = new Map<string, Entry>();
  #durable = new Map<string, Entry>();
  /** Oldest first. */
  #unsynced: Change[] = [];

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  change(change: Change): void {
    apply(this.#entries, change);
    this.#unsynced.push(change);
  }

  sync(): void {
    this.#durable = new Map(this.#entries);
    this.#unsynced = [];
  }

  /** A file whose name was lost is gone, however durable its content. */
  losePower(prng: Prng): void {
    const keptCount = prng.below(this.#unsynced.length + 1);
    for (const change of this.#unsynced.slice(0, keptCount)) apply(this.#durable, change);
    this.#entries = new Map(this.#durable);
    this.#unsynced = [];
    for (const entry of this.#entries.values()) entry.losePower(prng);
  }
}

function apply(entries: Map<string, Entry>, change: Change): void {
  for (const [name, entry] of change) {
    if (entry === null) entries.delete(name);
    else entries.set(name, entry);
  }
}
