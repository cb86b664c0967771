import type { StatelessStep, StreamOperator, TwoInputStreamOperator, WatermarkStatus } from '../operators/operator.js';
import type { ChainTarget, OperatorTally, OutputTargets, RecordSamples } from './operator-chain.js';

/** A step with the counts of its operator. */
interface CountedStep extends StatelessStep {
  readonly tally: OperatorTally;
  readonly samples: RecordSamples | null;
}

type Run = (value: unknown, timestamp: number) => void;

/**
 * Steps of one chain that follow each other without a branch, run by one function that is written for them.
 *
 * Operators share the code that links them, so its call sites see every function of the job and V8 inlines none of them. Code of
 * its own for each chain has call sites of its own. Watermarks, and records of traced requests, which are few, take the
 * way through the operators.
 */
export class FusedSteps implements ChainTarget {
  readonly collect: Run;
  readonly steps: readonly CountedStep[];
  readonly next: ChainTarget;
  /** The first operator's input: the way from operator to operator. */
  readonly linked: ChainTarget;

  constructor(steps: readonly CountedStep[], next: ChainTarget, linked: ChainTarget) {
    this.steps = steps;
    this.next = next;
    this.linked = linked;
    this.collect = writeRun(steps)(steps, next);
  }

  emitWatermark(timestamp: number): void {
    this.linked.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.linked.emitStatus(status);
  }
}

/**
 * The inputs of an operator whose output leads to `targets`. What only maps or filters into one place is fused with the steps that
 * begin there; everything else keeps its `linked` inputs, and so does all in a process that forbids code from strings.
 */
export function fusedInputs(
  operator: StreamOperator<unknown, unknown> | TwoInputStreamOperator<unknown, unknown, unknown>,
  linked: ChainTarget[],
  targets: OutputTargets,
  tally: OperatorTally,
  samples: RecordSamples | null,
): ChainTarget[] {
  const [next] = targets.main;
  const [input] = linked;
  const step = 'processElement' in operator ? operator.step : undefined;
  if (step === undefined || input === undefined || next === undefined) return linked;
  if (targets.main.length > 1 || targets.side.size > 0) return linked;
  const first = { ...step, tally, samples };
  try {
    return next instanceof FusedSteps
      ? [new FusedSteps([first, ...next.steps], next.next, input)]
      : [new FusedSteps([first], next, input)];
  } catch (error) {
    if (error instanceof EvalError) return linked;
    throw error;
  }
}

/**
 * Of map, filter:
 *
 * ```js
 * return function run(value, timestamp) {
 *   let at = 0, v = value;
 *   try {
 *     tally0.numRecordsIn++; v = call0(v); tally0.numRecordsOut++;
 *     at = 1; tally1.numRecordsIn++; if (!call1(v)) return; tally1.numRecordsOut++;
 *   } catch (error) { throw steps[at].fail(error); }
 *   next.collect(v, timestamp);
 *   if (tally0.numRecordsIn >= tally0.sampleAt) sample();
 * }
 * ```
 *
 * A record that came through is looked at for all its steps at once: they took it within the same moment. Nothing of the job gets into the text: functions come in as values.
 */
function writeRun(steps: readonly CountedStep[]): (steps: readonly CountedStep[], next: ChainTarget) => Run {
  const names = steps.map(
    (_, index) => `const call${index} = steps[${index}].call, tally${index} = steps[${index}].tally;`,
  );
  const calls = steps.map(({ kind }, index) => {
    const call = kind === 'map' ? `v = call${index}(v);` : `if (!call${index}(v)) return;`;
    return `at = ${index}; tally${index}.numRecordsIn++; ${call} tally${index}.numRecordsOut++;`;
  });
  const text = `'use strict'; ${names.join('\n')}
return function run(value, timestamp) {
  let at = 0, v = value;
  try {
    ${calls.join('\n    ')}
  } catch (error) {
    throw steps[at].fail(error);
  }
  next.collect(v, timestamp);
  if (tally0.numRecordsIn >= tally0.sampleAt) sample();
};`;
  // oxlint-disable-next-line typescript/no-implied-eval -- call sites of its own are the point: decision 0232
  const write = new Function('steps', 'next', 'sample', text) as (
    steps: readonly CountedStep[],
    next: ChainTarget,
    sample: () => void,
  ) => Run;
  return (ownSteps, next) =>
    write(ownSteps, next, () => {
      for (const { samples, tally } of ownSteps) samples?.sample(tally);
    });
}
