import type { MonotonicClock } from '../base/clock.js';
import { fromWire, MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { unreachable } from '../base/invariant.js';
import {
  CheckpointCoordinator,
  type CoordinatorAction,
  type CoordinatorEvent,
} from '../checkpoint/checkpoint-coordinator.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { WorkerEvent } from '../protocol/control-message.js';
import type { CheckpointHistory } from './checkpoint-history.js';
import type { SourceOffsets } from './job-attempt.js';

/** What a worker acknowledges with. Channels to main acknowledge with `null`: their part is durable topic output. */
export type WorkerAck = WorkerEvent & { readonly kind: 'checkpoint-acknowledged' };

/** A checkpoint that everybody has acknowledged, about to become durable as a whole. */
export interface AcknowledgedCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly offsets: SourceOffsets;
  readonly acks: readonly WorkerAck[];
}

/** The running attempt, as far as checkpoints are concerned. */
export interface CheckpointTarget {
  readonly plan: Pick<ExecutionPlan, 'workerCount' | 'channels'>;
  readonly isSettled: boolean;
  triggerCheckpoint(checkpointId: CheckpointId): SourceOffsets;
  notifyCheckpointComplete(checkpointId: CheckpointId): void;
  notifyCheckpointAborted(checkpointId: CheckpointId): void;
}

export interface CheckpointSchedulerOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly minPauseMs: number;
  readonly failuresMax: number;
  readonly firstCheckpointId: CheckpointId;
  readonly target: CheckpointTarget;
  /** Makes a checkpoint durable: the point of no return. */
  readonly commit: (checkpoint: AcknowledgedCheckpoint) => Promise<void>;
  readonly onFailure: (error: Error) => void;
  /** Remembers what became of each checkpoint. */
  readonly history: CheckpointHistory;
  readonly clock: MonotonicClock;
  readonly logger: Logger;
}

/** Somebody who has asked for a checkpoint. */
interface Waiter {
  readonly resolve: (checkpointId: CheckpointId) => void;
  readonly reject: (error: Error) => void;
}

/** Retry delay when the sources cannot take a barrier at this moment, in milliseconds. */
const UNSETTLED_DELAY_MS = 5;

/** What can be seen of checkpoints from outside; Flink's names where it has one. */
export interface CheckpointStatistics {
  numberOfCompletedCheckpoints: number;
  numberOfFailedCheckpoints: number;
  lastCheckpointDurationMs: number;
  lastCheckpointSizeBytes: number;
  lastCheckpointPauseMs: number;
  /** Id of the newest completed one, 0 before the first. */
  lastCompletedCheckpointId: number;
}

/**
 * Drives the checkpoint coordinator: feeds it time, acknowledgements and the store's answers, and carries out what it says.
 *
 * Thread: main.
 */
export class CheckpointScheduler {
  readonly statistics: CheckpointStatistics = {
    numberOfCompletedCheckpoints: 0,
    numberOfFailedCheckpoints: 0,
    lastCheckpointDurationMs: 0,
    lastCheckpointSizeBytes: 0,
    lastCheckpointPauseMs: 0,
    lastCompletedCheckpointId: 0,
  };
  readonly #options: CheckpointSchedulerOptions;
  readonly #coordinator: CheckpointCoordinator<WorkerAck | null>;
  #target: CheckpointTarget;
  /** Workers come first, then the channels to main. */
  #participantOfChannel: ReadonlyMap<number, number>;
  /** Whose checkpoint has not begun: one that was in flight when they asked is not the one that they mean. */
  #waiting: Waiter[] = [];
  /** Who waits for the checkpoint in flight. */
  #served: Waiter[] = [];
  #offsets: SourceOffsets = new Map();
  #timer: NodeJS.Timeout | null = null;
  #startedMs = Infinity;
  #isSuspended = false;
  #isStopped = false;
  #commitUnderWay: Promise<void> = Promise.resolve();

  constructor(options: CheckpointSchedulerOptions) {
    const { intervalMs, timeoutMs, minPauseMs, failuresMax, firstCheckpointId, target } = options;
    this.#options = options;
    this.#target = target;
    this.statistics.lastCompletedCheckpointId = firstCheckpointId - 1;
    this.#participantOfChannel = participantsOf(target);
    this.#coordinator = new CheckpointCoordinator({
      intervalMs,
      timeoutMs,
      minPauseMs,
      failuresMax,
      firstCheckpointId,
      participantCount: this.#participantCount,
      nowMs: options.clock.nowMs(),
    });
  }

  start(): void {
    this.#startedMs = this.#options.clock.nowMs();
    this.#setTimer();
  }

  /** Milliseconds since the newest checkpoint completed; `null` before the first. */
  get lastCompletedAgeMs(): number | null {
    const { lastCompletedMs } = this.#coordinator.status;
    return lastCompletedMs === null ? null : this.#options.clock.nowMs() - lastCompletedMs;
  }

  /** Milliseconds for which no checkpoint has been completed, counted from the start before the first. */
  get overdueMs(): number {
    return this.lastCompletedAgeMs ?? this.#options.clock.nowMs() - this.#startedMs;
  }

  onWorkerEvent(event: WorkerEvent): void {
    const nowMs = this.#options.clock.nowMs();
    if (event.kind === 'checkpoint-acknowledged') {
      const { checkpointId, worker: participant } = event;
      this.#options.history.acknowledged(checkpointId, event);
      this.#step({ kind: 'acknowledged', nowMs, checkpointId, participant, ack: event });
    } else if (event.kind === 'checkpoint-declined') {
      const { checkpointId, worker: participant, cause } = event;
      this.#step({ kind: 'declined', nowMs, checkpointId, participant, cause: fromWire(cause) });
    } else if (event.kind === 'checkpoint-wanted') this.takeSoon();
  }

  /** Takes a checkpoint as soon as the least pause after the last one allows, and does not wait for its time. */
  takeSoon(): void {
    this.#step({ kind: 'requested', nowMs: this.#options.clock.nowMs(), reason: 'early' });
  }

  onEgressDurable(channel: number, checkpointId: CheckpointId): void {
    const participant = this.#participantOfChannel.get(channel);
    if (participant === undefined) return;
    this.#options.history.acknowledged(checkpointId, null);
    this.#step({ kind: 'acknowledged', nowMs: this.#options.clock.nowMs(), checkpointId, participant, ack: null });
  }

  /** What a channel to main has appended is not durable: its part of the checkpoint is missing. */
  onEgressFailed(channel: number, checkpointId: CheckpointId, cause: Error): void {
    const participant = this.#participantOfChannel.get(channel);
    if (participant === undefined) return;
    this.#step({ kind: 'declined', nowMs: this.#options.clock.nowMs(), checkpointId, participant, cause });
  }

  /**
   * Takes a checkpoint now. Resolves with its id when one that began after this call is complete; rejects when it failed, or
   * when the scheduler stops or is suspended first.
   */
  takeNow(): Promise<CheckpointId> {
    if (this.#isStopped) return Promise.reject(stopped());
    if (this.#isSuspended) return Promise.reject(suspended());
    const taken = new Promise<CheckpointId>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#step({ kind: 'requested', nowMs: this.#options.clock.nowMs(), reason: 'forced' });
    return taken;
  }

  /**
   * The attempt is over. What is in flight is given up, unless it is being committed: resolves when that has ended, and the
   * newest completed checkpoint is known. Requests wait for {@link resume}.
   */
  async suspend(): Promise<void> {
    this.#isSuspended = true;
    this.#step({ kind: 'participant-lost', nowMs: this.#options.clock.nowMs(), participant: 0 });
    await this.#commitUnderWay;
    if (this.#isSuspended) this.#refuseWaiters(suspended());
  }

  /** Another attempt runs, whose checkpoints have ids from this one on. {@link suspend} must have resolved. */
  resume(target: CheckpointTarget, leastCheckpointId: CheckpointId): void {
    this.#isSuspended = false;
    this.#target = target;
    this.#participantOfChannel = participantsOf(target);
    const nowMs = this.#options.clock.nowMs();
    this.#step({ kind: 'resumed', nowMs, participantCount: this.#participantCount, leastCheckpointId });
  }

  /** Begins no further checkpoint, and waits for a commit that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#step({ kind: 'stopped', nowMs: this.#options.clock.nowMs() });
    await this.#commitUnderWay;
    this.#refuseWaiters(stopped());
  }

  get #participantCount(): number {
    return this.#target.plan.workerCount + this.#participantOfChannel.size;
  }

  #step(event: CoordinatorEvent<WorkerAck | null>): void {
    for (const action of this.#coordinator.step(event)) this.#carryOut(action);
    this.#setTimer();
  }

  #carryOut(action: CoordinatorAction<WorkerAck | null>): void {
    switch (action.kind) {
      case 'trigger':
        this.#served = this.#waiting.splice(0);
        this.#options.history.triggered(action.checkpointId, action.reason, this.#participantCount);
        return this.#trigger(action.checkpointId);
      case 'commit':
        return this.#commit(action.checkpointId, action.acks);
      case 'notify-complete':
        return this.#complete(action.checkpointId, action.durationMs);
      case 'notify-aborted':
        return this.#aborted(action.checkpointId, action.cause);
      case 'fail-job':
        return this.#options.onFailure(action.cause);
      default:
        return unreachable(action, 'a coordinator action');
    }
  }

  /** A source that is deciding about an expired request takes its barrier a moment later. */
  #trigger(checkpointId: CheckpointId): void {
    if (this.#isStopped || this.#coordinator.status.inFlight !== checkpointId) return;
    const target = this.#target;
    if (target.isSettled) this.#offsets = target.triggerCheckpoint(checkpointId);
    else setTimeout(() => this.#trigger(checkpointId), UNSETTLED_DELAY_MS);
  }

  #commit(checkpointId: CheckpointId, acks: readonly (WorkerAck | null)[]): void {
    const workerAcks = acks.filter((ack) => ack !== null);
    this.#measure(workerAcks);
    this.#commitUnderWay = this.#options.commit({ checkpointId, offsets: this.#offsets, acks: workerAcks }).then(
      () => this.#step({ kind: 'stored', nowMs: this.#options.clock.nowMs(), checkpointId }),
      (cause: unknown) => this.#step({ kind: 'store-failed', nowMs: this.#options.clock.nowMs(), checkpointId, cause }),
    );
  }

  #measure(acks: readonly WorkerAck[]): void {
    let bytes = 0;
    let pauseMs = 0;
    for (const { segments, pauseMsMax } of acks) {
      for (const segment of segments) bytes += segment.bytes;
      pauseMs = Math.max(pauseMs, pauseMsMax);
    }
    this.statistics.lastCheckpointSizeBytes = bytes;
    this.statistics.lastCheckpointPauseMs = pauseMs;
  }

  #complete(checkpointId: CheckpointId, durationMs: number): void {
    this.statistics.numberOfCompletedCheckpoints++;
    this.#options.history.completed(checkpointId);
    this.statistics.lastCheckpointDurationMs = durationMs;
    this.statistics.lastCompletedCheckpointId = checkpointId;
    this.#target.notifyCheckpointComplete(checkpointId);
    for (const { resolve } of this.#served.splice(0)) resolve(checkpointId);
  }

  #aborted(checkpointId: CheckpointId, cause: MillraceError): void {
    this.#options.history.failed(checkpointId, cause);
    if (!this.#isStopped) {
      this.statistics.numberOfFailedCheckpoints++;
      this.#options.logger.warn({ checkpointId, err: cause }, 'checkpoint failed');
      this.#target.notifyCheckpointAborted(checkpointId);
    }
    for (const { reject } of this.#served.splice(0)) reject(cause);
  }

  /** Whoever asked behind the last checkpoint as well: none follows it. */
  #refuseWaiters(error: Error): void {
    for (const { reject } of [...this.#served.splice(0), ...this.#waiting.splice(0)]) reject(error);
  }

  #setTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const at = this.#coordinator.nextTickMs;
    if (at === null || this.#isStopped) return;
    const delayMs = Math.max(0, at - this.#options.clock.nowMs());
    this.#timer = setTimeout(() => {
      this.#step({ kind: 'tick', nowMs: this.#options.clock.nowMs() });
    }, delayMs);
  }
}

function participantsOf({ plan }: CheckpointTarget): Map<number, number> {
  const egress = plan.channels.filter(({ kind }) => kind === 'egress');
  return new Map(egress.map(({ index }, place) => [index, plan.workerCount + place]));
}

function suspended(): MillraceError {
  return new MillraceError('MILLRACE_CHECKPOINT_DECLINED', 'no checkpoint is taken while the job does not run');
}

function stopped(): MillraceError {
  return new MillraceError('MILLRACE_CHECKPOINT_DECLINED', 'no further checkpoint is taken: the job stops');
}
