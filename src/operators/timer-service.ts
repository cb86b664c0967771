import type { KeyedStateBackend, Namespace, TimerRow, TimerTable } from '../api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../api/internal/state-backend.js';
import type { TimeDomain, TimerService } from '../api/timer-service.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import {
  everyFailure,
  type OperatorContext,
  type OperatorCounters,
  type OperatorFailures,
  type ProcessingTimeService,
  type RecordScope,
} from './operator.js';
import { hashKey } from './record-chance.js';
import { TimerQueue } from './timer-queue.js';

/** What fires: the operator that owns the timers. The current key and the record scope are set before each call. */
export interface TimerTarget {
  onTimer(timestamp: number, namespace: Namespace, domain: TimeDomain, key: unknown): void;
}

/**
 * Event-time and processing-time timers of a keyed operator, per key and namespace, as Flink's `InternalTimerServiceImpl`.
 *
 * Order: by timestamp; timers of one timestamp in the order of registering. A timer that a firing timer registers, and that
 * is due, fires in the same advance. A timer at or before the present watermark fires with the next watermark, not at once.
 *
 * Every timer in the queue is a row of a {@link TimerTable}, which makes it part of the snapshot; the queue is rebuilt from the
 * rows after a restore.
 *
 * Runs on the operator's thread. While a timer fires, the record scope names no request and no topic position; its offset
 * is a hash of the key and its time the timer's, so that chance downstream is the same on a replay.
 */
export class InternalTimerService {
  readonly #target: TimerTarget;
  readonly #keyedState: KeyedStateBackend;
  readonly #processingTime: ProcessingTimeService;
  readonly #scope: RecordScope;
  readonly #counters: OperatorCounters;
  readonly #failures: OperatorFailures;
  readonly #operatorId: string;
  readonly #eventQueue = new TimerQueue<TimerRow>();
  readonly #processingQueue = new TimerQueue<TimerRow>();
  readonly #eventRows: TimerTable;
  readonly #processingRows: TimerTable;
  /** The earliest processing time at which a call back is due; `Infinity` for none. */
  #armedTimestamp = Infinity;
  #currentWatermark = NO_TIMESTAMP;
  readonly #newEventTimer = (timestamp: number, namespace: Namespace): TimerRow =>
    this.#eventRows.add(timestamp, namespace);
  readonly #newProcessingTimer = (timestamp: number, namespace: Namespace): TimerRow =>
    this.#processingRows.add(timestamp, namespace);
  readonly #onProcessingTime = (timestamp: number): void => this.#advanceProcessingTime(timestamp);

  constructor(context: OperatorContext<unknown>, name: string, target: TimerTarget) {
    this.#target = target;
    this.#keyedState = requireKeyedState(context);
    this.#processingTime = context.processingTime;
    this.#scope = context.scope;
    this.#counters = context.counters;
    this.#failures = context.failures ?? everyFailure;
    this.#operatorId = context.operatorId;
    this.#eventRows = this.#keyedState.timerTable(`${name}/event`);
    this.#processingRows = this.#keyedState.timerTable(`${name}/processing`);
    restoreRows(this.#eventRows, this.#eventQueue);
    restoreRows(this.#processingRows, this.#processingQueue);
    this.#arm();
  }

  /** Number of timers of both domains. */
  get size(): number {
    return this.#eventQueue.size + this.#processingQueue.size;
  }

  currentWatermark(): number {
    return this.#currentWatermark;
  }

  currentProcessingTime(): number {
    return this.#processingTime.now();
  }

  /** @returns whether there was none of this key, namespace and time */
  registerEventTimeTimer(namespace: Namespace, timestamp: number): boolean {
    requireTimestamp(timestamp);
    return this.#eventQueue.add(timestamp, this.#keyedState.getCurrentKey(), namespace, this.#newEventTimer);
  }

  deleteEventTimeTimer(namespace: Namespace, timestamp: number): void {
    const removed = this.#eventQueue.remove(timestamp, this.#keyedState.getCurrentKey(), namespace);
    if (removed !== null) this.#eventRows.remove(removed);
  }

  /** Of every key: for an operator that has restored another one's timers and needs none. */
  deleteAllEventTimeTimers(): void {
    for (let row = this.#eventQueue.pollUpTo(Infinity); row !== undefined; row = this.#eventQueue.pollUpTo(Infinity)) {
      this.#eventRows.remove(row);
    }
  }

  registerProcessingTimeTimer(namespace: Namespace, timestamp: number): void {
    requireTimestamp(timestamp);
    const key = this.#keyedState.getCurrentKey();
    const isNew = this.#processingQueue.add(timestamp, key, namespace, this.#newProcessingTimer);
    if (isNew && timestamp < this.#armedTimestamp) this.#arm();
  }

  deleteProcessingTimeTimer(namespace: Namespace, timestamp: number): void {
    const removed = this.#processingQueue.remove(timestamp, this.#keyedState.getCurrentKey(), namespace);
    if (removed !== null) this.#processingRows.remove(removed);
  }

  /** Fires what is due at the watermark, which is already the current one for the timers that fire. */
  advanceWatermark(watermark: number): void {
    this.#currentWatermark = watermark;
    this.#fireUpTo(watermark, 'EVENT_TIME', this.#eventQueue, this.#eventRows);
  }

  /** The timer API that the author's functions see: timers of the current key, in no namespace. */
  asTimerService(): TimerService {
    return {
      currentProcessingTime: () => this.currentProcessingTime(),
      currentWatermark: () => this.#currentWatermark,
      registerEventTimeTimer: (timestamp) => this.registerEventTimeTimer(VOID_NAMESPACE, timestamp),
      registerProcessingTimeTimer: (timestamp) => this.registerProcessingTimeTimer(VOID_NAMESPACE, timestamp),
      deleteEventTimeTimer: (timestamp) => this.deleteEventTimeTimer(VOID_NAMESPACE, timestamp),
      deleteProcessingTimeTimer: (timestamp) => this.deleteProcessingTimeTimer(VOID_NAMESPACE, timestamp),
    };
  }

  /** A call back may come for a timer that is gone, or after an earlier one was armed: then it only looks and arms anew. */
  #advanceProcessingTime(timestamp: number): void {
    const armedBefore = this.#armedTimestamp;
    // Timers registered while others fire are armed once, at the end.
    this.#armedTimestamp = -Infinity;
    this.#fireUpTo(timestamp, 'PROCESSING_TIME', this.#processingQueue, this.#processingRows);
    this.#armedTimestamp = timestamp >= armedBefore ? Infinity : armedBefore;
    this.#arm();
  }

  #arm(): void {
    const next = this.#processingQueue.peekTimestamp();
    // A timer at infinity is one that never comes.
    if (next === undefined || next >= this.#armedTimestamp) return;
    this.#armedTimestamp = next;
    this.#processingTime.registerTimer(next, this.#onProcessingTime);
  }

  #fireUpTo(limit: number, domain: TimeDomain, queue: TimerQueue<TimerRow>, rows: TimerTable): void {
    for (let entry = queue.pollUpTo(limit); entry !== undefined; entry = queue.pollUpTo(limit)) {
      const { timestamp } = entry;
      this.#keyedState.setCurrentKeyAndGroup(entry.key, entry.keyGroup);
      rows.remove(entry);
      enterTimerScope(this.#scope, entry.key, timestamp);
      this.#counters.numFiredTimers++;
      try {
        this.#target.onTimer(timestamp, entry.namespace, domain, entry.key);
      } catch (error) {
        // A timer may have taken the scope of a record up: what failed is the timer.
        enterTimerScope(this.#scope, entry.key, timestamp);
        this.#failures.timerFailed(error, this.#operatorId);
      }
    }
  }
}

/** While a timer fires: names no request and no topic position, and chance follows from the key and the timer's time. */
export function enterTimerScope(scope: RecordScope, key: unknown, timestamp: number): void {
  scope.request = null;
  scope.originSource = -1;
  scope.originPartition = -1;
  scope.originOffset = hashKey(key);
  scope.originTime = timestamp;
}

function requireKeyedState(context: OperatorContext<unknown>): KeyedStateBackend {
  if (context.keyedState !== null) return context.keyedState;
  throw new MillraceError('MILLRACE_STATE_NO_KEY', `operator "${context.operatorId}" uses timers without a key`, {
    hint: 'Use keyBy before the function that needs timers.',
  });
}

function requireTimestamp(timestamp: number): void {
  if (typeof timestamp === 'number' && !Number.isNaN(timestamp)) return;
  throw new MillraceError('MILLRACE_TIMESTAMP_MISSING', `a timer is registered for ${String(timestamp)}`, {
    hint: 'Give the timer a number of milliseconds since the epoch.',
  });
}

function restoreRows(rows: TimerTable, queue: TimerQueue<TimerRow>): void {
  rows.forEach((row) => {
    queue.add(row.timestamp, row.key, row.namespace, () => row);
  });
}
