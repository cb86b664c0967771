import { describe, expect, it } from 'vitest';
import type { CheckpointId } from '../../../src/base/ids.js';
import { CheckpointHistory } from '../../../src/main/checkpoint-history.js';
import { ExceptionHistory } from '../../../src/main/exception-history.js';

describe('the history of checkpoints', () => {
  it('follows each from its trigger to its end', () => {
    let now = 1_000;
    const history = new CheckpointHistory({ now: () => now });
    history.triggered(7, 'interval', 2);
    now = 1_010;
    history.acknowledged(7, {
      kind: 'checkpoint-acknowledged',
      worker: 0,
      checkpointId: 7 as CheckpointId,
      segments: [],
      operatorStates: [],
      pauseMsMax: 3,
    });
    expect(history.entries()[0]).toMatchObject({
      id: 7,
      state: 'IN_PROGRESS',
      acknowledgedCount: 1,
      latestAckAt: 1_010,
    });
    history.acknowledged(7, null);
    now = 1_020;
    history.completed(7);
    history.triggered(8, 'forced', 2);
    history.failed(8, new Error('disk full'));
    history.becameSavepoint(7);
    expect(history.entries()).toMatchObject([
      { id: 8, state: 'FAILED', failure: 'disk full', reason: 'forced', isSavepoint: false },
      {
        id: 7,
        state: 'COMPLETED',
        isSavepoint: true,
        endedAt: 1_020,
        acknowledgedCount: 2,
        workers: [{ worker: 0, pauseMs: 3 }],
      },
    ]);
  });

  it('is bounded, and still counts what it has forgotten', () => {
    const history = new CheckpointHistory({ now: () => 0 });
    for (let id = 1; id <= 250; id++) history.triggered(id, 'interval', 1);
    expect(history.entries()).toHaveLength(100);
    expect(history.entries()[0]?.id).toBe(250);
    expect(history.totalCount).toBe(250);
    history.completed(1);
    expect(history.entries().every(({ state }) => state === 'IN_PROGRESS')).toBe(true);
  });
});

describe('the history of exceptions', () => {
  it('keeps the newest, with the stacks of their causes', () => {
    const history = new ExceptionHistory({ now: () => 5 });
    history.failed(new Error('outer', { cause: new Error('inner') }));
    for (let index = 0; index < 64; index++) {
      history.skipped(new Error(`bad ${String(index)}`), { worker: 1, count: 2 });
    }
    const { entries, isTruncated } = history.status();
    expect([entries.length, isTruncated]).toEqual([64, true]);
    expect(entries[0]).toMatchObject({ message: 'bad 63', kind: 'skipped', worker: 1, count: 2 });
    history.failed(new Error('outer', { cause: new Error('inner') }));
    expect(history.status().entries[0]?.stack).toMatch(/outer[\s\S]*caused by: Error: inner/);
  });
});
