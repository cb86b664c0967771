import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperatorSpec } from '../../../src/api/internal/operator-spec.js';
import { MillraceError } from '../../../src/base/errors.js';
import { createOperator } from '../../../src/operators/operator-factory.js';
import type { OperatorContext, StreamOperator } from '../../../src/operators/operator.js';
import { OperatorRuntimeContext } from '../../../src/operators/operator-runtime-context.js';
import { fusedInputs, FusedSteps } from '../../../src/workers/fused-steps.js';
import {
  type ChainTarget,
  createChainOutput,
  inputsInto,
  type OperatorTally,
  type OutputTargets,
} from '../../../src/workers/operator-chain.js';

type Kind = 'map' | 'filter' | 'flat-map';
type Steps = readonly Kind[];
type MakeInputs = typeof fusedInputs;

const linkedInputs: MakeInputs = (_operator, linked) => linked;

/**
 * A chain whose first to last operator are named 0, 1, …; each maps by adding its number, filters out its multiples, or gives as many of
 * a record as what is left of it by three.
 */
class Chain {
  readonly received: unknown[] = [];
  readonly tallies: OperatorTally[] = [];
  readonly head: ChainTarget;

  constructor(steps: Steps, makeInputs: MakeInputs, collect?: () => void) {
    let next: ChainTarget = {
      collect: (value, timestamp) => {
        collect?.();
        this.received.push([value, timestamp]);
      },
      emitWatermark: (timestamp) => this.received.push(['watermark', timestamp]),
      emitStatus: (status) => this.received.push(['status', status]),
    };
    for (let index = steps.length - 1; index >= 0; index--) {
      const tally = { numRecordsIn: 0, numRecordsOut: 0, sampleAt: Infinity };
      this.tallies.unshift(tally);
      const operator = createOperator(specOf(steps[index] ?? 'map', index), { writeLine: () => undefined });
      const targets: OutputTargets = { main: [next], side: new Map() };
      const asOne = operator as StreamOperator<unknown, unknown>;
      asOne.open(contextOf(index, createChainOutput(targets, tally)));
      const [input] = makeInputs(asOne, inputsInto(asOne, tally, null), targets, tally, null);
      if (input !== undefined) next = input;
    }
    this.head = next;
  }

  /** What a record threw, if anything. */
  send(value: number, timestamp: number): unknown {
    try {
      this.head.collect(value, timestamp);
      return undefined;
    } catch (error) {
      return { message: (error as Error).message, details: (error as { details?: unknown }).details };
    }
  }
}

/** Step `index` fails on records that are 1000 + index by the time that they reach it. */
function specOf(kind: Kind, index: number): OperatorSpec {
  const check = (value: unknown): number => {
    if (value === 1000 + index) throw new RangeError(`step ${index}`);
    return value as number;
  };
  if (kind === 'map') return { kind, fn: (value) => check(value) + index };
  if (kind === 'filter') return { kind, fn: (value) => check(value) % (index + 2) !== 0 };
  return {
    kind,
    fn: (value, out) => {
      for (let left = check(value) % 3; left > 0; left--) out.collect((value as number) + left);
    },
  };
}

function contextOf(index: number, output: OperatorContext<unknown>['output']): OperatorContext<unknown> {
  const taskInfo = {
    jobName: 'job',
    taskName: `step-${index}`,
    parallelism: 1,
    indexOfThisSubtask: 0,
    attemptNumber: 0,
  };
  return {
    output,
    keyedState: null,
    operatorId: `step-${index}`,
    runtime: new OperatorRuntimeContext(taskInfo, null, { nowMs: () => 0 }),
  } as unknown as OperatorContext<unknown>;
}

describe('fused steps', () => {
  it('emit, count and fail as linked operators do', () => {
    const steps = fc.array(fc.constantFrom<Kind>('map', 'filter', 'flat-map'), { minLength: 1, maxLength: 6 });
    const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 985, max: 1005 })));
    fc.assert(
      fc.property(steps, values, (kinds, records) => {
        const fused = new Chain(kinds, fusedInputs);
        const apart = new Chain(kinds, linkedInputs);
        expect(fused.head).toBeInstanceOf(FusedSteps);
        records.forEach((value, index) => expect(fused.send(value, index)).toEqual(apart.send(value, index)));
        for (const { head } of [fused, apart]) {
          head.emitWatermark(7);
          head.emitStatus('IDLE');
        }
        expect(fused.received).toEqual(apart.received);
        expect(fused.tallies).toEqual(apart.tallies);
      }),
    );
  });

  it('leave what fails behind them as it is', () => {
    const failure = new MillraceError('MILLRACE_USER_FUNCTION_FAILED', 'behind');
    for (const kinds of [
      ['map', 'filter'],
      ['map', 'flat-map'],
      ['flat-map', 'map'],
    ] as const) {
      const chain = new Chain(kinds, fusedInputs, () => {
        throw failure;
      });
      expect(() => chain.head.collect(1, 0)).toThrow(failure);
    }
  });

  it('have a record that came through looked at for each of them', () => {
    const sampled: number[] = [];
    const chain = new Chain(['map', 'filter', 'map'], (operator, linked, targets, tally) =>
      fusedInputs(operator, linked, targets, tally, {
        sample: (own) => {
          sampled.push(chain.tallies.indexOf(own));
          own.sampleAt = Infinity;
        },
      }),
    );
    for (const tally of chain.tallies) tally.sampleAt = 2;
    // The filter lets the second one not pass: the third is looked at.
    for (const value of [1, 3, 4]) chain.head.collect(value, 0);
    expect(chain.received).toHaveLength(2);
    expect(sampled).toEqual([0, 1, 2]);
  });
});
