import { describe, expect, test } from 'vitest';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { CONTROL_DOORBELL, CONTROL_SLEEPING } from '../../../src/shared-memory/layout.js';
import { makeControlBlock } from '../../helpers/shared-memory.js';

/** A doorbell as its owner and another thread see it, and the words behind it. */
function makeDoorbell(): { owner: Doorbell; other: Doorbell; words: Int32Array<SharedArrayBuffer> } {
  const block = makeControlBlock();
  return {
    owner: new Doorbell(block),
    other: new Doorbell(block),
    words: new Int32Array(block.memory, block.byteOffset),
  };
}

describe('Doorbell', () => {
  test('is rung for a sleeper only: an owner that is awake costs a producer one load', () => {
    const { owner, other, words } = makeDoorbell();
    other.ringIfSleeping();
    expect(words[CONTROL_DOORBELL]).toBe(0);

    owner.prepareToSleep();
    other.ringIfSleeping();
    expect(words[CONTROL_DOORBELL]).toBe(1);

    owner.cancelSleep();
    other.ringIfSleeping();
    expect(words[CONTROL_DOORBELL]).toBe(1);
  });

  test('a ring between the announcement and the sleep keeps the owner awake', () => {
    const { owner, other, words } = makeDoorbell();
    const seen = owner.prepareToSleep();
    other.ringIfSleeping();
    expect(owner.sleepSync(seen, 60_000)).toBe(true);
    expect(words[CONTROL_SLEEPING]).toBe(0);
  });

  test('a ring before the announcement does not cut the next sleep short', () => {
    const { owner, other, words } = makeDoorbell();
    other.ring();
    const seen = owner.prepareToSleep();
    expect(owner.sleepSync(seen, 1)).toBe(false);
    expect(words[CONTROL_SLEEPING]).toBe(0);
  });

  test('the same holds when the count of rings wraps', () => {
    const { owner, other, words } = makeDoorbell();
    words[CONTROL_DOORBELL] = 0x7fffffff;
    const seen = owner.prepareToSleep();
    other.ring();
    expect(words[CONTROL_DOORBELL]).toBe(-0x80000000);
    expect(owner.sleepSync(seen, 60_000)).toBe(true);
  });

  test('an asynchronous sleep ends with the ring, and leaves the owner awake', async () => {
    const { owner, other, words } = makeDoorbell();
    const seen = owner.prepareToSleep();
    const sleep = owner.sleepAsync(seen);
    expect(words[CONTROL_SLEEPING]).toBe(1);
    other.ringIfSleeping();
    await sleep;
    expect(words[CONTROL_SLEEPING]).toBe(0);
  });

  test('the owner may end its own asynchronous sleep', async () => {
    const { owner } = makeDoorbell();
    const sleep = owner.sleepAsync(owner.prepareToSleep());
    owner.ring();
    await sleep;
  });

  test('an asynchronous sleep ends at its time limit without a ring', async () => {
    const { owner, words } = makeDoorbell();
    await owner.sleepAsync(owner.prepareToSleep(), 5);
    expect(words[CONTROL_DOORBELL]).toBe(0);
    expect(words[CONTROL_SLEEPING]).toBe(0);
  });

  test('announcing a sleep twice is refused', () => {
    const { owner } = makeDoorbell();
    owner.prepareToSleep();
    expect(() => owner.prepareToSleep()).toThrow(/prepares to sleep once/);
  });
});
