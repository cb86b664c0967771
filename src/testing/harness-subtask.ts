import type { OperatorStateStore } from '../api/internal/state-backend.js';
import type { OperatorMeasurements } from '../api/internal/measurements.js';
import { shardsOfSubtask } from '../api/internal/key-groups.js';
import type { RequestHandle } from '../api/process-function.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { OperatorRuntimeContext } from '../operators/operator-runtime-context.js';
import type {
  OperatorContext,
  OperatorCounters,
  Output,
  RecordScope,
  StreamOperator,
  TaskMailbox,
  TwoInputStreamOperator,
} from '../operators/operator.js';
import { MemoryStateStore } from '../state/memory-state-store.js';
import type { MemorySnapshot } from '../state/memory-state-store.js';
import { ManualTimeService } from './manual-clock.js';

/** An operator of either form. */
export type AnyOperator<Out> = StreamOperator<never, Out> | TwoInputStreamOperator<never, never, Out>;

/** An answer that an operator gave to a request. @public */
export interface HarnessResponse {
  /** The request that it answers. */
  readonly handle: RequestHandle;
  /** The answer, as the function gave it. */
  readonly value: unknown;
  /** The HTTP status. */
  readonly status: number;
}

export interface HarnessSubtaskOptions<Out> {
  readonly index: number;
  readonly parallelism: number;
  readonly shardCount: number;
  readonly isKeyed: boolean;
  readonly operatorId: string;
  readonly name: string;
  readonly jobName: string;
  readonly attempt: number;
  readonly clock: Clock;
  readonly output: Output<Out>;
  readonly respond: (response: HarnessResponse) => void;
  readonly operatorState: OperatorStateStore;
  readonly keyedState: readonly MemorySnapshot[];
  /** Shared by the subtasks of a job, as by a chain; its own when absent. */
  readonly scope?: RecordScope;
}

/** One subtask of the operator under test: the operator with everything that a worker would give it, in this thread. */
export class HarnessSubtask<Out> {
  readonly operator: AnyOperator<Out>;
  readonly counters: OperatorCounters = { numLateRecordsDropped: 0, numFiredTimers: 0 };
  readonly time: ManualTimeService;
  readonly #context: OperatorContext<Out>;
  readonly #store: MemoryStateStore | null;
  readonly #scope: RecordScope;
  readonly #mailbox = new HarnessMailbox();

  constructor(operator: AnyOperator<Out>, options: HarnessSubtaskOptions<Out>) {
    const { index, parallelism, shardCount, clock, operatorId } = options;
    this.operator = operator;
    this.time = new ManualTimeService(clock);
    this.#scope = options.scope ?? newRecordScope();
    const shards = shardsOfSubtask(index, parallelism, shardCount);
    this.#store = options.isKeyed
      ? new MemoryStateStore({ shardCount, shards, clock, restore: options.keyedState })
      : null;
    const keyedState = this.#store?.openBackend(operatorId) ?? null;
    const taskInfo = {
      jobName: options.jobName,
      taskName: options.name,
      parallelism,
      indexOfThisSubtask: index,
      attemptNumber: options.attempt,
    };
    this.#context = {
      runtime: new OperatorRuntimeContext(taskInfo, keyedState, this.time),
      output: options.output,
      keyedState,
      operatorState: options.operatorState,
      processingTime: this.time,
      scope: this.#scope,
      responder: { respond: (handle, value, status) => options.respond({ handle, value, status }) },
      counters: this.counters,
      mailbox: this.#mailbox,
      operatorId,
    };
  }

  open(): void {
    this.operator.open(this.#context);
  }

  /** Says where the record that comes next is from. */
  enterRecord(offset: number, request: RequestHandle | null, time: number): void {
    this.#scope.request = request;
    this.#scope.originSource = 0;
    this.#scope.originPartition = 0;
    this.#scope.originOffset = offset;
    this.#scope.originTime = time;
  }

  /** The operator as one with a single input. */
  oneInput(): StreamOperator<unknown, Out> {
    if ('processElement' in this.operator) return this.operator;
    throw new MillraceError('MILLRACE_JOB_INVALID', 'the operator under test has two inputs: say which one');
  }

  /** The operator as one with two inputs. */
  twoInputs(): TwoInputStreamOperator<unknown, unknown, Out> {
    if ('processElement1' in this.operator) return this.operator;
    throw new MillraceError('MILLRACE_JOB_INVALID', 'the operator under test has one input');
  }

  /** Runs mail and due timers until nothing is left. @returns how much ran. */
  settle(): number {
    let ran = 0;
    for (let step = 1; step > 0; ran += step) step = this.#mailbox.runAll() + this.time.fireDue();
    return ran;
  }

  /** What the operator's functions have measured. */
  measurements(): OperatorMeasurements {
    const { runtime, operatorId } = this.#context;
    return runtime.measurements(operatorId);
  }

  snapshotKeyedState(): MemorySnapshot | null {
    return this.#store?.snapshotToMemory() ?? null;
  }
}

/** The scope before any record. */
export function newRecordScope(): RecordScope {
  return { request: null, originSource: 0, originPartition: -1, originOffset: -1, originTime: 0 };
}

/** Mail of outcomes that came in; run by the test's next step. */
class HarnessMailbox implements TaskMailbox {
  #mails: (() => void)[] = [];

  post(mail: () => void): void {
    this.#mails.push(mail);
  }

  addPending(): void {
    // A harness never blocks its thread.
  }

  runAll(): number {
    let ran = 0;
    while (this.#mails.length > 0) {
      const mails = this.#mails;
      this.#mails = [];
      for (const mail of mails) mail();
      ran += mails.length;
    }
    return ran;
  }
}
