import { describe, expect, test } from 'vitest';
import { AsyncWaiter } from '../../../src/shared-memory/wait-async.js';

function makeWord(value: number): Int32Array<SharedArrayBuffer> {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = value;
  return words;
}

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

describe('AsyncWaiter', () => {
  test('holds a referenced timer while a wait is pending, and none before and after', async () => {
    const words = makeWord(0);
    const waiter = new AsyncWaiter();
    const before = activeTimers();
    const wait = waiter.wait(words, 0, 0, Infinity);
    expect(waiter.isPending).toBe(true);
    expect(activeTimers()).toBe(before + 1);

    Atomics.notify(words, 0);
    await wait;
    expect(waiter.isPending).toBe(false);
    expect(activeTimers()).toBe(before);
  });

  test('is done at once when the word has changed already', async () => {
    const waiter = new AsyncWaiter();
    const before = activeTimers();
    const wait = waiter.wait(makeWord(1), 0, 0, Infinity);
    expect(waiter.isPending).toBe(false);
    expect(activeTimers()).toBe(before);
    await wait;
  });

  test('ends at the time limit, and the word keeps its value', async () => {
    const words = makeWord(3);
    await new AsyncWaiter().wait(words, 0, 3, 5);
    expect(words[0]).toBe(3);
  });

  test('takes a limit that is longer than a timer can be, without ending at once', async () => {
    const words = makeWord(0);
    const waiter = new AsyncWaiter();
    const wait = waiter.wait(words, 0, 0, 2 ** 40);
    // A timer that was given too long a delay would fire in the next millisecond.
    await new AsyncWaiter().wait(makeWord(0), 0, 0, 20);
    expect(waiter.isPending).toBe(true);
    Atomics.notify(words, 0);
    await wait;
  });

  test('refuses a second wait while one is pending, and takes one afterwards', async () => {
    const words = makeWord(0);
    const waiter = new AsyncWaiter();
    const first = waiter.wait(words, 0, 0, Infinity);
    expect(() => waiter.wait(words, 0, 0, Infinity)).toThrow(/one waiter at a time/);
    Atomics.notify(words, 0);
    await first;

    const second = waiter.wait(words, 0, 0, Infinity);
    expect(Atomics.notify(words, 0)).toBe(1);
    await second;
  });
});
