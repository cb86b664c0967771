import { describe, expect, it } from 'vitest';
import { CountEvictor } from '../../../src/api/evictors.js';
import type { AggregateFunction } from '../../../src/api/keyed-state.js';
import { OutputTag } from '../../../src/api/process-function.js';
import type { Trigger } from '../../../src/api/trigger.js';
import { CountTrigger, DeltaTrigger, EventTimeTrigger, PurgingTrigger } from '../../../src/api/triggers.js';
import { ProcessingTimeoutTrigger } from '../../../src/api/processing-timeout-trigger.js';
import type { WindowAssigner } from '../../../src/api/window-assigner.js';
import {
  CumulativeEventTimeWindows,
  EventTimeSessionWindows,
  GlobalWindows,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
} from '../../../src/api/window-assigners.js';
import type { Window } from '../../../src/api/windows.js';
import { MillraceError } from '../../../src/base/errors.js';
import type { ErrorCode } from '../../../src/base/errors.js';
import { EvictingWindowOperator } from '../../../src/operators/windows/evicting-window-operator.js';
import { WindowOperator } from '../../../src/operators/windows/window-operator.js';
import type { WindowOperatorOptions } from '../../../src/operators/windows/window-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Click {
  readonly user: string;
  readonly n: number;
}

const sum: AggregateFunction<Click, number, number> = {
  createAccumulator: () => 0,
  add: (click, total) => total + click.n,
  getResult: (total) => total,
  merge: (a, b) => a + b,
};

function windows<W extends Window>(
  assigner: WindowAssigner<Click, W>,
  change: Partial<WindowOperatorOptions<Click, number, W>> = {},
): OperatorHarness<number> {
  const options: WindowOperatorOptions<Click, number, W> = {
    key: (click) => click.user,
    assigner,
    trigger: assigner.defaultTrigger(),
    allowedLatenessMs: 0,
    lateTag: null,
    aggregation: { kind: 'aggregate', aggregate: sum },
    fn: null,
    ...change,
  };
  const harness = new OperatorHarness<number>(() => new WindowOperator(options), {
    uid: 'clicks-per-window',
    inputs: [{ key: (click: Click) => click.user }],
  });
  harness.open();
  return harness;
}

function codeOf(action: () => unknown): ErrorCode | null {
  try {
    action();
  } catch (error) {
    return MillraceError.is(error) ? error.code : null;
  }
  return null;
}

function storedRows(harness: OperatorHarness<number>): number {
  const sections = harness.snapshot().keyedState.flatMap((snapshot) => snapshot.sections);
  return sections.reduce((rows, section) => rows + section.rows, 0);
}

describe('window operator', () => {
  it('keeps nothing of a window that is over: no contents, no timers, no trigger state', () => {
    const filled = (): OperatorHarness<number> => {
      const harness = windows(TumblingEventTimeWindows.of(10));
      for (let i = 0; i < 100; i++) harness.processElement({ user: `u${i}`, n: 1 }, i % 30);
      return harness;
    };
    // A row of contents and one of its timer per window.
    expect(storedRows(filled())).toBe(200);
    const over = filled();
    over.processWatermark(100);
    expect(over.takeValues()).toHaveLength(100);
    expect(storedRows(over)).toBe(0);
  });

  it('counts late records, or sends them aside', () => {
    const counting = windows(TumblingEventTimeWindows.of(10));
    counting.processWatermark(50);
    counting.processElement({ user: 'u', n: 1 }, 5);
    expect(counting.counters().numLateRecordsDropped).toBe(1);

    const late = new OutputTag<Click>('late');
    const aside = windows(TumblingEventTimeWindows.of(10), { lateTag: late });
    aside.processWatermark(50);
    aside.takeOutput();
    aside.processElement({ user: 'u', n: 1 }, 5);
    expect(aside.takeOutput()).toEqual([
      { kind: 'side', tag: 'late', value: { user: 'u', n: 1 }, timestamp: 5, subtask: 0 },
    ]);
    expect(aside.counters().numLateRecordsDropped).toBe(0);
  });

  it('grows cumulative windows by their step', () => {
    const harness = windows(CumulativeEventTimeWindows.of(30, 10));
    harness.processElement({ user: 'u', n: 1 }, 1);
    harness.processElement({ user: 'u', n: 2 }, 12);
    harness.processElement({ user: 'u', n: 4 }, 29);
    harness.processWatermark(29);
    expect(harness.takeValues()).toEqual([1, 3, 7]);
  });

  it('fires a time-out trigger at its count or at its time, whichever is first', () => {
    const trigger = ProcessingTimeoutTrigger.of(PurgingTrigger.of(CountTrigger.of(3) as Trigger<Click>), 100);
    const harness = windows(GlobalWindows.create() as WindowAssigner<Click, Window>, { trigger });
    harness.processElement({ user: 'u', n: 1 });
    harness.setProcessingTime(99);
    expect(harness.takeValues()).toEqual([]);
    harness.setProcessingTime(100);
    expect(harness.takeValues()).toEqual([1]);
    for (let i = 0; i < 3; i++) harness.processElement({ user: 'u', n: 1 });
    expect(harness.takeValues()).toEqual([4]);
    harness.setProcessingTime(500);
    expect(harness.takeValues()).toEqual([]);
  });

  it('keeps the last records of a sliding count', () => {
    const assigner = GlobalWindows.create() as WindowAssigner<Click, Window>;
    const options: WindowOperatorOptions<Click, number, Window> = {
      key: (click) => click.user,
      assigner,
      trigger: CountTrigger.of(1),
      allowedLatenessMs: 0,
      lateTag: null,
      aggregation: { kind: 'aggregate', aggregate: sum },
      fn: null,
    };
    const harness = new OperatorHarness<number>(() => new EvictingWindowOperator(options, CountEvictor.of(2)), {
      inputs: [{ key: (click: Click) => click.user }],
    });
    harness.open();
    for (const n of [1, 2, 4, 8]) harness.processElement({ user: 'u', n });
    expect(harness.takeValues()).toEqual([1, 3, 6, 12]);
  });

  it('refuses a record without a timestamp, and a gap that is not above 0, with the operator’s name', () => {
    const tumbling = windows(TumblingEventTimeWindows.of(10));
    expect(() => tumbling.processElement({ user: 'u', n: 1 })).toThrow(/without a timestamp.*"clicks-per-window"/);
    const sessions = windows(EventTimeSessionWindows.withDynamicGap<Click>((click) => click.n));
    expect(() => sessions.processElement({ user: 'u', n: -5 }, 1)).toThrow(/gap is -5 ms.*"clicks-per-window"/);
  });

  it('refuses sizes, slides, offsets and gaps that make no windows, and a trigger that cannot merge', () => {
    expect(codeOf(() => TumblingEventTimeWindows.of(0))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => TumblingEventTimeWindows.of(10, 10))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => SlidingEventTimeWindows.of(10, -1))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => CumulativeEventTimeWindows.of(25, 10))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => EventTimeSessionWindows.withGap(0))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => CountTrigger.of(0))).toBe('MILLRACE_JOB_INVALID');
    const trigger = DeltaTrigger.of<Click>(1, (a, b) => b.n - a.n);
    const sessions = EventTimeSessionWindows.withGap(5);
    expect(codeOf(() => windows(sessions, { trigger }))).toBe('MILLRACE_JOB_INVALID');
    expect(codeOf(() => windows(sessions, { trigger: EventTimeTrigger.create() }))).toBeNull();
  });
});
