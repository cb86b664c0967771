import { Doorbell } from './doorbell.js';
import { CONTROL_BLOCK_WORDS, CONTROL_HEARTBEAT, CONTROL_MAIL_POSTED, CONTROL_STATE } from './layout.js';
import type { DoorbellDescriptor } from './shared-region.js';

/** What a thread is doing, in the order of its life. `parked` and `running` alternate. */
export const threadStates = ['new', 'running', 'parked', 'stopping', 'stopped', 'failed'] as const;
export type ThreadState = (typeof threadStates)[number];

/**
 * The control block of one thread: its doorbell, the count of its mail, and what others may see of it at any time, even
 * while it is blocked and answers nobody.
 */
export class ControlBlock {
  readonly doorbell: Doorbell;
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** Mail that the owner has taken notice of; only the owner's instance uses it. */
  #mailSeen: number;

  constructor(descriptor: DoorbellDescriptor) {
    this.doorbell = new Doorbell(descriptor);
    this.#words = new Int32Array(descriptor.memory, descriptor.byteOffset, CONTROL_BLOCK_WORDS);
    this.#mailSeen = 0;
  }

  /**
   * Tells the owner that a control message waits for it. The message must have been posted to its port before this call:
   * the owner then turns its event loop, which delivers the message.
   *
   * Thread: any. Wakes the owner if it sleeps.
   */
  postMail(): void {
    Atomics.add(this.#words, CONTROL_MAIL_POSTED, 1);
    this.doorbell.ringIfSleeping();
  }

  /** Whether mail came since the last {@link takeMail}. An input of the thread: look at it before sleeping. Thread: owner. */
  hasMail(): boolean {
    return Atomics.load(this.#words, CONTROL_MAIL_POSTED) !== this.#mailSeen;
  }

  /** Takes notice of all mail posted so far; then turn the event loop. Thread: owner. @returns whether there was any */
  takeMail(): boolean {
    const posted = Atomics.load(this.#words, CONTROL_MAIL_POSTED);
    const hadMail = posted !== this.#mailSeen;
    this.#mailSeen = posted;
    return hadMail;
  }

  /** Thread: owner. */
  setState(state: ThreadState): void {
    Atomics.store(this.#words, CONTROL_STATE, threadStates.indexOf(state));
  }

  /** Thread: any. */
  get state(): ThreadState {
    return threadStates[Atomics.load(this.#words, CONTROL_STATE)] ?? 'failed';
  }

  /** Counts a turn of the owner's loop. Thread: owner. Cost: one atomic store. */
  beat(): void {
    // One writer: load and store need not be one step.
    const words = this.#words;
    Atomics.store(words, CONTROL_HEARTBEAT, ((words[CONTROL_HEARTBEAT] ?? 0) + 1) | 0);
  }

  /** Turns of the owner's loop, modulo 2^32: a thread that runs but does not turn is stuck in user code. Thread: any. */
  get heartbeat(): number {
    return Atomics.load(this.#words, CONTROL_HEARTBEAT);
  }
}
