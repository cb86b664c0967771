import type { FilterFunction, FlatMapFunction, KeySelector, MapFunction } from '../functions.js';
import type { ReduceFunction } from '../keyed-state.js';
import type { KeyedProcessFunction, ProcessFunction } from '../process-function.js';
import type { SinkFunction } from '../sink-function.js';
import type { Serde } from '../serde.js';
import type { EventTimeSpec } from './event-time-specs.js';

/**
 * What one node of a job does: plain data and the author's functions. The API builds these, the graph carries them
 * unread, and the worker makes operators, sources and sinks of them. Types of values are erased to `unknown` here: the
 * typed streams of `api/` have checked them.
 *
 * Functions never cross a thread. Each thread builds the job anew and finds the functions at the same place in its graph.
 */

/** One HTTP route of a request source, without the key function, which all routes of a source share. Plain data. */
export interface RequestRouteSpec {
  /** Upper case. */
  readonly method: string;
  /** With parameters as `:name`: `/counters/:name`. */
  readonly path: string;
  /** As the job wrote it, and as the request carries it: `POST /counters/:name`. */
  readonly route: string;
  /** JSON Schema of the body; `null` accepts any JSON. */
  readonly bodySchema: object | null;
  /** JSON Schema of the query string; `null` accepts any. */
  readonly querySchema: object | null;
  /** JSON Schema of the 200 response, for the OpenAPI document only; `null` when unknown. */
  readonly responseSchema: object | null;
  /** Shown in the OpenAPI document. */
  readonly summary: string | null;
  /** Milliseconds; `null` for the gateway's default. */
  readonly timeoutMs: number | null;
  /** Bytes; `null` for the gateway's default. */
  readonly bodyLimitBytes: number | null;
  /** Whether a request without an `Idempotency-Key` is refused. */
  readonly requiresIdempotencyKey: boolean;
}

/**
 * Requests of one or more routes through one request topic, whose partitions main feeds to the source's subtasks. The
 * worker's part decodes a topic record into an `HttpRequest`.
 */
export interface RequestSourceSpec {
  readonly kind: 'requests';
  readonly routes: readonly RequestRouteSpec[];
  /** Evaluated at the door, on the thread that serves HTTP, and again in the worker. `null` spreads requests over all partitions. */
  readonly key: KeySelector<unknown, unknown> | null;
  /** Request headers, lower case, that the job wants to see. */
  readonly forwardHeaders: readonly string[];
}

/** A topic that main reads and feeds to the source's subtasks. The worker's part deserialises the record's value. */
export interface TopicSourceSpec {
  readonly kind: 'topic-source';
  readonly topic: string;
  readonly serde: Serde<unknown>;
  /** The author's promise that producers partition the topic by this key's bytes. `null` when they do not. */
  readonly key: KeySelector<unknown, unknown> | null;
  /** Where to begin when nothing is committed. */
  readonly startFrom: 'earliest' | 'latest';
}

/** Values that the job module holds. Subtask i of p emits values i, i + p, i + 2p, … */
export interface CollectionSourceSpec {
  readonly kind: 'collection-source';
  readonly values: readonly unknown[];
}

/**
 * Values computed in the worker from their index. Subtask i of p asks for indices i, i + p, i + 2p, …; the next index is
 * its position, kept in checkpoints as `{ next, stride }` so that it can be dealt to another number of subtasks.
 * `undefined` ends that subtask's input.
 */
export interface GeneratorSourceSpec {
  readonly kind: 'generator-source';
  readonly next: (index: number) => unknown;
}

/**
 * The far end of a {@link RepartitionSinkSpec}: what it wrote, as it was, at whichever instance owns the key's shard now. Only
 * the graph makes these, never an author.
 */
export interface RepartitionSourceSpec {
  readonly kind: 'repartition-source';
  readonly topic: string;
}

export type SourceSpec =
  RequestSourceSpec | TopicSourceSpec | CollectionSourceSpec | GeneratorSourceSpec | RepartitionSourceSpec;

export interface MapSpec {
  readonly kind: 'map';
  readonly fn: MapFunction<unknown, unknown>;
}
export interface FilterSpec {
  readonly kind: 'filter';
  readonly fn: FilterFunction<unknown>;
}
export interface FlatMapSpec {
  readonly kind: 'flat-map';
  readonly fn: FlatMapFunction<unknown, unknown>;
}
export interface ProcessSpec {
  readonly kind: 'process';
  readonly fn: ProcessFunction<unknown, unknown>;
}
export interface KeyedProcessSpec {
  readonly kind: 'keyed-process';
  readonly fn: KeyedProcessFunction<unknown, unknown, unknown>;
  readonly key: KeySelector<unknown, unknown>;
}
/** A rolling reduce: emits the reduced value after each record, the first record of a key unchanged. */
export interface ReduceSpec {
  readonly kind: 'reduce';
  readonly reduce: ReduceFunction<unknown>;
  readonly key: KeySelector<unknown, unknown>;
}

/** Writes each value as a line to standard output. */
export interface PrintSinkSpec {
  readonly kind: 'print-sink';
  readonly label: string | null;
}
/** Answers the request that the record came from with the record's value; records without one are dropped and counted. */
export interface RespondSinkSpec {
  readonly kind: 'respond-sink';
  readonly status: number | ((value: unknown) => number);
}
/** Calls the author's code in the worker. */
export interface FunctionSinkSpec {
  readonly kind: 'function-sink';
  readonly fn: SinkFunction<unknown>;
}
/** The worker's part serialises key and value; main appends them to the topic. */
export interface TopicSinkSpec {
  readonly kind: 'topic-sink';
  readonly topic: string;
  readonly serde: Serde<unknown>;
  /** Its bytes become the record's key and choose the topic partition. `null`: no key, partitions in turn. */
  readonly key: KeySelector<unknown, unknown> | null;
  readonly guarantee: DeliveryGuarantee;
}

/** Sends records to the shard of their key by way of a topic, where shards are spread over several instances. */
export interface RepartitionSinkSpec {
  readonly kind: 'repartition-sink';
  readonly topic: string;
  readonly key: KeySelector<unknown, unknown>;
}

/** When a sink's output becomes visible: at once and perhaps repeated after a failure, or once and at the commit. @public */
export type DeliveryGuarantee = 'at-least-once' | 'exactly-once';

export type SinkSpec = PrintSinkSpec | RespondSinkSpec | FunctionSinkSpec | TopicSinkSpec | RepartitionSinkSpec;

/** Everything that turns an input into an output, or ends a stream. */
export type OperatorSpec =
  MapSpec | FilterSpec | FlatMapSpec | ProcessSpec | KeyedProcessSpec | ReduceSpec | EventTimeSpec | SinkSpec;

/** Any node that runs. */
export type NodeSpec = SourceSpec | OperatorSpec;
export type NodeKind = NodeSpec['kind'];
