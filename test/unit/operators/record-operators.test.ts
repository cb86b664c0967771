import { describe, expect, it } from 'vitest';
import type { Collector, RuntimeContext } from '../../../src/api/functions.js';
import { valueState } from '../../../src/api/keyed-state.js';
import type { ValueState } from '../../../src/api/keyed-state.js';
import { KeyedProcessFunction, OutputTag, ProcessFunction } from '../../../src/api/process-function.js';
import type { KeyedProcessContext, ProcessContext } from '../../../src/api/process-function.js';
import { MillraceError, UserFunctionError } from '../../../src/base/errors.js';
import { FilterOperator } from '../../../src/operators/filter-operator.js';
import { FlatMapOperator } from '../../../src/operators/flat-map-operator.js';
import { KeyedProcessOperator } from '../../../src/operators/keyed-process-operator.js';
import { MapOperator } from '../../../src/operators/map-operator.js';
import { ProcessOperator } from '../../../src/operators/process-operator.js';
import { ReduceOperator } from '../../../src/operators/reduce-operator.js';
import { PrintOperator, SinkOperator } from '../../../src/operators/sink-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Reading {
  readonly sensor: string;
  readonly value: number;
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('record-at-a-time operators', () => {
  it('map, filter and flatMap keep the timestamp of the record', () => {
    const map = new OperatorHarness(() => new MapOperator((value: number) => value * 2));
    map.open();
    map.processElement(21, 7);
    expect(map.takeOutput()).toEqual([{ kind: 'record', value: 42, timestamp: 7, subtask: 0 }]);

    const filter = new OperatorHarness(() => new FilterOperator((value: number) => value > 1));
    filter.open();
    for (const value of [1, 2, 3]) filter.processElement(value);
    expect(filter.takeValues()).toEqual([2, 3]);

    const split = new OperatorHarness(
      () =>
        new FlatMapOperator((text: string, out: Collector<string>) =>
          text.split(' ').forEach((word) => out.collect(word)),
        ),
    );
    split.open();
    split.processElement('a b', 3);
    expect(split.takeOutput().map((element) => element.kind === 'record' && element.timestamp)).toEqual([3, 3]);
  });

  it('reduce emits the running value of each key, the first record unchanged', () => {
    const harness = new OperatorHarness(
      () =>
        new ReduceOperator<Reading>(
          (a, b) => ({ ...a, value: a.value + b.value }),
          (reading) => reading.sensor,
        ),
      { inputs: [{ key: (reading: Reading) => reading.sensor }] },
    );
    harness.open();
    harness.processElement({ sensor: 's', value: 1 });
    harness.processElement({ sensor: 't', value: 5 });
    harness.processElement({ sensor: 's', value: 2 });
    expect(harness.takeValues().map(({ value }) => value)).toEqual([1, 5, 3]);
  });

  it('opens a rich function once with its context and closes it once, however often the operator is closed', () => {
    const calls: string[] = [];
    const operator = new MapOperator({
      open: (context: RuntimeContext) => calls.push(`open ${context.taskInfo.indexOfThisSubtask}`),
      map: (value: number) => value,
      close: () => calls.push('close'),
    });
    const harness = new OperatorHarness(() => operator);
    harness.open();
    harness.processElement(1);
    harness.close();
    operator.close();
    expect(calls).toEqual(['open 0', 'close']);
  });

  it('a sink learns of the end of its stream, and a failure there has its name', () => {
    const calls: string[] = [];
    const sink = new OperatorHarness(
      () => new SinkOperator<number>({ invoke: () => calls.push('invoke'), finish: () => calls.push('finish') }),
    );
    sink.open();
    sink.processElement(1);
    sink.finish();
    sink.close();
    expect(calls).toEqual(['invoke', 'finish']);

    const failing = new OperatorHarness(
      () =>
        new SinkOperator<number>({
          invoke: () => undefined,
          finish: () => {
            throw new Error('disk full');
          },
        }),
    );
    failing.open();
    expect(thrownBy(() => failing.finish())).toMatchObject({
      code: 'MILLRACE_USER_FUNCTION_FAILED',
      details: { method: 'finish' },
    });
  });

  it('sinks hand over the value with its timestamp, and print writes strings as they are and the rest as JSON', () => {
    const received: unknown[] = [];
    const sink = new OperatorHarness(
      () => new SinkOperator<number>((value, context) => void received.push([value, context.timestamp()])),
    );
    sink.open();
    sink.processElement(1, 5);
    sink.processElement(2);
    expect(received).toEqual([
      [1, 5],
      [2, undefined],
    ]);
    const lines: string[] = [];
    const print = new OperatorHarness(() => new PrintOperator('label', (line) => lines.push(line)));
    print.open();
    print.processElement('text');
    print.processElement({ a: 1 });
    expect(lines).toEqual(['label> text\n', 'label> {"a":1}\n']);
  });
});

describe('failures of the author’s code', () => {
  it('name the operator, the method and the key, and keep the cause', () => {
    class Failing extends KeyedProcessFunction<string, Reading, never> {
      processElement(): void {
        throw new RangeError('too hot');
      }
    }
    const harness = new OperatorHarness(() => new KeyedProcessOperator(new Failing(), (r: Reading) => r.sensor), {
      uid: 'alarm',
      inputs: [{ key: (reading: Reading) => reading.sensor }],
    });
    harness.open();
    const error = thrownBy(() => harness.processElement({ sensor: 's1', value: 99 }));
    expect(error).toBeInstanceOf(UserFunctionError);
    const failure = error as UserFunctionError;
    expect(failure.message).toBe('processElement of operator "alarm" failed: too hot');
    expect(failure.details).toMatchObject({ operator: 'alarm', subtask: 0, method: 'processElement', key: 's1' });
    expect(failure.cause).toBeInstanceOf(RangeError);
  });

  it('are named by the operator that they come from, not by those above it in the chain', () => {
    const second = new OperatorHarness<number>(
      () =>
        new MapOperator((_value: number): number => {
          throw new Error('deep');
        }),
      { uid: 'second' },
    );
    const first = new OperatorHarness<number>(
      () => new FlatMapOperator((value: number, out: Collector<number>) => out.collect(value)),
      { uid: 'first', onOutput: (element) => element.kind === 'record' && second.processElement(element.value) },
    );
    second.open();
    first.open();
    const error = thrownBy(() => first.processElement(1)) as UserFunctionError;
    expect(error.details?.['operator']).toBe('second');
  });

  it('refuse timers, keys and keyed state in a function without a key', () => {
    class Keyless extends ProcessFunction<string, never> {
      processElement(_value: string, context: ProcessContext): void {
        context.timerService().registerEventTimeTimer(1);
      }
    }
    const harness = new OperatorHarness(() => new ProcessOperator(new Keyless()));
    harness.open();
    expect(
      MillraceError.is(
        thrownBy(() => harness.processElement('x')),
        'MILLRACE_STATE_NO_KEY',
      ),
    ).toBe(true);

    const stateful = new OperatorHarness(
      () =>
        new MapOperator({
          open: (context: RuntimeContext) => context.getState(valueState('s')),
          map: (v: number) => v,
        }),
    );
    expect(
      MillraceError.is(
        thrownBy(() => stateful.open()),
        'MILLRACE_STATE_NO_KEY',
      ),
    ).toBe(true);
  });
});

describe('process functions', () => {
  const tag = new OutputTag<string>('big');

  class Splitter extends ProcessFunction<number, string> {
    processElement(value: number, context: ProcessContext, out: Collector<string>): void {
      if (value > 10) context.output(tag, `big ${value}`);
      else out.collect(`small ${value} at ${String(context.timestamp())}`);
    }
  }

  it('emit to side outputs and see the record’s timestamp', () => {
    const harness = new OperatorHarness<string>(() => new ProcessOperator(new Splitter()));
    harness.open();
    harness.processElement(1, 4);
    harness.processElement(11, 5);
    expect(harness.takeOutput()).toEqual([
      { kind: 'record', value: 'small 1 at 4', timestamp: 4, subtask: 0 },
      { kind: 'side', tag: 'big', value: 'big 11', timestamp: 5, subtask: 0 },
    ]);
  });

  it('see the request that a record came from and answer it, now or later', () => {
    class Answering extends KeyedProcessFunction<string, Reading, never> {
      #waiting: ValueState<unknown> | null = null;
      override open(context: RuntimeContext): void {
        this.#waiting = context.getState(valueState('waiting'));
      }
      processElement(value: Reading, context: KeyedProcessContext<string>): void {
        const kept = this.#waiting?.value();
        if (kept === undefined) this.#waiting?.update(context.request());
        else context.respondTo(kept as never, value.value, { status: 202 });
      }
    }
    const harness = new OperatorHarness(() => new KeyedProcessOperator(new Answering(), (r: Reading) => r.sensor), {
      inputs: [{ key: (reading: Reading) => reading.sensor }],
    });
    harness.open();
    const request = { correlationId: 'c1', replyTo: 'replies:0', deadline: 99 };
    harness.processElement({ sensor: 's', value: 1 }, 1, { request });
    harness.processElement({ sensor: 's', value: 2 }, 2);
    expect(harness.responses).toEqual([{ handle: request, value: 2, status: 202 }]);
  });
});

describe('chance in process functions', () => {
  class Drawing extends KeyedProcessFunction<string, Reading, readonly [string, string, number]> {
    processElement(
      _value: Reading,
      context: KeyedProcessContext<string>,
      out: Collector<readonly [string, string, number]>,
    ): void {
      out.collect([context.uuid(), context.uuid(), context.random()]);
    }
  }

  function draws(uid: string): (readonly [string, string, number])[] {
    const harness = new OperatorHarness<readonly [string, string, number]>(
      () => new KeyedProcessOperator(new Drawing(), (reading: Reading) => reading.sensor),
      { uid, inputs: [{ key: (reading: Reading) => reading.sensor }] },
    );
    harness.open();
    for (let i = 0; i < 500; i++) harness.processElement({ sensor: `s${i % 7}`, value: i });
    return harness.takeValues();
  }

  it('is the same on a replay, and differs between records, draws and operators', () => {
    const first = draws('one');
    expect(draws('one')).toEqual(first);
    const uuids = [...first, ...draws('two')].flatMap(([a, b]) => [a, b]);
    expect(new Set(uuids).size).toBe(uuids.length);
    for (const uuid of uuids) {
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('is spread over the whole of [0, 1)', () => {
    const floats = draws('one').map(([, , float]) => float);
    const mean = floats.reduce((sum, float) => sum + float, 0) / floats.length;
    expect(mean).toBeGreaterThan(0.4);
    expect(mean).toBeLessThan(0.6);
    for (let tenth = 0; tenth < 10; tenth++) {
      expect(floats.some((float) => Math.floor(float * 10) === tenth)).toBe(true);
    }
  });
});
