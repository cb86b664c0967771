/**
 * Where each counter lies in shared memory. One table for the writer and the reader.
 *
 * A time sheet says how much time its owner has spent in each of some states, and in which it is now:
 *
 * ```text
 *   +0    sequence   i32   odd while the owner changes the sheet
 *   +4    state      i32   the state it is in; 0: none yet, no time is counted
 *   +8    since      f64   when it entered that state, in milliseconds since the epoch
 *   +16   spentMs    f64   for each state from 1 on: time of the stays that have ended
 * ```
 *
 * A task's counters are a time sheet of three states, then one f64 per field of {@link taskFields}, then those of
 * {@link operatorFields} per operator of the chain. A thread's are a time sheet of two states, then {@link threadFields}. Each block has cache lines of its own.
 *
 * Counts are f64: exact up to 2^53, and written in one piece on the 64-bit machines that Node supports.
 */
import type { SharedRegion } from '../shared-memory/shared-region.js';

/** Where the counters of one task lie. Plain data: goes to a worker by structured clone. */
export interface TaskCountersDescriptor {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  /** Operators of the chain. */
  readonly operatorCount: number;
}

/** Where the counters of one thread lie. */
export interface ThreadCountersDescriptor {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
}

/** What a task is doing, in the order of the states of its time sheet. */
export const taskActivities = ['notRunning', 'idle', 'busy', 'backPressured'] as const;
export type TaskActivity = (typeof taskActivities)[number];

/** What a thread is doing, likewise. */
export const threadActivities = ['notRunning', 'running', 'parked'] as const;
export type ThreadActivity = (typeof threadActivities)[number];

/** Bytes of a time sheet with this many states, the state 0 included, which has no time. */
export function timeSheetBytes(stateCount: number): number {
  return 16 + (stateCount - 1) * 8;
}

/** f64 index of each field of a task, behind its time sheet. */
export const taskFields = {
  numRecordsIn: 0,
  numRecordsOut: 1,
  numBytesIn: 2,
  numBytesOut: 3,
  currentInputWatermark: 4,
  currentOutputWatermark: 5,
  numLateRecordsDropped: 6,
  numFiredTimers: 7,
} as const;

/** Upper bounds of the latencies of operators, in milliseconds: clocks of topics tell no less than one. */
export const LATENCY_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000] as const;

/** f64 index of the first operator's fields, and of each field from there; then come the next operator's. */
export const FIRST_OPERATOR_FIELD = 8;
export const operatorFields = {
  numRecordsIn: 0,
  numRecordsOut: 1,
  latencySumMs: 2,
  /** One for each bound, and one for what lies above the last. */
  firstLatencyCount: 3,
} as const;
export const FIELDS_PER_OPERATOR = operatorFields.firstLatencyCount + LATENCY_BOUNDS_MS.length + 1;

/** f64 index of each field of a thread, behind its time sheet. */
export const threadFields = {
  loopTurns: 0,
  parkCount: 1,
  /** The operating system's number of the thread; 0 where it has none to give. */
  osThreadId: 2,
  heapUsedBytes: 3,
  heapTotalBytes: 4,
  heapLimitBytes: 5,
  externalBytes: 6,
  gcCount: 7,
  gcMs: 8,
  /** Longest turn of the loop within the last interval: what everything else on this thread had to wait. */
  longestTurnMs: 9,
  /** Metrics that the job's functions have registered in this thread. */
  userMetricCount: 10,
} as const;
const THREAD_FIELD_COUNT = 11;

export const TASK_FIELDS_BYTE_OFFSET = timeSheetBytes(taskActivities.length);
export const THREAD_FIELDS_BYTE_OFFSET = timeSheetBytes(threadActivities.length);

const BLOCK_ALIGN_BYTES = 64;

/** Bytes that {@link allocateTaskCounters} takes from a region, alignment included. */
export function taskCountersFootprintBytes(operatorCount: number): number {
  return roundUp(TASK_FIELDS_BYTE_OFFSET + taskFieldCount(operatorCount) * 8);
}

/** Bytes that {@link allocateThreadCounters} takes from a region. */
export const THREAD_COUNTERS_FOOTPRINT_BYTES = roundUp(THREAD_FIELDS_BYTE_OFFSET + THREAD_FIELD_COUNT * 8);

/** Cuts the counters of a task from the region: all zero, and no watermark yet. */
export function allocateTaskCounters(region: SharedRegion, operatorCount: number): TaskCountersDescriptor {
  const byteOffset = region.take(taskCountersFootprintBytes(operatorCount));
  const descriptor = { memory: region.memory, byteOffset, operatorCount };
  const fields = taskFieldsOf(descriptor);
  fields[taskFields.currentInputWatermark] = -Infinity;
  fields[taskFields.currentOutputWatermark] = -Infinity;
  return descriptor;
}

/** Cuts the counters of a thread from the region. */
export function allocateThreadCounters(region: SharedRegion): ThreadCountersDescriptor {
  return { memory: region.memory, byteOffset: region.take(THREAD_COUNTERS_FOOTPRINT_BYTES) };
}

/** The f64 fields of a task. */
export function taskFieldsOf(descriptor: TaskCountersDescriptor): Float64Array<SharedArrayBuffer> {
  const byteOffset = descriptor.byteOffset + TASK_FIELDS_BYTE_OFFSET;
  return new Float64Array(descriptor.memory, byteOffset, taskFieldCount(descriptor.operatorCount));
}

/** The f64 fields of a thread. */
export function threadFieldsOf(descriptor: ThreadCountersDescriptor): Float64Array<SharedArrayBuffer> {
  return new Float64Array(descriptor.memory, descriptor.byteOffset + THREAD_FIELDS_BYTE_OFFSET, THREAD_FIELD_COUNT);
}

function taskFieldCount(operatorCount: number): number {
  return FIRST_OPERATOR_FIELD + operatorCount * FIELDS_PER_OPERATOR;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_ALIGN_BYTES) * BLOCK_ALIGN_BYTES;
}
