import type { NodeSpec } from '../api/internal/operator-spec.js';
import type { ChainingStrategy, OnError, Partitioning } from '../api/internal/transformation.js';
import type { WatermarkStrategy } from '../api/watermark-strategy.js';

/**
 * The logical form of a job: what runs, and which output feeds which input. Unions, partitionings and side outputs are no
 * longer nodes here, they have become properties of edges. Holds the author's functions, so it never leaves its thread.
 */
export interface StreamGraph {
  readonly jobName: string;
  readonly onError: OnError;
  /** In topological order. `index` is the place in the list. */
  readonly nodes: readonly StreamNode[];
  readonly edges: readonly StreamEdge[];
  /** What the author should know: one sentence each. */
  readonly warnings: readonly string[];
}

export interface StreamNode {
  readonly index: number;
  /** The uid: the author's, or generated from the node's kind and place. */
  readonly id: string;
  readonly isGeneratedId: boolean;
  readonly name: string;
  readonly spec: NodeSpec;
  /** Pinned; `null` for the default. */
  readonly parallelism: number | null;
  readonly chaining: ChainingStrategy;
  /** Only on sources. */
  readonly watermarks: WatermarkStrategy<unknown> | null;
  readonly inEdges: readonly number[];
  readonly outEdges: readonly number[];
}

export interface StreamEdge {
  readonly index: number;
  readonly source: number;
  readonly target: number;
  readonly input: 1 | 2;
  readonly sideTag: string | null;
  /** `null` when the author said nothing: forward at equal parallelism, else rebalance. */
  readonly partitioning: Partitioning | null;
}
