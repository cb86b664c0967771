import type { AutomatonState } from './automaton.js';

/**
 * How long after its last event a partial match may wait at each state, in milliseconds, by the state's id. States at which it
 * may wait for ever are left out.
 *
 * A part with a time since the event before it limits what may be taken, and not what may be left out: where the part is
 * optional, or has repeated enough, the match may go on to the next part, and waits as long as that allows. So the limit of a
 * state is the longest of the states that can be reached from it without an event.
 */
export function waitLimits(states: ReadonlyMap<string, AutomatonState>): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  if ([...states.values()].every(({ gapMs }) => gapMs === null)) return limits;
  for (const [id, state] of states) {
    const limit = waitLimitOf(state);
    if (limit < Infinity) limits.set(id, limit);
  }
  return limits;
}

function waitLimitOf(state: AutomatonState): number {
  // A part that must not occur, with a time: this long it must not.
  if (state.gapMs !== null && !takesEvents(state)) return state.gapMs;
  let limit = 0;
  const seen = new Set<AutomatonState>();
  const waiting = [state];
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    if (seen.has(from) || from.kind === 'stop') continue;
    seen.add(from);
    if (takesEvents(from)) limit = Math.max(limit, from.gapMs ?? Infinity);
    if (from.kind === 'pending') limit = Math.max(limit, from.gapMs ?? Infinity);
    for (const { action, target } of from.edges) if (action === 'proceed') waiting.push(target);
  }
  // Nothing is waited for at a state that only events pass through.
  return limit === 0 ? Infinity : limit;
}

function takesEvents(state: AutomatonState): boolean {
  return state.edges.some(({ action }) => action === 'take');
}
