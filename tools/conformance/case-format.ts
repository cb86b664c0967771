/** The files of a case: a dataflow, a script of inputs, and the outputs that are expected. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };
export type JsonObject = { readonly [field: string]: Json };

/** A time: milliseconds, or the greatest or least there is. */
export type Time = number | 'MAX' | 'MIN';

export interface Item {
  readonly seq: number;
  readonly value?: Json;
  readonly ts?: Time;
  readonly watermark?: Time;
  readonly status?: 'IDLE' | 'ACTIVE';
  readonly processingTime?: number;
  readonly checkpoint?: string;
  readonly restore?: string;
  readonly parallelism?: number;
  readonly complete?: Json;
  readonly result?: readonly Json[];
  readonly endOfInput?: boolean;
}

export interface InputStream {
  readonly name: string;
  readonly input?: 1 | 2;
  readonly items: readonly Item[];
}

export interface OperatorConfig extends JsonObject {
  readonly operator: string;
}

export interface Dataflow {
  readonly operators: readonly OperatorConfig[];
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  readonly recordWatermarks?: boolean;
  readonly traceEvents?: boolean;
  readonly informational?: boolean;
}

export interface Case {
  readonly name: string;
  readonly dataflow: Dataflow;
  readonly inputs: readonly InputStream[];
}

/** One output. A record has `value` and `ts`; a side output also `tag`. */
export interface CaseOutput {
  readonly seq: number;
  readonly value?: Json;
  readonly ts?: Time | null;
  readonly tag?: string;
  readonly watermark?: Time;
  readonly status?: string;
  readonly event?: string;
  readonly detail?: string;
  /** Group and lane: outputs of a group may come in any order that keeps each lane's. */
  readonly tie?: readonly [number, Json];
}

export interface CaseResult {
  readonly outputs: readonly CaseOutput[];
  readonly final?: { readonly numLateRecordsDropped?: number };
}

/** A time as a number: the greatest and the least are infinite. */
export function fromTime(time: Time): number {
  if (time === 'MAX') return Infinity;
  return time === 'MIN' ? -Infinity : time;
}

export function toTime(timestamp: number): Time {
  if (timestamp === Infinity) return 'MAX';
  return timestamp === -Infinity ? 'MIN' : timestamp;
}

/** A value as it is written: infinite numbers are times, what is undefined is null. */
export function toJson(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return toTime(value);
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object') throw new TypeError(`a value of type ${typeof value} is no JSON`);
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, toJson(inner)]));
}
