import { describe, expect, it, vi } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import type { SnapshotHandle } from '../../../src/protocol/snapshot-handle.js';
import { CheckpointParticipant, type SnapshotSource } from '../../../src/workers/checkpoint-participant.js';

const id = (value: number): CheckpointId => value as CheckpointId;

function setUp(taskCount: number, stores: readonly SnapshotSource[] = []) {
  const events: WorkerEvent[] = [];
  const participant = new CheckpointParticipant({
    worker: 3,
    taskCount,
    stores: () => stores,
    post: (event) => void events.push(event),
  });
  return { participant, events };
}

describe('a worker in a checkpoint', () => {
  it('acknowledges once, when all of its tasks and stores are done, with the longest pause', async () => {
    let finish: (handle: SnapshotHandle) => void = () => undefined;
    const handle = { namespace: 'state' } as SnapshotHandle;
    const store = { finishSnapshot: () => new Promise<SnapshotHandle>((resolve) => (finish = resolve)) };
    const { participant, events } = setUp(2, [store]);
    const state = { operatorId: 'source', subtask: 0, lists: {} };
    participant.add(id(1), [state], 7);
    participant.add(id(1), [], 3);
    expect(participant.isWriting).toBe(true);
    expect(events).toEqual([]);
    finish(handle);
    await vi.waitFor(() => expect(participant.isWriting).toBe(false));
    expect(events).toEqual([
      {
        kind: 'checkpoint-acknowledged',
        worker: 3,
        checkpointId: 1,
        segments: [handle],
        operatorStates: [state],
        pauseMsMax: 7,
      },
    ]);
  });

  it('declines with the cause when a store cannot write', async () => {
    const { participant, events } = setUp(1, [{ finishSnapshot: () => Promise.reject(new Error('no room')) }]);
    participant.add(id(4), [], 0);
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events[0]).toMatchObject({ kind: 'checkpoint-declined', checkpointId: 4, cause: { message: 'no room' } });
  });

  it('gives an older checkpoint up for a newer one, and ignores its late tasks', async () => {
    const { participant, events } = setUp(2);
    participant.add(id(1), [], 0);
    participant.add(id(2), [], 0);
    participant.add(id(1), [], 0);
    participant.add(id(2), [], 0);
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events[0]).toMatchObject({ kind: 'checkpoint-acknowledged', checkpointId: 2 });
  });

  it('without tasks acknowledges at once', async () => {
    const { participant, events } = setUp(0);
    participant.begin(id(9));
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events[0]).toMatchObject({ kind: 'checkpoint-acknowledged', worker: 3, checkpointId: 9 });
  });
});
