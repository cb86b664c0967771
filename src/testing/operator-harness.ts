import type { KeySelector } from '../api/functions.js';
import { keyGroupOf } from '../api/internal/key-bytes.js';
import { DEFAULT_SHARD_COUNT, shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { RequestHandle } from '../api/process-function.js';
import { MAX_WATERMARK, NO_TIMESTAMP } from '../api/timer-service.js';
import { MillraceError } from '../base/errors.js';
import type { OperatorCounters, WatermarkStatus } from '../operators/operator.js';
import type { MemorySnapshot } from '../state/memory-state-store.js';
import { WatermarkValve } from '../workers/watermark-valve.js';
import { HarnessOutput } from './harness-output.js';
import type { HarnessElement } from './harness-output.js';
import { HarnessSubtask } from './harness-subtask.js';
import type { AnyOperator, HarnessResponse } from './harness-subtask.js';
import type { MetricValue } from '../api/internal/measurements.js';
import { Measured } from './measured.js';
import { RestoredLists, serialiseLists } from './operator-lists.js';
import type { SerialisedLists } from './operator-lists.js';
import { ManualClock } from './manual-clock.js';

/** How records of one input reach the subtasks. @public */
export interface HarnessInput {
  /** Deals records out by key; with it the operator has keyed state. */
  readonly key?: KeySelector<never, unknown>;
  /** Every subtask gets every record. */
  readonly broadcast?: boolean;
  /** Channels whose watermarks are combined in front of the input. @defaultValue 1 */
  readonly channels?: number;
}

/** How an operator is set up for a test. @public */
export interface HarnessOptions<Out> {
  /** How records reach the operator: one entry per input. @defaultValue one input without a key */
  readonly inputs?: readonly HarnessInput[];
  /** How many subtasks. @defaultValue 1 */
  readonly parallelism?: number;
  /** The clock, which harnesses of one test may share. @defaultValue one that shows 0 */
  readonly clock?: ManualClock;
  /** The operator's uid, which errors name. @defaultValue 'operator' */
  readonly uid?: string;
  /** Called with each element as it is emitted, beside its being kept. */
  readonly onOutput?: (element: HarnessElement<Out>) => void;
  /**
   * Whether each call also runs the mail and the timers that have become due. A test that chains harnesses does that itself,
   * with {@link OperatorHarness.settle}, when a step is complete. @defaultValue true
   */
  readonly settles?: boolean;
}

/** Which input, and which of its channels. Both count from where the API does: inputs from 1, channels from 0. @public */
export interface HarnessPlace {
  /** The first input or the second. @defaultValue 1 */
  readonly input?: 1 | 2;
  /** One of the input's channels. @defaultValue 0 */
  readonly channel?: number;
}

/** Everything that the operator under test would restore from. Plain data; usable more than once. @public */
export interface HarnessSnapshot {
  /** Keyed state and timers of each subtask. */
  readonly keyedState: readonly MemorySnapshot[];
  /** Lists of each subtask, serialised. */
  readonly operatorState: readonly Readonly<Record<string, readonly Uint8Array[]>>[];
}

/**
 * Runs one operator in the test's own thread: explicit records, watermarks, statuses and clock; snapshot and restore, also
 * at another parallelism. No threads, no files.
 *
 * State, timers, key groups and watermark combination are those of production; what is left out is the transport. Made and opened
 * by {@link functionHarness}, around a function of the author's; a window or a join is tested in a job, by {@link JobDriver}.
 *
 * @example
 * const harness = functionHarness(() => new CountFunction(), { keys: [(click: Click) => click.user] });
 * harness.processElement({ user: 'ada' }, 5);
 * harness.processWatermark(10);
 * harness.takeValues();
 *
 * @public
 */
export class OperatorHarness<Out> {
  /** The clock that its timers go by. */
  readonly clock: ManualClock;
  /** Answers that the operator gave to requests, in order. */
  readonly responses: HarnessResponse[] = [];
  readonly #createOperator: () => AnyOperator<Out>;
  readonly #options: HarnessOptions<Out>;
  readonly #inputs: readonly HarnessInput[];
  readonly #settles: boolean;
  #subtasks: HarnessSubtask<Out>[] = [];
  #valves: WatermarkValve[] = [];
  #elements: HarnessElement<Out>[] = [];
  #offset = 0;
  #attempt = 0;

  /** @internal @param createOperator called once per subtask, and again at each restore. */
  constructor(createOperator: () => AnyOperator<Out>, options: HarnessOptions<Out> = {}) {
    this.#createOperator = createOperator;
    this.#options = options;
    this.#inputs = options.inputs ?? [{}];
    this.#settles = options.settles ?? true;
    this.clock = options.clock ?? new ManualClock();
  }

  /** Starts the subtasks. Before anything else, but for `restore`. */
  open(): void {
    this.#start(this.#options.parallelism ?? 1, null);
  }

  /** A record with an event timestamp, or without one. */
  processElement(
    value: unknown,
    timestamp?: number,
    place: HarnessPlace & { readonly request?: RequestHandle } = {},
  ): void {
    const input = place.input ?? 1;
    const offset = this.#offset++;
    for (const subtask of this.#targetsOf(value, input, offset)) {
      subtask.enterRecord(offset, place.request ?? null, this.clock.now());
      this.#hand(subtask, value, timestamp ?? NO_TIMESTAMP, input);
    }
    this.#afterStep();
  }

  /** A watermark on one channel; what the channels' valve makes of it reaches the operator. */
  processWatermark(timestamp: number, place: HarnessPlace = {}): void {
    this.#valve(place.input ?? 1).inputWatermark(place.channel ?? 0, timestamp);
    this.#afterStep();
  }

  /** The watermark that ends the stream, on every channel of every input. */
  processMaxWatermark(): void {
    for (let index = 0; index < this.#inputs.length; index++) {
      const input = index === 0 ? 1 : 2;
      const channels = this.#inputs[index]?.channels ?? 1;
      for (let channel = 0; channel < channels; channel++) this.processWatermark(MAX_WATERMARK, { input, channel });
    }
  }

  /** A channel becomes idle, or active again. */
  processStatus(status: WatermarkStatus, place: HarnessPlace = {}): void {
    this.#valve(place.input ?? 1).inputStatus(place.channel ?? 0, status);
    this.#afterStep();
  }

  /** Sets the clock and fires the timers that are due, earliest first. */
  setProcessingTime(nowMs: number): void {
    this.clock.set(nowMs);
    this.fireTimers();
    this.#afterStep();
  }

  /** Fires the timers that are due at the clock's present time. */
  fireTimers(): void {
    for (const subtask of this.#subtasks) subtask.time.fireDue();
  }

  /** Runs outcomes of asynchronous requests, and timers that are due, until nothing is left. */
  settle(): void {
    for (const subtask of this.#subtasks) subtask.settle();
  }

  /** Takes what a checkpoint would; the operators are told that it is complete. */
  snapshot(checkpointId = 1): HarnessSnapshot {
    const keyedState: MemorySnapshot[] = [];
    const operatorState: SerialisedLists[] = [];
    for (const subtask of this.#subtasks) {
      operatorState.push(serialiseLists(subtask.operator.snapshotOperatorState?.() ?? {}));
      const keyed = subtask.snapshotKeyedState();
      if (keyed !== null) keyedState.push(keyed);
    }
    for (const { operator } of this.#subtasks) operator.notifyCheckpointComplete?.(checkpointId);
    return { keyedState, operatorState };
  }

  /** Throws the running operators away and starts new ones from a snapshot. Watermarks start anew; the clock goes on. */
  restore(snapshot: HarnessSnapshot, options: { readonly parallelism?: number } = {}): void {
    const parallelism = options.parallelism ?? this.#subtasks.length;
    this.close();
    this.#attempt++;
    this.#start(parallelism, snapshot);
    this.#afterStep();
  }

  /** The input has ended. */
  finish(): void {
    for (const { operator } of this.#subtasks) operator.finish?.();
    this.#afterStep();
  }

  /** Closes the operators. May be called twice. */
  close(): void {
    for (const { operator } of this.#subtasks) operator.close();
    this.#subtasks = [];
  }

  /** Everything emitted since the last call, in order. */
  takeOutput(): HarnessElement<Out>[] {
    const elements = this.#elements;
    this.#elements = [];
    return elements;
  }

  /** The values of the main output since the last call of a `take…`; drops the rest. */
  takeValues(): Out[] {
    return this.takeOutput().flatMap((element) => (element.kind === 'record' ? [element.value] : []));
  }

  /** Sum over the subtasks, since the last start. */
  counters(): OperatorCounters {
    const sum: OperatorCounters = { numLateRecordsDropped: 0, numFiredTimers: 0 };
    for (const { counters } of this.#subtasks) {
      sum.numLateRecordsDropped += counters.numLateRecordsDropped;
      sum.numFiredTimers += counters.numFiredTimers;
    }
    return sum;
  }

  /** The value of an accumulator, merged over the subtasks, since the last start; `undefined` when there is none of the name. */
  accumulator(name: string): unknown {
    return this.#measured().accumulator(name);
  }

  /** The value of a metric, by its name behind the operator's: `rules.refused`. Counters and meters are summed over the subtasks. */
  metric(name: string): MetricValue | undefined {
    return this.#measured().metric(name);
  }

  #measured(): Measured {
    return new Measured(this.#subtasks.map((subtask) => subtask.measurements()));
  }

  #start(parallelism: number, snapshot: HarnessSnapshot | null): void {
    this.#subtasks = [];
    for (let index = 0; index < parallelism; index++) {
      const receive = (element: HarnessElement<Out>): void => this.#receive(element);
      const subtask = new HarnessSubtask(this.#createOperator(), {
        index,
        parallelism,
        shardCount: DEFAULT_SHARD_COUNT,
        isKeyed: this.#inputs.some((input) => input.key !== undefined),
        operatorId: this.#options.uid ?? 'operator',
        name: this.#options.uid ?? 'operator',
        jobName: 'harness',
        attempt: this.#attempt,
        clock: this.clock,
        output: new HarnessOutput(index, receive),
        respond: (response) => this.responses.push(response),
        operatorState: new RestoredLists(snapshot?.operatorState ?? [], index, parallelism),
        keyedState: snapshot?.keyedState ?? [],
      });
      this.#subtasks.push(subtask);
    }
    this.#valves = this.#inputs.map((input, index) => this.#createValve(input, index === 0 ? 1 : 2));
    for (const subtask of this.#subtasks) subtask.open();
  }

  #receive(element: HarnessElement<Out>): void {
    this.#elements.push(element);
    this.#options.onOutput?.(element);
  }

  /** Every subtask sees the same channels, so one valve stands for those of all. */
  #createValve(options: HarnessInput, input: 1 | 2): WatermarkValve {
    return new WatermarkValve(options.channels ?? 1, {
      emitWatermark: (timestamp) => {
        for (const subtask of this.#subtasks) this.#handWatermark(subtask, timestamp, input);
      },
      emitStatus: (status) => {
        for (const subtask of this.#subtasks) this.#handStatus(subtask, status, input);
      },
    });
  }

  #hand(subtask: HarnessSubtask<Out>, value: unknown, timestamp: number, input: 1 | 2): void {
    if (this.#inputs.length === 1) subtask.oneInput().processElement(value, timestamp);
    else if (input === 1) subtask.twoInputs().processElement1(value, timestamp);
    else subtask.twoInputs().processElement2(value, timestamp);
  }

  #handWatermark(subtask: HarnessSubtask<Out>, timestamp: number, input: 1 | 2): void {
    if (this.#inputs.length === 1) subtask.oneInput().processWatermark(timestamp);
    else if (input === 1) subtask.twoInputs().processWatermark1(timestamp);
    else subtask.twoInputs().processWatermark2(timestamp);
  }

  #handStatus(subtask: HarnessSubtask<Out>, status: WatermarkStatus, input: 1 | 2): void {
    if (this.#inputs.length === 1) subtask.oneInput().processStatus(status);
    else if (input === 1) subtask.twoInputs().processStatus1(status);
    else subtask.twoInputs().processStatus2(status);
  }

  #targetsOf(value: unknown, input: 1 | 2, offset: number): readonly HarnessSubtask<Out>[] {
    const parallelism = this.#subtasks.length;
    const { key, broadcast } = this.#inputs[input - 1] ?? {};
    if (parallelism === 1 || broadcast === true) return this.#subtasks;
    const index =
      key === undefined
        ? offset % parallelism
        : subtaskOfShard(shardOfKeyGroup(keyGroupOf(key(value as never)), DEFAULT_SHARD_COUNT), parallelism);
    const target = this.#subtasks[index];
    if (target === undefined) throw notOpen();
    return [target];
  }

  #valve(input: 1 | 2): WatermarkValve {
    const valve = this.#valves[input - 1];
    if (valve === undefined) throw notOpen();
    return valve;
  }

  #afterStep(): void {
    if (this.#settles) this.settle();
  }
}

function notOpen(): MillraceError {
  return new MillraceError('MILLRACE_JOB_INVALID', 'the harness is not open, or the operator has no such input');
}
