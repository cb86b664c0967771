/**
 * One doorbell per thread: how a thread sleeps while others may hand it work, without losing a wake-up.
 *
 * A thread has many inputs (rings, free space in output rings, mail) and sleeps only when all of them are empty. The
 * `sleeping` flag is therefore one per thread, not one per ring: going to sleep costs two atomic operations however many
 * rings there are, and a producer that publishes looks at one word.
 *
 * The protocol, with every step an `Atomics` operation and so part of one total order:
 *
 * ```text
 *   producer                               owner
 *   P1  store the work (tail, flag, mail)  O1  seen = load doorbell      ┐ prepareToSleep
 *   P2  load sleeping                      O2  store sleeping = 1        ┘
 *   P3  if 1: add 1 to doorbell, notify    O3  load every input: work? then cancelSleep, go on
 *                                          O4  wait while doorbell == seen
 *                                          O5  store sleeping = 0
 * ```
 *
 * **Invariant: no work is left waiting while its owner sleeps.** Suppose the owner did not see the work in O3. Then O3 comes
 * before P1, so O2 comes before P2, and the producer sees the flag and rings. O1 comes before O3, so before P1 and P3: the
 * ring changes the doorbell after `seen` was read, and O4 either does not sleep or is notified. Each order matters. P2
 * before P1 loses the wake-up: the producer sees an awake owner, the owner an empty ring. So does O3 before O2. And O1
 * after O3 takes the ring for one that was seen before the check.
 *
 * **Rule for the owner: between `prepareToSleep` and the sleep it looks at every input again**, and tries again to write to
 * every ring that it found full (`ChannelWriter.drainOverflow`), since that try sets the flag that makes the other side ring.
 *
 * A ring too many is harmless: the owner wakes, finds nothing and goes back to sleep.
 */
import { invariant } from '../base/invariant.js';
import { CONTROL_BLOCK_WORDS, CONTROL_DOORBELL, CONTROL_SLEEPING } from './layout.js';
import type { DoorbellDescriptor } from './shared-region.js';
import { AsyncWaiter } from './wait-async.js';

export class Doorbell {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #waiter = new AsyncWaiter();

  constructor(descriptor: DoorbellDescriptor) {
    this.#words = new Int32Array(descriptor.memory, descriptor.byteOffset, CONTROL_BLOCK_WORDS);
  }

  /**
   * Wakes the owner, or keeps it from falling asleep, whatever it is doing.
   *
   * Thread: any, the owner included. Cost: an atomic add and a futex call; never blocks.
   */
  ring(): void {
    Atomics.add(this.#words, CONTROL_DOORBELL, 1);
    Atomics.notify(this.#words, CONTROL_DOORBELL, 1);
  }

  /**
   * Rings if the owner sleeps, or is about to. Call it **after** the store that makes the work visible.
   *
   * Thread: any. Cost: one atomic load while the owner is awake; else that of {@link ring}.
   */
  ringIfSleeping(): void {
    if (Atomics.load(this.#words, CONTROL_SLEEPING) === 1) this.ring();
  }

  /**
   * Announces that the owner is going to sleep. It must then look at all of its inputs once more, and call
   * {@link cancelSleep}, {@link sleepSync} or {@link sleepAsync}.
   *
   * Thread: owner. @returns the doorbell's value, to be handed to the sleep
   */
  prepareToSleep(): number {
    invariant(Atomics.load(this.#words, CONTROL_SLEEPING) === 0, 'a thread prepares to sleep once, and while awake');
    const seen = Atomics.load(this.#words, CONTROL_DOORBELL);
    Atomics.store(this.#words, CONTROL_SLEEPING, 1);
    return seen;
  }

  /** Takes the announcement back: the last look found something. Thread: owner. */
  cancelSleep(): void {
    Atomics.store(this.#words, CONTROL_SLEEPING, 0);
  }

  /**
   * Blocks the thread until it is rung; returns at once when it was rung since {@link prepareToSleep}. No timer, promise or
   * message of the thread runs meanwhile.
   *
   * Thread: owner, and never the main thread. @returns false when `timeoutMs` passed without a ring
   */
  sleepSync(seen: number, timeoutMs: number): boolean {
    const outcome = Atomics.wait(this.#words, CONTROL_DOORBELL, seen, timeoutMs);
    Atomics.store(this.#words, CONTROL_SLEEPING, 0);
    return outcome !== 'timed-out';
  }

  /**
   * Like {@link sleepSync}, but turns the event loop. Keeps the loop alive. May resolve early: look at all inputs again.
   *
   * Thread: owner. One sleep at a time.
   */
  async sleepAsync(seen: number, timeoutMs: number = Infinity): Promise<void> {
    await this.#waiter.wait(this.#words, CONTROL_DOORBELL, seen, timeoutMs);
    Atomics.store(this.#words, CONTROL_SLEEPING, 0);
  }
}
