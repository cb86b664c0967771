import type { OperatorStateStore } from '../api/internal/state-backend.js';
import { shareOf } from '../checkpoint/recovery-plan.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';

/** The lists of one subtask that belong to no key, serialised as in a checkpoint. */
export type SerialisedLists = Readonly<Record<string, readonly Uint8Array[]>>;

const serde = new MessagePackSerde<unknown>();

/** Copies a subtask's lists, so that what it does next does not reach into a snapshot. */
export function serialiseLists(lists: Readonly<Record<string, readonly unknown[]>>): SerialisedLists {
  return Object.fromEntries(
    Object.entries(lists).map(([name, entries]) => [
      name,
      entries.map((entry) => Uint8Array.from(serde.serialise(entry))),
    ]),
  );
}

/** What one subtask gets back: its own lists at the same parallelism, else its share of the entries of all. */
export class RestoredLists implements OperatorStateStore {
  readonly #before: readonly SerialisedLists[];
  readonly #index: number;
  readonly #parallelism: number;

  /** @param before by subtask; empty when there is no snapshot */
  constructor(before: readonly SerialisedLists[], index: number, parallelism: number) {
    this.#before = before;
    this.#index = index;
    this.#parallelism = parallelism;
  }

  restored(name: string): readonly unknown[] | undefined {
    if (this.#before.length === this.#parallelism) return decoded(this.#before[this.#index]?.[name]);
    const all = this.#all(name);
    return all === undefined ? undefined : decoded(shareOf(all, this.#index, this.#parallelism));
  }

  restoredUnion(name: string): readonly unknown[] | undefined {
    return decoded(this.#all(name));
  }

  #all(name: string): readonly Uint8Array[] | undefined {
    const lists = this.#before.flatMap((state) => (state[name] === undefined ? [] : [state[name]]));
    return lists.length === 0 ? undefined : lists.flat();
  }
}

function decoded(entries: readonly Uint8Array[] | undefined): readonly unknown[] | undefined {
  return entries?.map((bytes) => serde.deserialise(bytes));
}
