import type { NodeKind } from '../api/internal/operator-spec.js';

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
