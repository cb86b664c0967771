import type { OutputTag } from '../api/process-function.js';
import { compile } from '../base/compile.js';
import type { Output, StreamOperator, TwoInputStreamOperator, WatermarkStatus } from '../operators/operator.js';

/**
 * The operators of one task, fused: an operator's output calls the next operator directly, without a queue and without
 * serialisation. This file holds the links of the chain; what they cost is paid by every record.
 */

/** Records in and out of one operator, as plain fields: the task copies them to shared memory once per step. */
export interface OperatorTally {
  numRecordsIn: number;
  numRecordsOut: number;
  /** The record in, by number, that is looked at next; `Infinity` when none is. */
  sampleAt: number;
}

/** Looks at a record now and then, after it was processed. */
export interface RecordSamples {
  sample(tally: OperatorTally): void;
}

/** Where a chain goes on: the next operator's input, or a record writer. */
export interface ChainTarget {
  collect(value: unknown, timestamp: number): void;
  emitWatermark(timestamp: number): void;
  emitStatus(status: WatermarkStatus): void;
}

/** Where records enter a chain by one input: those of traced requests by a way of their own. */
export interface ChainHead {
  readonly plain: ChainTarget;
  readonly traced: ChainTarget;
}

/** The input of a one-input operator of the chain. */
class OperatorInput implements ChainTarget {
  readonly #operator: StreamOperator<unknown, unknown>;
  readonly #tally: OperatorTally;
  readonly #samples: RecordSamples | null;

  constructor(operator: StreamOperator<unknown, unknown>, tally: OperatorTally, samples: RecordSamples | null) {
    this.#operator = operator;
    this.#tally = tally;
    this.#samples = samples;
  }

  collect(value: unknown, timestamp: number): void {
    const tally = this.#tally;
    tally.numRecordsIn++;
    this.#operator.processElement(value, timestamp);
    if (tally.numRecordsIn >= tally.sampleAt) this.#samples?.sample(tally);
  }

  emitWatermark(timestamp: number): void {
    this.#operator.processWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#operator.processStatus(status);
  }
}

/** Input 1 or 2 of a two-input operator. */
class NumberedInput implements ChainTarget {
  readonly #operator: TwoInputStreamOperator<unknown, unknown, unknown>;
  readonly #input: 1 | 2;
  readonly #tally: OperatorTally;
  readonly #samples: RecordSamples | null;

  constructor(
    operator: TwoInputStreamOperator<unknown, unknown, unknown>,
    input: 1 | 2,
    tally: OperatorTally,
    samples: RecordSamples | null,
  ) {
    this.#operator = operator;
    this.#input = input;
    this.#tally = tally;
    this.#samples = samples;
  }

  collect(value: unknown, timestamp: number): void {
    const tally = this.#tally;
    tally.numRecordsIn++;
    if (this.#input === 1) this.#operator.processElement1(value, timestamp);
    else this.#operator.processElement2(value, timestamp);
    if (tally.numRecordsIn >= tally.sampleAt) this.#samples?.sample(tally);
  }

  emitWatermark(timestamp: number): void {
    if (this.#input === 1) this.#operator.processWatermark1(timestamp);
    else this.#operator.processWatermark2(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    if (this.#input === 1) this.#operator.processStatus1(status);
    else this.#operator.processStatus2(status);
  }
}

/** The inputs of an operator of either form. */
export function inputsInto(
  operator: StreamOperator<unknown, unknown> | TwoInputStreamOperator<unknown, unknown, unknown>,
  tally: OperatorTally,
  samples: RecordSamples | null,
): ChainTarget[] {
  if ('processElement' in operator) return [new OperatorInput(operator, tally, samples)];
  return [new NumberedInput(operator, 1, tally, samples), new NumberedInput(operator, 2, tally, samples)];
}

/** The targets of one operator: of its main output, and of each side output by tag. */
export interface OutputTargets {
  readonly main: readonly ChainTarget[];
  readonly side: ReadonlyMap<string, readonly ChainTarget[]>;
}

/** An output that can be led elsewhere, to targets in the same places. */
export interface ChainOutput extends Output<unknown> {
  retarget(targets: OutputTargets): void;
}

/** Makes the output of an operator; one main target, the common case, is called without a loop. */
export function createChainOutput(targets: OutputTargets, tally: OperatorTally): ChainOutput {
  const [only] = targets.main;
  if (only !== undefined && targets.main.length === 1 && targets.side.size === 0) return new DirectOutput(only, tally);
  return new FanOutput(targets, tally);
}

class DirectOutput implements ChainOutput {
  #target: ChainTarget;
  readonly #tally: OperatorTally;

  constructor(target: ChainTarget, tally: OperatorTally) {
    this.#target = target;
    this.#tally = tally;
  }

  retarget({ main: [target] }: OutputTargets): void {
    if (target !== undefined) this.#target = target;
  }

  collect(value: unknown, timestamp: number): void {
    this.#tally.numRecordsOut++;
    this.#target.collect(value, timestamp);
  }

  collectSide(): void {
    // Nobody consumes a side output of this operator.
  }

  emitWatermark(timestamp: number): void {
    this.#target.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#target.emitStatus(status);
  }
}

class FanOutput implements ChainOutput {
  readonly #plain: readonly ChainTarget[];
  /** Into the targets of before anything was led elsewhere. */
  readonly #collectPlain: Collect;
  #collect: Collect;
  #side: ReadonlyMap<string, readonly ChainTarget[]>;
  readonly #all: readonly ChainTarget[];
  readonly #tally: OperatorTally;

  constructor(targets: OutputTargets, tally: OperatorTally) {
    this.#plain = targets.main;
    this.#collectPlain = collectorInto(targets.main);
    this.#collect = this.#collectPlain;
    this.#side = targets.side;
    this.#all = [...targets.main, ...[...targets.side.values()].flat()];
    this.#tally = tally;
  }

  /** Watermarks go where they went: both targets of a place pass them on alike. */
  retarget({ main, side }: OutputTargets): void {
    this.#collect = main === this.#plain ? this.#collectPlain : loopInto(main);
    this.#side = side;
  }

  collect(value: unknown, timestamp: number): void {
    this.#tally.numRecordsOut++;
    this.#collect(value, timestamp);
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestamp: number): void {
    const targets = this.#side.get(tag.id);
    if (targets === undefined) return;
    this.#tally.numRecordsOut++;
    for (const target of targets) target.collect(value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    for (const target of this.#all) target.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    for (const target of this.#all) target.emitStatus(status);
  }
}

type Collect = (value: unknown, timestamp: number) => void;

/** Hands a record to each target in turn, by code written for them, whose call sites see nothing else (decision 0232). */
function collectorInto(targets: readonly ChainTarget[]): Collect {
  const names = targets.map((_, index) => `const target${index} = targets[${index}];`).join(' ');
  const calls = targets.map((_, index) => `target${index}.collect(value, timestamp);`).join(' ');
  const write = compile(['targets'], `${names} return (value, timestamp) => { ${calls} };`);
  return write === null ? loopInto(targets) : (write as (targets: readonly ChainTarget[]) => Collect)(targets);
}

function loopInto(targets: readonly ChainTarget[]): Collect {
  return (value, timestamp) => {
    for (const target of targets) target.collect(value, timestamp);
  };
}
