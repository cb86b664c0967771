import type { RequestRouteSpec } from '../api/internal/operator-spec.js';
import type { StreamGraph } from './stream-graph.js';

/** What a key function is given at the door: a request, parsed and checked, before it is a record. */
export interface RequestAtTheDoor {
  readonly method: string;
  readonly path: string;
  /** As the job wrote it, as the worker will see it. */
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A route as the gateway serves it: with its source and the author's key function. */
export interface DeclaredRoute extends RequestRouteSpec {
  /** The uid of the request source. */
  readonly sourceUid: string;
  readonly forwardHeaders: readonly string[];
  /** The record's key; `null` spreads requests over all partitions. May throw: it is the author's. */
  readonly key: ((request: RequestAtTheDoor) => unknown) | null;
}

/** Every route of a job, in the order of their declaration. Main thread: the functions stay where they are. */
export function declaredRoutes(graph: StreamGraph): DeclaredRoute[] {
  return graph.nodes.flatMap(({ id, spec }) => {
    if (spec.kind !== 'requests') return [];
    const { key, forwardHeaders } = spec;
    return spec.routes.map((declared): DeclaredRoute => ({ ...declared, sourceUid: id, forwardHeaders, key }));
  });
}
