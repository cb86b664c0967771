import { both, not } from './condition.js';
import type { Guard } from './condition.js';

/**
 * The automaton of a pattern: states, and edges with conditions. The model is that of SASE+ (Agrawal, Diao, Gyllstrom,
 * Immerman: "Efficient Pattern Matching over Event Streams", SIGMOD 2008), with Flink's kinds of edges:
 *
 * - `take`: the event becomes part of the match;
 * - `ignore`: the event is passed over;
 * - `proceed`: goes on without an event, so that the edges of the target are tried on the same event.
 */
export class AutomatonState {
  /** Unique in its automaton, and the same whenever the pattern is compiled: stored partial matches name it. */
  readonly id: string;
  /** The part whose events it takes. */
  readonly part: string;
  readonly kind: StateKind;
  /** How long after the event before it an event may be taken, in milliseconds; `null` for no limit. */
  readonly gapMs: number | null;
  readonly edges: Edge[] = [];

  constructor(id: string, part: string, kind: StateKind, gapMs: number | null) {
    this.id = id;
    this.part = part;
    this.kind = kind;
    this.gapMs = gapMs;
  }

  take(target: AutomatonState, guard: Guard): void {
    this.edges.push({ action: 'take', target, guard });
  }

  ignore(target: AutomatonState, guard: Guard): void {
    this.edges.push({ action: 'ignore', target, guard });
  }

  proceed(target: AutomatonState, guard: Guard): void {
    this.edges.push({ action: 'proceed', target, guard });
  }

  /** Leaves only on events that a greedy part before does not want. */
  yieldTo(wanted: Guard): void {
    for (const [index, edge] of this.edges.entries()) {
      this.edges[index] = { ...edge, guard: both(edge.guard, not(wanted)) };
    }
  }
}

/**
 * - `final`: the match is complete;
 * - `stop`: an event came that must not, and the match ends without result;
 * - `pending`: complete when the time is up and no such event has come.
 */
export type StateKind = 'normal' | 'final' | 'stop' | 'pending';

export interface Edge {
  readonly action: 'take' | 'ignore' | 'proceed';
  readonly target: AutomatonState;
  readonly guard: Guard;
}

/** A compiled pattern. */
export interface Automaton {
  readonly start: AutomatonState;
  /** By id. */
  readonly states: ReadonlyMap<string, AutomatonState>;
  /** From first event on, in milliseconds; `null` for no limit. */
  readonly withinMs: number | null;
}
