import { MAX_WATERMARK, NO_TIMESTAMP } from '../api/timer-service.js';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import { BarrierAligner } from '../checkpoint/barrier-aligner.js';
import type { TaskCountersWriter } from '../metrics/counters.js';
import type { RecordScope } from '../operators/operator.js';
import type { SubtaskName } from '../protocol/control-message.js';
import { withoutOrigin } from '../protocol/exchange-codec.js';
import type { SubtaskWatermarks } from '../protocol/inspection.js';
import {
  BARRIER,
  decodeNumber,
  END_OF_INPUT,
  RECORD_BATCH,
  STATUS,
  TOPIC_BATCH,
  WATERMARK,
} from '../protocol/stream-element.js';
import type { DeadLetterWriter } from './dead-letter-writer.js';
import type { FailedRecordPolicy } from './failed-record-policy.js';
import type { GeneratorSource } from './generator-source.js';
import { ChannelReader } from '../shared-memory/channel-reader.js';
import type { InputChannel } from './input-channel.js';
import { LocalChannel } from './local-channel.js';
import type { ChainHead } from './operator-chain.js';
import type { TaskChain } from './task-chain.js';
import type { WorkerMailbox } from './task-mailbox.js';
import type { TaskTimerService } from './task-timer-service.js';
import type { TaskSource } from './watermarked-source.js';
import { describeInput, type WatermarkValve } from './watermark-valve.js';

/** Records that a source in the worker emits before other tasks get their turn is bounded by time; the clock is read this often. */
const GENERATED_BETWEEN_CLOCK_READS = 64;
/** Elements that are taken from a local channel before another channel gets its turn. */
const LOCAL_FRAME_ELEMENTS = 256;

/** Where a task's elements leave it: the writer of an edge, or the channel to main. */
export interface TaskOutput {
  /** Since the task began, for its counters. */
  readonly recordsOut: number;
  readonly bytesOut: number;
  flush(): void;
  readonly hasOverflow: boolean;
  drainOverflow(): boolean;
  emitBarrier(checkpointId: number): void;
  emitEndOfInput(): void;
}

export interface TaskOptions {
  readonly name: SubtaskName;
  readonly inputs: readonly InputChannel[];
  /** Per input number - 1: combines the watermarks of its channels and passes them to the head. */
  readonly valves: readonly WatermarkValve[];
  /** Per input number - 1: where records enter the chain. */
  readonly heads: readonly ChainHead[];
  /** `null` unless the head is a source that runs in the worker. */
  readonly generator: GeneratorSource | null;
  /** `null` unless the head is a source. */
  readonly source: TaskSource | null;
  readonly chain: TaskChain;
  readonly outputs: readonly TaskOutput[];
  readonly failedRecords: FailedRecordPolicy;
  /** `null` unless the job keeps records that fail. */
  readonly deadLetters: DeadLetterWriter | null;
  readonly scope: RecordScope;
  readonly timers: TaskTimerService;
  readonly mailbox: WorkerMailbox;
  readonly counters: TaskCountersWriter;
  readonly clock: MonotonicClock;
  /** Called at the barrier, when all state up to it stands still. */
  readonly onSnapshot: (task: Task, checkpointId: number) => void;
  readonly onFinished: (task: Task) => void;
}

/**
 * One subtask: takes frames from its input channels, runs them through the operator chain, and leaves the results in its
 * output channels. A step runs to its end and never waits.
 *
 * ```text
 *                    outputs full                       all inputs ended
 *   RUNNABLE ◀────────────────────▶ BACK-PRESSURED ;  RUNNABLE ───────────▶ FINISHED
 * ```
 *
 * No deadlock: an emit that finds its ring full keeps the bytes in the channel's overflow, the step ends, and no input is
 * taken until the overflow is gone. The worker runs its other tasks meanwhile. The graph has no cycle, so its ends drain.
 *
 * Thread: its worker.
 */
export class Task {
  readonly name: SubtaskName;
  readonly chain: TaskChain;
  readonly timers: TaskTimerService;
  readonly #options: TaskOptions;
  readonly #inputs: readonly InputChannel[];
  readonly #aligner: BarrierAligner;
  #turn = 0;
  /** No input is left. */
  #isEnding = false;
  /** Nothing is left at all: everything was emitted, and the end with it. */
  #isFinished = false;
  /** The newest checkpoint that this task has taken its snapshot for. */
  #snapshotTaken = 0;
  /** The newest checkpoint that main has asked this worker for, unless it was given up since; 0 for none. */
  #checkpointAsked = 0;

  constructor(options: TaskOptions) {
    this.name = options.name;
    this.chain = options.chain;
    this.timers = options.timers;
    this.#options = options;
    this.#inputs = options.inputs;
    this.#aligner = new BarrierAligner(options.inputs.length);
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  get snapshotTaken(): number {
    return this.#snapshotTaken;
  }

  /**
   * How long until the task has to run for a timer, in milliseconds; `Infinity` when it has none, or could not run it: room in
   * its outputs is announced by the doorbell, not by the clock.
   */
  timerDueInMs(): number {
    return this.#isFinished || this.#hasOverflow() ? Infinity : this.timers.dueInMs();
  }

  /** Whether {@link runStep} would find input, and room for the results. Timers: see {@link timerDueInMs}. */
  isRunnable(): boolean {
    if (this.#isBackPressured()) return false;
    if (this.#isFinished) return false;
    if (!this.#options.mailbox.isEmpty) return true;
    if (this.#isEnding || !this.chain.hasCapacity()) return false;
    if (this.#options.generator !== null) return this.#isSnapshotAsked || !this.#isHeld();
    for (const input of this.#inputs) if (input.isReadable()) return true;
    return false;
  }

  /**
   * Works until `deadlineMs` of the monotonic clock, or until there is nothing to do, or no room for results.
   *
   * @returns whether anything was done
   */
  runStep(deadlineMs: number): boolean {
    const { counters, clock } = this.#options;
    if (this.#isBackPressured()) {
      counters.enterBackPressured(clock.nowMs());
      return false;
    }
    // A task that has ended emits nothing more: its consumers read nothing behind the end.
    const hasFired = !this.#isFinished && this.#options.mailbox.runAll() + this.timers.runDue() > 0;
    const hasWorked = !this.#isFinished && !this.#isEnding && this.#runInputs(deadlineMs);
    if (this.#isEnding) this.#finishIfDrained();
    if (hasWorked || hasFired) this.#flush();
    // What happens between two steps is no record's fault.
    this.#options.scope.originPartition = -1;
    this.#publishCounters();
    if (!hasWorked && !hasFired) counters.enterIdle(clock.nowMs());
    return hasWorked || hasFired;
  }

  /**
   * Main has started a checkpoint. A task with open inputs waits for its barriers; a source in the worker takes its snapshot
   * at its next step; a task that has ended does so now, since no barrier reaches it any more.
   */
  triggerCheckpoint(checkpointId: number): void {
    this.#checkpointAsked = checkpointId;
    if (this.#isFinished) this.#takeSnapshotIfAsked();
  }

  /** The coordinator gave a checkpoint up: inputs that wait for its other barriers flow again. */
  abortCheckpoint(checkpointId: number): void {
    if (this.#checkpointAsked <= checkpointId) this.#checkpointAsked = 0;
    this.#aligner.onAborted(checkpointId);
    this.#refreshBlocked();
  }

  /** @returns whether what waits in the inputs now was taken in, and its results handed over, when it is asked between two steps */
  watchInputs(): () => boolean {
    const watches = this.#inputs.map((input) => input.watch());
    return () => !this.#hasOverflow() && watches.every((hasPassed) => hasPassed());
  }

  /** Where event time stands here, and what holds it. */
  describeWatermarks(): SubtaskWatermarks {
    const { source, valves } = this.#options;
    const noPartitions = { partitions: [], slowestPartition: -1 };
    return {
      ...this.name,
      inputs: source === null ? valves.map((valve, index) => describeInput(valve, this.#channelsOf(index + 1))) : [],
      source:
        source === null ? null : { operatorId: source.operatorId, ...(source.watermarks?.describe() ?? noPartitions) },
      assigner: this.chain.ownWatermark(),
    };
  }

  /** Closes the operators, in reverse order. May be called twice. */
  close(): void {
    this.chain.close();
  }

  #channelsOf(input: number): number[] {
    return this.#inputs.filter((channel) => channel.input === input).map(({ channel }) => channel);
  }

  #isBackPressured(): boolean {
    let hasOverflow = false;
    for (const output of this.#options.outputs) {
      if (output.hasOverflow && !output.drainOverflow()) hasOverflow = true;
    }
    return hasOverflow;
  }

  #hasOverflow(): boolean {
    for (const output of this.#options.outputs) if (output.hasOverflow) return true;
    return false;
  }

  #flush(): void {
    for (const output of this.#options.outputs) output.flush();
  }

  /** Once per step, not per record. */
  #publishCounters(): void {
    const { counters, outputs } = this.#options;
    let recordsOut = 0;
    let bytesOut = 0;
    for (const output of outputs) {
      recordsOut += output.recordsOut;
      bytesOut += output.bytesOut;
    }
    let bytesIn = 0;
    for (const { source } of this.#inputs) if (source instanceof ChannelReader) bytesIn += source.bytesIn;
    counters.setRecords(this.chain.recordsIn, recordsOut);
    counters.setBytes(bytesIn, bytesOut);
    this.chain.publishCounters();
    this.#publishWatermarks();
  }

  /** Of a source without a strategy there is none to publish. */
  #publishWatermarks(): void {
    const { counters, source, valves } = this.#options;
    if (source !== null) {
      const { watermarks } = source;
      if (watermarks === null) return;
      watermarks.publishAlignment?.();
      counters.setOutputWatermark(watermarks.current);
      return;
    }
    let least = Infinity;
    for (const valve of valves) least = Math.min(least, valve.currentWatermark);
    counters.setInputWatermark(least);
    counters.setOutputWatermark(this.chain.ownWatermark()?.watermark ?? least);
  }

  #runInputs(deadlineMs: number): boolean {
    const { clock, counters } = this.#options;
    if (this.#options.generator !== null) {
      if (!this.chain.hasCapacity()) return false;
      if (this.#isHeld()) return this.#takeSnapshotIfAsked();
      counters.enterBusy(clock.nowMs());
      this.#runGenerator(this.#options.generator, deadlineMs);
      return true;
    }
    let hasWorked = false;
    if (!this.chain.hasCapacity()) return false;
    for (let input = this.#nextReadable(); input !== null; input = this.#nextReadable()) {
      if (!hasWorked) counters.enterBusy(clock.nowMs());
      hasWorked = true;
      const { source } = input;
      if (source instanceof LocalChannel) this.#takeLocal(input, source);
      else this.#takeFrame(input, source);
      if (this.#isEnding || this.#hasOverflow() || !this.chain.hasCapacity() || clock.nowMs() >= deadlineMs) break;
    }
    return hasWorked;
  }

  /** Channels take turns, frame by frame; of a local channel some hundred elements make a frame. */
  #nextReadable(): InputChannel | null {
    const count = this.#inputs.length;
    for (let tried = 0; tried < count; tried++) {
      this.#turn = (this.#turn + 1) % count;
      const input = this.#inputs[this.#turn] as InputChannel;
      if (input.isReadable() && (input.source instanceof LocalChannel || input.source.poll())) return input;
    }
    return null;
  }

  #takeFrame(input: InputChannel, reader: ChannelReader): void {
    const { kind, frame, start, end } = reader;
    switch (kind) {
      case RECORD_BATCH:
        this.#takeRecords(input, frame, start, end);
        break;
      case TOPIC_BATCH:
        this.#takeTopicRecords(input, frame, start, end);
        break;
      default:
        this.#takeControl(input, kind, controlNumber(kind, frame, start));
    }
    reader.release();
  }

  #takeLocal(input: InputChannel, channel: LocalChannel): void {
    const { scope, heads } = this.#options;
    const { plain, traced } = heads[input.input - 1] as ChainHead;
    for (let count = 0; count < LOCAL_FRAME_ELEMENTS && channel.poll(scope); count++) {
      if (channel.kind === RECORD_BATCH) {
        try {
          (scope.request?.trace === undefined ? plain : traced).collect(channel.value, channel.number);
        } catch (error) {
          const failure = this.#recordFailed(error);
          this.#options.deadLetters?.writeValue(failure, channel.value, channel.number);
        }
      } else {
        this.#takeControl(input, channel.kind, channel.number);
        if (input.isBlocked || input.hasEnded) return;
      }
      if (!this.chain.hasCapacity()) return;
    }
  }

  #takeControl(input: InputChannel, kind: number, number: number): void {
    switch (kind) {
      case WATERMARK:
        return this.#valveOf(input).inputWatermark(input.indexInInput, number);
      case STATUS:
        return this.#valveOf(input).inputStatus(input.indexInInput, number === 1 ? 'ACTIVE' : 'IDLE');
      case BARRIER:
        return this.#takeBarrier(this.#inputs.indexOf(input), number);
      default:
        invariant(kind === END_OF_INPUT, 'an element is of a known kind');
        return this.#endInput(input);
    }
  }

  #takeRecords(input: InputChannel, frame: Buffer, start: number, end: number): void {
    const { cursor } = input;
    const { scope, heads } = this.#options;
    const { plain, traced } = heads[input.input - 1] as ChainHead;
    cursor.open(frame, start, end);
    for (;;) {
      try {
        while (cursor.advance(scope)) {
          (scope.request?.trace === undefined ? plain : traced).collect(input.readValue(frame), cursor.timestamp);
        }
        return;
      } catch (error) {
        const failure = this.#recordFailed(error);
        this.#keepRecord(failure, input, frame);
      }
    }
  }

  #takeTopicRecords(input: InputChannel, frame: Buffer, start: number, end: number): void {
    const { topicReader } = input;
    invariant(topicReader !== null, 'topic records come from main to a source');
    const { scope, heads } = this.#options;
    const { plain, traced } = heads[0] as ChainHead;
    topicReader.open(frame, start, end);
    for (;;) {
      try {
        while (topicReader.advance()) {
          const target = scope.request?.trace === undefined ? plain : traced;
          target.collect(topicReader.value, topicReader.timestamp);
        }
        return;
      } catch (error) {
        const failure = this.#recordFailed(error);
        if (this.#options.deadLetters !== null) topicReader.keep(failure, this.#options.deadLetters);
      }
    }
  }

  #runGenerator(generator: GeneratorSource, deadlineMs: number): void {
    this.#takeSnapshotIfAsked();
    const { clock, scope } = this.#options;
    const head = (this.#options.heads[0] as ChainHead).plain;
    scope.request = null;
    withoutOrigin(scope);
    do {
      for (let count = 0; count < GENERATED_BETWEEN_CLOCK_READS; count++) {
        const value = this.#nextOf(generator);
        if (value === undefined) return this.#end();
        try {
          head.collect(value, NO_TIMESTAMP);
        } catch (error) {
          const failure = this.#recordFailed(error);
          this.#options.deadLetters?.writeValue(failure, value, NO_TIMESTAMP);
        }
        if (!this.chain.hasCapacity()) return;
      }
    } while (!this.#hasOverflow() && clock.nowMs() < deadlineMs && !this.#isHeld());
  }

  /** The author's function gives the values: what it throws is named like any other failure of the task. */
  #nextOf(generator: GeneratorSource): unknown {
    try {
      return generator.next();
    } catch (error) {
      throw MillraceError.is(error) ? error : this.chain.unexpected(error);
    }
  }

  /** @returns why the record failed, if the task goes on without it */
  #recordFailed(error: unknown): MillraceError {
    const failure = MillraceError.is(error) ? error : this.chain.unexpected(error);
    if (this.#options.failedRecords.isDropped(failure)) return failure;
    // The step ends here: its answers, this record's among them, would stay behind.
    this.#flush();
    throw failure;
  }

  #keepRecord(failure: MillraceError, input: InputChannel, frame: Buffer): void {
    const { deadLetters } = this.#options;
    const { isNumber, isShaped, valueStart, valueEnd, timestamp } = input.cursor;
    if (isNumber || isShaped) deadLetters?.writeValue(failure, input.readValue(frame), timestamp);
    else deadLetters?.writeSerialised(failure, frame.subarray(valueStart, valueEnd), timestamp);
  }

  #takeBarrier(channel: number, checkpointId: number): void {
    this.#applyAlignment(this.#aligner.onBarrier(channel, checkpointId));
  }

  #applyAlignment(alignedCheckpoint: number): void {
    this.#refreshBlocked();
    if (alignedCheckpoint > this.#snapshotTaken) this.#takeSnapshot(alignedCheckpoint);
  }

  #refreshBlocked(): void {
    for (const [index, input] of this.#inputs.entries()) input.isBlocked = this.#aligner.isBlocked(index);
  }

  /** @returns whether it was */
  #takeSnapshotIfAsked(): boolean {
    if (!this.#isSnapshotAsked) return false;
    this.#takeSnapshot(this.#checkpointAsked);
    return true;
  }

  get #isSnapshotAsked(): boolean {
    return this.#checkpointAsked > this.#snapshotTaken;
  }

  /** Whether the source in this worker waits: for others of its group, or as another instance runs it. */
  #isHeld(): boolean {
    const { source } = this.#options;
    return source !== null && (source.isStandby || source.watermarks?.isHeld?.() === true);
  }

  #takeSnapshot(checkpointId: number): void {
    this.#snapshotTaken = checkpointId;
    for (const output of this.#options.outputs) output.emitBarrier(checkpointId);
    this.#options.onSnapshot(this, checkpointId);
  }

  #valveOf(input: InputChannel): WatermarkValve {
    return this.#options.valves[input.input - 1] as WatermarkValve;
  }

  #endInput(input: InputChannel): void {
    input.hasEnded = true;
    this.#valveOf(input).inputFinished(input.indexInInput);
    this.#applyAlignment(this.#aligner.onChannelEnded(this.#inputs.indexOf(input)));
    if (this.#inputs.every(({ hasEnded }) => hasEnded)) this.#end();
  }

  /** No input is left; results of asynchronous requests may still be to come. */
  #end(): void {
    this.#isEnding = true;
    if (this.#options.generator !== null) this.#options.heads[0]?.plain.emitWatermark(MAX_WATERMARK);
    this.#finishIfDrained();
  }

  /** As in Flink: the last watermark fires what is left, then operators finish, then those downstream learn of the end. */
  #finishIfDrained(): void {
    if (this.#isFinished) return;
    if (this.chain.pendingCount > 0) return void this.#takeSnapshotIfAsked();
    this.#isFinished = true;
    this.chain.finish();
    for (const output of this.#options.outputs) output.emitEndOfInput();
    // The barrier of a checkpoint that main asked for before this end may lie behind the inputs' ends, where nobody reads.
    this.#takeSnapshotIfAsked();
    this.#flush();
    this.#options.onFinished(this);
  }
}

/** What a control element says: a watermark, a checkpoint's id, or 1 for active. */
function controlNumber(kind: number, frame: Buffer, start: number): number {
  if (kind === END_OF_INPUT) return 0;
  return kind === STATUS ? (frame[start] as number) : decodeNumber(frame, start);
}
