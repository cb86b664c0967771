import { createAccumulator } from '../accumulators.js';
import type { Accumulator } from '../accumulators.js';
import type { AccumulatorReading } from './measurements.js';

/** An accumulator over all subtasks. */
export interface MergedAccumulator {
  readonly name: string;
  /** Flink's name of the class; `mixed` when subtasks have different classes under one name. */
  readonly type: string;
  /** `null` when they do. */
  readonly value: unknown;
}

/** Merges what has one name, in the order in which names first come. */
export function mergeAccumulators(readings: Iterable<AccumulatorReading>): MergedAccumulator[] {
  const merged = new Map<string, Accumulator<unknown, unknown> | null>();
  for (const { name, type, content } of readings) {
    const accumulator = merged.has(name) ? merged.get(name) : createAccumulator(type);
    const isMergeable = accumulator?.type === type;
    if (isMergeable) accumulator.mergeContent(content);
    merged.set(name, isMergeable ? accumulator : null);
  }
  return [...merged].map(([name, accumulator]) =>
    accumulator === null
      ? { name, type: 'mixed', value: null }
      : { name, type: accumulator.type, value: accumulator.getLocalValue() },
  );
}

/** As Flink shows a value: lists as `[a, b]`, histograms as `{1=2, 3=4}`. */
export function accumulatorText({ value }: MergedAccumulator): string {
  if (Array.isArray(value)) return `[${value.map(entryText).join(', ')}]`;
  if (value instanceof Map) return `{${[...value].map(([number, count]) => `${number}=${count}`).join(', ')}}`;
  return String(value);
}

function entryText(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
