import type { InternalValueState, KeyedStateBackend, Namespace } from '../../api/internal/state-backend.js';
import { valueState } from '../../api/keyed-state.js';
import { TimeWindow } from '../../api/windows.js';

/** Four numbers per window: its start and end, then start and end of the window whose namespace holds its contents. */
type WindowRows = readonly number[];

interface InFlightWindow {
  readonly window: TimeWindow;
  readonly stateWindow: TimeWindow;
}

const NO_SOURCES: readonly Namespace[] = [];

/** What a merge means for the operator. All windows are existing ones; the new window has no state yet. */
export type MergeCallback = (
  result: TimeWindow,
  merged: readonly TimeWindow[],
  stateTarget: Namespace,
  stateSources: readonly Namespace[],
) => void;

/**
 * The sessions of the current key that are in flight, and in which namespace the contents of each stand.
 *
 * When a session grows, its contents stay where they are: only this table changes, unless two sessions become one. Kept in
 * keyed state, so that it is part of every snapshot. To be loaded when the key changes and persisted after each use.
 */
export class MergingWindowSet {
  readonly #state: InternalValueState<WindowRows>;
  #windows: InFlightWindow[] = [];
  #isChanged = false;

  constructor(keyedState: KeyedStateBackend) {
    this.#state = keyedState.valueState(valueState<WindowRows>('merging-window-set'));
  }

  /** Reads the current key's sessions. */
  load(): void {
    const rows = this.#state.value() ?? [];
    this.#windows = [];
    for (let i = 0; i + 3 < rows.length; i += 4) {
      this.#windows.push({
        window: new TimeWindow(rows[i] as number, rows[i + 1] as number),
        stateWindow: new TimeWindow(rows[i + 2] as number, rows[i + 3] as number),
      });
    }
    this.#isChanged = false;
  }

  /** Writes the current key's sessions back, if they changed. */
  persist(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    if (this.#windows.length === 0) {
      this.#state.clear();
      return;
    }
    const rows: number[] = [];
    for (const { window, stateWindow } of this.#windows) {
      rows.push(window.start, window.end, stateWindow.start, stateWindow.end);
    }
    this.#state.update(rows);
  }

  /** Where the contents of a session stand; `null` for one that is not in flight. */
  stateNamespaceOf(window: TimeWindow): Namespace | null {
    const found = this.#windows.find((inFlight) => isSame(inFlight.window, window));
    return found === undefined ? null : sessionNamespace(found.stateWindow);
  }

  retire(window: TimeWindow): void {
    this.#windows = this.#windows.filter((inFlight) => !isSame(inFlight.window, window));
    this.#isChanged = true;
  }

  /**
   * Adds the window of a new record. `merge` is called when existing sessions grow or become one, not when the new window
   * lies within one.
   *
   * @returns the session that the record belongs to.
   */
  add(added: TimeWindow, merge: MergeCallback): TimeWindow {
    const touching = this.#touching(added);
    const first = touching[0];
    if (first === undefined) {
      this.#windows.push({ window: added, stateWindow: added });
      this.#isChanged = true;
      return added;
    }
    if (touching.length === 1) return this.#extend(first, added, merge);
    const start = touching.reduce((least, { window }) => Math.min(least, window.start), added.start);
    const end = touching.reduce((most, { window }) => Math.max(most, window.end), added.end);

    const result = new TimeWindow(start, end);
    this.#windows = this.#windows.filter((inFlight) => !touching.includes(inFlight));
    this.#windows.push({ window: result, stateWindow: first.stateWindow });
    this.#isChanged = true;
    merge(
      result,
      touching.map((inFlight) => inFlight.window),
      sessionNamespace(first.stateWindow),
      touching.slice(1).map((inFlight) => sessionNamespace(inFlight.stateWindow)),
    );
    return result;
  }

  /** The common case: one session, which the new window lies in or makes longer. */
  #extend(session: InFlightWindow, added: TimeWindow, merge: MergeCallback): TimeWindow {
    const { window, stateWindow } = session;
    const start = Math.min(window.start, added.start);
    const end = Math.max(window.end, added.end);
    if (window.start === start && window.end === end) return window;
    const result = new TimeWindow(start, end);
    this.#windows[this.#windows.indexOf(session)] = { window: result, stateWindow };
    this.#isChanged = true;
    merge(result, [window], sessionNamespace(stateWindow), NO_SOURCES);
    return result;
  }

  /** Sessions in flight never touch each other, so those that the new window touches are all that become one with it. */
  #touching(added: TimeWindow): readonly InFlightWindow[] {
    const touching = this.#windows.filter((inFlight) => inFlight.window.intersects(added));
    return touching.length < 2 ? touching : touching.sort((a, b) => a.window.start - b.window.start);
  }
}

function isSame(a: TimeWindow, b: TimeWindow): boolean {
  return a.start === b.start && a.end === b.end;
}

function sessionNamespace(window: TimeWindow): Namespace {
  return `${window.start},${window.end}`;
}
