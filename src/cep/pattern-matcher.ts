import { MillraceError } from '../base/errors.js';
import type { AfterMatchSkipStrategy, MatchedEvents } from './after-match-skip-strategy.js';
import type { Automaton, AutomatonState, Edge } from './automaton.js';
import type { ConditionContext, Guard, PartTypes } from './condition.js';
import { NO_LINK } from './match-buffer.js';
import type { MatchBuffer } from './match-buffer.js';
import { waitLimits } from './wait-limits.js';

/** A partial match: where it is in the automaton, and what it has taken. Plain data. */
export interface PartialMatch {
  /** Id of an automaton state. */
  readonly state: string;
  /** The last link of what it has taken. */
  readonly link: number;
  /** Number and time of its first event. */
  readonly firstEvent: number;
  readonly startedAt: number;
  /** Time of its last event. Of one that an older release has stored there is only the time of the first. */
  readonly takenAt?: number;
}

/** Everything that is known of one key beside its buffer. Plain data, replaced and never changed. */
export interface MatcherState {
  /** By first event, ascending. */
  readonly partials: readonly PartialMatch[];
  /** Matches that wait for earlier ones, by first event, ascending. Only with a strategy that skips. */
  readonly completed: readonly PartialMatch[];
  readonly nextEvent: number;
  readonly nextLink: number;
}

export const NOTHING_MATCHED: MatcherState = { partials: [], completed: [], nextEvent: 0, nextLink: 0 };

/** What one step found. Events by part. */
export interface Step {
  readonly state: MatcherState;
  readonly matches: readonly Values[];
  /** Partial matches whose time is up, and when it was. */
  readonly timedOut: readonly { readonly events: Values; readonly at: number }[];
  /** When partial matches that began or went on will be over if nothing more comes. */
  readonly ends: ReadonlySet<number>;
}

type Values = Readonly<Record<string, readonly unknown[]>>;

/**
 * Runs the automaton of a pattern over the events of one key. Pure but for the buffer: the state goes in and comes out.
 *
 * Besides the stored partial matches there is always one that has taken nothing, at the start state. An event is tried on each of
 * them; it goes on along each edge that the event allows, so it may end, stay, move or become several. All that come of one
 * are dropped when one of them reaches a `stop` state.
 */
export class PatternMatcher {
  readonly #automaton: Automaton;
  readonly #strategy: AfterMatchSkipStrategy;
  readonly #buffer: MatchBuffer;
  readonly #parts: readonly string[];
  readonly #clock: () => number;
  /** How long a partial match may wait at a state, by the state's id. */
  readonly #waitLimits: ReadonlyMap<string, number>;

  /** @param parts names that every match has, if only with an empty list. */
  constructor(
    automaton: Automaton,
    strategy: AfterMatchSkipStrategy,
    options: { readonly buffer: MatchBuffer; readonly parts: readonly string[]; readonly clock: () => number },
  ) {
    this.#automaton = automaton;
    this.#strategy = strategy;
    this.#buffer = options.buffer;
    this.#parts = options.parts;
    this.#clock = options.clock;
    this.#waitLimits = waitLimits(automaton.states);
  }

  /** Ends the partial matches whose time is up at `now`. No event before it follows. */
  advanceTime(state: MatcherState, now: number): Step {
    const isOver = (partial: PartialMatch): boolean => this.#waitEndOf(partial) <= now || this.#endOf(partial) <= now;
    if (!state.partials.some(isOver)) return unchanged(state);
    const over = state.partials.filter(isOver);
    const pending = over.filter((partial) => this.#stateOf(partial).kind === 'pending');
    const timedOut = over
      .filter((partial) => !pending.includes(partial))
      .map((partial) => {
        const events = this.#valuesOf(this.#buffer.eventsBefore(partial.link));
        this.#buffer.release(partial.link);
        const waitEnd = this.#waitEndOf(partial);
        return { events, at: waitEnd <= now ? waitEnd : this.#endOf(partial) };
      });
    const left = { ...state, partials: state.partials.filter((partial) => !isOver(partial)) };
    // An earlier partial match that is over may let complete ones go.
    const { state: after, matches } = this.#takeMatches(left, pending, true);
    return { state: after, matches, timedOut, ends: NO_ENDS };
  }

  /** Tries an event on every partial match. Events come in the order of time. */
  processEvent(state: MatcherState, value: unknown, timestamp: number): Step {
    const trial = new EventTrial(this.#buffer, state, value, timestamp, this.#clock);
    const partials: PartialMatch[] = [];
    const completed: PartialMatch[] = [];
    // All conditions are asked before anything changes, so that one that throws leaves everything as it was.
    const trials = [...state.partials, null].map((partial) => ({
      partial,
      edges: trial.edgesFrom(this.#fromOf(partial), partial),
    }));
    for (const { partial, edges } of trials) this.#advance(trial, partial, edges, { partials, completed });
    trial.finish();
    if (!trial.hasChanged) return unchanged(state);
    const next = { ...state, partials, nextEvent: trial.nextEvent, nextLink: trial.nextLink };
    const { state: after, matches } = this.#takeMatches(next, completed, this.#strategy.skips);
    return { state: after, matches, timedOut: [], ends: this.#newEnds(state, after) };
  }

  /** The ends of the partial matches that an event has begun or changed. */
  #newEnds(before: MatcherState, { partials }: MatcherState): ReadonlySet<number> {
    const newest = partials.at(-1);
    if (newest === undefined) return NO_ENDS;
    const ends = new Set<number>();
    if (newest.firstEvent === before.nextEvent) ends.add(this.#endOf(newest));
    if (this.#waitLimits.size > 0) {
      const known = new Set(before.partials);
      for (const partial of partials) if (!known.has(partial)) ends.add(this.#waitEndOf(partial));
    }
    ends.delete(Infinity);
    return ends;
  }

  /** When the whole match has taken too long. */
  #endOf({ startedAt }: PartialMatch): number {
    return startedAt + (this.#automaton.withinMs ?? Infinity);
  }

  /** When it has waited too long for its next event. */
  #waitEndOf({ state, takenAt, startedAt }: PartialMatch): number {
    return (takenAt ?? startedAt) + (this.#waitLimits.get(state) ?? Infinity);
  }

  /** Adds what comes of a partial match. `null` is the one that has taken nothing. */
  #advance(
    trial: EventTrial,
    partial: PartialMatch | null,
    edges: readonly OpenEdge[],
    { partials, completed }: { readonly partials: PartialMatch[]; readonly completed: PartialMatch[] },
  ): void {
    // The usual case of an event that means nothing to the partial match: no link is let go and held again.
    if (
      partial !== null &&
      edges.length === 1 &&
      edges[0]?.edge.action === 'ignore' &&
      edges[0].edge.target.id === partial.state
    ) {
      partials.push(partial);
      return;
    }
    const next = edges.flatMap((each) => trial.follow(each, partial));
    if (partial !== null || next.length > 0) trial.hasChanged = true;
    const isStopped = next.some((each) => this.#stateOf(each).kind === 'stop');
    for (const each of next) {
      if (isStopped) this.#buffer.release(each.link);
      else if (this.#stateOf(each).kind === 'final') completed.push(each);
      else partials.push(each);
    }
    if (partial !== null) this.#buffer.release(partial.link);
  }

  /** Gives out complete matches, all at once or by the order of their first events, and drops what they skip. */
  #takeMatches(
    state: MatcherState,
    found: readonly PartialMatch[],
    isInOrder: boolean,
  ): { state: MatcherState; matches: Values[] } {
    const matches: Values[] = [];
    let completed = [...state.completed, ...found].sort((a, b) => a.firstEvent - b.firstEvent);
    let { partials } = state;
    for (let match = completed[0]; match !== undefined; match = completed[0]) {
      const isEarliest = partials[0] === undefined || match.firstEvent <= partials[0].firstEvent;
      if (isInOrder && !isEarliest) break;
      const events = this.#buffer.eventsBefore(match.link);
      matches.push(this.#valuesOf(events));
      const firstKept = this.#strategy.firstKept(events);
      this.#buffer.release(match.link);
      completed = this.#kept(completed.slice(1), firstKept);
      partials = this.#kept(partials, firstKept);
    }
    return { state: { ...state, partials, completed }, matches };
  }

  #kept(partials: readonly PartialMatch[], firstKept: number): PartialMatch[] {
    const dropped = partials.filter(({ firstEvent }) => firstEvent < firstKept);
    for (const { link } of dropped) this.#buffer.release(link);
    return partials.filter(({ firstEvent }) => firstEvent >= firstKept);
  }

  #valuesOf(events: MatchedEvents): Values {
    const valuesOf = (part: string): readonly unknown[] =>
      (events[part] ?? []).map((event) => this.#buffer.valueOf(event));
    return Object.fromEntries(this.#parts.map((part) => [part, valuesOf(part)]));
  }

  #fromOf(partial: PartialMatch | null): AutomatonState {
    return partial === null ? this.#automaton.start : this.#stateOf(partial);
  }

  #stateOf({ state: id }: PartialMatch): AutomatonState {
    const state = this.#automaton.states.get(id);
    if (state !== undefined) return state;
    throw new MillraceError(
      'MILLRACE_STATE_CONFLICT',
      `a stored partial match waits at "${id}", which the pattern has not`,
      {
        details: { state: id },
        hint: 'The pattern was changed: give its operator a new uid, and partial matches begin anew.',
      },
    );
  }
}

/** An edge that the event allows, and the state that it leaves from. */
interface OpenEdge {
  readonly from: AutomatonState;
  readonly edge: Edge;
  /** The final state that is reached behind the edge without another event; what follows may all be optional. */
  readonly final: AutomatonState | null;
}

/** One event on its way through the partial matches of a key. */
class EventTrial implements ConditionContext<PartTypes<unknown>> {
  nextEvent: number;
  nextLink: number;
  /** Whether anything is to be stored. */
  hasChanged = false;
  readonly #buffer: MatchBuffer;
  readonly #value: unknown;
  readonly #timestamp: number;
  readonly #clock: () => number;
  /** The event's number, once it is taken. */
  #event: number | null = null;
  /** Whose conditions are asked. */
  #partial: PartialMatch | null = null;
  /** What it has taken; `null` until somebody asks. */
  #taken: MatchedEvents | null = null;

  constructor(buffer: MatchBuffer, state: MatcherState, value: unknown, timestamp: number, clock: () => number) {
    this.#buffer = buffer;
    this.#value = value;
    this.#timestamp = timestamp;
    this.#clock = clock;
    this.nextEvent = state.nextEvent;
    this.nextLink = state.nextLink;
  }

  /** The edges that the event allows from a state, through `proceed` edges as well. */
  edgesFrom(state: AutomatonState, partial: PartialMatch | null): OpenEdge[] {
    this.#partial = partial;
    this.#taken = null;
    const open: OpenEdge[] = [];
    const waiting = [state];
    for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
      for (const edge of from.edges) {
        if (edge.action === 'take' && this.#isTooLateFor(from)) continue;
        if (!this.#holds(edge.guard)) continue;
        if (edge.action === 'proceed') waiting.push(edge.target);
        else open.push({ from, edge, final: edge.action === 'take' ? this.#finalAfter(edge.target) : null });
      }
    }
    return open;
  }

  /** What comes of a partial match along an edge. Each result holds its link. */
  follow({ from, edge, final }: OpenEdge, partial: PartialMatch | null): PartialMatch[] {
    if (edge.action === 'ignore') {
      if (partial === null) return [];
      this.#buffer.hold(partial.link);
      return [{ ...partial, state: edge.target.id }];
    }
    const event = this.#numbered();
    const link = this.nextLink++;
    this.#buffer.append(link, from.part, event, partial?.link ?? NO_LINK);
    const firstEvent = partial?.firstEvent ?? event;
    const startedAt = partial?.startedAt ?? this.#timestamp;
    // A match that is complete may still grow.
    const targets = final === null ? [edge.target] : [edge.target, final];
    return targets.map((target) => {
      this.#buffer.hold(link);
      return { state: target.id, link, firstEvent, startedAt, takenAt: this.#timestamp };
    });
  }

  /** The event has been tried on all of them. */
  finish(): void {
    if (this.#event !== null) this.#buffer.releaseEvent(this.#event);
  }

  getEventsForPattern(name: string): readonly unknown[] {
    if (this.#partial === null) return [];
    this.#taken ??= this.#buffer.eventsBefore(this.#partial.link);
    return (this.#taken[name] ?? []).map((event) => this.#buffer.valueOf(event));
  }

  timestamp(): number {
    return this.#timestamp;
  }

  currentProcessingTime(): number {
    return this.#clock();
  }

  #finalAfter(state: AutomatonState): AutomatonState | null {
    const waiting = [state];
    for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
      for (const { action, target, guard } of from.edges) {
        if (action !== 'proceed' || !this.#holds(guard)) continue;
        if (target.kind === 'final') return target;
        waiting.push(target);
      }
    }
    return null;
  }

  #isTooLateFor({ gapMs }: AutomatonState): boolean {
    if (gapMs === null || this.#partial === null) return false;
    return this.#timestamp - (this.#partial.takenAt ?? this.#partial.startedAt) >= gapMs;
  }

  #holds(guard: Guard): boolean {
    return guard === null || guard(this.#value, this);
  }

  #numbered(): number {
    if (this.#event !== null) return this.#event;
    this.#event = this.nextEvent++;
    this.#buffer.addEvent(this.#event, this.#value);
    return this.#event;
  }
}

const NO_ENDS: ReadonlySet<number> = new Set();

function unchanged(state: MatcherState): Step {
  return { state, matches: [], timedOut: [], ends: NO_ENDS };
}
