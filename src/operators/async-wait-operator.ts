import type { AsyncFunction, AsyncOptions, AsyncOutputMode, ResultFuture } from '../api/async-function.js';
import { MillraceError } from '../base/errors.js';
import { createAsyncQueue } from './async-queue.js';
import type { AsyncEntry, AsyncQueue, AsyncRecord, AsyncStatus, AsyncWatermark } from './async-queue.js';
import {
  everyFailure,
  type OperatorContext,
  type OutcomeRecall,
  type StreamOperator,
  type TaskMailbox,
  type WatermarkStatus,
} from './operator.js';
import { OperatorBase } from './operator-base.js';

/** The name of the stored queue in a snapshot. */
const QUEUE_STATE = 'async-wait-queue';
/** Requests under way, unless configured. */
export const DEFAULT_ASYNC_CAPACITY = 100;

const notStarted = { attempt: 0, isExpired: false, outcome: null };

/** What a snapshot keeps of an element that has not left. */
type StoredEntry =
  | Pick<
      AsyncRecord<unknown, unknown>,
      | 'kind'
      | 'value'
      | 'timestamp'
      | 'request'
      | 'originSource'
      | 'originPartition'
      | 'originOffset'
      | 'originTime'
      | 'results'
    >
  | AsyncWatermark
  | AsyncStatus;

/**
 * Starts a request per record and emits its results later, in the order that the mode asks for. As Flink's
 * `AsyncWaitOperator`.
 *
 * ```
 *   record ─▶ queue ─▶ started (at most `capacity` at a time) ─▶ outcome or time-out ─▶ mail ─▶ emit what may leave
 *   watermark, status ─▶ queue: leave when everything before them has
 * ```
 *
 * One thread. Outcomes may come in any turn of its event loop: each posts a mail, and the queue is only touched by mail, by
 * timers and by input, between two records. The task asks {@link hasCapacity} before it hands over more, so the queue
 * grows past the capacity only by what one record's way through the chain adds.
 *
 * A snapshot holds the elements that have not left. After a restore the requests of those without results start anew, in
 * order, at most `restoreCapacity` at first: a service that has just seen a restart is not flooded.
 *
 * Results leave when they are durable ({@link OutcomeRecall}): what a replay finds recorded it does not ask for.
 */
export class AsyncWaitOperator<In, Out> extends OperatorBase<Out> implements StreamOperator<In, Out> {
  readonly #fn: AsyncFunction<In, Out>;
  readonly #options: AsyncOptions<Out>;
  readonly #capacity: number;
  readonly #queue: AsyncQueue<In, Out>;
  /** Records that wait for a place among those under way, oldest first. */
  #waiting: AsyncRecord<In, Out>[] = [];
  /** Started records in the order of their deadlines, by the monotonic clock; those that are done are skipped. */
  #deadlines: { readonly record: AsyncRecord<In, Out>; readonly deadline: number }[] = [];
  #isDeadlineArmed = false;
  #underWayCount = 0;
  #startLimit: number;
  #mailbox: TaskMailbox | null = null;
  #isClosed = false;
  readonly #onDeadline = (): void => this.#expireUpTo(this.context.processingTime.nowMs());

  constructor(fn: AsyncFunction<In, Out>, mode: AsyncOutputMode, options: AsyncOptions<Out>) {
    super();
    this.#fn = fn;
    this.#options = options;
    this.#capacity = options.capacity ?? DEFAULT_ASYNC_CAPACITY;
    this.#startLimit = this.#capacity;
    this.#queue = createAsyncQueue(mode);
  }

  override open(context: OperatorContext<Out>): void {
    super.open(context);
    if (context.mailbox === undefined) {
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'an asynchronous operator is opened without a mailbox');
    }
    this.#mailbox = context.mailbox;
    this.openFunction(this.#fn);
    this.#restore(context.operatorState.restored(QUEUE_STATE) as readonly StoredEntry[] | undefined);
  }

  processElement(value: In, timestamp: number): void {
    const { request, originSource, originPartition, originOffset, originTime } = this.context.scope;
    this.#add({
      kind: 'record',
      value,
      timestamp,
      request,
      originSource,
      originPartition,
      originOffset,
      originTime,
      ...notStarted,
      results: null,
    });
  }

  override processWatermark(timestamp: number): void {
    this.currentWatermark = timestamp;
    this.#queue.put({ kind: 'watermark', timestamp });
    this.#emitCompleted();
  }

  override processStatus(status: WatermarkStatus): void {
    this.#queue.put({ kind: 'status', status });
    this.#emitCompleted();
  }

  hasCapacity(): boolean {
    return this.#queue.size < this.#capacity;
  }

  pendingCount(): number {
    return this.#queue.size;
  }

  override snapshotOperatorState(): Readonly<Record<string, readonly unknown[]>> {
    const withResults = this.#outcomes !== undefined;
    const stored = this.#queue.values().map((entry) => storedForm(entry, withResults));
    return { ...super.snapshotOperatorState(), [QUEUE_STATE]: stored };
  }

  override close(): void {
    this.#isClosed = true;
    super.close();
  }

  #restore(stored: readonly StoredEntry[] | undefined): void {
    if (stored === undefined || stored.length === 0) return;
    this.#startLimit = Math.min(this.#options.restoreCapacity ?? this.#capacity, this.#capacity);
    for (const entry of stored) {
      if (entry.kind !== 'record') this.#queue.put(entry);
      else this.#add({ ...(entry as AsyncRecord<In, Out>), ...notStarted });
    }
    this.#emitCompleted();
  }

  #add(record: AsyncRecord<In, Out>): void {
    this.#queue.put(record);
    const known = record.results ?? this.#outcomes?.recall(record, record.value) ?? null;
    if (known !== null) return this.#useKnown(record, known as readonly Out[]);
    this.#waiting.push(record);
    this.#startWaiting();
  }

  /** Leaves in a later step: the record that is being processed has the scope to itself. */
  #useKnown(record: AsyncRecord<In, Out>, results: readonly Out[]): void {
    record.outcome = results;
    record.results = results;
    this.#queue.complete(record);
    this.#mailbox?.post(() => {
      if (!this.#isClosed) this.#emitCompleted();
    });
  }

  get #outcomes(): OutcomeRecall | undefined {
    return this.#options.durableResults === false ? undefined : this.context.outcomes;
  }

  #startWaiting(): void {
    while (this.#underWayCount < this.#startLimit) {
      const record = this.#waiting.shift();
      if (record === undefined) return;
      this.#underWayCount++;
      this.#mailbox?.addPending(1);
      this.#armDeadline(record);
      this.#startAttempt(record);
    }
  }

  #startAttempt(record: AsyncRecord<In, Out>): void {
    const result = this.#resultOf(record, ++record.attempt);
    try {
      const promise = this.#fn.asyncInvoke(record.value, result);
      if (promise !== undefined) promise.catch((error: unknown) => result.completeExceptionally(error));
    } catch (error) {
      // Between two records, as any other outcome: here the record in process may be another one, and has the scope.
      this.#mailbox?.post(() => {
        if (!this.#isClosed && record.outcome === null) this.#giveUp(record, error, 'asyncInvoke');
      });
    }
  }

  /** An outcome only posts: the queue is touched in the task's own order. */
  #resultOf(record: AsyncRecord<In, Out>, attempt: number): ResultFuture<Out> {
    let isDone = false;
    const settle = (outcome: () => void): void => {
      if (isDone) return;
      isDone = true;
      this.#mailbox?.post(() => {
        const isStale = this.#isClosed || record.outcome !== null || record.attempt !== attempt;
        if (!isStale) outcome();
      });
    };
    return {
      complete: (results) => settle(() => this.#onResults(record, results)),
      completeExceptionally: (error) => settle(() => this.#onError(record, error)),
    };
  }

  #onResults(record: AsyncRecord<In, Out>, results: readonly Out[]): void {
    const { retry } = this.#options;
    const isRetried =
      retry?.retryOnResult?.(results) === true && record.attempt < retry.maxAttempts && !record.isExpired;
    if (isRetried) this.#retryLater(record);
    else this.#keep(record, results);
  }

  #keep(record: AsyncRecord<In, Out>, results: readonly Out[]): void {
    const outcomes = this.#outcomes;
    if (outcomes === undefined) return this.#settle(record, results);
    record.outcome = results;
    const onKept = (error: MillraceError | null): void =>
      this.#mailbox?.post(() => {
        if (this.#isClosed) return;
        if (error !== null) throw error;
        this.#settle(record, results);
      });
    try {
      outcomes.record(record, record.value, results, onKept);
    } catch (error) {
      this.#giveUp(record, error, 'asyncInvoke');
    }
  }

  #onError(record: AsyncRecord<In, Out>, error: unknown): void {
    const { retry } = this.#options;
    const isWorthIt = retry !== undefined && (retry.retryOnError?.(error) ?? true);
    if (isWorthIt && !record.isExpired && record.attempt < retry.maxAttempts) this.#retryLater(record);
    else this.#giveUp(record, error, 'asyncInvoke');
  }

  /** The record fails as it would have in a function that answers at once: dropped or not is the job's affair. */
  #giveUp(record: AsyncRecord<In, Out>, error: unknown, method: string): void {
    this.#fail(record, this.failure(error, method));
    this.#settle(record, []);
  }

  #fail(record: AsyncRecord<In, Out>, failure: unknown): void {
    this.#enterScope(record);
    (this.context.failures ?? everyFailure).recordFailed(failure, record.value, record.timestamp);
  }

  #retryLater(record: AsyncRecord<In, Out>): void {
    const { attempt } = record;
    const backoffMs = this.#options.retry?.backoffMs(attempt) ?? 0;
    this.context.processingTime.registerDelay(backoffMs, () => {
      const isStale = this.#isClosed || record.outcome !== null || record.isExpired;
      if (!isStale) this.#startAttempt(record);
    });
  }

  #settle(record: AsyncRecord<In, Out>, results: readonly Out[]): void {
    record.outcome = results;
    record.results = results;
    this.#underWayCount--;
    this.#mailbox?.addPending(-1);
    this.#startLimit = Math.min(this.#startLimit + 1, this.#capacity);
    this.#queue.complete(record);
    this.#emitCompleted();
    this.#startWaiting();
  }

  #emitCompleted(): void {
    for (let entry = this.#queue.poll(); entry !== null; entry = this.#queue.poll()) {
      if (entry.kind === 'watermark') this.output.emitWatermark(entry.timestamp);
      else if (entry.kind === 'status') this.output.emitStatus(entry.status);
      else this.#emitResults(entry);
    }
  }

  /** A result that an operator behind this one cannot take fails the record that it is of, which has left the queue. */
  #emitResults(record: AsyncRecord<In, Out>): void {
    this.#enterScope(record);
    try {
      for (const result of record.results ?? []) this.output.collect(result, record.timestamp);
    } catch (error) {
      this.#fail(record, error);
    }
  }

  #enterScope(record: AsyncRecord<In, Out>): void {
    const { scope } = this.context;
    scope.request = record.request;
    scope.originSource = record.originSource;
    scope.originPartition = record.originPartition;
    scope.originOffset = record.originOffset;
    scope.originTime = record.originTime;
  }

  /** All time-outs are equally long, so deadlines come in the order of starting, and one timer at a time is enough. */
  #armDeadline(record: AsyncRecord<In, Out>): void {
    const { timeoutMs } = this.#options;
    if (timeoutMs === undefined || timeoutMs <= 0) return;
    this.#deadlines.push({ record, deadline: this.context.processingTime.nowMs() + timeoutMs });
    this.#armNextDeadline();
  }

  #armNextDeadline(): void {
    if (this.#isDeadlineArmed) return;
    const firstOpen = this.#deadlines.findIndex(({ record }) => record.outcome === null);
    this.#deadlines = firstOpen < 0 ? [] : this.#deadlines.slice(firstOpen);
    const next = this.#deadlines[0];
    if (next === undefined) return;
    this.#isDeadlineArmed = true;
    const { processingTime } = this.context;
    processingTime.registerDelay(next.deadline - processingTime.nowMs(), this.#onDeadline);
  }

  #expireUpTo(nowMs: number): void {
    this.#isDeadlineArmed = false;
    if (this.#isClosed) return;
    for (let next = this.#deadlines[0]; next !== undefined && next.deadline <= nowMs; next = this.#deadlines[0]) {
      this.#deadlines.shift();
      if (next.record.outcome === null) this.#expire(next.record);
    }
    this.#armNextDeadline();
  }

  #expire(record: AsyncRecord<In, Out>): void {
    // The first of both outcomes counts: what `timeout` says, or what the request still brings.
    const result = this.#resultOf(record, record.attempt);
    record.isExpired = true;
    if (this.#fn.timeout === undefined) {
      const error = new Error(`no outcome within ${String(this.#options.timeoutMs)} ms`);
      return this.#giveUp(record, error, 'asyncInvoke');
    }
    try {
      this.#fn.timeout(record.value, result);
    } catch (error) {
      this.#giveUp(record, error, 'timeout');
    }
  }
}

/** @param withResults whether a restore is to use what has been answered; else it asks again */
function storedForm(entry: AsyncEntry<unknown, unknown>, withResults: boolean): StoredEntry {
  if (entry.kind !== 'record') return entry;
  const { kind, value, timestamp, request, originSource, originPartition, originOffset, originTime } = entry;
  // One that is on its way to the disk too: it may be used as soon as it is there, and this checkpoint then stands for it.
  const results = withResults ? entry.outcome : null;
  return { kind, value, timestamp, request, originSource, originPartition, originOffset, originTime, results };
}
