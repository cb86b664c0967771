import { compile } from '../base/compile.js';
import { invariant } from '../base/invariant.js';
import type { StatelessStep, StreamOperator, TwoInputStreamOperator, WatermarkStatus } from '../operators/operator.js';
import type { ChainTarget, OperatorTally, OutputTargets, RecordSamples } from './operator-chain.js';

/** A step with the counts of its operator. */
interface CountedStep extends StatelessStep {
  readonly tally: OperatorTally;
  readonly samples: RecordSamples | null;
}

type Run = (value: unknown, timestamp: number) => void;
type WriteRun = (steps: readonly CountedStep[], next: ChainTarget, sample: () => void) => Run;

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

  constructor(write: WriteRun, steps: readonly CountedStep[], next: ChainTarget, linked: ChainTarget) {
    this.steps = steps;
    this.next = next;
    this.linked = linked;
    this.collect = write(steps, next, () => {
      for (const { samples, tally } of steps) samples?.sample(tally);
    });
  }

  emitWatermark(timestamp: number): void {
    this.linked.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.linked.emitStatus(status);
  }
}

/**
 * The inputs of an operator whose output leads to `targets`. What only maps, filters or flat-maps into one place is fused with the
 * steps that begin there; everything else keeps its `linked` inputs, and so does all in a process that forbids code from strings.
 */
export function fusedInputs(
  operator: StreamOperator<unknown, unknown> | TwoInputStreamOperator<unknown, unknown, unknown>,
  linked: ChainTarget[],
  targets: OutputTargets,
  tally: OperatorTally,
  samples: RecordSamples | null,
): ChainTarget[] {
  const [target] = targets.main;
  const [input] = linked;
  const step = 'processElement' in operator ? operator.step : undefined;
  if (step === undefined || input === undefined || target === undefined) return linked;
  if (targets.main.length > 1 || targets.side.size > 0) return linked;
  const first = { ...step, tally, samples };
  // A flat map may call what follows any number of times: that is a function of its own.
  const isJoined = target instanceof FusedSteps && step.kind !== 'flat-map';
  const steps = isJoined ? [first, ...target.steps] : [first];
  const write = writeRun(steps);
  return write === null ? linked : [new FusedSteps(write, steps, isJoined ? target.next : target, input)];
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
 * A flat map comes last, and calls what follows by itself:
 *
 * ```js
 *     at = 2; tally2.numRecordsIn++; stamp = timestamp; call2(v, out);
 * ```
 *
 * A record that came through is looked at for all its steps at once: they took it within the same moment. Nothing of the job gets into the text: functions come in as values.
 *
 * @returns `null` where code from strings is forbidden
 */
function writeRun(steps: readonly CountedStep[]): WriteRun | null {
  const names = steps.map(
    (_, index) => `const call${index} = steps[${index}].call, tally${index} = steps[${index}].tally;`,
  );
  const calls = steps.map(
    ({ kind }, index) => `at = ${index}; tally${index}.numRecordsIn++; ${callOf(kind, index, steps.length)}`,
  );
  const last = steps.length - 1;
  const isFlat = steps[last]?.kind === 'flat-map';
  const out = `const out = { collect(v) { tally${last}.numRecordsOut++; next.collect(v, stamp); } }; let stamp = 0;`;
  const text = `${names.join('\n')}
${isFlat ? out : ''}
return function run(value, timestamp) {
  let at = 0, v = value;
  try {
    ${calls.join('\n    ')}
  } catch (error) {
    throw steps[at].fail(error);
  }
  ${isFlat ? '' : 'next.collect(v, timestamp);'}
  if (tally0.numRecordsIn >= tally0.sampleAt) sample();
};`;
  return compile(['steps', 'next', 'sample'], text) as WriteRun | null;
}

function callOf(kind: StatelessStep['kind'], index: number, count: number): string {
  invariant(kind !== 'flat-map' || index === count - 1, 'nothing is fused behind a flat map');
  if (kind === 'flat-map') return `stamp = timestamp; call${index}(v, out);`;
  const call = kind === 'map' ? `v = call${index}(v);` : `if (!call${index}(v)) return;`;
  return `${call} tally${index}.numRecordsOut++;`;
}
