/**
 * The first line of a worker thread: takes its deployment, exposes the commands, runs until it is cancelled.
 *
 * Hosted by piscina as one long-running task per thread. Nothing here throws towards piscina what main should read: an
 * error would lose its code on the way, so failures are posted as events.
 */
import * as Comlink from 'comlink';
import type { JobDefinition } from '../api/job.js';
import { toWire } from '../base/errors.js';
import { systemMonotonicClock } from '../base/clock.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { loadJobModule } from '../graph/job-module.js';
import type { CommandOutcome, DeployReport, WorkerCommands } from '../protocol/control-message.js';
import type { WorkerDeployment } from '../protocol/deployment.js';
import { portEndpoint } from '../protocol/port-endpoint.js';
import { WorkerRuntime } from './worker-runtime.js';

/** Runs one worker to its end. piscina calls it. */
export async function runWorker(deployment: WorkerDeployment<ExecutionPlan>): Promise<void> {
  const host = new WorkerHost(deployment);
  Comlink.expose(host.commands(), portEndpoint(deployment.commandPort));
  await host.ended;
  deployment.commandPort.close();
  deployment.eventPort.close();
}

// oxlint-disable-next-line import/no-default-export -- the form in which piscina finds a task
export default runWorker;

class WorkerHost {
  readonly ended: Promise<void>;
  readonly #deployment: WorkerDeployment<ExecutionPlan>;
  readonly #runtime: WorkerRuntime;
  #loop: Promise<void> = Promise.resolve();
  #deployed: Promise<unknown> = Promise.resolve();
  #end: () => void = () => undefined;

  constructor(deployment: WorkerDeployment<ExecutionPlan>) {
    this.#deployment = deployment;
    this.#runtime = new WorkerRuntime(deployment);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  commands(): WorkerCommands {
    const runtime = this.#runtime;
    return {
      deploy: () => {
        const deployed = outcomeOf(() => this.#deploy());
        this.#deployed = deployed;
        return deployed;
      },
      start: () => outcomeNow(() => this.#start()),
      triggerCheckpoint: (id) => outcomeNow(() => runtime.triggerCheckpoint(id)),
      notifyCheckpointComplete: (id) => outcomeNow(() => runtime.notifyCheckpointComplete(id)),
      notifyCheckpointAborted: (id) => outcomeNow(() => runtime.notifyCheckpointAborted(id)),
      cancel: () => outcomeOf(() => this.#cancel()),
    };
  }

  async #deploy(): Promise<DeployReport> {
    const startedAt = systemMonotonicClock.nowMs();
    const job: JobDefinition = await loadJobModule(this.#deployment.jobModule);
    const loadMs = systemMonotonicClock.nowMs() - startedAt;
    return { loadMs, restoreMs: await this.#runtime.deploy(job) };
  }

  #start(): void {
    this.#loop = this.#runtime.run().catch((error: unknown) => this.#runtime.reportFailure(error));
  }

  /**
   * Ends after the answer has been posted: `ended` closes the port. Another worker may have failed to deploy while this one
   * still opens its state: that has to end first, or what it opens later would never be closed.
   */
  async #cancel(): Promise<null> {
    this.#runtime.stop();
    await this.#deployed;
    await this.#loop;
    try {
      await this.#runtime.close();
    } finally {
      setImmediate(() => this.#end());
    }
    return null;
  }
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<CommandOutcome<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error: toWire(error) };
  }
}

function outcomeNow(run: () => void): CommandOutcome<null> {
  try {
    run();
    return { ok: true, value: null };
  } catch (error) {
    return { ok: false, error: toWire(error) };
  }
}
