import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WatermarkValve } from '../../../src/workers/watermark-valve.js';

type Step =
  | { readonly kind: 'watermark'; readonly channel: number; readonly timestamp: number }
  | { readonly kind: 'idle' | 'active' | 'finished'; readonly channel: number };

const CHANNELS = 3;
const channel = fc.integer({ min: 0, max: CHANNELS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('watermark' as const),
      channel,
      timestamp: fc.integer({ min: 0, max: 50 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('idle' as const), channel }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('active' as const), channel }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finished' as const), channel }) },
);

interface Run {
  readonly valve: WatermarkValve;
  readonly watermarks: number[];
  readonly statuses: string[];
  readonly apply: (each: Step) => void;
}

function newRun(): Run {
  const watermarks: number[] = [];
  const statuses: string[] = [];
  const valve = new WatermarkValve(CHANNELS, {
    emitWatermark: (timestamp) => watermarks.push(timestamp),
    emitStatus: (status) => statuses.push(status),
  });
  const apply = (each: Step): void => {
    if (each.kind === 'watermark') valve.inputWatermark(each.channel, each.timestamp);
    else if (each.kind === 'finished') valve.inputFinished(each.channel);
    else valve.inputStatus(each.channel, each.kind === 'idle' ? 'IDLE' : 'ACTIVE');
  };
  return { valve, watermarks, statuses, apply };
}

describe('WatermarkValve', () => {
  it('never goes back, alternates its statuses, and never passes the watermark of a channel that has always been active', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { valve, watermarks, statuses, apply } = newRun();
        const latest = Array.from({ length: CHANNELS }, () => -Infinity);
        const wasInactive = Array.from({ length: CHANNELS }, () => false);
        for (const each of steps) {
          if (each.kind === 'watermark') latest[each.channel] = Math.max(latest[each.channel] ?? 0, each.timestamp);
          else if (each.kind !== 'active') wasInactive[each.channel] = true;
          apply(each);
          for (let i = 0; i < CHANNELS; i++) {
            if (wasInactive[i] === false) expect(valve.currentWatermark).toBeLessThanOrEqual(latest[i] ?? 0);
          }
        }
        expect(watermarks).toEqual([...new Set(watermarks)].sort((a, b) => a - b));
        expect(statuses.every((status, i) => status === (i % 2 === 0 ? 'IDLE' : 'ACTIVE'))).toBe(true);
      }),
    );
  });

  it('outputs the least watermark of the channels while all are active', () => {
    const watermark = fc.record({ channel, timestamp: fc.integer({ min: 0, max: 50 }) });
    fc.assert(
      fc.property(fc.array(watermark, { maxLength: 60 }), (inputs) => {
        const { valve } = newRun();
        const latest = Array.from({ length: CHANNELS }, () => -Infinity);
        for (const each of inputs) {
          latest[each.channel] = Math.max(latest[each.channel] ?? 0, each.timestamp);
          valve.inputWatermark(each.channel, each.timestamp);
          expect(valve.currentWatermark).toBe(Math.min(...latest));
        }
      }),
    );
  });

  it('ends the stream when every channel has finished, whatever happened before, and not earlier', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { valve, apply } = newRun();
        const finished = new Set<number>();
        for (const each of steps) {
          apply(each);
          if (each.kind === 'finished') finished.add(each.channel);
          expect(valve.currentWatermark === Infinity).toBe(finished.size === CHANNELS);
        }
        for (let i = 0; i < CHANNELS; i++) valve.inputFinished(i);
        expect(valve.currentWatermark).toBe(Infinity);
      }),
    );
  });

  it('lets the others go on when a channel finishes or idles, without a push to the end of time', () => {
    const { watermarks, statuses, apply } = newRun();
    apply({ kind: 'watermark', channel: 0, timestamp: 5 });
    apply({ kind: 'watermark', channel: 1, timestamp: 20 });
    apply({ kind: 'watermark', channel: 2, timestamp: 30 });
    apply({ kind: 'finished', channel: 0 });
    expect(watermarks).toEqual([5, 20]);
    apply({ kind: 'idle', channel: 1 });
    expect(watermarks).toEqual([5, 20, 30]);
    apply({ kind: 'idle', channel: 2 });
    expect(watermarks).toEqual([5, 20, 30]);
    expect(statuses).toEqual(['IDLE']);
  });

  it('names the channel that holds the watermark back', () => {
    const { valve, apply } = newRun();
    apply({ kind: 'watermark', channel: 0, timestamp: 5 });
    apply({ kind: 'watermark', channel: 2, timestamp: 3 });
    expect(valve.slowestChannel).toBe(1);
    apply({ kind: 'idle', channel: 1 });
    expect(valve.slowestChannel).toBe(2);
  });
});
