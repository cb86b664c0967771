import { invariant } from '../base/invariant.js';

/** The longest delay that a Node timer takes; a longer one would fire at once. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * The only place that calls `Atomics.waitAsync`: it holds three rules that a bare call breaks.
 *
 * - **A pending wait keeps the event loop alive.** The promise of `waitAsync` does not, on any Node release: the process
 *   exits, or the worker ends, in the middle of an `await`. A referenced timer stands for the wait while it is pending.
 * - **No time-out is given to `waitAsync`.** V8 keeps the memory of a timed wait until the time-out has passed, even when
 *   it was notified long before. The timer that keeps the loop alive serves as the time-out too, and is cleared.
 * - **One wait at a time**, so that waiters cannot pile up.
 *
 * Thread: the one that owns the word. Turns the event loop: timers, promises and messages run while the wait is pending.
 */
export class AsyncWaiter {
  #isPending = false;

  get isPending(): boolean {
    return this.#isPending;
  }

  /**
   * Waits until `words[index]` is notified, or was not `seen` to begin with, or `timeoutMs` has passed. May also resolve
   * for no reason: the caller looks again at what it waits for.
   *
   * @param timeoutMs `Infinity` waits for a notification only.
   */
  wait(words: Int32Array<SharedArrayBuffer>, index: number, seen: number, timeoutMs: number): Promise<void> {
    invariant(!this.#isPending, 'a doorbell has one waiter at a time');
    const wait = Atomics.waitAsync(words, index, seen);
    // The word had changed already: the answer is not a promise and there is nothing to keep alive.
    if (!wait.async) return Promise.resolve();

    this.#isPending = true;
    const keepAlive = setTimeout(wake, Math.min(timeoutMs, TIMER_DELAY_MS_MAX), words, index);
    return wait.value.then(() => {
      this.#isPending = false;
      clearTimeout(keepAlive);
    });
  }
}

/** Ends this thread's own wait: it is the only one on the word. The word keeps its value. */
function wake(words: Int32Array<SharedArrayBuffer>, index: number): void {
  Atomics.notify(words, index, 1);
}
