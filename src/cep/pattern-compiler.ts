import { AutomatonState } from './automaton.js';
import type { Automaton, StateKind } from './automaton.js';
import { both, not } from './condition.js';
import type { Guard } from './condition.js';
import { shortestWithin } from './pattern-part.js';
import type { Contiguity, PatternPart } from './pattern-part.js';

/** Where a part stands. */
interface Place {
  readonly parts: readonly PatternPart[];
  readonly index: number;
  /** The group that the parts are those of; `null` for the pattern itself. */
  readonly group: PatternPart | null;
  /** Whether this is the first occurrence of that group, or a later one. */
  readonly isFirstOccurrence: boolean;
  /** Whether that occurrence may be left out. */
  readonly isSkippable: boolean;
  /** What follows the last of the parts; `null` for nothing. */
  readonly after: PatternPart | null;
}

/** Compiles a pattern that was checked. */
export function compilePattern(parts: readonly PatternPart[]): Automaton {
  return new PatternCompiler(shortestWithin(parts)).compile(parts);
}

/**
 * Makes the automaton of a pattern, from its end to its beginning, since each state needs the one that it leads to. The
 * states and edges are those of Flink's compiler, and so are the answers.
 *
 * A part becomes one state that takes its event. What may lie before the event is an `ignore` edge of that state; that a part
 * may be left out, a `proceed` edge. A state with both ignores into a twin without the `proceed` edge: else each event
 * passed over would leave the part out anew, and the match come out once for each.
 */
class PatternCompiler {
  readonly #states = new Map<string, AutomatonState>();
  readonly #stops = new Map<string, AutomatonState>();
  /** What a state was before a greedy part before it made it yield. */
  readonly #unyielding = new Map<AutomatonState, AutomatonState>();
  readonly #withinMs: number | null;

  constructor(withinMs: number | null) {
    this.#withinMs = withinMs;
  }

  compile(parts: readonly PatternPart[]): Automaton {
    const final = this.#create({ name: '', gapMs: null }, 'final');
    const start = this.#sequence(
      { parts, group: null, isFirstOccurrence: true, isSkippable: false, after: null },
      final,
    );
    return { start, states: this.#states, withinMs: this.#withinMs };
  }

  #sequence(sequence: Omit<Place, 'index'>, sink: AutomatonState): AutomatonState {
    let next = sink;
    for (let index = sequence.parts.length - 1; index >= 0; index--) next = this.#part({ ...sequence, index }, next);
    return next;
  }

  /** The state at which a part begins, and that leads to `sink`. */
  #part(place: Place, sink: AutomatonState): AutomatonState {
    const { following, quantifier } = partAt(place);
    if (following.isNot)
      return following.contiguity === 'strict' ? this.#notNext(place, sink) : this.#notFollowedBy(place, sink);
    let first: AutomatonState;
    if (quantifier.kind === 'looping') {
      const loop = this.#loop(place, this.#withoutPassedNots(place, sink));
      first = this.#times(place, loop, sink);
    } else if (quantifier.kind === 'times') {
      first = this.#times(place, sink, sink);
    } else {
      first = this.#once(place, {
        sink,
        skip: isOptional(place) ? sink : null,
        take: takeGuard(place),
        ignore: ignoreGuard(place),
        isFirstOccurrence: true,
      });
    }
    this.#stopAtNotsBefore(place, first);
    return first;
  }

  #notNext(place: Place, sink: AutomatonState): AutomatonState {
    const unwanted = takeGuard(place);
    const part = partAt(place);
    const state = this.#create(part, 'normal');
    // The last part needs an event that is not it: only then the match is complete.
    if (sink.kind === 'final') state.ignore(sink, not(unwanted));
    else state.proceed(sink, not(unwanted));
    state.proceed(this.#stop(part, unwanted), unwanted);
    return state;
  }

  /** In the middle of a pattern it is an edge of the states around it; at the end, a state that waits for the time to be up. */
  #notFollowedBy(place: Place, sink: AutomatonState): AutomatonState {
    const part = partAt(place);
    if (sink.kind !== 'final' || (this.#withinMs === null && part.gapMs === null)) return sink;
    const unwanted = takeGuard(place);
    const state = this.#create(part, 'pending');
    state.proceed(this.#stop(part, unwanted), unwanted);
    state.ignore(state, not(unwanted));
    return state;
  }

  /** So many occurrences, then on to `sink`; less than the most may go on to `skip` instead. */
  #times(place: Place, sink: AutomatonState, skip: AutomatonState): AutomatonState {
    const part = partAt(place);
    const { from, to, isGreedy } = part.quantifier;
    const take = unlessUntil(takeGuard(place), part);
    const inner = andUnlessUntil(innerIgnoreGuard(place), part);
    if (isGreedy && from !== to) this.#makeYield(sink, take, part);
    let next = sink;
    const again = (mayLeave: boolean): void => {
      const occurrence = { take, ignore: inner, isFirstOccurrence: false };
      next = this.#once(place, { ...occurrence, sink: next, skip: mayLeave ? skip : null });
      this.#stopAtNotAfter(place, next);
    };
    for (let count = from; count < to; count++) again(true);
    for (let count = 1; count < from; count++) again(false);
    return this.#once(place, {
      sink: next,
      skip: isOptional(place) ? skip : null,
      take,
      ignore: ignoreGuard(place),
      isFirstOccurrence: true,
    });
  }

  /** One occurrence of a part. */
  #once(place: Place, occurrence: Occurrence): AutomatonState {
    const { skip, take, ignore } = occurrence;
    const part = partAt(place);
    if (part.group !== null) return this.#groupOnce(place, part.group, occurrence);
    const state = this.#create(part, 'normal');
    const target = this.#withoutPassedNots(place, occurrence.sink);
    state.take(target, take);
    // The first of a group leads past the group by an edge of the group's own.
    if (skip !== null && !isHeadOfGroup(place)) this.#leave(state, skip, groupGuard(place), part);
    if (ignore === undefined) return state;
    if (skip === null) {
      state.ignore(state, ignore);
      return state;
    }
    const waiting = this.#create(part, 'normal');
    waiting.take(target, take);
    waiting.ignore(waiting, ignore);
    this.#stopAtNotsBefore(place, waiting);
    state.ignore(waiting, ignore);
    return state;
  }

  #groupOnce(place: Place, parts: readonly PatternPart[], occurrence: Occurrence): AutomatonState {
    const { sink, skip, isFirstOccurrence } = occurrence;
    const inner = { group: partAt(place), isFirstOccurrence, isSkippable: skip !== null, after: partAfter(place) };
    const first = this.#sequence({ parts, ...inner }, sink);
    if (skip !== null && !isHeadOfGroup(place)) first.proceed(skip, groupGuard(place));
    return first;
  }

  /** Any number of occurrences, none included, then on to `sink`. */
  #loop(place: Place, sink: AutomatonState): AutomatonState {
    const part = partAt(place);
    if (part.group !== null) return this.#groupLoop(place, part.group, sink);
    const ignore = andUnlessUntil(innerIgnoreGuard(place), part);
    const take = unlessUntil(takeGuard(place), part);
    const loop = this.#create(part, 'normal');
    if (part.quantifier.isGreedy) this.#makeYield(sink, takeGuard(place), part);
    this.#leave(loop, sink, groupGuard(place), part);
    loop.take(loop, take);
    this.#stopAtNotAfter(place, loop);
    if (ignore === undefined) return loop;
    const waiting = this.#create(part, 'normal');
    waiting.take(loop, take);
    waiting.ignore(waiting, ignore);
    loop.ignore(waiting, ignore);
    this.#stopAtNotAfter(place, waiting);
    return loop;
  }

  #groupLoop(place: Place, parts: readonly PatternPart[], sink: AutomatonState): AutomatonState {
    const again = this.#create(partAt(place), 'normal');
    const inner = { group: partAt(place), isFirstOccurrence: false, isSkippable: true, after: partAfter(place) };
    const first = this.#sequence({ parts, ...inner }, again);
    first.proceed(sink, groupGuard(place));
    again.proceed(first, groupGuard(place));
    return first;
  }

  /** An edge from a part that may end to what follows. A greedy one that an event ends by `until` need not yield to itself. */
  #leave(state: AutomatonState, target: AutomatonState, guard: Guard, part: PatternPart): void {
    const { until } = part;
    if (!part.quantifier.isGreedy || until === undefined) {
      state.proceed(target, guard);
      return;
    }
    state.proceed(this.#unyielding.get(target) ?? target, both(guard, until));
    state.proceed(target, both(guard, not(until)));
  }

  #makeYield(state: AutomatonState, wanted: Guard, part: PatternPart): void {
    if (part.until !== undefined) this.#unyielding.set(state, this.#copy(state));
    state.yieldTo(wanted);
  }

  #copy(state: AutomatonState): AutomatonState {
    const copy = this.#create({ name: state.part, gapMs: state.gapMs }, state.kind);
    for (const { action, target, guard } of state.edges) copy[action](target === state ? copy : target, guard);
    return copy;
  }

  /**
   * The same state for a match that has taken an event of an optional part: nots before that part no longer hold. So in
   * `a, not b, optional c, d` the events `a c b d` match, and `a b d` do not.
   */
  #withoutPassedNots(
    place: Place,
    state: AutomatonState,
    copies = new Map<AutomatonState, AutomatonState>(),
  ): AutomatonState {
    const passed = notsBefore(place);
    if (passed.length === 0 || !partAt(place).quantifier.isOptional) return state;
    const done = copies.get(state);
    if (done !== undefined) return done;
    const copy = this.#create({ name: state.part, gapMs: state.gapMs }, state.kind);
    copies.set(state, copy);
    for (const { action, target, guard } of state.edges) {
      if (action !== 'proceed') copy[action](target === state ? copy : target, guard);
      else if (target.kind !== 'stop') copy.proceed(this.#withoutPassedNots(place, target, copies), guard);
      else if (!passed.some((part) => nameOf(part) === target.part)) copy.proceed(target, guard);
    }
    return copy;
  }

  #stopAtNotsBefore(place: Place, state: AutomatonState): void {
    for (const part of notsBefore(place)) {
      const unwanted = takeGuardOf(part, place.group);
      state.proceed(this.#stop(part, unwanted), unwanted);
    }
  }

  #stopAtNotAfter(place: Place, state: AutomatonState): void {
    const part = partAfter(place);
    if (part === null || !part.following.isNot || part.following.contiguity === 'strict') return;
    const unwanted = takeGuardOf(part, place.group);
    state.proceed(this.#stop(part, unwanted), unwanted);
  }

  #stop(part: PatternPart, unwanted: Guard): AutomatonState {
    const name = nameOf(part);
    const known = this.#stops.get(name);
    if (known !== undefined) return known;
    const stop = this.#create({ name, gapMs: null }, 'stop');
    stop.take(stop, unwanted);
    this.#stops.set(name, stop);
    return stop;
  }

  #create(part: Pick<PatternPart, 'name' | 'gapMs'>, kind: StateKind): AutomatonState {
    const name = nameOf(part);
    let id = name;
    for (let copy = 1; this.#states.has(id); copy++) id = `${name}:${String(copy)}`;
    const state = new AutomatonState(id, name, kind, part.gapMs);
    this.#states.set(id, state);
    return state;
  }
}

/** One of the occurrences of a part. */
interface Occurrence {
  readonly sink: AutomatonState;
  /** Where to go on without it; `null` when it must be. */
  readonly skip: AutomatonState | null;
  readonly take: Guard;
  /** What may be passed over before it; `undefined` for nothing. */
  readonly ignore: Guard | undefined;
  readonly isFirstOccurrence: boolean;
}

function partAt({ parts, index }: Place): PatternPart {
  return parts[index] as PatternPart;
}

function partAfter({ parts, index, after }: Place): PatternPart | null {
  return parts[index + 1] ?? after;
}

/** States of a group have a name too; it takes no events. */
function nameOf(part: Pick<PatternPart, 'name'>): string {
  return part.name ?? '(group)';
}

function isHeadOfGroup({ group, index }: Place): boolean {
  return group !== null && index === 0;
}

/** Whether a part may be left out. The head of a group stands for its group. */
function isOptional(place: Place): boolean {
  return isHeadOfGroup(place) ? place.isSkippable : partAt(place).quantifier.isOptional;
}

/** Nots that hold while a part is awaited: directly before it, or before optional parts before it. */
function notsBefore({ parts, index }: Place): PatternPart[] {
  const nots: PatternPart[] = [];
  for (let before = index - 1; before >= 0; before--) {
    const part = parts[before] as PatternPart;
    const isNotFollowedBy = part.following.isNot && part.following.contiguity === 'relaxed';
    if (isNotFollowedBy) nots.push(part);
    else if (!part.quantifier.isOptional) break;
  }
  return nots;
}

function takeGuard(place: Place): Guard {
  return takeGuardOf(partAt(place), place.group);
}

function takeGuardOf(part: PatternPart, group: PatternPart | null): Guard {
  return group === null ? part.condition : unlessUntil(part.condition, group);
}

/** Always, but for what ends the group. */
function groupGuard({ group }: Place): Guard {
  return group === null ? null : unlessUntil(null, group);
}

/** What may lie before a part. */
function ignoreGuard(place: Place): Guard | undefined {
  const { group, isFirstOccurrence } = place;
  let { contiguity } = partAt(place).following;
  if (group !== null && isHeadOfGroup(place)) {
    contiguity = isFirstOccurrence ? group.following.contiguity : group.quantifier.inner;
  }
  return passedOver(place, contiguity);
}

/** What may lie between two occurrences of a part. */
function innerIgnoreGuard(place: Place): Guard | undefined {
  const { quantifier } = place.group !== null && isHeadOfGroup(place) ? place.group : partAt(place);
  return passedOver(place, quantifier.inner);
}

function passedOver(place: Place, contiguity: Contiguity): Guard | undefined {
  if (contiguity === 'strict') return undefined;
  const guard = contiguity === 'any' ? null : not(partAt(place).condition);
  return place.group === null ? guard : andUnlessUntil(guard, place.group);
}

function unlessUntil(guard: Guard, { until }: PatternPart): Guard {
  return until === undefined ? guard : both(not(until), guard);
}

/** The same for what may not be at all. */
function andUnlessUntil(guard: Guard | undefined, part: PatternPart): Guard | undefined {
  return guard === undefined ? undefined : unlessUntil(guard, part);
}
