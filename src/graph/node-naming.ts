import type { NodeSpec, RequestSourceSpec } from '../api/internal/operator-spec.js';

/** Names for nodes that their author left without: what people read, and the uids that name state and topics. */

/** What people and metrics see, in Flink's manner. */
export function defaultName(spec: NodeSpec): string {
  switch (spec.kind) {
    case 'requests':
      return `Source: ${routesTitle(spec)}`;
    case 'topic-source':
      return `Source: topic ${spec.topic}`;
    case 'repartition-source':
      return `Source: repartition topic ${spec.topic}`;
    case 'collection-source':
      return 'Source: collection';
    case 'generator-source':
      return 'Source: generator';
    case 'map':
      return className(spec.fn) ?? 'Map';
    case 'filter':
      return className(spec.fn) ?? 'Filter';
    case 'flat-map':
      return className(spec.fn) ?? 'FlatMap';
    case 'process':
      return className(spec.fn) ?? 'Process';
    case 'keyed-process':
      return className(spec.fn) ?? 'KeyedProcess';
    case 'reduce':
      return 'Reduce';
    case 'window':
      return className(spec.fn) ?? 'Window';
    case 'assign-timestamps':
      return 'Timestamps/Watermarks';
    case 'async-wait':
      return className(spec.fn) ?? 'AsyncWait';
    case 'co-map':
      return className(spec.fn) ?? 'CoMap';
    case 'co-flat-map':
      return className(spec.fn) ?? 'CoFlatMap';
    case 'co-process':
      return className(spec.fn) ?? 'CoProcess';
    case 'keyed-co-process':
      return className(spec.fn) ?? 'KeyedCoProcess';
    case 'keyed-broadcast':
      return className(spec.fn) ?? 'KeyedBroadcastProcess';
    case 'interval-join':
      return className(spec.fn) ?? 'IntervalJoin';
    case 'gather':
      return 'Gather';
    case 'print-sink':
      return 'Sink: print';
    case 'respond-sink':
      return 'Sink: respond';
    case 'function-sink':
      return `Sink: ${className(spec.fn) ?? 'function'}`;
    case 'topic-sink':
      return `Sink: topic ${spec.topic}`;
    case 'repartition-sink':
      return `Sink: repartition topic ${spec.topic}`;
  }
}

const MAX_ROUTES_IN_TITLE = 3;

/** A source may have many routes, and its name stands in logs and on metrics. */
function routesTitle({ routes }: RequestSourceSpec): string {
  const named = routes.slice(0, MAX_ROUTES_IN_TITLE).map(({ route }) => route);
  const more = routes.length - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${String(more)} more`;
}

/** An author's class says more than the kind; a plain function or object literal has none. */
function className(fn: unknown): string | null {
  if (typeof fn !== 'object' || fn === null) return null;
  const name: unknown = fn.constructor.name;
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : null;
}

/**
 * The beginning of a generated uid. Sources that have a name in the outside world use it, so that their uid, and with it
 * their position, holds when the job changes around them; anything else is counted by its kind.
 */
export function uidStem(spec: NodeSpec): { readonly stem: string; readonly isCounted: boolean } {
  switch (spec.kind) {
    case 'requests':
      return { stem: `requests-${routesSlug(spec)}`, isCounted: false };
    case 'topic-source':
      return { stem: shorten(`topic-source-${spec.topic}`), isCounted: false };
    default:
      return { stem: spec.kind, isCounted: true };
  }
}

const MAX_STEM_LENGTH = 80;

function routesSlug(spec: RequestSourceSpec): string {
  const first = spec.routes[0]?.route ?? '';
  return shorten(
    first
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, ''),
  );
}

function shorten(text: string): string {
  return text.slice(0, MAX_STEM_LENGTH);
}
