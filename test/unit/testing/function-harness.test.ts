import { describe, expect, it } from 'vitest';
import type { Collector, RuntimeContext } from '../../../src/api/functions.js';
import { valueState } from '../../../src/api/keyed-state.js';
import type { ValueState } from '../../../src/api/keyed-state.js';
import { KeyedProcessFunction } from '../../../src/api/process-function.js';
import type { KeyedProcessContext, OnTimerContext } from '../../../src/api/process-function.js';
import { MillraceError } from '../../../src/base/errors.js';
import { functionHarness } from '../../../src/testing/index.js';

interface Click {
  readonly user: string;
}

/** Counts clicks, and gives the count a second of event time after the first of them. */
class CountFunction extends KeyedProcessFunction<string, Click, string> {
  #count: ValueState<number> | null = null;

  override open(context: RuntimeContext): void {
    this.#count = context.getState(valueState<number>('count'));
  }

  processElement(_click: Click, context: KeyedProcessContext<string>): void {
    const count = this.#count?.value() ?? 0;
    if (count === 0) context.timerService().registerEventTimeTimer((context.timestamp() ?? 0) + 1_000);
    this.#count?.update(count + 1);
  }

  override onTimer(_timestamp: number, context: OnTimerContext<string>, out: Collector<string>): void {
    out.collect(`${context.getCurrentKey()}: ${String(this.#count?.value())}`);
    this.#count?.clear();
  }
}

const keys = [(click: Click) => click.user];

describe('functionHarness', () => {
  it('runs a function with explicit records and watermarks', () => {
    const harness = functionHarness(() => new CountFunction(), { keys });
    for (const user of ['ada', 'bob', 'ada']) harness.processElement({ user }, 5);
    harness.processWatermark(1_004);
    expect(harness.takeValues()).toEqual([]);
    harness.processWatermark(1_005);
    expect(harness.takeValues()).toEqual(['ada: 2', 'bob: 1']);
  });

  it('takes state and timers over a restore at another parallelism, and may restore one snapshot twice', () => {
    const harness = functionHarness(() => new CountFunction(), { keys, parallelism: 3 });
    for (let i = 0; i < 20; i++) harness.processElement({ user: `user ${i % 10}` }, i);
    const snapshot = harness.snapshot();
    for (const parallelism of [1, 4]) {
      harness.restore(snapshot, { parallelism });
      harness.processElement({ user: 'user 3' }, 50);
      harness.processMaxWatermark();
      const expected = Array.from({ length: 10 }, (_, i) => `user ${i}: ${i === 3 ? 3 : 2}`);
      expect(harness.takeValues().sort()).toEqual(expected);
    }
  });

  it('refuses a keyed function without a key', () => {
    let thrown: unknown = null;
    try {
      functionHarness(() => new CountFunction());
    } catch (error) {
      thrown = error;
    }
    expect(MillraceError.is(thrown, 'MILLRACE_JOB_INVALID')).toBe(true);
  });
});
