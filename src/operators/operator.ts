import type { KeyedStateBackend, OperatorStateStore } from '../api/internal/state-backend.js';
import type { Collector } from '../api/functions.js';
import type { OutputTag, RequestHandle } from '../api/process-function.js';
import type { Clock, MonotonicClock } from '../base/clock.js';
import type { MillraceError } from '../base/errors.js';
import type { OperatorRuntimeContext } from './operator-runtime-context.js';

/**
 * What an operator is, and what it is given. Operators are pure and synchronous: a step runs to its end; time, state and
 * outputs come in through {@link OperatorContext}. The worker's operator chain calls them, and so does the test harness.
 *
 * Values and timestamps travel as two plain arguments, so that a record costs no allocation within a chain.
 */

/** Where an operator's results go: the next operator of the chain, or a record writer. */
export interface Output<T> {
  /** `timestamp` is `NO_TIMESTAMP` for a record without one. */
  collect(value: T, timestamp: number): void;
  /** A side output that nobody consumes is dropped. */
  collectSide<S>(tag: OutputTag<S>, value: S, timestamp: number): void;
  emitWatermark(timestamp: number): void;
  emitStatus(status: WatermarkStatus): void;
}

/** Whether an input holds the watermark back, or expects no records for now. @public */
export type WatermarkStatus = 'ACTIVE' | 'IDLE';

/**
 * What is known of the record in process beside its value, shared by a whole chain: set where the record enters the chain,
 * read by whoever needs it further down. Mutable on purpose: one instance per task, no allocation per record.
 *
 * An operator that emits later than it was called (async I/O, windows) keeps what it needs and sets it again, or clears it.
 */
export interface RecordScope {
  /** The request the record came from, which rides along through every record-at-a-time operator; else `null`. */
  request: RequestHandle | null;
  /** Which source of the job, topic partition and offset the record came from; partition -1 when from no topic. */
  originSource: number;
  originPartition: number;
  originOffset: number;
  /** When the origin record was appended, in milliseconds since the epoch: what `ctx.now()` answers. */
  originTime: number;
}

/** Answers requests: by way of the response topic to the gateway that holds the connection. */
export interface Responder {
  respond(handle: RequestHandle, value: unknown, status: number): void;
}

/** Processing-time timers of a task, on injected clocks. Callbacks run in the task's thread, between two records. */
export interface ProcessingTimeService extends Clock, MonotonicClock {
  /**
   * Calls back once when the machine's clock reaches `timestamp`; at once in the next step when it has. Earliest first. For
   * what authors ask for by that clock.
   */
  registerTimer(timestamp: number, callback: (timestamp: number) => void): void;
  /** Calls back once when so much time has passed, however the machine's clock is set meanwhile. Earliest first. */
  registerDelay(delayMs: number, callback: () => void): void;
}

/** How an operator that waits for promises comes back into the order of its task. */
export interface TaskMailbox {
  /** Runs `mail` in a later step of the task, between two records, and wakes the task. From any turn of the event loop. */
  post(mail: () => void): void;
  /** Promises that will post are under way (positive) or have posted (negative): while any are, the thread must not block. */
  addPending(count: number): void;
}

/**
 * What becomes of the work that an operator does between two records, when it throws. The record scope must name what the work
 * is made of. Each returns when the operator is to go on without it, and throws when the task fails.
 */
export interface OperatorFailures {
  /** Of a record that the operator has kept: `value` is what it was given. */
  recordFailed(error: unknown, value: unknown, timestamp: number): void;
  /** Of a timer that the operator has set, and that fires. */
  timerFailed(error: unknown, operatorId: string): void;
}

/** Everything is thrown: for operators that run without a task. */
export const everyFailure: OperatorFailures = { recordFailed: rethrow, timerFailed: rethrow };

function rethrow(error: unknown): never {
  throw error;
}

/** The source record that something is made of. */
export type OutcomeOrigin = Pick<RecordScope, 'originSource' | 'originPartition' | 'originOffset'>;

/** Keeps the outcomes of asynchronous requests, so that one which was used is not asked for again after a restart. */
export interface OutcomeRecall {
  /**
   * The results that were recorded for this value of this record before the restart; `null` when there are none. Each is given once:
   * when a record was made into equal values, the next of them gets the next.
   */
  recall(origin: OutcomeOrigin, value: unknown): readonly unknown[] | null;
  /**
   * Records results. `listener` is called, from any turn of the event loop, when they are durable, or with why they are not.
   *
   * @throws MillraceError `MILLRACE_SERIALISATION_FAILED` when value or results have no bytes
   */
  record(
    origin: OutcomeOrigin,
    value: unknown,
    results: readonly unknown[],
    listener: (error: MillraceError | null) => void,
  ): void;
}

/** Counters an operator keeps beside the records in and out that the chain counts. @public */
export interface OperatorCounters {
  /** Records that came too late for all their windows, and had no side output to go to. */
  numLateRecordsDropped: number;
  /** Timers of both time domains. */
  numFiredTimers: number;
}

/** Everything an operator may touch. Handed over once, at `open`. */
export interface OperatorContext<Out> {
  readonly runtime: OperatorRuntimeContext;
  readonly output: Output<Out>;
  /** `null` for an operator without a key. */
  readonly keyedState: KeyedStateBackend | null;
  readonly operatorState: OperatorStateStore;
  readonly processingTime: ProcessingTimeService;
  readonly scope: RecordScope;
  readonly responder: Responder;
  readonly counters: OperatorCounters;
  /** Only needed by operators that wait for promises. */
  readonly mailbox?: TaskMailbox;
  /** Absent where nothing is replayed. */
  readonly outcomes?: OutcomeRecall;
  /** @defaultValue {@link everyFailure} */
  readonly failures?: OperatorFailures;
  /** The operator's uid. */
  readonly operatorId: string;
}

/** What an operator does to one record when that is all it does: the chain may call this in place of `processElement`. */
export interface StatelessStep {
  /** Whether `call` gives the result, says whether the record passes, or hands results to `out`. */
  readonly kind: 'map' | 'filter' | 'flat-map';
  readonly call: (value: unknown, out: Collector<unknown>) => unknown;
  /** What to throw in place of an error of `call`. */
  readonly fail: (error: unknown) => unknown;
}

/** An operator with one input. Calls come from one thread, in this order: open, any number of process…, finish, close. */
export interface StreamOperator<In, Out> {
  readonly step?: StatelessStep;
  open(context: OperatorContext<Out>): void;
  processElement(value: In, timestamp: number): void;
  /** Fires what is due and passes the watermark on. Never goes back. */
  processWatermark(timestamp: number): void;
  processStatus(status: WatermarkStatus): void;
  /** The state that belongs to no key, by name, as lists that can be dealt out to another number of subtasks. */
  snapshotOperatorState?(): Readonly<Record<string, readonly unknown[]>>;
  /** Everything that the checkpoint covers is committed. */
  notifyCheckpointComplete?(checkpointId: number): void;
  /** Whether the task may hand over more records: `false` while too many requests are under way. Absent: always. */
  hasCapacity?(): boolean;
  /** Records whose results are still to come: the task forwards the end of its input only when this is 0. Absent: 0. */
  pendingCount?(): number;
  /** Where the watermark stands that this operator makes itself. Absent: those of its input pass through. */
  ownWatermark?(): { readonly watermark: number; readonly since: number };
  /** The input has ended: emit what is left. */
  finish?(): void;
  close(): void;
}

/** An operator with two inputs, numbered 1 and 2 as in Flink. */
export interface TwoInputStreamOperator<In1, In2, Out> extends Omit<
  StreamOperator<In1, Out>,
  'step' | 'processElement' | 'processWatermark' | 'processStatus'
> {
  processElement1(value: In1, timestamp: number): void;
  processElement2(value: In2, timestamp: number): void;
  processWatermark1(timestamp: number): void;
  processWatermark2(timestamp: number): void;
  processStatus1(status: WatermarkStatus): void;
  processStatus2(status: WatermarkStatus): void;
}
