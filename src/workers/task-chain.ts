import type { Serde } from '../api/serde.js';
import type { OperatorMeasurements } from '../api/internal/measurements.js';
import type { OperatorStateStore } from '../api/internal/state-backend.js';
import { type MillraceError, UserFunctionError } from '../base/errors.js';
import type { TaskCountersWriter } from '../metrics/counters.js';
import type {
  OperatorContext,
  OperatorCounters,
  StreamOperator,
  TwoInputStreamOperator,
} from '../operators/operator.js';
import type { OperatorStateSnapshot } from '../protocol/control-message.js';
import type { RestoredOperatorState } from '../protocol/deployment.js';
import type { KeySampler } from './key-sampler.js';
import type { OperatorTally } from './operator-chain.js';

export type AnyOperator = StreamOperator<unknown, unknown> | TwoInputStreamOperator<unknown, unknown, unknown>;

/** One operator of a task with what belongs to it. Sources have no operator: the task itself feeds the chain. */
export interface ChainedOperator {
  readonly id: string;
  readonly operator: AnyOperator | null;
  readonly context: OperatorContext<unknown> | null;
  readonly tally: OperatorTally;
  readonly counters: OperatorCounters;
  /** Operator state of a source, which has no operator to ask. */
  /** `null` for an operator without a key. */
  readonly keys: KeySampler | null;
  readonly snapshotSource: (() => Readonly<Record<string, readonly unknown[]>>) | null;
}

/**
 * The operators of one task as a whole: opened and closed together, snapshotted together. Order of the list is the order in
 * which records pass.
 */
export class TaskChain {
  readonly operators: readonly ChainedOperator[];
  /** Those that wait for promises: most chains have none. */
  readonly #asynchronous: readonly AnyOperator[];
  readonly #taskName: string;
  readonly #subtask: number;
  readonly #counters: TaskCountersWriter;
  readonly #stateSerde: Serde<unknown>;
  #isOpen = false;

  constructor(options: {
    taskName: string;
    subtask: number;
    operators: readonly ChainedOperator[];
    counters: TaskCountersWriter;
    stateSerde: Serde<unknown>;
  }) {
    this.#taskName = options.taskName;
    this.#subtask = options.subtask;
    this.operators = options.operators;
    this.#asynchronous = options.operators.flatMap(({ operator }) =>
      operator?.pendingCount === undefined ? [] : [operator],
    );
    this.#counters = options.counters;
    this.#stateSerde = options.stateSerde;
  }

  /** Opens the last operator first, so that each finds the next one ready. Those opened are closed again if one fails. */
  open(): void {
    this.#isOpen = true;
    for (const { operator, context } of this.operators.toReversed()) {
      if (operator !== null && context !== null) operator.open(context);
    }
  }

  /** Whether every operator takes more records now. */
  hasCapacity(): boolean {
    for (const operator of this.#asynchronous) if (operator.hasCapacity?.() === false) return false;
    return true;
  }

  /** Records whose results are still to come. */
  get pendingCount(): number {
    let count = 0;
    for (const operator of this.#asynchronous) count += operator.pendingCount?.() ?? 0;
    return count;
  }

  /** Tells the operators, first to last, that no record follows: each may still emit. */
  finish(): void {
    for (const { operator } of this.operators) operator?.finish?.();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const { operator } of this.operators) operator?.close();
  }

  notifyCheckpointComplete(checkpointId: number): void {
    for (const { operator } of this.operators) operator?.notifyCheckpointComplete?.(checkpointId);
  }

  /** The state of the chain that belongs to no key, serialised. */
  snapshotOperatorStates(): OperatorStateSnapshot[] {
    const snapshots: OperatorStateSnapshot[] = [];
    for (const { id, operator, snapshotSource } of this.operators) {
      const lists = snapshotSource === null ? operator?.snapshotOperatorState?.() : snapshotSource();
      if (lists === undefined || Object.keys(lists).length === 0) continue;
      snapshots.push({ operatorId: id, subtask: this.#subtask, lists: this.#serialised(lists) });
    }
    return snapshots;
  }

  /** The last operator that makes watermarks of its own; `null` when those of the input pass through. */
  ownWatermark(): { operatorId: string; watermark: number; since: number } | null {
    for (const { id, operator } of this.operators.toReversed()) {
      const own = operator?.ownWatermark?.();
      if (own !== undefined) return { operatorId: id, ...own };
    }
    return null;
  }

  /** Records that entered the chain; of a source, those that it emitted. */
  get recordsIn(): number {
    const head = this.operators[0];
    if (head === undefined) return 0;
    return head.operator === null ? head.tally.numRecordsOut : head.tally.numRecordsIn;
  }

  /** Copies the chain's tallies to shared memory: once per step, not per record. */
  publishCounters(): void {
    const counters = this.#counters;
    let numLateRecordsDropped = 0;
    let numFiredTimers = 0;
    for (const [index, { tally, counters: own }] of this.operators.entries()) {
      counters.setOperatorRecords(index, tally.numRecordsIn, tally.numRecordsOut);
      numLateRecordsDropped += own.numLateRecordsDropped;
      numFiredTimers += own.numFiredTimers;
    }
    counters.setTimers(numLateRecordsDropped, numFiredTimers);
  }

  /** What the author's functions have measured, by operator. */
  measurements(): OperatorMeasurements[] {
    return this.operators.flatMap(({ id, context }) => (context === null ? [] : [context.runtime.measurements(id)]));
  }

  /** Metrics that the author's functions have registered. */
  get metricCount(): number {
    return this.operators.reduce((sum, { context }) => sum + (context?.runtime.metricCount ?? 0), 0);
  }

  /** Lets the meters of the author's functions take their samples. */
  sampleMeters(nowMs: number): void {
    for (const { context } of this.operators) context?.runtime.sampleMeters(nowMs);
  }

  /** Names this task on an error that carries no code: it came out of the author's code where no operator caught it. */
  unexpected(error: unknown): MillraceError {
    const text = error instanceof Error ? error.message : String(error);
    return new UserFunctionError(`task "${this.#taskName}" failed: ${text}`, {
      details: { task: this.#taskName, subtask: this.#subtask },
      cause: error,
    });
  }

  #serialised(lists: Readonly<Record<string, readonly unknown[]>>): Record<string, Uint8Array[]> {
    const serialised: Record<string, Uint8Array[]> = {};
    for (const [name, entries] of Object.entries(lists)) {
      serialised[name] = entries.map((entry) => Uint8Array.from(this.#stateSerde.serialise(entry)));
    }
    return serialised;
  }
}

/** Operator state as it was restored for one operator of one subtask; entries are decoded when asked for. */
export class RestoredOperatorStates implements OperatorStateStore {
  readonly #state: RestoredOperatorState | null;
  readonly #serde: Serde<unknown>;

  constructor(state: RestoredOperatorState | null, serde: Serde<unknown>) {
    this.#state = state;
    this.#serde = serde;
  }

  restored(name: string): readonly unknown[] | undefined {
    return this.#decoded(this.#state?.lists[name]);
  }

  restoredUnion(name: string): readonly unknown[] | undefined {
    return this.#decoded(this.#state?.union[name]);
  }

  #decoded(entries: readonly Uint8Array[] | undefined): readonly unknown[] | undefined {
    return entries?.map((bytes) => this.#serde.deserialise(bytes));
  }
}
