import type { TaskMailbox } from '../operators/operator.js';

/** What a mailbox needs of its worker. */
export interface MailboxHost {
  /** Rings the worker's doorbell: it may be asleep when a promise settles. */
  wake(): void;
  /** Promises came or settled: while any is pending the worker turns its event loop instead of blocking it. */
  addPending(count: number): void;
}

/**
 * Work that promises leave for a task, such as the results of asynchronous requests: carried out by the task between two
 * records, in the order of posting. Thread: the task's worker.
 */
export class WorkerMailbox implements TaskMailbox {
  readonly #host: MailboxHost;
  #mails: (() => void)[] = [];

  constructor(host: MailboxHost) {
    this.#host = host;
  }

  post(mail: () => void): void {
    this.#mails.push(mail);
    this.#host.wake();
  }

  addPending(count: number): void {
    this.#host.addPending(count);
  }

  get isEmpty(): boolean {
    return this.#mails.length === 0;
  }

  /** Carries out what has come; what is posted meanwhile waits for the next call. @returns how many mails there were */
  runAll(): number {
    if (this.#mails.length === 0) return 0;
    const mails = this.#mails;
    this.#mails = [];
    for (const mail of mails) mail();
    return mails.length;
  }
}
