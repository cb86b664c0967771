/**
 * The first line of a worker thread: takes its deployment, exposes the commands, runs until it is cancelled.
 *
 * Hosted by piscina as one long-running task per thread. Nothing here throws towards piscina what main should read: an
 * error would lose its code on the way, so failures are posted as events.
 */
import * as Comlink from 'comlink';
import { toWire } from '../base/errors.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { loadJobModule } from '../graph/job-module.js';
import type { CommandOutcome, WorkerCommands } from '../protocol/control-message.js';
import type { SubtaskMeasurements } from '../protocol/inspection.js';
import type { RestoredJob, WorkerDeployment } from '../protocol/deployment.js';
import type { Culprit } from '../protocol/culprit.js';
import { portEndpoint } from '../protocol/port-endpoint.js';
import { WorkerRuntime } from './worker-runtime.js';

/** Runs one worker to its end; `null` only asks whether the thread is there. piscina calls it. */
export async function runWorker(deployment: WorkerDeployment<ExecutionPlan> | null): Promise<void> {
  if (deployment === null) return;
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
      prepare: () => this.#untilCancelled(outcomeOf(() => this.#prepare())),
      deploy: (restored, setAside) => this.#untilCancelled(outcomeOf(() => this.#deploy(restored, setAside))),
      start: () => done(() => this.#start()),
      triggerCheckpoint: (id) => done(() => runtime.triggerCheckpoint(id)),
      notifyCheckpointComplete: (id, positions) => done(() => runtime.notifyCheckpointComplete(id, positions)),
      notifyCheckpointAborted: (id) => done(() => runtime.notifyCheckpointAborted(id)),
      copyBase: (request) => outcomeNow(() => runtime.copyBase(request)),
      watchPassage: (vertex, ticket) => done(() => runtime.watchPassage(vertex, ticket)),
      readState: (query) => outcomeNow(() => runtime.readState(query)),
      describeWatermarks: () => outcomeNow(() => runtime.describeWatermarks()),
      hotKeys: () => outcomeNow(() => runtime.hotKeys()),
      readMeasurements: () => outcomeNow(() => runtime.readMeasurements()),
      cancel: () => outcomeOf(() => this.#cancel()),
    };
  }

  async #prepare(): Promise<null> {
    this.#runtime.prepare(await loadJobModule(this.#deployment.jobModule));
    return null;
  }

  async #deploy(restored: RestoredJob | null, setAside: readonly Culprit[]): Promise<null> {
    await this.#runtime.deploy(restored, setAside);
    return null;
  }

  #untilCancelled<T>(outcome: Promise<T>): Promise<T> {
    this.#deployed = outcome;
    return outcome;
  }

  #start(): void {
    this.#loop = this.#runtime.run().catch((error: unknown) => this.#runtime.reportFailure(error));
  }

  /**
   * Ends after the answer has been posted: `ended` closes the port. Another worker may have failed to deploy while this one
   * still opens its state: that has to end first, or what it opens later would never be closed.
   */
  async #cancel(): Promise<SubtaskMeasurements[]> {
    this.#runtime.stop();
    await this.#deployed;
    await this.#loop;
    try {
      return await this.#runtime.close();
    } finally {
      setImmediate(() => this.#end());
    }
  }
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<CommandOutcome<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error: toWire(error) };
  }
}

function outcomeNow<T>(run: () => T): CommandOutcome<T> {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    return { ok: false, error: toWire(error) };
  }
}

function done(run: () => void): CommandOutcome<null> {
  return outcomeNow(() => {
    run();
    return null;
  });
}
