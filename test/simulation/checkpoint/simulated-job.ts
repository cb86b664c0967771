import type { CheckpointId } from '../../../src/base/ids.js';
import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import { BarrierAligner } from '../../../src/checkpoint/barrier-aligner.js';
import { CheckpointCoordinator, type CoordinatorAction } from '../../../src/checkpoint/checkpoint-coordinator.js';

/**
 * A whole job in one thread: sources, two keyed stages and the checkpoint coordinator as step functions, joined by channels
 * and by a mail that delays and reorders what crosses threads. Real are the coordinator and the aligners; everything around
 * them is as simple as it can be, and goes wrong whenever the generator of chance says so.
 *
 *     source ──╲╱── stage 1 ──╲╱── stage 2
 *     source ──╱╲── stage 1 ──╱╲── stage 2        every subtask has a channel from every subtask before it
 *
 * The state of a subtask is how many records it has seen of each source. Because sources number their records and the way
 * of each is a function of its number, the one right state for any position of the sources is known.
 */

export interface SimulationOptions {
  readonly prng: Prng;
  readonly sourceCount: number;
  readonly parallelism: number;
  readonly recordsPerSource: number;
  /** Chance per step that a fault is considered; 0 for a run without. */
  readonly faultRate: number;
}

type Element =
  | { readonly kind: 'record'; readonly source: number; readonly sequence: number }
  | { readonly kind: 'barrier'; readonly checkpointId: number }
  | { readonly kind: 'end' };

/** What a participant acknowledges with: a source its position, a subtask its counts by source. */
type Snapshot = readonly number[];

interface Stored {
  readonly checkpointId: number;
  readonly snapshots: readonly Snapshot[];
}

class Channel {
  readonly elements: Element[] = [];
  hasEnded = false;
}

class Source {
  readonly index: number;
  readonly outputs: readonly Channel[];
  position = 0;
  hasEnded = false;

  constructor(index: number, outputs: readonly Channel[]) {
    this.index = index;
    this.outputs = outputs;
  }
}

class Subtask {
  readonly participant: number;
  readonly inputs: readonly Channel[];
  readonly outputs: readonly Channel[];
  readonly aligner: BarrierAligner;
  counts: number[];
  hasEnded = false;
  snapshotTaken = 0;
  /** The newest checkpoint that was asked of it: once it has ended no barrier reaches it any more. */
  asked = 0;

  constructor(participant: number, inputs: readonly Channel[], outputs: readonly Channel[], sourceCount: number) {
    this.participant = participant;
    this.inputs = inputs;
    this.outputs = outputs;
    this.aligner = new BarrierAligner(inputs.length);
    this.counts = Array.from({ length: sourceCount }, () => 0);
  }
}

/** Which subtask of a stage a record belongs to. */
function ownerOf(stage: number, source: number, sequence: number, parallelism: number): number {
  return (sequence * 7 + source * 3 + stage * (sequence >> 2)) % parallelism;
}

export class SimulatedJob {
  readonly completed: number[] = [];
  readonly aborted: number[] = [];
  crashCount = 0;
  hasFailed = false;
  readonly #options: SimulationOptions;
  readonly #coordinator: CheckpointCoordinator<Snapshot>;
  #sources: Source[] = [];
  #subtasks: Subtask[] = [];
  /** What crosses threads: delivered in any order. Cleared by a crash. */
  #mail: (() => void)[] = [];
  /** The write that the store is busy with. */
  #writing: Stored | null = null;
  #stored: Stored | null = null;
  #nowMs = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#coordinator = new CheckpointCoordinator<Snapshot>({
      intervalMs: 20,
      // Where nothing goes wrong no checkpoint fails; else some are too slow for the mail.
      timeoutMs: options.faultRate === 0 ? 1_000_000 : 200,
      minPauseMs: 2,
      failuresMax: 1_000_000,
      participantCount: options.sourceCount + 2 * options.parallelism,
      firstCheckpointId: 1 as CheckpointId,
      nowMs: 0,
    });
    this.#build(null);
  }

  get isDone(): boolean {
    return this.#subtasks.every(({ hasEnded }) => hasEnded) && this.#mail.length === 0 && this.#writing === null;
  }

  /** The counts of every subtask, by stage and subtask. */
  get state(): readonly Snapshot[] {
    return this.#subtasks.map(({ counts }) => counts);
  }

  /** Takes one step of some actor, or lets something go wrong. */
  step(): void {
    const { prng, faultRate } = this.#options;
    this.#nowMs += prng.next();
    if (prng.next() < faultRate) this.#fault();
    const choice = prng.below(10);
    if (choice < 3) this.#stepSource();
    else if (choice < 7) this.#stepSubtask();
    else if (choice < 9) this.#deliverMail();
    else this.#answerStore();
    this.#carryOut(this.#coordinator.step({ kind: 'tick', nowMs: this.#nowMs }));
  }

  // ------------------------------------------------------------------------------------------------------------- actors

  #stepSource(): void {
    const { prng, recordsPerSource, parallelism } = this.#options;
    const source = this.#sources[prng.below(this.#sources.length)];
    if (source === undefined || source.hasEnded) return;
    if (source.position === recordsPerSource) {
      source.hasEnded = true;
      for (const channel of source.outputs) channel.elements.push({ kind: 'end' });
      return;
    }
    const sequence = source.position++;
    const target = source.outputs[ownerOf(1, source.index, sequence, parallelism)];
    target?.elements.push({ kind: 'record', source: source.index, sequence });
  }

  #stepSubtask(): void {
    const { prng } = this.#options;
    const subtask = this.#subtasks[prng.below(this.#subtasks.length)];
    if (subtask === undefined) return;
    const index = prng.below(subtask.inputs.length);
    const channel = subtask.inputs[index];
    if (channel === undefined || subtask.aligner.isBlocked(index)) return;
    const element = channel.elements.shift();
    if (element === undefined) return;
    invariant(!channel.hasEnded, 'nothing comes after the end of a channel');
    switch (element.kind) {
      case 'record':
        this.#process(subtask, element);
        break;
      case 'barrier':
        this.#snapshotIfDue(subtask, subtask.aligner.onBarrier(index, element.checkpointId));
        break;
      case 'end':
        channel.hasEnded = true;
        this.#snapshotIfDue(subtask, subtask.aligner.onChannelEnded(index));
        if (subtask.inputs.every(({ hasEnded }) => hasEnded)) this.#end(subtask);
        break;
    }
  }

  #process(subtask: Subtask, record: Element & { readonly kind: 'record' }): void {
    subtask.counts[record.source] = (subtask.counts[record.source] ?? 0) + 1;
    subtask.outputs[ownerOf(2, record.source, record.sequence, this.#options.parallelism)]?.elements.push(record);
  }

  #snapshotIfDue(subtask: Subtask, checkpointId: number): void {
    if (checkpointId <= subtask.snapshotTaken) return;
    subtask.snapshotTaken = checkpointId;
    if (!subtask.hasEnded)
      for (const output of subtask.outputs) output.elements.push({ kind: 'barrier', checkpointId });
    this.#acknowledge(subtask.participant, checkpointId, [...subtask.counts]);
  }

  #end(subtask: Subtask): void {
    subtask.hasEnded = true;
    for (const output of subtask.outputs) output.elements.push({ kind: 'end' });
    this.#snapshotIfDue(subtask, subtask.asked);
  }

  #acknowledge(participant: number, id: number, ack: Snapshot): void {
    const checkpointId = id as CheckpointId;
    this.#post(() => {
      const nowMs = this.#nowMs;
      if (this.#options.prng.next() < this.#options.faultRate * 5) {
        const cause = new Error('the disk of the worker is full');
        this.#carryOut(this.#coordinator.step({ kind: 'declined', nowMs, checkpointId, participant, cause }));
      } else {
        this.#carryOut(this.#coordinator.step({ kind: 'acknowledged', nowMs, checkpointId, participant, ack }));
      }
    });
  }

  // -------------------------------------------------------------------------------------------------------- coordinator

  #carryOut(actions: readonly CoordinatorAction<Snapshot>[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'trigger':
          for (const source of this.#sources) this.#post(() => this.#trigger(source, action.checkpointId));
          for (const subtask of this.#subtasks) this.#post(() => this.#ask(subtask, action.checkpointId));
          break;
        case 'commit':
          invariant(this.#writing === null, 'one checkpoint is written at a time');
          this.#writing = { checkpointId: action.checkpointId, snapshots: action.acks };
          break;
        case 'notify-complete':
          this.completed.push(action.checkpointId);
          break;
        case 'notify-aborted':
          this.aborted.push(action.checkpointId);
          for (const { aligner } of this.#subtasks) this.#post(() => aligner.onAborted(action.checkpointId));
          break;
        case 'fail-job':
          this.hasFailed = true;
          break;
      }
    }
  }

  #trigger(source: Source, checkpointId: number): void {
    if (!source.hasEnded)
      for (const channel of source.outputs) channel.elements.push({ kind: 'barrier', checkpointId });
    this.#acknowledge(source.index, checkpointId, [source.position]);
  }

  #ask(subtask: Subtask, checkpointId: number): void {
    subtask.asked = Math.max(subtask.asked, checkpointId);
    if (subtask.hasEnded) this.#snapshotIfDue(subtask, subtask.asked);
  }

  #deliverMail(): void {
    const { prng } = this.#options;
    if (this.#mail.length === 0) return;
    const [letter] = this.#mail.splice(prng.below(this.#mail.length), 1);
    letter?.();
  }

  #post(letter: () => void): void {
    this.#mail.push(letter);
  }

  /** The store succeeds; fails; or fails after the manifest was in its place, which nobody can tell from a failure. */
  #answerStore(): void {
    const { prng, faultRate } = this.#options;
    const writing = this.#writing;
    if (writing === null) return;
    this.#writing = null;
    const isFault = prng.next() < faultRate * 20;
    if (!isFault || prng.next() < 0.5) this.#stored = writing;
    const checkpointId = writing.checkpointId as CheckpointId;
    const nowMs = this.#nowMs;
    this.#carryOut(
      this.#coordinator.step(
        isFault
          ? { kind: 'store-failed', nowMs, checkpointId, cause: new Error('the disk is full') }
          : { kind: 'stored', nowMs, checkpointId },
      ),
    );
  }

  // -------------------------------------------------------------------------------------------------------------- faults

  /** A worker dies: the job starts again from the last checkpoint. A write under way ends first, one way or the other. */
  #fault(): void {
    if (this.#options.prng.below(4) > 0) return;
    this.crashCount++;
    const nowMs = this.#nowMs;
    this.#carryOut(this.#coordinator.step({ kind: 'participant-lost', nowMs, participant: 0 }));
    if (this.#writing !== null) this.#answerStore();
    this.#mail = [];
    this.#build(this.#stored);
    const participantCount = this.#sources.length + this.#subtasks.length;
    this.#carryOut(this.#coordinator.step({ kind: 'resumed', nowMs, participantCount }));
  }

  /** New subtasks and empty channels, with the state of a checkpoint. */
  #build(from: Stored | null): void {
    const { sourceCount, parallelism } = this.#options;
    const grid = (rows: number): Channel[][] =>
      Array.from({ length: rows }, () => Array.from({ length: parallelism }, () => new Channel()));
    const first = grid(sourceCount);
    const second = grid(parallelism);
    const column = (channels: Channel[][], index: number): Channel[] => channels.flatMap((row) => row[index] ?? []);
    this.#sources = first.map((outputs, index) => new Source(index, outputs));
    this.#subtasks = [
      ...second.map((outputs, i) => new Subtask(sourceCount + i, column(first, i), outputs, sourceCount)),
      ...second.map((_, i) => new Subtask(sourceCount + parallelism + i, column(second, i), [], sourceCount)),
    ];
    if (from === null) return;
    for (const source of this.#sources) source.position = from.snapshots[source.index]?.[0] ?? 0;
    for (const subtask of this.#subtasks) subtask.counts = [...(from.snapshots[subtask.participant] ?? [])];
  }

  // -------------------------------------------------------------------------------------------------------------- checks

  /** What must hold at every moment: the last checkpoint holds each record before the barriers once, and none after. */
  checkStored(): string | null {
    const { sourceCount } = this.#options;
    if (this.#stored === null) return null;
    const positions = this.#stored.snapshots.slice(0, sourceCount).map(([position]) => position ?? 0);
    const expected = expectedState(positions, this.#options.parallelism);
    const stored = this.#stored.snapshots.slice(sourceCount);
    return JSON.stringify(stored) === JSON.stringify(expected)
      ? null
      : `checkpoint ${this.#stored.checkpointId} holds ${JSON.stringify(stored)}, expected ${JSON.stringify(expected)}`;
  }
}

/** The one right state of all subtasks when each source has emitted the records below its position. */
export function expectedState(positions: readonly number[], parallelism: number): Snapshot[] {
  return [1, 2].flatMap((stage) =>
    Array.from({ length: parallelism }, (_, subtask) =>
      positions.map((position, source) => {
        let count = 0;
        for (let sequence = 0; sequence < position; sequence++) {
          if (ownerOf(stage, source, sequence, parallelism) === subtask) count++;
        }
        return count;
      }),
    ),
  );
}
