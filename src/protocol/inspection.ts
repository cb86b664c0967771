import type { OperatorMeasurements } from '../api/internal/measurements.js';

/** What main may ask a running worker, beside the commands that steer it. Answers are plain data. */

/** One key's state of one operator, as a reader of it would see it now. */
export interface StateQuery {
  readonly operatorId: string;
  readonly stateNamespace: string;
  readonly subtask: number;
  readonly state: string;
  readonly key: unknown;
}

/** `unknown-state` also before the operator has first asked for the state: `known` names those that it has. */
export type StateAnswer =
  | { readonly kind: 'value'; readonly json: string }
  | { readonly kind: 'no-value' }
  | { readonly kind: 'unknown-state'; readonly known: readonly string[] };

/** What the author's functions have measured in one subtask. */
export interface SubtaskMeasurements {
  readonly vertex: number;
  readonly subtask: number;
  readonly operators: readonly OperatorMeasurements[];
}

/** Where the watermark of something stands. Times are milliseconds since the epoch. */
export interface WatermarkPosition {
  /** `-Infinity` before the first, `Infinity` when no record follows. */
  readonly watermark: number;
  /** When it came to stand there, or when the task was built. */
  readonly since: number;
}

export interface ChannelWatermark extends WatermarkPosition {
  /** Its index in the execution plan. */
  readonly channel: number;
  readonly state: 'ACTIVE' | 'IDLE' | 'FINISHED';
}

/** One input of a task: the combined watermark of its channels. */
export interface InputWatermark {
  readonly watermark: number;
  /** Index in {@link channels} of the one that holds the watermark back; -1 when none is active. */
  readonly slowest: number;
  readonly channels: readonly ChannelWatermark[];
}

/** One topic partition of a source; a source that runs in its worker has one, number 0. */
export interface PartitionWatermarkStatus extends WatermarkPosition {
  readonly partition: number;
  readonly isIdle: boolean;
}

export interface SourceWatermarkStatus {
  readonly operatorId: string;
  /** Empty for a source without a watermark strategy: event time does not advance by it. */
  readonly partitions: readonly PartitionWatermarkStatus[];
  /** The partition that holds the source's watermark back; -1 when none does. */
  readonly slowestPartition: number;
}

/** The keys that came most often at an operator of one subtask, by a sample of its records. */
export interface SubtaskHotKeys {
  readonly vertex: number;
  readonly subtask: number;
  readonly operatorId: string;
  /** All records that the operator took in. */
  readonly records: number;
  /** Samples that are remembered. Later ones count more: older ones are halved now and then. */
  readonly total: number;
  /** Most frequent first. A count is too large by `error` at most, and never too small. */
  readonly keys: readonly { readonly key: string | number; readonly count: number; readonly error: number }[];
}

/** Everything about watermarks in one subtask. */
export interface SubtaskWatermarks {
  readonly vertex: number;
  readonly subtask: number;
  readonly inputs: readonly InputWatermark[];
  /** `null` unless the task begins with a source. */
  readonly source: SourceWatermarkStatus | null;
  /** The last operator of the chain that makes watermarks of its own; `null` when those of the input pass through. */
  readonly assigner: (WatermarkPosition & { readonly operatorId: string }) | null;
}
