import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { fromWire, MillraceError } from '../base/errors.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { CommandOutcome, WorkerCommands, WorkerEvent } from '../protocol/control-message.js';
import type { WorkerDeployment } from '../protocol/deployment.js';
import type { SubtaskMeasurements } from '../protocol/inspection.js';
import { portEndpoint } from '../protocol/port-endpoint.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import type { ThreadTask, WorkerThread, WorkerThreads } from './worker-thread.js';

/** Calls one command of a worker. */
export type GiveCommand<T> = (commands: Comlink.Remote<WorkerCommands>, worker: number) => Promise<CommandOutcome<T>>;

/** A deployment without the ports, which the pool makes. */
export type DeploymentPlan = Omit<WorkerDeployment<ExecutionPlan>, 'commandPort' | 'eventPort'>;

export interface WorkerPoolOptions {
  readonly threads: WorkerThreads;
  /** How long a command may take before the worker counts as lost, in milliseconds. */
  readonly controlTimeoutMs: number;
  readonly onEvent: (event: WorkerEvent) => void;
  /** A thread has ended that should not have: it threw, it exited, or it ran out of memory. Called once per worker. */
  readonly onDeath: (worker: number, cause: Error) => void;
  /** A worker has closed its part of the job; with what the job's functions have measured in it. */
  readonly onCancelled: (worker: number, measurements: readonly SubtaskMeasurements[]) => void;
}

/**
 * The workers of one attempt, each on a thread of its own, and the control plane to each.
 *
 * Thread: main. Commands go through comlink with a deadline each; the proxies live as long as the workers, since a proxy
 * that is collected while a call is pending leaves the call hanging.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #workers: WorkerLink[] = [];
  #stopping: Promise<void> | null = null;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Starts a worker for each deployment. Resolves when all have loaded the job; no state is touched yet. */
  async launch(deployments: readonly DeploymentPlan[]): Promise<void> {
    for (const deployment of deployments) this.#workers.push(this.#launch(deployment));
    await this.all((commands) => commands.prepare());
  }

  /** Gives a command to every worker, at the same time. Rejects with the first failure. */
  async all<T>(give: GiveCommand<T>): Promise<T[]> {
    return Promise.all(
      this.#workers.map(async (link) => {
        const outcome = await this.#ask(link, give);
        if (!outcome.ok) throw fromWire(outcome.error);
        return outcome.value;
      }),
    );
  }

  /** Gives a command to one worker. */
  async one<T>(worker: number, give: GiveCommand<T>): Promise<T> {
    const link = this.#workers[worker];
    if (link === undefined) throw workerLost(worker, new Error('it was never started'));
    const outcome = await this.#ask(link, give);
    if (!outcome.ok) throw fromWire(outcome.error);
    return outcome.value;
  }

  /**
   * Cancels every worker and gives the threads back. A worker that does not answer is ended together with its thread, after
   * all others have closed their state. Does not reject; may be called twice.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#workers.map((link) => this.#ask(link, (c) => c.cancel())));
    for (const [worker, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled' && outcome.value.ok) this.#options.onCancelled(worker, outcome.value.value);
    }
    await Promise.all(
      this.#workers.map(async (link, worker) => {
        const hasDied = await link.end(outcomes[worker]?.status === 'fulfilled');
        this.#options.threads.giveBack(link.thread, hasDied);
      }),
    );
  }

  #launch(deployment: DeploymentPlan): WorkerLink {
    const { threads, onEvent } = this.#options;
    const block = deployment.shared.controlBlocks[deployment.worker];
    if (block === undefined) throw workerLost(deployment.worker, new Error('no control block'));
    const link = new WorkerLink(deployment, threads.take(), new ControlBlock(block), onEvent);
    link.death.catch((cause: unknown) => {
      if (this.#stopping === null) this.#options.onDeath(deployment.worker, cause as Error);
    });
    return link;
  }

  /** Rejects when the worker does not answer in time, or has died. */
  async #ask<T>(link: WorkerLink, give: GiveCommand<T>): Promise<CommandOutcome<T>> {
    const timeoutMs = this.#options.controlTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new MillraceError(
            'MILLRACE_CONTROL_TIMEOUT',
            `worker ${String(link.worker)} did not answer within ${String(timeoutMs)} ms`,
            {
              details: { worker: link.worker },
              hint: 'A function of the job may block its worker; look for long synchronous work.',
            },
          ),
        );
      }, timeoutMs);
    });
    try {
      const answer = give(link.commands, link.worker);
      link.ringForMail();
      return await Promise.race([answer, expired, link.death]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Main's end of one worker: its thread, and its control plane. */
class WorkerLink {
  readonly worker: number;
  readonly thread: WorkerThread;
  readonly commands: Comlink.Remote<WorkerCommands>;
  /** Never resolves; rejects when the thread has died, so that a pending command does not wait for its deadline. */
  readonly death: Promise<never>;
  readonly #task: ThreadTask;
  readonly #controlBlock: ControlBlock;
  readonly #ports: readonly MessagePort[];

  constructor(
    deployment: DeploymentPlan,
    thread: WorkerThread,
    controlBlock: ControlBlock,
    onEvent: (event: WorkerEvent) => void,
  ) {
    this.worker = deployment.worker;
    this.thread = thread;
    this.#controlBlock = controlBlock;
    const { port1: commandEnd, port2: commandPort } = new MessageChannel();
    const { port1: eventEnd, port2: eventPort } = new MessageChannel();
    this.#ports = [commandEnd, eventEnd];
    this.commands = Comlink.wrap<WorkerCommands>(portEndpoint(commandEnd));
    eventEnd.on('message', onEvent);
    const task: WorkerDeployment<ExecutionPlan> = { ...deployment, commandPort, eventPort };
    this.#task = thread.run(task, [commandPort, eventPort]);
    this.death = new Promise((_resolve, reject) => {
      this.#task.ended.catch((cause: unknown) => reject(workerLost(this.worker, cause)));
    });
    this.death.catch(() => undefined);
  }

  /** A parked worker turns its event loop only when rung, and only then the message of a command arrives. */
  ringForMail(): void {
    this.#controlBlock.postMail();
  }

  /**
   * Resolves when the thread is free again: the worker has ended, or its thread is gone and another in its place.
   *
   * @returns whether it is another
   */
  async end(wasCancelled: boolean): Promise<boolean> {
    if (!wasCancelled) this.#task.terminate();
    const hasDied = await this.#task.ended.then(
      () => false,
      () => true,
    );
    // Native handles of a dead thread are closed by then: another thread may open the same state.
    if (hasDied) await this.#task.exited;
    for (const port of this.#ports) port.close();
    return hasDied;
  }
}

function workerLost(worker: number, cause: unknown): MillraceError {
  if (MillraceError.is(cause)) return cause;
  const error = cause instanceof Error ? cause : new Error(String(cause));
  return new MillraceError('MILLRACE_WORKER_DIED', `worker thread ${String(worker)} died: ${error.message}`, {
    details: { worker },
    cause: error,
  });
}
