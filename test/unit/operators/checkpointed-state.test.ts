import { describe, expect, it } from 'vitest';
import { KeyedBroadcastProcessFunction, mapState, ProcessFunction } from '../../../src/index.js';
import type {
  CheckpointedFunction,
  Collector,
  FunctionInitializationContext,
  KeyedBroadcastContext,
  KeyedBroadcastReadContext,
  OperatorListState,
  ProcessContext,
  RuntimeContext,
} from '../../../src/index.js';
import { functionHarness } from '../../../src/testing/index.js';

/** What a subtask has got back. */
interface Restored {
  readonly subtask: number;
  readonly isRestored: boolean;
  readonly dealt: readonly number[];
  readonly whole: readonly number[];
}

/** Keeps the numbers that it sees in a list that is dealt out at a restore, and in one that every subtask gets whole. */
class Numbers extends ProcessFunction<number, number> implements CheckpointedFunction {
  readonly #report: (restored: Restored) => void;
  #own: number[] = [];
  #subtask = -1;
  #dealt: OperatorListState<number> | undefined;
  #whole: OperatorListState<number> | undefined;

  constructor(report: (restored: Restored) => void) {
    super();
    this.#report = report;
  }

  setRuntimeContext({ taskInfo }: RuntimeContext): void {
    this.#subtask = taskInfo.indexOfThisSubtask;
  }

  initializeState(context: FunctionInitializationContext): void {
    this.#dealt = context.getListState<number>('dealt');
    this.#whole = context.getUnionListState<number>('whole');
    this.#own = [...this.#dealt.get()];
    this.#report({
      subtask: this.#subtask,
      isRestored: context.isRestored(),
      dealt: this.#dealt.get(),
      whole: this.#whole.get(),
    });
  }

  snapshotState(): void {
    this.#dealt?.update(this.#own);
    this.#whole?.update(this.#own);
  }

  override processElement(value: number, _context: ProcessContext, out: Collector<number>): void {
    this.#own.push(value);
    out.collect(value);
  }
}

describe('operator state', () => {
  it('in a list is dealt out in runs, and in a union list is whole in each subtask, in the order of the subtasks before', () => {
    const reports: Restored[] = [];
    const take = (): Restored[] => reports.splice(0);
    const harness = functionHarness(() => new Numbers((restored) => reports.push(restored)), { parallelism: 3 });
    expect(take()).toEqual([0, 1, 2].map((subtask) => ({ subtask, isRestored: false, dealt: [], whole: [] })));
    for (const value of [1, 2, 3, 4, 5, 6, 7]) harness.processElement(value);
    const snapshot = harness.snapshot();
    harness.processElement(8);
    const whole = [1, 4, 7, 2, 5, 3, 6];
    const shares = (...dealt: readonly (readonly number[])[]): Restored[] =>
      dealt.map((each, subtask) => ({ subtask, isRestored: true, dealt: each, whole }));
    harness.restore(snapshot);
    expect(take()).toEqual(shares([1, 4, 7], [2, 5], [3, 6]));
    harness.restore(snapshot, { parallelism: 2 });
    expect(take()).toEqual(shares([1, 4, 7, 2], [5, 3, 6]));
    harness.restore(snapshot, { parallelism: 5 });
    expect(take()).toEqual(shares([1, 4], [7, 2], [5], [3], [6]));
    // What was dealt out is stored again, and the union list holds each value once, not once for each subtask.
    harness.restore(harness.snapshot(), { parallelism: 1 });
    expect(take()).toEqual(shares(whole));
  });

  it('that is broadcast is whole in each subtask, whoever stored it, and may go on changing', () => {
    const limits = mapState<string, number>('limits');
    class Limits extends KeyedBroadcastProcessFunction<string, string, readonly [string, number | null], string> {
      #subtask = -1;

      override open({ taskInfo }: RuntimeContext): void {
        this.#subtask = taskInfo.indexOfThisSubtask;
      }

      processElement(_key: string, context: KeyedBroadcastReadContext<string>, out: Collector<string>): void {
        out.collect(`${String(this.#subtask)} ${JSON.stringify([...context.getBroadcastState(limits).entries()])}`);
      }

      processBroadcastElement(
        [name, limit]: readonly [string, number | null],
        context: KeyedBroadcastContext<string>,
      ): void {
        const state = context.getBroadcastState(limits);
        if (limit === null) state.remove(name);
        else state.put(name, limit);
      }
    }
    const keys = Array.from({ length: 40 }, (_, index) => `key-${String(index)}`);
    const harness = functionHarness(() => new Limits(), {
      keys: [(key: string) => key],
      broadcastStates: [limits as ReturnType<typeof mapState>],
      parallelism: 2,
    });
    const seen = (): string[] => {
      for (const key of keys) harness.processElement(key);
      return [...new Set(harness.takeValues())].sort();
    };
    const set = (name: string, limit: number | null): void =>
      harness.processElement([name, limit], undefined, { input: 2 });
    set('a', 1);
    set('b', 2);
    for (const parallelism of [2, 4, 1, 3]) {
      harness.restore(harness.snapshot(), { parallelism });
      const expected = Array.from({ length: parallelism }, (_, subtask) => `${String(subtask)} [["a",1],["b",2]]`);
      expect(seen()).toEqual(expected);
    }
    set('a', null);
    set('c', 3);
    expect(seen()).toEqual([0, 1, 2].map((subtask) => `${String(subtask)} [["b",2],["c",3]]`));
  });
});
