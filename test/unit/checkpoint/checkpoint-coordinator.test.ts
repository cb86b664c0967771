import { describe, expect, it } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import {
  CheckpointCoordinator,
  type CoordinatorAction,
  type CoordinatorOptions,
} from '../../../src/checkpoint/checkpoint-coordinator.js';

/** A coordinator with short names for what happens to it. Acknowledgements are texts. */
class Rig {
  readonly coordinator: CheckpointCoordinator<string>;
  nowMs = 0;

  constructor(options: Partial<CoordinatorOptions> = {}) {
    this.coordinator = new CheckpointCoordinator<string>({
      intervalMs: 1000,
      timeoutMs: 5000,
      minPauseMs: 0,
      failuresMax: 2,
      participantCount: 2,
      firstCheckpointId: 1 as CheckpointId,
      nowMs: 0,
      ...options,
    });
  }

  tick(nowMs: number): CoordinatorAction<string>[] {
    this.nowMs = nowMs;
    return this.coordinator.step({ kind: 'tick', nowMs });
  }

  request(reason: 'early' | 'forced'): CoordinatorAction<string>[] {
    return this.coordinator.step({ kind: 'requested', nowMs: this.nowMs, reason });
  }

  ack(id: number, participant: number, ack = `${id}/${participant}`): CoordinatorAction<string>[] {
    const checkpointId = id as CheckpointId;
    return this.coordinator.step({ kind: 'acknowledged', nowMs: this.nowMs, checkpointId, participant, ack });
  }

  decline(id: number, participant = 0): CoordinatorAction<string>[] {
    const event = { checkpointId: id as CheckpointId, participant, cause: new Error('no room') };
    return this.coordinator.step({ kind: 'declined', nowMs: this.nowMs, ...event });
  }

  stored(id: number): CoordinatorAction<string>[] {
    return this.coordinator.step({ kind: 'stored', nowMs: this.nowMs, checkpointId: id as CheckpointId });
  }

  storeFailed(id: number): CoordinatorAction<string>[] {
    const event = { checkpointId: id as CheckpointId, cause: new Error('disk full') };
    return this.coordinator.step({ kind: 'store-failed', nowMs: this.nowMs, ...event });
  }

  lose(participant = 0): CoordinatorAction<string>[] {
    return this.coordinator.step({ kind: 'participant-lost', nowMs: this.nowMs, participant });
  }

  resume(participantCount = 2): CoordinatorAction<string>[] {
    return this.coordinator.step({ kind: 'resumed', nowMs: this.nowMs, participantCount });
  }

  stop(): CoordinatorAction<string>[] {
    return this.coordinator.step({ kind: 'stopped', nowMs: this.nowMs });
  }

  /** Completes the checkpoint in flight. */
  complete(id: number): void {
    this.ack(id, 0);
    this.ack(id, 1);
    expect(this.stored(id)[0]).toMatchObject({ kind: 'notify-complete', checkpointId: id });
  }
}

const kinds = (actions: readonly CoordinatorAction<string>[]): string[] => actions.map(({ kind }) => kind);

describe('a checkpoint that succeeds', () => {
  it('is triggered when its time has come, committed when all have acknowledged, complete when durable', () => {
    const rig = new Rig();
    expect(rig.tick(999)).toEqual([]);
    expect(rig.tick(1000)).toEqual([{ kind: 'trigger', checkpointId: 1, reason: 'interval' }]);
    expect(rig.coordinator.status).toMatchObject({ state: 'COLLECTING', inFlight: 1 });
    expect(rig.ack(1, 1)).toEqual([]);
    expect(rig.ack(1, 0)).toEqual([{ kind: 'commit', checkpointId: 1, acks: ['1/0', '1/1'] }]);
    expect(rig.coordinator.status.state).toBe('COMMITTING');
    rig.tick(1300);
    expect(rig.stored(1)).toEqual([{ kind: 'notify-complete', checkpointId: 1, durationMs: 300 }]);
    expect(rig.coordinator.status).toEqual({
      state: 'WAITING',
      inFlight: null,
      lastCompleted: 1,
      lastCompletedMs: 1300,
      failuresInRow: 0,
    });
  });

  it('counts the interval from start to start', () => {
    const rig = new Rig();
    rig.tick(1000);
    rig.tick(1700);
    rig.complete(1);
    expect(rig.coordinator.nextTickMs).toBe(2000);
    expect(rig.tick(2000)).toEqual([{ kind: 'trigger', checkpointId: 2, reason: 'interval' }]);
  });

  it('that outlasts the interval is followed at once by the next, one at a time', () => {
    const rig = new Rig();
    rig.tick(1000);
    expect(rig.tick(3500)).toEqual([]);
    rig.ack(1, 0);
    rig.ack(1, 1);
    expect(kinds(rig.stored(1))).toEqual(['notify-complete', 'trigger']);
  });

  it('leaves the minimum pause before the next', () => {
    const rig = new Rig({ minPauseMs: 400 });
    rig.tick(1000);
    rig.tick(1900);
    rig.complete(1);
    expect(rig.coordinator.nextTickMs).toBe(2300);
    expect(rig.tick(2299)).toEqual([]);
    expect(kinds(rig.tick(2300))).toEqual(['trigger']);
  });

  it('takes the first acknowledgement of a participant and ignores a repeated one', () => {
    const rig = new Rig();
    rig.tick(1000);
    rig.ack(1, 0, 'first');
    expect(rig.ack(1, 0, 'second')).toEqual([]);
    expect(rig.ack(1, 1)).toEqual([{ kind: 'commit', checkpointId: 1, acks: ['first', '1/1'] }]);
    expect(rig.ack(1, 1)).toEqual([]);
  });

  it('continues the numbers of earlier runs', () => {
    const rig = new Rig({ firstCheckpointId: 41 as CheckpointId });
    expect(rig.tick(1000)).toEqual([{ kind: 'trigger', checkpointId: 41, reason: 'interval' }]);
  });
});

describe('a request', () => {
  it('that is early waits for the minimum pause, not for the interval', () => {
    const rig = new Rig({ minPauseMs: 400 });
    rig.tick(1000);
    rig.complete(1);
    rig.tick(1100);
    expect(rig.request('early')).toEqual([]);
    expect(rig.coordinator.nextTickMs).toBe(1400);
    expect(rig.tick(1400)).toEqual([{ kind: 'trigger', checkpointId: 2, reason: 'early' }]);
    rig.complete(2);
    expect(rig.coordinator.nextTickMs).toBe(2400);
  });

  it('that is forced waits for nothing', () => {
    const rig = new Rig({ minPauseMs: 400 });
    rig.tick(1000);
    rig.complete(1);
    expect(rig.request('forced')).toEqual([{ kind: 'trigger', checkpointId: 2, reason: 'forced' }]);
  });

  it('that is forced while a checkpoint is in flight gets one of its own after it', () => {
    const rig = new Rig();
    rig.tick(1000);
    expect(rig.request('forced')).toEqual([]);
    expect(rig.request('early')).toEqual([]);
    rig.ack(1, 0);
    rig.ack(1, 1);
    expect(rig.stored(1)).toMatchObject([{ kind: 'notify-complete' }, { kind: 'trigger', reason: 'forced' }]);
  });
});

describe('a checkpoint that fails', () => {
  it('because a participant declines is aborted, and the next one comes in its time', () => {
    const rig = new Rig();
    rig.tick(1000);
    expect(rig.decline(1)).toMatchObject([
      { kind: 'notify-aborted', checkpointId: 1, cause: { code: 'MILLRACE_CHECKPOINT_DECLINED' } },
    ]);
    expect(rig.tick(1999)).toEqual([]);
    expect(rig.tick(2000)).toMatchObject([{ kind: 'trigger', checkpointId: 2 }]);
  });

  it('because it takes too long says who is missing', () => {
    const rig = new Rig({ intervalMs: 60_000 });
    rig.request('forced');
    rig.ack(1, 0);
    expect(rig.coordinator.nextTickMs).toBe(5000);
    expect(rig.tick(4999)).toEqual([]);
    const actions = rig.tick(5000);
    expect(actions).toMatchObject([
      {
        kind: 'notify-aborted',
        cause: { code: 'MILLRACE_CHECKPOINT_EXPIRED', details: { missingParticipants: [1], timeoutMs: 5000 } },
      },
    ]);
    expect(rig.ack(1, 1)).toEqual([]);
  });

  it('because the store failed is aborted, and its number is never used again', () => {
    const rig = new Rig();
    rig.tick(1000);
    rig.ack(1, 0);
    rig.ack(1, 1);
    expect(kinds(rig.storeFailed(1))).toEqual(['notify-aborted']);
    expect(rig.tick(2000)).toMatchObject([{ kind: 'trigger', checkpointId: 2 }]);
  });

  it('fails the job when one more in a row fails than is tolerated', () => {
    const rig = new Rig({ failuresMax: 2 });
    rig.tick(1000);
    expect(kinds(rig.decline(1))).toEqual(['notify-aborted']);
    rig.tick(2000);
    expect(kinds(rig.decline(2))).toEqual(['notify-aborted']);
    rig.tick(3000);
    expect(rig.decline(3)).toMatchObject([
      { kind: 'notify-aborted' },
      { kind: 'fail-job', cause: { details: { failuresInRow: 3, failuresMax: 2 } } },
    ]);
    expect(rig.coordinator.status.state).toBe('SUSPENDED');
    expect(rig.tick(9000)).toEqual([]);
  });

  it('starts the count anew after a success', () => {
    const rig = new Rig({ failuresMax: 1 });
    rig.tick(1000);
    rig.decline(1);
    rig.tick(2000);
    rig.complete(2);
    rig.tick(3000);
    expect(kinds(rig.decline(3))).toEqual(['notify-aborted']);
  });

  it('is not failed twice by a late refusal', () => {
    const rig = new Rig();
    rig.tick(1000);
    rig.decline(1, 0);
    expect(rig.decline(1, 1)).toEqual([]);
    expect(rig.coordinator.status.failuresInRow).toBe(1);
  });
});

describe('while the store writes', () => {
  function committing(): Rig {
    const rig = new Rig();
    rig.tick(1000);
    rig.ack(1, 0);
    rig.ack(1, 1);
    return rig;
  }

  it('time does not abort the checkpoint: its outcome is not known', () => {
    const rig = committing();
    expect(rig.coordinator.nextTickMs).toBeNull();
    expect(rig.tick(60_000)).toEqual([]);
    expect(rig.stored(1)[0]).toMatchObject({ kind: 'notify-complete', durationMs: 59_000 });
  });

  it('neither does a late refusal, nor the loss of a participant', () => {
    const rig = committing();
    expect(rig.decline(1)).toEqual([]);
    expect(rig.lose()).toEqual([]);
    expect(kinds(rig.stored(1))).toEqual(['notify-complete']);
    expect(rig.coordinator.status.state).toBe('SUSPENDED');
  });

  it('nor does the end of the job', () => {
    const rig = committing();
    expect(rig.stop()).toEqual([]);
    expect(kinds(rig.stored(1))).toEqual(['notify-complete']);
  });

  it('an answer that nobody asked for is a defect', () => {
    expect(() => new Rig().stored(1)).toThrow('the store answers only what it was asked');
    expect(() => committing().stored(2)).toThrow('the store answers for the checkpoint that it was given');
  });
});

describe('a lost participant', () => {
  it('aborts the checkpoint, without counting it, and nothing begins until the job resumes', () => {
    const rig = new Rig();
    rig.tick(1000);
    rig.ack(1, 0);
    expect(kinds(rig.lose(0))).toEqual(['notify-aborted']);
    expect(rig.coordinator.status).toMatchObject({ state: 'SUSPENDED', failuresInRow: 0 });
    expect(rig.coordinator.nextTickMs).toBeNull();
    expect(rig.tick(10_000)).toEqual([]);
    expect(rig.request('forced')).toEqual([]);
  });

  it('resumes with another number of participants, whose acknowledgements are then all awaited', () => {
    const rig = new Rig();
    rig.lose();
    rig.tick(5000);
    expect(rig.resume(3)).toEqual([]);
    expect(rig.tick(6000)).toMatchObject([{ kind: 'trigger', checkpointId: 1 }]);
    rig.ack(1, 0);
    rig.ack(1, 1);
    expect(kinds(rig.ack(1, 2))).toEqual(['commit']);
  });
});

describe('the end of the job', () => {
  it('aborts what has not been committed and begins nothing more', () => {
    const rig = new Rig();
    rig.tick(1000);
    expect(kinds(rig.stop())).toEqual(['notify-aborted']);
    expect(rig.request('forced')).toEqual([]);
    expect(rig.tick(99_000)).toEqual([]);
    expect(rig.coordinator.nextTickMs).toBeNull();
    expect(rig.coordinator.status.state).toBe('STOPPED');
  });
});
