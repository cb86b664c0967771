import type { MessagePort, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';

/** One task on a thread: a worker, from its deployment to its end. */
export interface ThreadTask {
  /** Resolves when the worker has ended; rejects when its thread has died, with the cause, or was terminated. */
  readonly ended: Promise<void>;
  /** Resolves when the thread, having died, is really gone, and with it whatever native handles it held. */
  readonly exited: Promise<void>;
  /** Ends the thread, whatever it does. */
  terminate(): void;
}

/**
 * A thread that runs one worker after another. It outlives them, so that the next one finds modules loaded and code
 * compiled. When it dies a new thread takes its place at once, and waits for the next worker.
 *
 * piscina hosts it: a pool of one, so that each thread can be waited for, replaced and ended by itself.
 */
export class WorkerThread {
  readonly #piscina = new Piscina({
    filename: new URL('../workers/entry.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    // A worker parks on its own doorbell; piscina's own wait would be a second one.
    atomics: 'disabled',
    idleTimeout: Infinity,
  });

  #thread: Worker | undefined = undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor() {
    // A thread that dies without a worker on it is replaced like any other, and nobody needs to know.
    this.#piscina.on('error', () => undefined);
  }

  /** Runs a worker. The one before must have ended. */
  run(task: unknown, transferList: readonly MessagePort[]): ThreadTask {
    this.#follow(this.#piscina.threads[0]);
    const exited = this.#exited;
    const abort = new AbortController();
    const ended = this.#piscina.run(task, { transferList: [...transferList], signal: abort.signal });
    return {
      ended: ended.then(() => undefined),
      exited,
      terminate: () => abort.abort(),
    };
  }

  /** The thread may be another one than that of the worker before. */
  #follow(thread: Worker | undefined): void {
    if (thread === this.#thread || thread === undefined) return;
    this.#thread = thread;
    this.#exited = new Promise((resolve) => thread.once('exit', () => resolve()));
  }

  /** Ends the thread. Its worker must have ended. */
  async end(): Promise<void> {
    // Node.js 20 aborts the process when a thread is ended while it loads its first modules, as the one may that has just taken
    // the place of another. A task without a worker ends when they are loaded.
    await this.#piscina.run(null).catch(() => undefined);
    await this.#piscina.destroy();
  }
}

/** Threads that wait, loaded, for one that dies: what takes longest in a restart is done before. */
const SPARE_THREADS = 1;

/**
 * The threads of a job. They pass from one attempt to the next, and a spare one waits, so that a restart needs none that has yet
 * to load its modules. Thread: main.
 */
export class WorkerThreads {
  /** Those that have been there longest come last, and are taken first. */
  #idle: WorkerThread[] = [];
  #isEnding = false;

  /** A thread for one worker: one that waits, or a new one. */
  take(): WorkerThread {
    return this.#idle.pop() ?? new WorkerThread();
  }

  /** The worker on it has ended. `isNew` when its thread has died, and another is about to take its place. */
  giveBack(thread: WorkerThread, isNew: boolean): void {
    if (isNew) this.#idle.unshift(thread);
    else this.#idle.push(thread);
  }

  /** Ends the threads that nobody has taken, but for the spare one, which is made when there is none. */
  async settle(): Promise<void> {
    if (this.#isEnding) return;
    while (this.#idle.length < SPARE_THREADS) this.#idle.unshift(new WorkerThread());
    await this.#end(this.#idle.splice(0, this.#idle.length - SPARE_THREADS));
  }

  /** Ends all threads that nobody has taken. No other is made afterwards. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#end(this.#idle.splice(0));
  }

  async #end(threads: readonly WorkerThread[]): Promise<void> {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
