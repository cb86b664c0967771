/**
 * The counters of tasks and threads, in shared memory: one thread writes them, the main thread reads them at any time. A
 * worker that is parked, or busy in user code, answers no message, and is then most interesting to look at.
 *
 * Counts are plain stores: a reader may see them some nanoseconds late, and two of them from different moments. Times are
 * consistent among themselves (time-sheet.ts).
 */
import {
  FIELDS_PER_OPERATOR,
  FIRST_OPERATOR_FIELD,
  LATENCY_BOUNDS_MS,
  operatorFields,
  taskActivities,
  taskFields,
  taskFieldsOf,
  threadActivities,
  threadFields,
  threadFieldsOf,
} from './counter-layout.js';
import type {
  TaskActivity,
  TaskCountersDescriptor,
  ThreadActivity,
  ThreadCountersDescriptor,
} from './counter-layout.js';
import { TimeSheetReader, TimeSheetWriter } from './time-sheet.js';

const NOT_RUNNING = 0;
const IDLE = taskActivities.indexOf('idle');
const BUSY = taskActivities.indexOf('busy');
const BACK_PRESSURED = taskActivities.indexOf('backPressured');
const RUNNING = threadActivities.indexOf('running');
const PARKED = threadActivities.indexOf('parked');

/**
 * The writing side of a task's counters. Thread: the task's worker. Cost: a plain store each; the `enter…` methods some ten
 * atomic stores when the activity changes, and nothing when it does not.
 *
 * Activities are Flink's: back-pressured while the task cannot emit because an output is full; idle while it has no input;
 * busy the rest of the time, waiting for the thread included.
 */
export class TaskCountersWriter {
  readonly #times: TimeSheetWriter;
  readonly #fields: Float64Array<SharedArrayBuffer>;

  constructor(descriptor: TaskCountersDescriptor) {
    this.#times = new TimeSheetWriter(descriptor, taskActivities.length);
    this.#fields = taskFieldsOf(descriptor);
  }

  /** `nowMs` is of `systemMonotonicClock`, as everywhere here: the reader's clock must agree with the writer's. */
  enterIdle(nowMs: number): void {
    this.#times.enter(IDLE, nowMs);
  }

  enterBusy(nowMs: number): void {
    this.#times.enter(BUSY, nowMs);
  }

  enterBackPressured(nowMs: number): void {
    this.#times.enter(BACK_PRESSURED, nowMs);
  }

  /** The task has ended: no time is counted from now on. */
  stop(nowMs: number): void {
    this.#times.enter(NOT_RUNNING, nowMs);
  }

  addRecordsIn(count: number): void {
    this.#add(taskFields.numRecordsIn, count);
  }

  addRecordsOut(count: number): void {
    this.#add(taskFields.numRecordsOut, count);
  }

  addBytesIn(count: number): void {
    this.#add(taskFields.numBytesIn, count);
  }

  addBytesOut(count: number): void {
    this.#add(taskFields.numBytesOut, count);
  }

  /** Sets the totals of the task's records, for a task that counts in fields of its own. */
  setRecords(numRecordsIn: number, numRecordsOut: number): void {
    this.#fields[taskFields.numRecordsIn] = numRecordsIn;
    this.#fields[taskFields.numRecordsOut] = numRecordsOut;
  }

  /** Sets the totals of the task's bytes, likewise. */
  setBytes(numBytesIn: number, numBytesOut: number): void {
    this.#fields[taskFields.numBytesIn] = numBytesIn;
    this.#fields[taskFields.numBytesOut] = numBytesOut;
  }

  setInputWatermark(timestamp: number): void {
    this.#fields[taskFields.currentInputWatermark] = timestamp;
  }

  setOutputWatermark(timestamp: number): void {
    this.#fields[taskFields.currentOutputWatermark] = timestamp;
  }

  /** Sets the totals of late records and fired timers. */
  setTimers(numLateRecordsDropped: number, numFiredTimers: number): void {
    this.#fields[taskFields.numLateRecordsDropped] = numLateRecordsDropped;
    this.#fields[taskFields.numFiredTimers] = numFiredTimers;
  }

  /** Sets the totals of one operator, by its place in the chain. */
  setOperatorRecords(operatorIndex: number, numRecordsIn: number, numRecordsOut: number): void {
    const first = FIRST_OPERATOR_FIELD + operatorIndex * FIELDS_PER_OPERATOR;
    this.#fields[first + operatorFields.numRecordsIn] = numRecordsIn;
    this.#fields[first + operatorFields.numRecordsOut] = numRecordsOut;
  }

  /** Counts how long after it was appended a record came to an operator. */
  observeOperatorLatency(operatorIndex: number, latencyMs: number): void {
    const first = FIRST_OPERATOR_FIELD + operatorIndex * FIELDS_PER_OPERATOR;
    let bucket = 0;
    while (latencyMs > (LATENCY_BOUNDS_MS[bucket] ?? Infinity)) bucket++;
    this.#add(first + operatorFields.firstLatencyCount + bucket, 1);
    this.#add(first + operatorFields.latencySumMs, latencyMs);
  }

  #add(field: number, count: number): void {
    this.#fields[field] = (this.#fields[field] as number) + count;
  }
}

/** A task's counters at one moment. Counts and times are totals since the task began. */
export interface TaskSnapshot {
  readonly activity: TaskActivity;
  readonly idleMs: number;
  readonly busyMs: number;
  readonly backPressuredMs: number;
  readonly numRecordsIn: number;
  readonly numRecordsOut: number;
  readonly numBytesIn: number;
  readonly numBytesOut: number;
  /** `-Infinity` before the first. */
  readonly currentInputWatermark: number;
  readonly currentOutputWatermark: number;
  readonly numLateRecordsDropped: number;
  readonly numFiredTimers: number;
  /** In the order of the chain. */
  readonly operators: readonly OperatorSnapshot[];
}

export interface OperatorSnapshot {
  readonly numRecordsIn: number;
  readonly numRecordsOut: number;
  /** Of a sample of its records. */
  readonly latency: LatencySnapshot;
}

/** How long after they were appended records came to an operator. */
export interface LatencySnapshot {
  /** By {@link LATENCY_BOUNDS_MS}; the last is what lies above. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** The reading side of a task's counters. Thread: any. */
export class TaskCountersReader {
  readonly #times: TimeSheetReader;
  readonly #fields: Float64Array<SharedArrayBuffer>;
  readonly #operatorCount: number;

  constructor(descriptor: TaskCountersDescriptor) {
    this.#times = new TimeSheetReader(descriptor, taskActivities.length);
    this.#fields = taskFieldsOf(descriptor);
    this.#operatorCount = descriptor.operatorCount;
  }

  /** The counters as of `nowMs`, the time of the stay that is going on included. */
  read(nowMs: number): TaskSnapshot {
    const times = this.#times;
    times.refresh();
    const operators: OperatorSnapshot[] = [];
    for (let index = 0; index < this.#operatorCount; index++) {
      operators.push(this.#operator(FIRST_OPERATOR_FIELD + index * FIELDS_PER_OPERATOR));
    }
    return {
      activity: taskActivities[times.state] ?? 'notRunning',
      idleMs: times.spentMs(IDLE, nowMs),
      busyMs: times.spentMs(BUSY, nowMs),
      backPressuredMs: times.spentMs(BACK_PRESSURED, nowMs),
      numRecordsIn: this.#field(taskFields.numRecordsIn),
      numRecordsOut: this.#field(taskFields.numRecordsOut),
      numBytesIn: this.#field(taskFields.numBytesIn),
      numBytesOut: this.#field(taskFields.numBytesOut),
      currentInputWatermark: this.#field(taskFields.currentInputWatermark),
      currentOutputWatermark: this.#field(taskFields.currentOutputWatermark),
      numLateRecordsDropped: this.#field(taskFields.numLateRecordsDropped),
      numFiredTimers: this.#field(taskFields.numFiredTimers),
      operators,
    };
  }

  #operator(first: number): OperatorSnapshot {
    const firstCount = first + operatorFields.firstLatencyCount;
    return {
      numRecordsIn: this.#field(first + operatorFields.numRecordsIn),
      numRecordsOut: this.#field(first + operatorFields.numRecordsOut),
      latency: {
        counts: [...this.#fields.subarray(firstCount, firstCount + LATENCY_BOUNDS_MS.length + 1)],
        sumMs: this.#field(first + operatorFields.latencySumMs),
      },
    };
  }

  #field(index: number): number {
    return this.#fields[index] as number;
  }
}

/** The writing side of a thread's counters. Thread: the one that is counted. */
export class ThreadCountersWriter {
  readonly #times: TimeSheetWriter;
  readonly #fields: Float64Array<SharedArrayBuffer>;

  constructor(descriptor: ThreadCountersDescriptor) {
    this.#times = new TimeSheetWriter(descriptor, threadActivities.length);
    this.#fields = threadFieldsOf(descriptor);
  }

  /** The thread runs: at its start, and after each sleep. */
  enterRunning(nowMs: number): void {
    this.#times.enter(RUNNING, nowMs);
  }

  /** The thread goes to sleep. */
  enterParked(nowMs: number): void {
    if (this.#times.state !== PARKED) this.#add(threadFields.parkCount, 1);
    this.#times.enter(PARKED, nowMs);
  }

  /** The thread's loop has ended: no time is counted from now on. */
  stop(nowMs: number): void {
    this.#times.enter(NOT_RUNNING, nowMs);
  }

  /** Counts turns of the thread's loop. */
  addLoopTurns(count: number): void {
    this.#add(threadFields.loopTurns, count);
  }

  /** Says which thread of the operating system this is. */
  setOsThreadId(id: number): void {
    this.#fields[threadFields.osThreadId] = id;
  }

  /** Says how many metrics the job's functions have registered: whether it is worth asking for them. */
  setUserMetricCount(count: number): void {
    this.#fields[threadFields.userMetricCount] = count;
  }

  /** Sets the levels that a thread looks at now and then. */
  setVitals(vitals: ThreadVitals): void {
    const fields = this.#fields;
    fields[threadFields.heapUsedBytes] = vitals.heapUsedBytes;
    fields[threadFields.heapTotalBytes] = vitals.heapTotalBytes;
    fields[threadFields.heapLimitBytes] = vitals.heapLimitBytes;
    fields[threadFields.externalBytes] = vitals.externalBytes;
    fields[threadFields.gcCount] = vitals.gcCount;
    fields[threadFields.gcMs] = vitals.gcMs;
    fields[threadFields.longestTurnMs] = vitals.longestTurnMs;
  }

  #add(field: number, count: number): void {
    this.#fields[field] = (this.#fields[field] as number) + count;
  }
}

/** How a thread is: its heap, its garbage collector, its loop. */
export interface ThreadVitals {
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  /** Collections, and the time they took, since the thread began. */
  readonly gcCount: number;
  readonly gcMs: number;
  /** Longest turn of the loop within the last interval. */
  readonly longestTurnMs: number;
}

/** A thread's counters at one moment: totals since it began. */
export interface ThreadSnapshot extends ThreadVitals {
  readonly activity: ThreadActivity;
  readonly runningMs: number;
  readonly parkedMs: number;
  readonly loopTurns: number;
  readonly parkCount: number;
  /** 0 where the operating system gives none. */
  readonly osThreadId: number;
  /** Metrics that the job's functions have registered in it. */
  readonly userMetricCount: number;
}

/** The reading side of a thread's counters. Thread: any. */
export class ThreadCountersReader {
  readonly #times: TimeSheetReader;
  readonly #fields: Float64Array<SharedArrayBuffer>;

  constructor(descriptor: ThreadCountersDescriptor) {
    this.#times = new TimeSheetReader(descriptor, threadActivities.length);
    this.#fields = threadFieldsOf(descriptor);
  }

  read(nowMs: number): ThreadSnapshot {
    const times = this.#times;
    times.refresh();
    return {
      activity: threadActivities[times.state] ?? 'notRunning',
      runningMs: times.spentMs(RUNNING, nowMs),
      parkedMs: times.spentMs(PARKED, nowMs),
      loopTurns: this.#field(threadFields.loopTurns),
      parkCount: this.#field(threadFields.parkCount),
      osThreadId: this.#field(threadFields.osThreadId),
      userMetricCount: this.#field(threadFields.userMetricCount),
      heapUsedBytes: this.#field(threadFields.heapUsedBytes),
      heapTotalBytes: this.#field(threadFields.heapTotalBytes),
      heapLimitBytes: this.#field(threadFields.heapLimitBytes),
      externalBytes: this.#field(threadFields.externalBytes),
      gcCount: this.#field(threadFields.gcCount),
      gcMs: this.#field(threadFields.gcMs),
      longestTurnMs: this.#field(threadFields.longestTurnMs),
    };
  }

  #field(index: number): number {
    return this.#fields[index] as number;
  }
}
