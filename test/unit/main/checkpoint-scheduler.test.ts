import { describe, expect, it } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/base/log.js';
import { systemClock, systemMonotonicClock } from '../../../src/base/clock.js';
import { CheckpointHistory } from '../../../src/main/checkpoint-history.js';
import {
  CheckpointScheduler,
  type AcknowledgedCheckpoint,
  type CheckpointTarget,
} from '../../../src/main/checkpoint-scheduler.js';

const EGRESS_CHANNEL = 7;
const HOUR_MS = 3_600_000;

const planOf = (workerCount: number): CheckpointTarget['plan'] => ({
  workerCount,
  channels: [
    {
      kind: 'egress',
      index: EGRESS_CHANNEL,
      producer: { vertex: 0, subtask: 0, worker: 0 },
      topicSinks: [],
      responds: true,
    },
  ],
});

/** One worker and one channel to main; nothing happens by time but intervals. */
function setUp(
  commit: (checkpoint: AcknowledgedCheckpoint) => Promise<void> = () => Promise.resolve(),
  intervalMs = HOUR_MS,
) {
  const triggered: number[] = [];
  const told: string[] = [];
  const history = new CheckpointHistory(systemClock);
  const scheduler = new CheckpointScheduler({
    intervalMs,
    timeoutMs: HOUR_MS,
    minPauseMs: 0,
    failuresMax: 5,
    firstCheckpointId: 1 as CheckpointId,
    target: {
      plan: planOf(1),
      isSettled: true,
      triggerCheckpoint: (id) => {
        triggered.push(id);
        return new Map([['source', new Map([[0, id * 10]])]]);
      },
      notifyCheckpointComplete: (id) => void told.push(`complete ${String(id)}`),
      notifyCheckpointAborted: (id) => void told.push(`aborted ${String(id)}`),
    },
    commit,
    onFailure: (error) => void told.push(`failed ${error.message}`),
    history,
    clock: systemMonotonicClock,
    logger: silentLogger,
  });
  const acknowledge = (id: number): void => {
    scheduler.onWorkerEvent({
      kind: 'checkpoint-acknowledged',
      worker: 0,
      checkpointId: id as CheckpointId,
      segments: [],
      operatorStates: [],
      pauseMsMax: 2,
    });
    scheduler.onEgressDurable(EGRESS_CHANNEL, id as CheckpointId);
  };
  return { scheduler, history, triggered, told, acknowledge };
}

describe('the checkpoint scheduler', () => {
  it('commits with the offsets of the barrier, once worker and output have acknowledged, and tells the workers', async () => {
    const committed: AcknowledgedCheckpoint[] = [];
    const { scheduler, told, acknowledge } = setUp((checkpoint) => {
      committed.push(checkpoint);
      return Promise.resolve();
    });
    const taken = scheduler.takeNow();
    expect(committed).toEqual([]);
    acknowledge(1);
    await taken;
    expect(committed).toHaveLength(1);
    expect(committed[0]?.offsets.get('source')?.get(0)).toBe(10);
    expect(committed[0]?.acks).toHaveLength(1);
    expect(told).toEqual(['complete 1']);
    expect(scheduler.statistics).toMatchObject({ numberOfCompletedCheckpoints: 1, lastCompletedCheckpointId: 1 });
    await scheduler.stop();
  });

  it('carries a request that comes while one is in flight out with the next, whose time may have come as well', async () => {
    const { scheduler, history, acknowledge } = setUp(() => Promise.resolve(), 0);
    scheduler.start();
    await expect.poll(() => history.totalCount).toBe(1);
    const taken = scheduler.takeNow();
    acknowledge(1);
    await expect.poll(() => history.totalCount).toBe(2);
    acknowledge(2);
    expect(await taken).toBe(2);
    expect(history.entries().map(({ id, reason }) => [id, reason])).toContainEqual([2, 'forced']);
    await scheduler.stop();
  });

  it('takes another one for who asks while one is in flight', async () => {
    const { scheduler, triggered, acknowledge } = setUp();
    const first = scheduler.takeNow();
    const second = scheduler.takeNow();
    acknowledge(1);
    await expect.poll(() => triggered).toEqual([1, 2]);
    acknowledge(2);
    await Promise.all([first, second]);
    await scheduler.stop();
  });

  it('gives a checkpoint up whose output was refused, and goes on', async () => {
    const { scheduler, told, acknowledge } = setUp();
    const taken = scheduler.takeNow();
    scheduler.onEgressFailed(EGRESS_CHANNEL, 1 as CheckpointId, new Error('the disk is full'));
    await expect(taken).rejects.toMatchObject({ code: 'MILLRACE_CHECKPOINT_DECLINED' });
    expect(told).toEqual(['aborted 1']);
    const next = scheduler.takeNow();
    acknowledge(2);
    await next;
    expect(scheduler.statistics).toMatchObject({ numberOfCompletedCheckpoints: 1, numberOfFailedCheckpoints: 1 });
    await scheduler.stop();
  });

  it('leaves nobody waiting when it stops: not for the one in flight, nor for the one behind it, nor afterwards', async () => {
    const { scheduler } = setUp();
    const waiting = [scheduler.takeNow(), scheduler.takeNow()];
    const outcomes = Promise.allSettled(waiting);
    await scheduler.stop();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(scheduler.takeNow()).rejects.toMatchObject({ code: 'MILLRACE_CHECKPOINT_DECLINED' });
  });

  it('waits at its stop for the commit that is under way', async () => {
    let stored: () => void = () => undefined;
    const { scheduler, acknowledge } = setUp(() => new Promise((resolve) => (stored = resolve)));
    const taken = scheduler.takeNow();
    acknowledge(1);
    let hasStopped = false;
    const stopped = scheduler.stop().then(() => (hasStopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasStopped).toBe(false);
    stored();
    await stopped;
    await taken;
  });
});
