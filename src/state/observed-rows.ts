import type { Namespace, StateObserver } from '../api/internal/state-backend.js';
import type { Entry } from './entry.js';
import type { MapRows } from './map-rows.js';
import type { SingleRows } from './single-rows.js';

/**
 * Stand between a state and its rows while somebody looks (`KeyedStateBackend.observe`), and tell of each access. At other
 * times states hold the rows themselves, so that looking costs nothing when nobody does.
 */

/** What states with one row per key ask of their rows. */
export type SingleRowAccess = Pick<
  SingleRows,
  'setNamespace' | 'read' | 'readForUpdate' | 'write' | 'touch' | 'remove' | 'take'
>;

/** A state whose rows can be reached by another way. */
export interface SingleRowState {
  accessThrough(rows: SingleRowAccess): void;
}

/** What map states ask of their rows. */
export type MapRowAccess = Pick<
  MapRows,
  'setNamespace' | 'readForUpdate' | 'write' | 'remove' | 'isEmpty' | 'sortedEntries' | 'handOut' | 'clear'
>;

export interface MapRowState {
  accessThrough(rows: MapRowAccess): void;
}

export class ObservedSingleRows implements SingleRowAccess {
  readonly #rows: SingleRows;
  readonly #name: string;
  readonly #observer: StateObserver;

  constructor(rows: SingleRows, name: string, observer: StateObserver) {
    this.#rows = rows;
    this.#name = name;
    this.#observer = observer;
  }

  setNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  read(): unknown {
    this.#observer.onRead(this.#name);
    return this.#rows.read();
  }

  readForUpdate(): unknown {
    this.#observer.onRead(this.#name);
    return this.#rows.readForUpdate();
  }

  write(value: unknown): void {
    this.#observer.onWrite(this.#name);
    this.#rows.write(value);
  }

  touch(addedBytes: number): void {
    this.#observer.onWrite(this.#name);
    this.#rows.touch(addedBytes);
  }

  remove(): void {
    this.#observer.onWrite(this.#name);
    this.#rows.remove();
  }

  take(namespace: Namespace): unknown {
    this.#observer.onRead(this.#name);
    this.#observer.onWrite(this.#name);
    return this.#rows.take(namespace);
  }
}

export class ObservedMapRows implements MapRowAccess {
  readonly #rows: MapRows;
  readonly #name: string;
  readonly #observer: StateObserver;

  constructor(rows: MapRows, name: string, observer: StateObserver) {
    this.#rows = rows;
    this.#name = name;
    this.#observer = observer;
  }

  setNamespace(namespace: Namespace): void {
    this.#rows.setNamespace(namespace);
  }

  readForUpdate(subKey: unknown): unknown {
    this.#observer.onRead(this.#name);
    return this.#rows.readForUpdate(subKey);
  }

  isEmpty(): boolean {
    this.#observer.onRead(this.#name);
    return this.#rows.isEmpty();
  }

  sortedEntries(): readonly Entry[] {
    this.#observer.onRead(this.#name);
    return this.#rows.sortedEntries();
  }

  /** Of an entry that {@link sortedEntries} gave, which was told. */
  handOut(entry: Entry): unknown {
    return this.#rows.handOut(entry);
  }

  write(subKey: unknown, value: unknown): void {
    this.#observer.onWrite(this.#name);
    this.#rows.write(subKey, value);
  }

  remove(subKey: unknown): void {
    this.#observer.onWrite(this.#name);
    this.#rows.remove(subKey);
  }

  clear(): void {
    this.#observer.onWrite(this.#name);
    this.#rows.clear();
  }
}
