import type { AsyncFunction, AsyncOptions, AsyncOutputMode } from '../async-function.js';
import type { KeyedBroadcastProcessFunction } from '../broadcast-functions.js';
import type { CoFlatMapFunction, CoMapFunction, CoProcessFunction, KeyedCoProcessFunction } from '../co-functions.js';
import type { Evictor } from '../evictors.js';
import type { KeySelector } from '../functions.js';
import type { ProcessJoinFunction } from '../join-functions.js';
import type { AggregateFunction, MapStateDescriptor, ReduceFunction } from '../keyed-state.js';
import type { OutputTag } from '../process-function.js';
import type { Trigger } from '../trigger.js';
import type { WatermarkStrategy } from '../watermark-strategy.js';
import type { WindowAssigner } from '../window-assigner.js';
import type { ProcessAllWindowFunction, ProcessWindowFunction } from '../window-function.js';
import type { Window } from '../windows.js';

/** Specs of operators that know event time, keep records, or have two inputs. As plain as those of `operator-spec.ts`. */

/** How a window's records become what its function is given; `null` gives it the records themselves. */
export type WindowAggregationSpec =
  | { readonly kind: 'reduce'; readonly reduce: ReduceFunction<unknown> }
  | { readonly kind: 'aggregate'; readonly aggregate: AggregateFunction<unknown, unknown, unknown> }
  | null;

export interface WindowSpec {
  readonly kind: 'window';
  /** A constant for windows over a whole stream. */
  readonly key: KeySelector<unknown, unknown>;
  readonly assigner: WindowAssigner<unknown, Window>;
  readonly trigger: Trigger<unknown>;
  readonly evictor: Evictor<unknown> | null;
  readonly allowedLatenessMs: number;
  readonly lateTag: OutputTag<unknown> | null;
  readonly aggregation: WindowAggregationSpec;
  /** `null` emits what the aggregation gives. */
  readonly fn: ProcessWindowFunction<unknown, unknown, unknown> | ProcessAllWindowFunction<unknown, unknown> | null;
}

export interface AssignTimestampsSpec {
  readonly kind: 'assign-timestamps';
  readonly strategy: WatermarkStrategy<unknown>;
  /** Milliseconds between periodic emissions. */
  readonly intervalMs: number;
}

export interface AsyncWaitSpec {
  readonly kind: 'async-wait';
  readonly fn: AsyncFunction<unknown, unknown>;
  readonly mode: AsyncOutputMode;
  readonly options: AsyncOptions<unknown>;
}

export interface CoMapSpec {
  readonly kind: 'co-map';
  readonly fn: CoMapFunction<unknown, unknown, unknown>;
}
export interface CoFlatMapSpec {
  readonly kind: 'co-flat-map';
  readonly fn: CoFlatMapFunction<unknown, unknown, unknown>;
}
export interface CoProcessSpec {
  readonly kind: 'co-process';
  readonly fn: CoProcessFunction<unknown, unknown, unknown>;
}
export interface KeyedCoProcessSpec {
  readonly kind: 'keyed-co-process';
  readonly fn: KeyedCoProcessFunction<unknown, unknown, unknown, unknown>;
  /** Of input 1. */
  readonly key: KeySelector<unknown, unknown>;
  /** Of input 2. */
  readonly key2: KeySelector<unknown, unknown>;
}

/** Input 2 is broadcast. */
export interface KeyedBroadcastSpec {
  readonly kind: 'keyed-broadcast';
  readonly fn: KeyedBroadcastProcessFunction<unknown, unknown, unknown, unknown>;
  readonly key: KeySelector<unknown, unknown>;
  readonly states: readonly MapStateDescriptor<unknown, unknown>[];
  /**
   * By shard, a key of it: records of input 2 come as a `ShardCopy` for each shard, which has broadcast state of its own. Absent
   * where every subtask gets them as they are. Only the graph sets this.
   */
  readonly shardKeys?: readonly number[];
}

/** `left.timestamp + lower <= right.timestamp <= left.timestamp + upper`. */
export interface IntervalJoinSpec {
  readonly kind: 'interval-join';
  readonly fn: ProcessJoinFunction<unknown, unknown, unknown>;
  readonly key: KeySelector<unknown, unknown>;
  readonly key2: KeySelector<unknown, unknown>;
  readonly lowerMs: number;
  readonly upperMs: number;
  readonly leftLateTag: OutputTag<unknown> | null;
  readonly rightLateTag: OutputTag<unknown> | null;
}

/** Joins what the branches of a scattered stream found, by request. Its records are `ScatterPart`s. */
export interface GatherSpec {
  readonly kind: 'gather';
  /** The correlation id. */
  readonly key: KeySelector<unknown, unknown>;
  readonly branches: readonly string[];
  /** How many branches make an answer. */
  readonly quorum: number;
  /** From the time of acceptance; `null` for the request's own deadline. */
  readonly timeoutMs: number | null;
  readonly combine: (request: unknown, partials: unknown) => unknown;
  /** `null` gives up without an answer. */
  readonly onTimeout: ((request: unknown, partials: unknown) => unknown) | null;
}

export type EventTimeSpec =
  | WindowSpec
  | AssignTimestampsSpec
  | AsyncWaitSpec
  | CoMapSpec
  | CoFlatMapSpec
  | CoProcessSpec
  | KeyedCoProcessSpec
  | KeyedBroadcastSpec
  | IntervalJoinSpec
  | GatherSpec;
