import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import { STATE_ID_MAX } from './key-encoding.js';

export type StateKind = 'value' | 'list' | 'map' | 'reducing' | 'aggregating' | 'timer';

/** What a state id in the row keys of a shard stands for. */
export interface DictionaryEntry {
  readonly id: number;
  readonly operatorUid: string;
  readonly name: string;
  readonly kind: StateKind;
  /** Of the serialiser that wrote the values. */
  readonly serde: string;
}

/**
 * The states of one shard, by number. Row keys hold the number, so they stay short; the dictionary is stored beside the
 * rows, in each segment and in the base, so that a shard says by itself what it holds, and moves between threads without
 * them having to agree on numbers.
 */
export class StateDictionary {
  readonly #byId: DictionaryEntry[] = [];

  get entries(): readonly DictionaryEntry[] {
    return this.#byId;
  }

  entryOf(id: number): DictionaryEntry | undefined {
    return this.#byId[id];
  }

  /** Takes over entries that were stored. Ids are never reassigned, so a newer dictionary extends an older one. */
  merge(stored: readonly DictionaryEntry[]): void {
    for (const entry of stored) {
      const known = this.#byId[entry.id];
      if (known !== undefined) continue;
      invariant(entry.id === this.#byId.length, 'dictionary ids are dense');
      this.#byId.push(entry);
    }
  }

  /**
   * The id of a state, given at first asking.
   *
   * @throws MillraceError `MILLRACE_STATE_INCOMPATIBLE` when this name is stored with another kind.
   */
  idOf(operatorUid: string, name: string, kind: StateKind, serde: string): number {
    for (const entry of this.#byId) {
      if (entry.operatorUid !== operatorUid || entry.name !== name || isTimer(entry.kind) !== isTimer(kind)) continue;
      if (entry.kind !== kind) throw kindChanged(entry, kind);
      if (entry.serde !== serde) throw serdeChanged(entry, serde);
      return entry.id;
    }
    const id = this.#byId.length;
    invariant(id <= STATE_ID_MAX, 'a shard holds no more states than there are state ids');
    this.#byId.push({ id, operatorUid, name, kind, serde });
    return id;
  }
}

/** Timers have names of their own, apart from the author's states. */
function isTimer(kind: StateKind): boolean {
  return kind === 'timer';
}

function kindChanged(stored: DictionaryEntry, kind: StateKind): MillraceError {
  const { operatorUid, name } = stored;
  return new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `state '${name}' of operator '${operatorUid}' is stored as ${stored.kind} state and asked for as ${kind} state`,
    {
      details: { operator: operatorUid, state: name, storedKind: stored.kind, kind },
      hint: 'Give the new state another name; what is stored under the old one is kept.',
    },
  );
}

function serdeChanged(stored: DictionaryEntry, serde: string): MillraceError {
  const { operatorUid, name } = stored;
  return new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `state '${name}' of operator '${operatorUid}' is stored with serde '${stored.serde}' and asked for with '${serde}'`,
    {
      details: { operator: operatorUid, state: name, storedSerde: stored.serde, serde },
      hint: 'Use the serde that wrote the state, or give the new state another name.',
    },
  );
}
