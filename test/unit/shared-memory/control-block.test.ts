import { describe, expect, test } from 'vitest';
import { ControlBlock, threadStates } from '../../../src/shared-memory/control-block.js';
import { makeControlBlock } from '../../helpers/shared-memory.js';

function makeSides(): { owner: ControlBlock; other: ControlBlock } {
  const block = makeControlBlock();
  return { owner: new ControlBlock(block), other: new ControlBlock(block) };
}

describe('ControlBlock', () => {
  test('mail stays an input of the thread until the owner takes notice of it', () => {
    const { owner, other } = makeSides();
    expect(owner.hasMail()).toBe(false);
    other.postMail();
    other.postMail();
    expect(owner.hasMail()).toBe(true);
    expect(owner.takeMail()).toBe(true);
    expect(owner.hasMail()).toBe(false);
    expect(owner.takeMail()).toBe(false);
  });

  test('mail wakes an owner that is about to sleep, whether it comes before or after the last look', () => {
    const { owner, other } = makeSides();
    other.postMail();
    let seen = owner.doorbell.prepareToSleep();
    expect(owner.hasMail()).toBe(true);
    owner.doorbell.cancelSleep();
    owner.takeMail();

    seen = owner.doorbell.prepareToSleep();
    expect(owner.hasMail()).toBe(false);
    other.postMail();
    expect(owner.doorbell.sleepSync(seen, 60_000)).toBe(true);
    expect(owner.hasMail()).toBe(true);
  });

  test('mail that was posted before the owner had begun is not lost', () => {
    const block = makeControlBlock();
    new ControlBlock(block).postMail();
    expect(new ControlBlock(block).hasMail()).toBe(true);
  });

  test('others see state and heartbeat', () => {
    const { owner, other } = makeSides();
    expect(other.state).toBe('new');
    for (const state of threadStates) {
      owner.setState(state);
      expect(other.state).toBe(state);
    }
    owner.beat();
    owner.beat();
    expect(other.heartbeat).toBe(2);
  });
});
