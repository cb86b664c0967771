import type { MatchedEvents } from './after-match-skip-strategy.js';

/** A map as keyed state offers it; a test gives a plain one. */
export interface Table<V> {
  get(key: number): V | undefined;
  put(key: number, value: V): void;
  remove(key: number): void;
}

/** An event that at least one partial match has taken. */
export interface BufferedEvent {
  readonly value: unknown;
  /** Links to it. */
  readonly holders: number;
}

/** An event as part of a match, and the link before it. */
export interface Link {
  readonly part: string;
  readonly event: number;
  /** {@link NO_LINK} for the first of a match. */
  readonly before: number;
  /** Partial matches that end in it, and links after it. */
  readonly holders: number;
}

export const NO_LINK = -1;

/**
 * The events that partial matches have taken, each stored once, and each match as a way back through links.
 *
 * Partial matches that have a beginning in common share its links. SASE+ and Flink also share what lies after a difference,
 * and tell the ways apart by version numbers (Dewey numbers) on their edges; there, as here, one edge is stored for each event
 * that a partial match takes, so the tree holds as much and needs no versions (docs/decisions/0141-partial-matches-in-a-tree.md).
 *
 * What nobody holds any more is removed at once.
 */
export class MatchBuffer {
  readonly #links: Table<Link>;
  readonly #events: Table<BufferedEvent>;

  constructor(links: Table<Link>, events: Table<BufferedEvent>) {
    this.#links = links;
    this.#events = events;
  }

  /**
   * Stores an event, once it is taken and before {@link append}. The caller holds it until {@link releaseEvent}: a link to it
   * may come and go while the event is still tried on other partial matches.
   */
  addEvent(event: number, value: unknown): void {
    this.#events.put(event, { value, holders: 1 });
  }

  releaseEvent(event: number): void {
    const buffered = this.#events.get(event);
    if (buffered === undefined) return;
    if (buffered.holders > 1) this.#events.put(event, { ...buffered, holders: buffered.holders - 1 });
    else this.#events.remove(event);
  }

  /** Adds a link that nobody holds yet. It holds its event and the link before it. */
  append(link: number, part: string, event: number, before: number): void {
    this.#links.put(link, { part, event, before, holders: 0 });
    const buffered = this.#events.get(event);
    if (buffered !== undefined) this.#events.put(event, { ...buffered, holders: buffered.holders + 1 });
    if (before !== NO_LINK) this.hold(before);
  }

  hold(link: number): void {
    const held = this.#links.get(link);
    if (held !== undefined) this.#links.put(link, { ...held, holders: held.holders + 1 });
  }

  /** Lets go of a link, and of everything before it that only it held. */
  release(link: number): void {
    for (let at = link; at !== NO_LINK;) {
      const held = this.#links.get(at);
      if (held === undefined) return;
      if (held.holders > 1) {
        this.#links.put(at, { ...held, holders: held.holders - 1 });
        return;
      }
      this.#links.remove(at);
      this.releaseEvent(held.event);
      at = held.before;
    }
  }

  /** The numbers of the events that lead to a link, by part, the oldest first. */
  eventsBefore(link: number): MatchedEvents {
    const events: Record<string, number[]> = {};
    for (let at = link; at !== NO_LINK;) {
      const { part, event, before } = this.#links.get(at) as Link;
      (events[part] ??= []).push(event);
      at = before;
    }
    for (const numbers of Object.values(events)) numbers.reverse();
    return events;
  }

  valueOf(event: number): unknown {
    return this.#events.get(event)?.value;
  }
}
