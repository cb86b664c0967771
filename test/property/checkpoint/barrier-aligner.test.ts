import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BarrierAligner } from '../../../src/checkpoint/barrier-aligner.js';

/**
 * The aligner beside a model that remembers everything: the newest barrier that each channel has delivered. A snapshot is
 * due exactly when, for some checkpoint that is neither taken nor given up, every open channel has delivered its barrier.
 */

type Step =
  | { readonly kind: 'barrier'; readonly channel: number; readonly ahead: number }
  | { readonly kind: 'end'; readonly channel: number }
  | { readonly kind: 'abort'; readonly ahead: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('barrier' as const),
      channel: fc.nat(5),
      ahead: fc.integer({ min: -1, max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), channel: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), ahead: fc.integer({ min: -1, max: 1 }) }) },
);

class Model {
  readonly channelCount: number;
  readonly delivered: number[];
  readonly ended = new Set<number>();
  current = 0;
  closed = 0;

  constructor(channelCount: number) {
    this.channelCount = channelCount;
    this.delivered = Array.from({ length: channelCount }, () => 0);
  }

  isBlocked(channel: number): boolean {
    return this.current > 0 && !this.ended.has(channel) && this.delivered[channel] === this.current;
  }

  takeIfDue(): number {
    if (this.current === 0) return 0;
    const isDue = this.delivered.every((id, channel) => this.ended.has(channel) || id === this.current);
    if (!isDue) return 0;
    this.closed = this.current;
    this.current = 0;
    return this.closed;
  }

  barrier(channel: number, id: number): number {
    this.delivered[channel] = id;
    if (id <= this.closed || id < this.current) return 0;
    this.current = id;
    return this.takeIfDue();
  }

  end(channel: number): number {
    this.ended.add(channel);
    return this.takeIfDue();
  }

  abort(id: number): void {
    if (this.current <= id) this.current = 0;
    this.closed = Math.max(this.closed, id);
  }
}

describe('BarrierAligner', () => {
  it('agrees with the model under any order of barriers, ends and abortions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(anyStep, { maxLength: 60 }), (channelCount, steps) => {
        const model = new Model(channelCount);
        const aligner = new BarrierAligner(channelCount);
        for (const step of steps) {
          const newest = Math.max(model.current, model.closed);
          if (step.kind === 'abort') {
            const id = Math.max(0, newest + step.ahead);
            model.abort(id);
            aligner.onAborted(id);
          } else {
            const channel = step.channel % channelCount;
            if (model.ended.has(channel) || model.isBlocked(channel)) continue;
            const id = step.kind === 'end' ? 0 : Math.max(1, newest + step.ahead);
            const due = step.kind === 'end' ? model.end(channel) : model.barrier(channel, id);
            expect(step.kind === 'end' ? aligner.onChannelEnded(channel) : aligner.onBarrier(channel, id)).toBe(due);
          }
          for (let i = 0; i < channelCount; i++) expect(aligner.isBlocked(i)).toBe(model.isBlocked(i));
          expect(aligner.aligning).toBe(model.current);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never leaves all open channels blocked, whatever happens: the subtask can always go on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(anyStep, { maxLength: 60 }), (channelCount, steps) => {
        const aligner = new BarrierAligner(channelCount);
        const ended = new Set<number>();
        let newest = 1;
        for (const step of steps) {
          const channel = 'channel' in step ? step.channel % channelCount : 0;
          if (step.kind === 'abort') {
            aligner.onAborted(Math.max(0, newest + step.ahead));
          } else if (!ended.has(channel) && !aligner.isBlocked(channel)) {
            newest = Math.max(1, newest + (step.kind === 'barrier' ? step.ahead : 0));
            if (step.kind === 'barrier') aligner.onBarrier(channel, newest);
            else aligner.onChannelEnded(channel);
            if (step.kind === 'end') ended.add(channel);
          }
          const open = Array.from({ length: channelCount }, (_, i) => i).filter((i) => !ended.has(i));
          expect(open.length === 0 || open.some((i) => !aligner.isBlocked(i))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
