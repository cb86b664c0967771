/**
 * Decides when a checkpoint begins, whether it has succeeded, and what follows from its failure.
 *
 * A step machine: an event goes in, the actions that follow from it come out, and nothing else happens. Clock, timers,
 * workers and disk belong to the caller, so a test or a simulation can drive it through any order of events.
 *
 *            due, or asked for              all have acknowledged             durable
 *   WAITING ───────────────────▶ COLLECTING ─────────────────────▶ COMMITTING ────────▶ WAITING
 *      ▲                            │                                  │
 *      └──── declined, timed out ───┘     the store failed             │
 *      └───────────────────────────────────────────────────────────────┘
 *   any ──▶ SUSPENDED  a participant was lost, or too many checkpoints have failed: nothing begins until the job resumes
 *   any ──▶ STOPPED    the job ends
 *
 * - One checkpoint is in flight at a time, and ids are never used twice: an aborted checkpoint's id is gone.
 * - The commit is the point of no return. While the store writes, its outcome is unknown, so neither the time-out nor a
 *   lost participant aborts the checkpoint: the store's answer decides.
 * - Acknowledgements, refusals and answers for a checkpoint that is not in flight are late, and ignored.
 *
 * Thread: main. Times are of a monotonic clock, in milliseconds.
 */
import type { ErrorDetails } from '../base/errors.js';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import { invariant, unreachable } from '../base/invariant.js';

export interface CoordinatorOptions {
  /** From the start of one checkpoint to the start of the next. */
  readonly intervalMs: number;
  /** From the start of a checkpoint until all must have acknowledged. */
  readonly timeoutMs: number;
  /** Least time from the end of one checkpoint, completed or aborted, to the start of the next. */
  readonly minPauseMs: number;
  /** Failures in a row that the job survives; one more fails it. */
  readonly failuresMax: number;
  /** Who acknowledges: each worker, for all of its subtasks, and whoever else must have made its part durable. */
  readonly participantCount: number;
  /** One more than the newest id that was ever used. */
  readonly firstCheckpointId: CheckpointId;
  readonly nowMs: number;
}

/**
 * How urgent a checkpoint is.
 *
 * - `interval`: its time has come.
 * - `early`: state outgrows its budget, or a caller waits for what it makes visible; waits for the minimum pause only.
 * - `forced`: somebody waits for it (shutdown, savepoint); waits for nothing but the checkpoint in flight.
 */
export type TriggerReason = 'interval' | 'early' | 'forced';

/** What happened. `Ack` is whatever a participant acknowledges with; it is handed on untouched. */
export type CoordinatorEvent<Ack> =
  | { readonly kind: 'tick'; readonly nowMs: number }
  | { readonly kind: 'requested'; readonly nowMs: number; readonly reason: 'early' | 'forced' }
  | {
      readonly kind: 'acknowledged';
      readonly nowMs: number;
      readonly checkpointId: CheckpointId;
      readonly participant: number;
      readonly ack: Ack;
    }
  | {
      readonly kind: 'declined';
      readonly nowMs: number;
      readonly checkpointId: CheckpointId;
      readonly participant: number;
      readonly cause: unknown;
    }
  | { readonly kind: 'stored'; readonly nowMs: number; readonly checkpointId: CheckpointId }
  | {
      readonly kind: 'store-failed';
      readonly nowMs: number;
      readonly checkpointId: CheckpointId;
      readonly cause: unknown;
    }
  | { readonly kind: 'participant-lost'; readonly nowMs: number; readonly participant: number }
  | {
      readonly kind: 'resumed';
      readonly nowMs: number;
      readonly participantCount: number;
      /** The next id is at least this: what was restored may come from elsewhere, and be newer than any checkpoint here. */
      readonly leastCheckpointId?: CheckpointId;
    }
  | { readonly kind: 'stopped'; readonly nowMs: number };

/** What the caller has to do, in this order. */
export type CoordinatorAction<Ack> =
  /** Have every source emit the barrier. */
  | { readonly kind: 'trigger'; readonly checkpointId: CheckpointId; readonly reason: TriggerReason }
  /** Write the manifest, then report `stored` or `store-failed`. `acks` is by participant. */
  | { readonly kind: 'commit'; readonly checkpointId: CheckpointId; readonly acks: readonly Ack[] }
  /** Tell every participant that the checkpoint is complete. */
  | { readonly kind: 'notify-complete'; readonly checkpointId: CheckpointId; readonly durationMs: number }
  /** Tell every participant that the checkpoint will never be complete. */
  | { readonly kind: 'notify-aborted'; readonly checkpointId: CheckpointId; readonly cause: MillraceError }
  /** Checkpoints fail again and again: the job would lose more and more at its next crash. */
  | { readonly kind: 'fail-job'; readonly cause: MillraceError };

/** What can be seen from outside. */
export interface CoordinatorStatus {
  readonly state: 'WAITING' | 'COLLECTING' | 'COMMITTING' | 'SUSPENDED' | 'STOPPED';
  /** `null` when none is in flight. */
  readonly inFlight: CheckpointId | null;
  readonly lastCompleted: CheckpointId | null;
  /** When it was durable; `null` when none was completed since the start. */
  readonly lastCompletedMs: number | null;
  readonly failuresInRow: number;
}

interface InFlight<Ack> {
  readonly checkpointId: CheckpointId;
  readonly startedMs: number;
  /** By participant; `undefined` for those that have not acknowledged. */
  readonly acks: (Ack | undefined)[];
  readonly acknowledged: boolean[];
  isCommitting: boolean;
}

/** Runs the checkpoints of one job. */
export class CheckpointCoordinator<Ack> {
  readonly #options: CoordinatorOptions;
  #participantCount: number;
  #nextId: number;
  #isSuspended = false;
  #isStopped = false;
  #inFlight: InFlight<Ack> | null = null;
  /** The most urgent request that has not become a checkpoint. */
  #requested: 'early' | 'forced' | null = null;
  #lastStartMs: number;
  #lastEndMs = -Infinity;
  #lastCompleted: CheckpointId | null = null;
  #lastCompletedMs: number | null = null;
  #failuresInRow = 0;

  constructor(options: CoordinatorOptions) {
    invariant(options.participantCount > 0, 'a checkpoint needs someone who acknowledges it');
    this.#options = options;
    this.#participantCount = options.participantCount;
    this.#nextId = options.firstCheckpointId;
    this.#lastStartMs = options.nowMs;
  }

  get status(): CoordinatorStatus {
    return {
      state: this.#state(),
      inFlight: this.#inFlight?.checkpointId ?? null,
      lastCompleted: this.#lastCompleted,
      lastCompletedMs: this.#lastCompletedMs,
      failuresInRow: this.#failuresInRow,
    };
  }

  /** When the next `tick` is needed at the latest; `null` when only another event can change anything. */
  get nextTickMs(): number | null {
    if (this.#isStopped) return null;
    if (this.#inFlight !== null) {
      return this.#inFlight.isCommitting ? null : this.#inFlight.startedMs + this.#options.timeoutMs;
    }
    return this.#isSuspended ? null : this.#dueMs();
  }

  /** Takes one event and returns what follows from it, in order. */
  step(event: CoordinatorEvent<Ack>): CoordinatorAction<Ack>[] {
    if (this.#isStopped && event.kind !== 'stored' && event.kind !== 'store-failed') return [];
    const actions = this.#handle(event);
    if (this.#isStopped) return actions;
    return [...actions, ...this.#expire(event.nowMs), ...this.#triggerIfDue(event.nowMs)];
  }

  #handle(event: CoordinatorEvent<Ack>): CoordinatorAction<Ack>[] {
    switch (event.kind) {
      case 'tick':
        return [];
      case 'requested':
        if (this.#requested !== 'forced') this.#requested = event.reason;
        return [];
      case 'acknowledged':
        return this.#acknowledge(event.checkpointId, event.participant, event.ack);
      case 'declined':
        return this.#decline(event);
      case 'stored':
        return this.#complete(event.checkpointId, event.nowMs);
      case 'store-failed':
        return this.#storeFailed(event);
      case 'participant-lost':
        return this.#suspend(event);
      case 'resumed':
        return this.#resume(event);
      case 'stopped':
        return this.#stop(event.nowMs);
      default:
        return unreachable(event, 'a coordinator event');
    }
  }

  #acknowledge(checkpointId: CheckpointId, participant: number, ack: Ack): CoordinatorAction<Ack>[] {
    const inFlight = this.#collecting(checkpointId);
    if (inFlight === null) return [];
    invariant(participant >= 0 && participant < inFlight.acks.length, 'only participants acknowledge');
    if (inFlight.acknowledged[participant] === true) return [];
    inFlight.acknowledged[participant] = true;
    inFlight.acks[participant] = ack;
    if (!inFlight.acknowledged.every(Boolean)) return [];
    inFlight.isCommitting = true;
    return [{ kind: 'commit', checkpointId, acks: inFlight.acks as Ack[] }];
  }

  #decline(event: CoordinatorEvent<Ack> & { readonly kind: 'declined' }): CoordinatorAction<Ack>[] {
    const { checkpointId, participant, cause, nowMs } = event;
    if (this.#collecting(checkpointId) === null) return [];
    return this.#fail(
      nowMs,
      new MillraceError('MILLRACE_CHECKPOINT_DECLINED', `checkpoint ${checkpointId} was declined by a worker`, {
        details: { checkpointId, participant },
        cause,
      }),
    );
  }

  #complete(checkpointId: CheckpointId, nowMs: number): CoordinatorAction<Ack>[] {
    const inFlight = this.#committing(checkpointId);
    this.#inFlight = null;
    this.#lastEndMs = nowMs;
    this.#lastCompleted = checkpointId;
    this.#lastCompletedMs = nowMs;
    this.#failuresInRow = 0;
    return [{ kind: 'notify-complete', checkpointId, durationMs: nowMs - inFlight.startedMs }];
  }

  #storeFailed(event: CoordinatorEvent<Ack> & { readonly kind: 'store-failed' }): CoordinatorAction<Ack>[] {
    const { checkpointId, cause, nowMs } = event;
    this.#committing(checkpointId);
    const text = `checkpoint ${checkpointId} could not be stored`;
    return this.#fail(
      nowMs,
      new MillraceError('MILLRACE_CHECKPOINT_DECLINED', text, { details: { checkpointId }, cause }),
    );
  }

  /** Aborts a checkpoint that has taken too long. */
  #expire(nowMs: number): CoordinatorAction<Ack>[] {
    const inFlight = this.#inFlight;
    const { timeoutMs } = this.#options;
    if (inFlight === null || inFlight.isCommitting || nowMs - inFlight.startedMs < timeoutMs) return [];
    const { checkpointId } = inFlight;
    const missing = inFlight.acknowledged.flatMap((isThere, participant) => (isThere ? [] : [participant]));
    return this.#fail(
      nowMs,
      new MillraceError('MILLRACE_CHECKPOINT_EXPIRED', `checkpoint ${checkpointId} took longer than ${timeoutMs} ms`, {
        details: { checkpointId, timeoutMs, missingParticipants: missing },
        hint: 'A subtask is slow, blocked or back-pressured: see its busy and back-pressured time.',
      }),
    );
  }

  /** Ends the checkpoint in flight as a failure that counts. */
  #fail(nowMs: number, cause: MillraceError): CoordinatorAction<Ack>[] {
    const actions = this.#abort(nowMs, cause);
    this.#failuresInRow++;
    if (this.#isStopped || this.#failuresInRow <= this.#options.failuresMax) return actions;
    this.#isSuspended = true;
    const details: ErrorDetails = { failuresInRow: this.#failuresInRow, failuresMax: this.#options.failuresMax };
    const text = `${this.#failuresInRow} checkpoints in a row have failed`;
    return [...actions, { kind: 'fail-job', cause: new MillraceError(cause.code, text, { details, cause }) }];
  }

  #abort(nowMs: number, cause: MillraceError): CoordinatorAction<Ack>[] {
    const inFlight = this.#inFlight;
    if (inFlight === null) return [];
    this.#inFlight = null;
    this.#lastEndMs = nowMs;
    return [{ kind: 'notify-aborted', checkpointId: inFlight.checkpointId, cause }];
  }

  /** The lost participant's snapshot is lost with it, unless the commit is under way: then all snapshots were durable. */
  #suspend(event: CoordinatorEvent<Ack> & { readonly kind: 'participant-lost' }): CoordinatorAction<Ack>[] {
    this.#isSuspended = true;
    if (this.#inFlight === null || this.#inFlight.isCommitting) return [];
    const { checkpointId } = this.#inFlight;
    const details = { checkpointId, participant: event.participant };
    const text = `checkpoint ${checkpointId} was given up because a worker was lost`;
    return this.#abort(event.nowMs, new MillraceError('MILLRACE_CHECKPOINT_DECLINED', text, { details }));
  }

  #resume(event: CoordinatorEvent<Ack> & { readonly kind: 'resumed' }): CoordinatorAction<Ack>[] {
    invariant(this.#inFlight === null, 'the job resumes after its last checkpoint has ended');
    invariant(event.participantCount > 0, 'a checkpoint needs someone who acknowledges it');
    this.#isSuspended = false;
    this.#failuresInRow = 0;
    this.#participantCount = event.participantCount;
    this.#nextId = Math.max(this.#nextId, event.leastCheckpointId ?? 0);
    this.#lastStartMs = event.nowMs;
    return [];
  }

  #stop(nowMs: number): CoordinatorAction<Ack>[] {
    this.#isStopped = true;
    this.#requested = null;
    if (this.#inFlight === null || this.#inFlight.isCommitting) return [];
    const { checkpointId } = this.#inFlight;
    const text = `checkpoint ${checkpointId} was given up because the job stops`;
    return this.#abort(nowMs, new MillraceError('MILLRACE_CHECKPOINT_DECLINED', text, { details: { checkpointId } }));
  }

  #triggerIfDue(nowMs: number): CoordinatorAction<Ack>[] {
    if (this.#isStopped || this.#isSuspended || this.#inFlight !== null || nowMs < this.#dueMs()) return [];
    const checkpointId = this.#nextId as CheckpointId;
    this.#nextId++;
    this.#inFlight = {
      checkpointId,
      startedMs: nowMs,
      acks: Array.from({ length: this.#participantCount }, () => undefined),
      acknowledged: Array.from({ length: this.#participantCount }, () => false),
      isCommitting: false,
    };
    this.#lastStartMs = nowMs;
    const reason = this.#requested ?? 'interval';
    this.#requested = null;
    return [{ kind: 'trigger', checkpointId, reason }];
  }

  #dueMs(): number {
    if (this.#requested === 'forced') return -Infinity;
    const pauseOverMs = this.#lastEndMs + this.#options.minPauseMs;
    if (this.#requested === 'early') return pauseOverMs;
    return Math.max(this.#lastStartMs + this.#options.intervalMs, pauseOverMs);
  }

  #collecting(checkpointId: CheckpointId): InFlight<Ack> | null {
    const inFlight = this.#inFlight;
    return inFlight?.checkpointId === checkpointId && !inFlight.isCommitting ? inFlight : null;
  }

  #committing(checkpointId: CheckpointId): InFlight<Ack> {
    const inFlight = this.#inFlight;
    invariant(inFlight !== null && inFlight.isCommitting, 'the store answers only what it was asked');
    invariant(inFlight.checkpointId === checkpointId, 'the store answers for the checkpoint that it was given');
    return inFlight;
  }

  #state(): CoordinatorStatus['state'] {
    if (this.#isStopped) return 'STOPPED';
    if (this.#inFlight !== null) return this.#inFlight.isCommitting ? 'COMMITTING' : 'COLLECTING';
    return this.#isSuspended ? 'SUSPENDED' : 'WAITING';
  }
}
