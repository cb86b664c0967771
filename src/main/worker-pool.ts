import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { Piscina } from 'piscina';
import { fromWire, MillraceError } from '../base/errors.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { CommandOutcome, WorkerCommands, WorkerEvent } from '../protocol/control-message.js';
import type { WorkerDeployment } from '../protocol/deployment.js';
import { portEndpoint } from '../protocol/port-endpoint.js';
import { ControlBlock } from '../shared-memory/control-block.js';

/** Calls one command of a worker. */
export type GiveCommand<T> = (commands: Comlink.Remote<WorkerCommands>) => Promise<CommandOutcome<T>>;

/** A deployment without the ports, which the pool makes. */
export type DeploymentPlan = Omit<WorkerDeployment<ExecutionPlan>, 'commandPort' | 'eventPort'>;

export interface WorkerPoolOptions {
  readonly workerCount: number;
  /** How long a command may take before the worker counts as lost, in milliseconds. */
  readonly controlTimeoutMs: number;
  readonly onEvent: (event: WorkerEvent) => void;
  /** A thread has ended that should not have: it threw, it exited, or it ran out of memory. Called once per worker. */
  readonly onDeath: (worker: number, cause: Error) => void;
}

/**
 * The worker threads: long-running piscina tasks, one per CPU slot, and the control plane to each.
 *
 * Thread: main. Commands go through comlink with a deadline each; the proxies live as long as the workers, since a proxy
 * that is collected while a call is pending leaves the call hanging.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #piscina: Piscina;
  readonly #workers: WorkerLink[] = [];
  #isClosing = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#piscina = new Piscina({
      filename: new URL('../workers/entry.js', import.meta.url).href,
      minThreads: options.workerCount,
      maxThreads: options.workerCount,
      concurrentTasksPerWorker: 1,
      // A worker parks on its own doorbell; piscina's own wait would be a second one.
      atomics: 'disabled',
      idleTimeout: Infinity,
    });
    this.#piscina.on('error', () => undefined);
  }

  /** Hands each thread its deployment. Resolves when all have built and restored their part; nothing runs yet. */
  async deploy(deployments: readonly DeploymentPlan[]): Promise<void> {
    for (const deployment of deployments) this.#workers.push(this.#launch(deployment));
    await this.all((commands) => commands.deploy());
  }

  /** Gives a command to every worker, at the same time. Rejects with the first failure. */
  async all<T>(give: GiveCommand<T>): Promise<T[]> {
    return Promise.all(this.#workers.map((link) => this.#within(link, give)));
  }

  /** The same, but waits for every worker, also when one has failed. @returns the failures */
  async settle(give: GiveCommand<unknown>): Promise<unknown[]> {
    const outcomes = await Promise.allSettled(this.#workers.map((link) => this.#within(link, give)));
    return outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as unknown);
  }

  /** Ends the threads. The workers must have been cancelled, or be dead. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    for (const link of this.#workers) link.close();
    await this.#piscina.destroy();
  }

  #launch(deployment: DeploymentPlan): WorkerLink {
    const block = deployment.shared.controlBlocks[deployment.worker];
    if (block === undefined) throw workerLost(deployment.worker, new Error('no control block'));
    const link = new WorkerLink(deployment.worker, new ControlBlock(block), this.#options.onEvent);
    const { commandPort, eventPort } = link.workerPorts;
    const task: WorkerDeployment<ExecutionPlan> = { ...deployment, commandPort, eventPort };
    this.#piscina.run(task, { transferList: [commandPort, eventPort] }).then(
      // Its answer to the last command may still be on its way: the ports are closed with the pool.
      () => undefined,
      (cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        link.hasDied(error);
        if (!this.#isClosing) this.#options.onDeath(deployment.worker, workerLost(deployment.worker, error));
      },
    );
    return link;
  }

  async #within<T>(link: WorkerLink, give: GiveCommand<T>): Promise<T> {
    const timeoutMs = this.#options.controlTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new MillraceError(
            'MILLRACE_CONTROL_TIMEOUT',
            `worker ${String(link.worker)} did not answer within ${String(timeoutMs)} ms`,
            { hint: 'A function of the job may block its worker; look for long synchronous work.' },
          ),
        );
      }, timeoutMs);
    });
    try {
      const answer = give(link.commands);
      link.ringForMail();
      const outcome = await Promise.race([answer, expired, link.death]);
      if (!outcome.ok) throw fromWire(outcome.error);
      return outcome.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Main's end of one worker's control plane. */
class WorkerLink {
  readonly worker: number;
  readonly commands: Comlink.Remote<WorkerCommands>;
  /** Never resolves; rejects when the thread has died, so that a pending command does not wait for its deadline. */
  readonly death: Promise<never>;
  readonly workerPorts: { readonly commandPort: MessagePort; readonly eventPort: MessagePort };
  readonly #controlBlock: ControlBlock;
  readonly #commandPort: MessagePort;
  readonly #eventPort: MessagePort;
  #rejectDeath: (error: Error) => void = () => undefined;

  constructor(worker: number, controlBlock: ControlBlock, onEvent: (event: WorkerEvent) => void) {
    this.worker = worker;
    this.#controlBlock = controlBlock;
    const commands = new MessageChannel();
    const events = new MessageChannel();
    this.#commandPort = commands.port1;
    this.#eventPort = events.port1;
    this.workerPorts = { commandPort: commands.port2, eventPort: events.port2 };
    this.commands = Comlink.wrap<WorkerCommands>(portEndpoint(commands.port1));
    this.#eventPort.on('message', onEvent);
    this.death = new Promise((_resolve, reject) => {
      this.#rejectDeath = reject;
    });
    this.death.catch(() => undefined);
  }

  /** A parked worker turns its event loop only when rung, and only then the message of a command arrives. */
  ringForMail(): void {
    this.#controlBlock.postMail();
  }

  hasDied(cause: Error): void {
    this.#rejectDeath(workerLost(this.worker, cause));
  }

  close(): void {
    this.#commandPort.close();
    this.#eventPort.close();
  }
}

function workerLost(worker: number, cause: Error): MillraceError {
  if (MillraceError.is(cause)) return cause;
  return new MillraceError('MILLRACE_WORKER_DIED', `worker thread ${String(worker)} died: ${cause.message}`, {
    details: { worker },
    cause,
  });
}
