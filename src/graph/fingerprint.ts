import type { NodeKind, NodeSpec, RequestRouteSpec } from '../api/internal/operator-spec.js';
import { MillraceError } from '../base/errors.js';
import type { StreamEdge, StreamGraph, StreamNode } from './stream-graph.js';

/**
 * A description of a stream graph without its functions, by which two threads find out whether a job module has built the
 * same graph in both. Plain data: compared field by field, so that a difference can be named.
 */
export interface GraphFingerprint {
  readonly jobName: string;
  readonly onError: string;
  readonly nodes: readonly NodeFingerprint[];
  readonly edges: readonly EdgeFingerprint[];
}

export interface NodeFingerprint {
  readonly id: string;
  readonly name: string;
  readonly kind: NodeKind;
  readonly parallelism: number | null;
  readonly chaining: string;
  /** What else distinguishes nodes of the kind, as text: routes, topic, serde, length of a collection. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface EdgeFingerprint {
  readonly source: string;
  readonly target: string;
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  readonly partitioning: string;
}

export function fingerprintOf(graph: StreamGraph): GraphFingerprint {
  return {
    jobName: graph.jobName,
    onError: graph.onError,
    nodes: graph.nodes.map(fingerprintOfNode),
    edges: graph.edges.map((edge) => fingerprintOfEdge(graph, edge)),
  };
}

function fingerprintOfNode(node: StreamNode): NodeFingerprint {
  return {
    id: node.id,
    name: node.name,
    kind: node.spec.kind,
    parallelism: node.parallelism,
    chaining: node.chaining,
    settings: { ...settingsOf(node.spec), ...watermarkSettings(node) },
  };
}

function fingerprintOfEdge(graph: StreamGraph, edge: StreamEdge): EdgeFingerprint {
  return {
    source: graph.nodes[edge.source]?.id ?? '',
    target: graph.nodes[edge.target]?.id ?? '',
    input: edge.input,
    sideTag: edge.sideTag,
    partitioning: partitioningText(edge),
  };
}

function partitioningText({ partitioning }: StreamEdge): string {
  if (partitioning === null) return 'unset';
  return partitioning.kind === 'hash' && partitioning.isKeyedAtSource ? 'hash at source' : partitioning.kind;
}

function settingsOf(spec: NodeSpec): Record<string, string> {
  switch (spec.kind) {
    case 'requests':
      return {
        key: presence(spec.key),
        headers: spec.forwardHeaders.join(', '),
        ...Object.fromEntries(spec.routes.map((route, index) => [`route ${String(index + 1)}`, routeText(route)])),
      };
    case 'topic-source':
      return { topic: spec.topic, serde: spec.serde.name, key: presence(spec.key), 'start from': spec.startFrom };
    case 'repartition-source':
    case 'repartition-sink':
      return { topic: spec.topic };
    case 'collection-source':
      return { values: String(spec.values.length) };
    case 'print-sink':
      return { label: spec.label ?? 'none' };
    case 'respond-sink':
      return { status: typeof spec.status === 'function' ? 'computed' : String(spec.status) };
    case 'topic-sink':
      return { topic: spec.topic, serde: spec.serde.name, key: presence(spec.key), guarantee: spec.guarantee };
    case 'window':
      return {
        assigner: spec.assigner.constructor.name,
        trigger: spec.trigger.constructor.name,
        evictor: spec.evictor?.constructor.name ?? 'none',
        lateness: `${String(spec.allowedLatenessMs)} ms`,
        aggregation: spec.aggregation?.kind ?? 'none',
      };
    case 'async-wait':
      return { mode: spec.mode };
    case 'interval-join':
      return { bounds: `${String(spec.lowerMs)} to ${String(spec.upperMs)} ms` };
    case 'gather':
      return {
        branches: spec.branches.join(', '),
        quorum: String(spec.quorum),
        'time-out': spec.timeoutMs === null ? 'none' : `${String(spec.timeoutMs)} ms`,
      };
    case 'keyed-broadcast':
      return { states: spec.states.map(({ name }) => name).join(', ') };
    case 'assign-timestamps':
      return { strategy: spec.strategy.kind, interval: `${String(spec.intervalMs)} ms` };
    case 'co-map':
    case 'co-flat-map':
    case 'co-process':
    case 'keyed-co-process':
    case 'generator-source':
    case 'map':
    case 'filter':
    case 'flat-map':
    case 'process':
    case 'keyed-process':
    case 'reduce':
    case 'function-sink':
      return {};
  }
}

function watermarkSettings({ watermarks }: StreamNode): Record<string, string> {
  if (watermarks === null) return {};
  const { kind, maxOutOfOrdernessMs, timestampAssigner, idlenessMs, alignment } = watermarks;
  return {
    watermarks: kind,
    'bound of out-of-orderness': `${String(maxOutOfOrdernessMs)} ms`,
    'timestamp assigner': presence(timestampAssigner),
    'idle time-out': idlenessMs === null ? 'none' : `${String(idlenessMs)} ms`,
    alignment:
      alignment === null
        ? 'none'
        : `${alignment.group}, ${String(alignment.maxDriftMs)} ms, every ${String(alignment.updateIntervalMs)} ms`,
  };
}

/** A route with its schemas, which the gateway checks on main and the worker relies on. */
function routeText(route: RequestRouteSpec): string {
  return JSON.stringify(route);
}

function presence(value: unknown): string {
  return value === null ? 'none' : 'set';
}

/** Throws `MILLRACE_GRAPH_MISMATCH` that names the first difference. `expected` is main's. */
export function requireSameGraph(expected: GraphFingerprint, actual: GraphFingerprint): void {
  const difference = firstDifference(expected, actual);
  if (difference === null) return;
  throw new MillraceError(
    'MILLRACE_GRAPH_MISMATCH',
    `job "${expected.jobName}" builds another graph in a worker than on the main thread: ${difference}`,
    {
      details: { job: expected.jobName, difference },
      hint: 'Build the job from constants and configuration alone, never from chance, time, or the thread it runs on.',
    },
  );
}

/** The first thing in which two graphs differ, in words; `null` when they are the same. */
export function firstDifference(expected: GraphFingerprint, actual: GraphFingerprint): string | null {
  return (
    differenceIn('the job', 'name', expected.jobName, actual.jobName) ??
    differenceIn('the job', 'onError', expected.onError, actual.onError) ??
    firstDifferenceOfLists(expected.nodes, actual.nodes, 'operator', describeNode, differenceOfNodes) ??
    firstDifferenceOfLists(expected.edges, actual.edges, 'edge', describeEdge, differenceOfEdges)
  );
}

function firstDifferenceOfLists<T>(
  expected: readonly T[],
  actual: readonly T[],
  what: string,
  describe: (item: T) => string,
  difference: (place: string, expected: T, actual: T) => string | null,
): string | null {
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const a = expected[index];
    const b = actual[index];
    const place = `${what} ${String(index + 1)}`;
    if (a === undefined)
      return `${place} is ${b === undefined ? 'missing' : describe(b)} in the worker and missing on main`;
    if (b === undefined) return `${place} is missing in the worker and ${describe(a)} on main`;
    const found = difference(place, a, b);
    if (found !== null) return found;
  }
  return null;
}

function differenceOfNodes(place: string, expected: NodeFingerprint, actual: NodeFingerprint): string | null {
  if (expected.kind !== actual.kind) {
    return `${place} is ${describeNode(actual)} in the worker and ${describeNode(expected)} on main`;
  }
  const what = `${place}, ${describeNode(expected)}`;
  return (
    differenceIn(what, 'uid', expected.id, actual.id) ??
    differenceIn(what, 'name', expected.name, actual.name) ??
    differenceIn(what, 'parallelism', expected.parallelism ?? 'default', actual.parallelism ?? 'default') ??
    differenceIn(what, 'chaining', expected.chaining, actual.chaining) ??
    differenceOfSettings(what, expected.settings, actual.settings)
  );
}

function differenceOfSettings(
  what: string,
  expected: Readonly<Record<string, string>>,
  actual: Readonly<Record<string, string>>,
): string | null {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const found = differenceIn(what, name, expected[name] ?? 'missing', actual[name] ?? 'missing');
    if (found !== null) return found;
  }
  return null;
}

function differenceOfEdges(place: string, expected: EdgeFingerprint, actual: EdgeFingerprint): string | null {
  if (expected.source !== actual.source || expected.target !== actual.target) {
    return `${place} is ${describeEdge(actual)} in the worker and ${describeEdge(expected)} on main`;
  }
  const what = `${place}, ${describeEdge(expected)}`;
  return (
    differenceIn(what, 'input', expected.input, actual.input) ??
    differenceIn(what, 'side output', expected.sideTag ?? 'none', actual.sideTag ?? 'none') ??
    differenceIn(what, 'partitioning', expected.partitioning, actual.partitioning)
  );
}

function differenceIn(what: string, field: string, expected: string | number, actual: string | number): string | null {
  if (expected === actual) return null;
  return `${what} has the ${field} ${shown(actual)} in the worker and ${shown(expected)} on main`;
}

function shown(value: string | number): string {
  return typeof value === 'number' ? String(value) : `"${value}"`;
}

function describeNode(node: NodeFingerprint): string {
  return `${node.kind} "${node.name}"`;
}

function describeEdge(edge: EdgeFingerprint): string {
  return `${edge.source} -> ${edge.target}`;
}
