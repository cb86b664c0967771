import type { Pattern } from '../../src/cep/index.js';
import { MatchBuffer, type BufferedEvent, type Link, type Table } from '../../src/cep/match-buffer.js';
import { compilePattern } from '../../src/cep/pattern-compiler.js';
import { NOTHING_MATCHED, PatternMatcher, type Step } from '../../src/cep/pattern-matcher.js';
import { takenNames } from '../../src/cep/pattern-part.js';

/**
 * Patterns over events that are written as text: `'a1 b2'` is an event named `a1` of kind `a`, then `b2` of kind `b`. A
 * number after an `@` is its timestamp; else it is one millisecond after the event before.
 */
export interface TextEvent {
  readonly id: string;
  readonly kind: string;
  readonly at: number;
  /** What the digits of its name say; 0 for none. */
  readonly number: number;
  /** Its place in the text. */
  readonly index: number;
}

export function textEvents(text: string): TextEvent[] {
  let clock = 0;
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word, index) => {
      const [id = '', at] = word.split('@');
      clock = at === undefined ? clock + 1 : Number(at);
      return { id, kind: id.replace(/\d+$/, ''), at: clock, number: Number(/\d+$/.exec(id)?.[0] ?? 0), index };
    });
}

/** Whether an event is of a kind. */
export const is =
  (kind: string) =>
  (event: TextEvent): boolean =>
    event.kind === kind;

type AnyPattern = Pattern<TextEvent, unknown, never>;

/** One key's events through a pattern, one by one. */
export class PatternRunner {
  readonly timedOut: string[] = [];
  /** Every match so far as its events by part. */
  readonly matches: Readonly<Record<string, readonly TextEvent[]>>[] = [];
  readonly #matcher: PatternMatcher;
  readonly #links = new MapTable<Link>();
  readonly #events = new MapTable<BufferedEvent>();
  #state = NOTHING_MATCHED;

  constructor(pattern: { readonly parts: unknown }) {
    const { parts, skipStrategy } = (pattern as AnyPattern).checked();
    this.#matcher = new PatternMatcher(compilePattern(parts), skipStrategy, {
      buffer: new MatchBuffer(this.#links, this.#events),
      parts: takenNames(parts),
      clock: () => 0,
    });
  }

  /** @returns the matches that the event completes, each as its events in order. */
  process(event: TextEvent): string[] {
    const matches = this.advanceTime(event.at);
    return [...matches, ...this.#take(this.#matcher.processEvent(this.#state, event, event.at))];
  }

  advanceTime(at: number): string[] {
    return this.#take(this.#matcher.advanceTime(this.#state, at));
  }

  /** Everything that is stored: partial matches, complete ones that wait, links and events. */
  get stored(): { readonly partials: number; readonly links: number; readonly events: number } {
    const { partials, completed } = this.#state;
    return { partials: partials.length + completed.length, links: this.#links.size, events: this.#events.size };
  }

  #take(step: Step): string[] {
    this.#state = step.state;
    this.timedOut.push(...step.timedOut.map(({ events, at }) => `${inOrder(events)} @${String(at)}`));
    this.matches.push(...(step.matches as Readonly<Record<string, readonly TextEvent[]>>[]));
    return step.matches.map(inOrder);
  }
}

/** All matches of a text, in the order in which they come out. */
export function matchesOf(pattern: { readonly parts: unknown }, text: string): string[] {
  const runner = new PatternRunner(pattern);
  return textEvents(text).flatMap((event) => runner.process(event));
}

function inOrder(match: Readonly<Record<string, readonly unknown[]>>): string {
  const events = Object.values(match).flat() as TextEvent[];
  return [...events]
    .sort((a, b) => a.index - b.index)
    .map(({ id }) => id)
    .join(' ');
}

class MapTable<V> extends Map<number, V> implements Table<V> {
  put(key: number, value: V): void {
    this.set(key, value);
  }

  remove(key: number): void {
    this.delete(key);
  }
}
