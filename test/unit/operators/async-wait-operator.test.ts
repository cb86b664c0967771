import { describe, expect, it } from 'vitest';
import { AsyncFunction, exponentialBackoffRetry, fixedDelayRetry } from '../../../src/api/async-function.js';
import type { AsyncOptions, AsyncOutputMode, ResultFuture } from '../../../src/api/async-function.js';
import { MillraceError } from '../../../src/base/errors.js';
import { AsyncWaitOperator } from '../../../src/operators/async-wait-operator.js';
import type { OutcomeRecall } from '../../../src/operators/operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

/** Requests that the test completes by hand. */
class Manual extends AsyncFunction<string, string> {
  readonly started: string[] = [];
  readonly #open = new Map<string, ResultFuture<string>>();

  asyncInvoke(value: string, result: ResultFuture<string>): void {
    this.started.push(value);
    this.#open.set(value, result);
  }

  complete(value: string, ...results: string[]): void {
    this.#open.get(value)?.complete(results);
  }

  fail(value: string, error: Error): void {
    this.#open.get(value)?.completeExceptionally(error);
  }
}

/** Keeps no more than what snapshots do. */
const forgetful: OutcomeRecall = {
  recall: () => null,
  record: (_origin, _value, _results, listener) => listener(null),
};

function harnessOf(
  fn: AsyncFunction<string, string>,
  mode: AsyncOutputMode,
  options: AsyncOptions<string> = {},
  outcomes?: OutcomeRecall,
): { harness: OperatorHarness<string>; operator: () => AsyncWaitOperator<string, string> } {
  let latest: AsyncWaitOperator<string, string> | null = null;
  const harness = new OperatorHarness<string>(
    () => {
      const operator = new AsyncWaitOperator(fn, mode, options);
      const open = operator.open.bind(operator);
      if (outcomes !== undefined) operator.open = (context) => open({ ...context, outcomes });
      latest = operator;
      return operator;
    },
    { uid: 'lookup' },
  );
  harness.open();
  return { harness, operator: () => latest as unknown as AsyncWaitOperator<string, string> };
}

describe('asynchronous requests', () => {
  it('emit in the order of the records when ordered, as they complete when not, never across a watermark', () => {
    for (const mode of ['ordered', 'unordered'] as const) {
      const fn = new Manual();
      const { harness } = harnessOf(fn, mode);
      for (const value of ['a', 'b']) harness.processElement(value, 1);
      harness.processWatermark(1);
      harness.processElement('c', 2);
      fn.complete('c', 'C');
      fn.complete('b', 'B');
      harness.settle();
      expect(harness.takeValues()).toEqual(mode === 'ordered' ? [] : ['B']);
      fn.complete('a', 'A1', 'A2');
      harness.settle();
      const rest = harness.takeOutput().map((each) => (each.kind === 'record' ? each.value : each.kind));
      expect(rest).toEqual(mode === 'ordered' ? ['A1', 'A2', 'B', 'watermark', 'C'] : ['A1', 'A2', 'watermark', 'C']);
    }
  });

  it('start at most as many as the capacity, and the task is told to hand over no more', () => {
    const fn = new Manual();
    const { harness, operator } = harnessOf(fn, 'ordered', { capacity: 2 });
    for (const value of ['a', 'b', 'c']) harness.processElement(value);
    expect(fn.started).toEqual(['a', 'b']);
    expect(operator().hasCapacity()).toBe(false);
    fn.complete('b', 'B');
    harness.settle();
    expect(fn.started).toEqual(['a', 'b', 'c']);
    fn.complete('a', 'A');
    fn.complete('c', 'C');
    harness.settle();
    expect(harness.takeValues()).toEqual(['A', 'B', 'C']);
    expect(operator().hasCapacity()).toBe(true);
    expect(operator().pendingCount()).toBe(0);
  });

  it('count only the first outcome of a request', () => {
    const fn = new Manual();
    const { harness } = harnessOf(fn, 'unordered');
    harness.processElement('a');
    fn.complete('a', 'first');
    fn.complete('a', 'second');
    harness.settle();
    fn.fail('a', new Error('late'));
    harness.settle();
    expect(harness.takeValues()).toEqual(['first']);
  });

  it('fail the operator when a request fails or times out and nothing says otherwise', () => {
    const fn = new Manual();
    const { harness } = harnessOf(fn, 'ordered', { timeoutMs: 10 });
    harness.processElement('a');
    fn.fail('a', new Error('no route'));
    expect(() => harness.settle()).toThrow('asyncInvoke of operator "lookup" failed: no route');

    const slow = harnessOf(new Manual(), 'ordered', { timeoutMs: 10 });
    slow.harness.processElement('a');
    slow.harness.setProcessingTime(9);
    expect(() => slow.harness.setProcessingTime(10)).toThrow('no outcome within 10 ms');
  });

  it('let a rejected promise count as a failure', async () => {
    class Rejecting extends AsyncFunction<string, string> {
      override async asyncInvoke(): Promise<void> {
        await Promise.reject(new Error('refused'));
      }
    }
    const { harness } = harnessOf(new Rejecting(), 'ordered');
    harness.processElement('a');
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(() => harness.settle()).toThrow('refused');
  });

  it('are retried with back-off as often as the strategy says, on errors and on results', () => {
    const fn = new Manual();
    const retry = {
      ...exponentialBackoffRetry<string>(3, { initialDelayMs: 10, maxDelayMs: 15, multiplier: 2 }),
      retryOnResult: (results: readonly string[]) => results.length === 0,
    };
    const { harness } = harnessOf(fn, 'ordered', { retry });
    harness.processElement('a');
    fn.fail('a', new Error('busy'));
    harness.settle();
    harness.setProcessingTime(9);
    expect(fn.started).toEqual(['a']);
    harness.setProcessingTime(10);
    expect(fn.started).toEqual(['a', 'a']);
    fn.complete('a');
    harness.settle();
    harness.setProcessingTime(25);
    expect(fn.started).toEqual(['a', 'a', 'a']);
    fn.complete('a');
    harness.settle();
    // Out of attempts: an empty result is a result.
    expect(harness.takeValues()).toEqual([]);
    harness.processElement('b');
    fn.complete('b', 'B');
    harness.settle();
    expect(harness.takeValues()).toEqual(['B']);
  });

  it('refuse a retry strategy without attempts', () => {
    expect(() => fixedDelayRetry(0, 10)).toThrow(MillraceError);
  });

  it('leave when they are durable, count for nothing that comes meanwhile, and are not asked for again when known', () => {
    const fn = new Manual();
    const listeners: (() => void)[] = [];
    const known = new Map<unknown, readonly unknown[]>();
    const outcomes: OutcomeRecall = {
      recall: (_origin, value) => known.get(value) ?? null,
      record: (_origin, value, results, listener) => {
        known.set(value, results);
        listeners.push(() => listener(null));
      },
    };
    const { harness } = harnessOf(fn, 'unordered', { timeoutMs: 10 }, outcomes);
    harness.processElement('a');
    fn.complete('a', 'A');
    harness.settle();
    expect(harness.takeValues()).toEqual([]);
    // Its time is over only now: the outcome was there before.
    harness.setProcessingTime(20);
    for (const tell of listeners) tell();
    harness.settle();
    expect(harness.takeValues()).toEqual(['A']);
    harness.processElement('a');
    harness.settle();
    expect(harness.takeValues()).toEqual(['A']);
    expect(fn.started).toEqual(['a']);
  });

  it('leave at once, and are asked for again, where the job wants no durable results', () => {
    const fn = new Manual();
    const refuse = (): never => {
      throw new Error('nobody is to be asked');
    };
    const { harness } = harnessOf(fn, 'ordered', { durableResults: false }, { recall: refuse, record: refuse });
    harness.processElement('a');
    fn.complete('a', 'A');
    harness.settle();
    expect(harness.takeValues()).toEqual(['A']);
  });

  it.each([
    // Each request that completes lets two more start.
    { which: 'those without results', outcomes: forgetful, anew: ['a', 'c', 'd'] },
    { which: 'all, where results are not written down', outcomes: undefined, anew: ['a', 'b', 'c'] },
  ])('start anew after a restore, in order, few at first: $which', ({ outcomes, anew }) => {
    const fn = new Manual();
    const { harness } = harnessOf(fn, 'ordered', { restoreCapacity: 1, capacity: 4 }, outcomes);
    for (const value of ['a', 'b', 'c', 'd', 'e']) harness.processElement(value, 1);
    fn.complete('b', 'B');
    harness.settle();
    const snapshot = harness.snapshot();
    fn.started.length = 0;
    harness.restore(snapshot);
    expect(fn.started).toEqual(['a']);
    fn.complete('a', 'A');
    harness.settle();
    expect(fn.started).toEqual(anew);
    for (const value of ['d', 'c', 'b', 'e']) {
      fn.complete(value, value.toUpperCase());
      harness.settle();
    }
    for (const value of ['d', 'e']) fn.complete(value, value.toUpperCase());
    harness.settle();
    expect(harness.takeValues()).toEqual(['A', 'B', 'C', 'D', 'E']);
  });
});
