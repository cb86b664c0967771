import type { KeySelector } from '../functions.js';
import type { WatermarkStrategy } from '../watermark-strategy.js';
import type { OperatorSpec, SourceSpec } from './operator-spec.js';

/**
 * What a job module builds: a list of transformations that refer to earlier ones, as Flink's `Transformation`s do. Some run
 * (`source`, `operator`); the others only say how their input is seen by what follows. `graph/` turns the list into a graph.
 *
 * Plain data and the author's functions. `id` is the place in the list, so the list is in topological order, and the same
 * job module gives the same ids in every thread.
 */

/** What the author may set on anything that runs. */
export interface OperatorAttributes {
  /** The author's; `null` when one has to be generated. */
  readonly uid: string | null;
  /** The author's; `null` for a name made of the kind. */
  readonly name: string | null;
  /** Pinned by the author; `null` for the default. */
  readonly parallelism: number | null;
  readonly chaining: ChainingStrategy;
}

/** As Flink's: may join its input's chain; begins a new chain that others may join; stays alone. */
export type ChainingStrategy = 'always' | 'head' | 'never';

export interface SourceTransformation {
  readonly kind: 'source';
  readonly id: number;
  readonly spec: SourceSpec;
  readonly watermarks: WatermarkStrategy<unknown> | null;
  readonly attributes: OperatorAttributes;
}

export interface OperatorTransformation {
  readonly kind: 'operator';
  readonly id: number;
  /** Ids of one input, or two: input number 1 and 2. */
  readonly inputs: readonly number[];
  readonly spec: OperatorSpec;
  readonly attributes: OperatorAttributes;
}

/** Several streams of one type as one, without order among them. */
export interface UnionTransformation {
  readonly kind: 'union';
  readonly id: number;
  readonly inputs: readonly number[];
}

/** The same stream, dealt out differently to the subtasks of what follows. */
export interface PartitionTransformation {
  readonly kind: 'partition';
  readonly id: number;
  readonly input: number;
  readonly partitioning: Partitioning;
}

/** Another output of an operator. */
export interface SideOutputTransformation {
  readonly kind: 'side-output';
  readonly id: number;
  readonly input: number;
  readonly tagId: string;
}

export type Transformation =
  | SourceTransformation
  | OperatorTransformation
  | UnionTransformation
  | PartitionTransformation
  | SideOutputTransformation;

/** How records reach the subtasks of the consumer. */
export type Partitioning =
  { readonly kind: 'forward' } | { readonly kind: 'rebalance' } | { readonly kind: 'broadcast' } | HashPartitioning;

/** By key group. */
export interface HashPartitioning {
  readonly kind: 'hash';
  readonly key: KeySelector<unknown, unknown>;
  /** The source's topic is partitioned by this key already: at equal parallelism each record is where it belongs. */
  readonly isKeyedAtSource: boolean;
}

/**
 * What becomes of a record whose processing threw. Its request, if it came from one, gets a 500 at once, but with `retry`.
 *
 * - `fail`: the job fails, and is restarted from its last checkpoint by the restart strategy.
 * - `skip`: the record is dropped, counted and logged.
 * - `reject`: a record that came from a request is dropped, since its caller was told; any other record fails the job.
 * - `dead-letter`: as `skip`, and the record is kept in the job's topic of dead letters.
 * - `retry`: as `fail`, and a record that has failed too often in a row is treated as with `dead-letter`.
 *
 * @public
 */
export type OnError = 'fail' | 'skip' | 'reject' | 'dead-letter' | 'retry';

export interface JobGraph {
  readonly jobName: string;
  readonly onError: OnError;
  readonly transformations: readonly Transformation[];
}
