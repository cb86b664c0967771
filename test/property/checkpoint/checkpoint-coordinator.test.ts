import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import {
  CheckpointCoordinator,
  type CoordinatorAction,
  type CoordinatorEvent,
} from '../../../src/checkpoint/checkpoint-coordinator.js';

/**
 * The coordinator under any order of ticks, acknowledgements (late, repeated, for another checkpoint), refusals, time-outs,
 * failures of the store and lost participants. Each run keeps its own books about what the coordinator may do next.
 */

type Move =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'acknowledge'; readonly participant: number; readonly idsBack: number }
  | { readonly kind: 'decline'; readonly participant: number; readonly idsBack: number }
  | { readonly kind: 'answer'; readonly isStored: boolean }
  | { readonly kind: 'request'; readonly reason: 'early' | 'forced' }
  | { readonly kind: 'lose' }
  | { readonly kind: 'resume'; readonly participantCount: number };

const idsBack = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1, 2) });
const anyMove: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 700 }) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), participant: fc.nat(3), idsBack }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('decline' as const), participant: fc.nat(3), idsBack }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('answer' as const), isStored: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      reason: fc.constantFrom('early' as const, 'forced' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('resume' as const), participantCount: fc.integer({ min: 1, max: 4 }) }),
  },
);

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 1500;
const MIN_PAUSE_MS = 200;
const FAILURES_MAX = 3;

class Run {
  participants = 3;
  readonly coordinator = new CheckpointCoordinator<string>({
    intervalMs: INTERVAL_MS,
    timeoutMs: TIMEOUT_MS,
    minPauseMs: MIN_PAUSE_MS,
    failuresMax: FAILURES_MAX,
    participantCount: this.participants,
    firstCheckpointId: 1 as CheckpointId,
    nowMs: 0,
  });
  nowMs = 0;
  newestId = 0;
  /** What was triggered and has neither been completed nor aborted. */
  open: { id: number; startedMs: number; acks: Map<number, string>; size: number; isCommitting: boolean } | null = null;
  lastEndMs = -Infinity;
  isSuspended = false;
  hasFailed = false;
  readonly completed: number[] = [];
  readonly aborted: number[] = [];

  move(move: Move): void {
    const event = this.eventOf(move);
    if (event === null) return;
    if (event.kind === 'acknowledged' && event.checkpointId === this.open?.id && !this.open.isCommitting) {
      if (!this.open.acks.has(event.participant)) this.open.acks.set(event.participant, event.ack);
    }
    for (const action of this.coordinator.step(event)) this.check(action);
    // A checkpoint that began before now and may be timed out is gone, and nothing that is due is left undone.
    if (this.open !== null && !this.open.isCommitting)
      expect(this.nowMs - this.open.startedMs).toBeLessThan(TIMEOUT_MS);
    const { nextTickMs } = this.coordinator;
    if (nextTickMs !== null) expect(nextTickMs).toBeGreaterThan(this.nowMs);
  }

  eventOf(move: Move): CoordinatorEvent<string> | null {
    const { nowMs } = this;
    switch (move.kind) {
      case 'wait':
        this.nowMs += move.ms;
        return { kind: 'tick', nowMs: this.nowMs };
      case 'acknowledge':
      case 'decline': {
        const id = this.newestId - move.idsBack;
        const participant = move.participant % (this.open?.size ?? this.participants);
        const names = { nowMs, checkpointId: id as CheckpointId, participant };
        if (move.kind === 'decline') return { kind: 'declined', ...names, cause: new Error('no') };
        return { kind: 'acknowledged', ...names, ack: `${id}/${participant}/${nowMs}` };
      }
      case 'answer':
        if (this.open === null || !this.open.isCommitting) return null;
        return move.isStored
          ? { kind: 'stored', nowMs, checkpointId: this.open.id as CheckpointId }
          : { kind: 'store-failed', nowMs, checkpointId: this.open.id as CheckpointId, cause: new Error('full') };
      case 'request':
        return { kind: 'requested', nowMs, reason: move.reason };
      case 'lose':
        this.isSuspended = true;
        return { kind: 'participant-lost', nowMs, participant: 0 };
      case 'resume':
        if (!this.isSuspended || this.open !== null) return null;
        this.isSuspended = false;
        this.participants = move.participantCount;
        return { kind: 'resumed', nowMs, participantCount: move.participantCount };
    }
  }

  check(action: CoordinatorAction<string>): void {
    expect(this.hasFailed, 'nothing happens after the job has failed').toBe(false);
    switch (action.kind) {
      case 'trigger':
        expect(this.open, 'one checkpoint at a time').toBeNull();
        expect(this.isSuspended).toBe(false);
        expect(action.checkpointId, 'ids are used once, in order').toBe(this.newestId + 1);
        if (action.reason !== 'forced') expect(this.nowMs).toBeGreaterThanOrEqual(this.lastEndMs + MIN_PAUSE_MS);
        this.newestId = action.checkpointId;
        this.open = {
          id: action.checkpointId,
          startedMs: this.nowMs,
          acks: new Map(),
          size: this.participants,
          isCommitting: false,
        };
        break;
      case 'commit':
        expect(action.checkpointId).toBe(this.open?.id);
        expect(this.open?.acks.size, 'all have acknowledged').toBe(this.open?.size);
        expect(action.acks).toEqual([...(this.open?.acks ?? [])].sort(([a], [b]) => a - b).map(([, ack]) => ack));
        if (this.open !== null) this.open.isCommitting = true;
        break;
      case 'notify-complete':
        expect(action.checkpointId).toBe(this.open?.id);
        expect(this.open?.isCommitting, 'complete only after the commit').toBe(true);
        expect(action.durationMs).toBe(this.nowMs - (this.open?.startedMs ?? 0));
        this.completed.push(action.checkpointId);
        this.end();
        break;
      case 'notify-aborted':
        expect(action.checkpointId).toBe(this.open?.id);
        this.aborted.push(action.checkpointId);
        this.end();
        break;
      case 'fail-job':
        expect(this.coordinator.status.failuresInRow).toBe(FAILURES_MAX + 1);
        this.hasFailed = true;
        break;
    }
  }

  end(): void {
    this.open = null;
    this.lastEndMs = this.nowMs;
  }
}

describe('CheckpointCoordinator', () => {
  it('ends each checkpoint exactly once, in order, one at a time, and commits only what all have acknowledged', () => {
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 200 }), (moves) => {
        const run = new Run();
        for (const move of moves) run.move(move);
        const ended = [...run.completed, ...run.aborted, ...(run.open === null ? [] : [run.open.id])].sort(
          (a, b) => a - b,
        );
        expect(ended).toEqual(Array.from({ length: run.newestId }, (_, i) => i + 1));
        expect(run.completed).toEqual([...run.completed].sort((a, b) => a - b));
        expect(run.coordinator.status.lastCompleted).toBe(run.completed.at(-1) ?? null);
      }),
      { numRuns: 500 },
    );
  });

  it('always gets a checkpoint through once participants and store behave', () => {
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 100 }), (moves) => {
        const run = new Run();
        for (const move of moves) run.move(move);
        if (run.hasFailed) return;
        run.move({ kind: 'answer', isStored: true });
        run.move({ kind: 'resume', participantCount: 2 });
        const before = run.completed.length;
        for (let i = 0; i < 30 && run.completed.length === before; i++) {
          run.move({ kind: 'wait', ms: 100 });
          for (let participant = 0; participant < run.participants; participant++) {
            run.move({ kind: 'acknowledge', participant, idsBack: 0 });
          }
          run.move({ kind: 'answer', isStored: true });
        }
        expect(run.completed.length).toBeGreaterThan(before);
      }),
    );
  });
});
