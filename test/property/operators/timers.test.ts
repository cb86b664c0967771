import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Collector } from '../../../src/api/functions.js';
import { KeyedProcessFunction } from '../../../src/api/process-function.js';
import type { KeyedProcessContext, OnTimerContext } from '../../../src/api/process-function.js';
import { KeyedProcessOperator } from '../../../src/operators/keyed-process-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Instruction {
  readonly key: string;
  readonly action: 'register' | 'delete';
  readonly domain: 'event' | 'processing';
  readonly at: number;
}

class TimerFunction extends KeyedProcessFunction<string, Instruction, string> {
  processElement(value: Instruction, context: KeyedProcessContext<string>): void {
    const timers = context.timerService();
    if (value.domain === 'event') {
      if (value.action === 'register') timers.registerEventTimeTimer(value.at);
      else timers.deleteEventTimeTimer(value.at);
    } else if (value.action === 'register') timers.registerProcessingTimeTimer(value.at);
    else timers.deleteProcessingTimeTimer(value.at);
  }

  override onTimer(timestamp: number, context: OnTimerContext<string>, out: Collector<string>): void {
    out.collect(`${context.timeDomain()} ${timestamp} ${context.getCurrentKey()}`);
  }
}

type Step = Instruction | { readonly watermark: number } | { readonly clock: number } | { readonly restart: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      action: fc.constantFrom<('register' | 'delete')[]>('register', 'register', 'delete'),
      domain: fc.constantFrom<('event' | 'processing')[]>('event', 'processing'),
      at: fc.integer({ min: 0, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ clock: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ restart: fc.integer({ min: 1, max: 3 }) }) },
);

/** Registered timers as a set; what is due comes out sorted. */
class TimerModel {
  readonly #event = new Set<string>();
  readonly #processing = new Set<string>();
  #watermark = -Infinity;
  #clock = 0;

  instruct({ key, action, domain, at }: Instruction): void {
    const timers = domain === 'event' ? this.#event : this.#processing;
    const name = `${String(at).padStart(3, '0')} ${key}`;
    if (action === 'register') timers.add(name);
    else timers.delete(name);
  }

  advanceWatermark(to: number): string[] {
    if (to <= this.#watermark) return [];
    this.#watermark = to;
    return due(this.#event, to, 'EVENT_TIME');
  }

  forgetWatermark(): void {
    this.#watermark = -Infinity;
  }

  advanceClock(to: number): void {
    this.#clock = Math.max(this.#clock, to);
  }

  get clock(): number {
    return this.#clock;
  }

  /** Processing timers fire as soon as they are due, at the end of any step. */
  fireProcessing(): string[] {
    return due(this.#processing, this.#clock, 'PROCESSING_TIME');
  }
}

function due(timers: Set<string>, limit: number, domain: string): string[] {
  const names = [...timers].filter((name) => Number(name.slice(0, 3)) <= limit).sort();
  for (const name of names) timers.delete(name);
  return names.map((name) => `${domain} ${Number(name.slice(0, 3))} ${name.slice(4)}`);
}

describe('timers of a keyed operator', () => {
  it('fire as a sorted set does, each once, also over snapshots and restores at another parallelism', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const harness = new OperatorHarness<string>(
          () => new KeyedProcessOperator(new TimerFunction(), (value: Instruction) => value.key),
          { inputs: [{ key: (value: Instruction) => value.key }] },
        );
        const model = new TimerModel();
        harness.open();
        for (const each of steps) {
          const expected: string[] = [];
          if ('watermark' in each) {
            expected.push(...model.advanceWatermark(each.watermark));
            harness.processWatermark(each.watermark);
          } else if ('clock' in each) {
            model.advanceClock(each.clock);
            harness.setProcessingTime(model.clock);
          } else if ('restart' in each) {
            model.forgetWatermark();
            harness.restore(harness.snapshot(), { parallelism: each.restart });
          } else {
            model.instruct(each);
            harness.processElement(each, 0);
          }
          expected.push(...model.fireProcessing());
          // Timers of one timestamp and of different keys have no order among them, and subtasks none at all.
          expect(harness.takeValues().sort()).toEqual(expected.sort());
        }
      }),
    );
  });
});
