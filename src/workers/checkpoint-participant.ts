import { toWire } from '../base/errors.js';
import type { CheckpointId } from '../base/ids.js';
import type { OperatorStateSnapshot, WorkerEvent } from '../protocol/control-message.js';
import type { SnapshotHandle } from '../protocol/snapshot-handle.js';

/** The keyed state of this worker, as far as a checkpoint is concerned. */
export interface SnapshotSource {
  finishSnapshot(checkpointId: CheckpointId): Promise<SnapshotHandle>;
}

export interface ParticipantOptions {
  readonly worker: number;
  readonly taskCount: number;
  readonly stores: () => readonly SnapshotSource[];
  readonly post: (event: WorkerEvent) => void;
}

interface Pending {
  readonly checkpointId: CheckpointId;
  readonly operatorStates: OperatorStateSnapshot[];
  tasksLeft: number;
  pauseMsMax: number;
}

/**
 * One worker's part of a checkpoint: collects the snapshots of its tasks, and acknowledges when all of them, and the keyed
 * state beneath, are durable.
 *
 * A newer checkpoint takes the place of one that is still being collected: the coordinator gave the older one up.
 */
export class CheckpointParticipant {
  readonly #options: ParticipantOptions;
  #pending: Pending | null = null;
  #writesUnderWay = 0;

  constructor(options: ParticipantOptions) {
    this.#options = options;
  }

  /** Whether a snapshot is being written: the worker then must not block its event loop. */
  get isWriting(): boolean {
    return this.#writesUnderWay > 0;
  }

  /** Main has started a checkpoint. A worker without tasks has nothing to collect, and says so. */
  begin(checkpointId: CheckpointId): void {
    if (this.#options.taskCount > 0) return;
    this.#write({ checkpointId, operatorStates: [], tasksLeft: 0, pauseMsMax: 0 });
  }

  /** A task has taken its snapshot. */
  add(checkpointId: CheckpointId, operatorStates: readonly OperatorStateSnapshot[], pauseMs: number): void {
    const pending = this.#pendingFor(checkpointId);
    if (pending === null) return;
    pending.operatorStates.push(...operatorStates);
    pending.pauseMsMax = Math.max(pending.pauseMsMax, pauseMs);
    pending.tasksLeft--;
    if (pending.tasksLeft === 0) this.#write(pending);
  }

  #pendingFor(checkpointId: CheckpointId): Pending | null {
    if (this.#pending !== null && this.#pending.checkpointId > checkpointId) return null;
    if (this.#pending === null || this.#pending.checkpointId < checkpointId) {
      this.#pending = { checkpointId, operatorStates: [], tasksLeft: this.#options.taskCount, pauseMsMax: 0 };
    }
    return this.#pending;
  }

  #write(pending: Pending): void {
    const { checkpointId, operatorStates, pauseMsMax } = pending;
    const { worker, post } = this.#options;
    this.#pending = null;
    this.#writesUnderWay++;
    Promise.all(this.#options.stores().map((store) => store.finishSnapshot(checkpointId)))
      .then(
        (segments) =>
          post({ kind: 'checkpoint-acknowledged', worker, checkpointId, segments, operatorStates, pauseMsMax }),
        (error: unknown) => post({ kind: 'checkpoint-declined', worker, checkpointId, cause: toWire(error) }),
      )
      .finally(() => {
        this.#writesUnderWay--;
      });
  }
}
